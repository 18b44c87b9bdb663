{{- define "weir.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* The release's name is enough where it says weir already. */}}
{{- define "weir.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "weir.name" . -}}
{{- ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "weir.selector" -}}
app.kubernetes.io/name: {{ include "weir.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "weir.labels" -}}
{{ include "weir.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name (.Chart.Version | replace "+" "_") }}
{{- end -}}

{{- define "weir.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "weir.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "weir.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{- define "weir.scheme" -}}
{{- ternary "http" "https" .Values.web.insecure -}}
{{- end -}}

{{/* weir.yaml as the daemon reads it; with url, as clients elsewhere do. */}}
{{- define "weir.config" -}}
{{- $client := dict -}}
{{- with .url }}{{ $client = dict "url" . }}{{ end -}}
{{- $web := dict -}}
{{- $pod := dict "listen" ":8180" -}}
{{- if .root.Values.etcd.endpoints -}}
{{- $_ := set $pod "state" (dict "etcd" (include "weir.etcd" .root | fromYaml)) -}}
{{- $_ := set $pod "cluster" (dict "lease" .root.Values.etcd.lease "folder" "/var/lib/weir") -}}
{{- else -}}
{{- $_ := set $pod "state" (dict "sqlite" (dict "path" "/var/lib/weir/weir.db")) -}}
{{- end -}}
{{- if .root.Values.web.insecure -}}
{{- $_ := set $pod "insecure" true -}}
{{- else -}}
{{- $token := "/run/secrets/weir-web/token" -}}
{{- $web = dict "configFile" "/run/secrets/weir-web/web.yml" "tokens" (list (dict "name" "cluster" "tokenFile" $token)) -}}
{{- $client = merge $client (dict "serverName" .root.Values.web.serverName "tokenFile" $token
  "caFile" (printf "/run/secrets/weir-web/%s" .root.Values.web.caKey)) -}}
{{- end -}}
{{- with $client }}{{ $_ := set $web "client" . }}{{ end -}}
{{- with $web }}{{ $_ := set $pod "web" . }}{{ end -}}
{{- toYaml (merge $pod .root.Values.config) -}}
{{- end -}}

{{/* state.etcd of weir.yaml. */}}
{{- define "weir.etcd" -}}
{{- $folder := "/run/secrets/weir-etcd" -}}
endpoints: {{- toYaml .Values.etcd.endpoints | nindent 2 }}
prefix: {{ .Values.etcd.prefix }}
{{- if .Values.etcd.secretName }}
{{- if hasPrefix "https:" (first .Values.etcd.endpoints) }}
caFile: {{ $folder }}/ca.crt
{{- if .Values.etcd.certificate }}
certFile: {{ $folder }}/tls.crt
keyFile: {{ $folder }}/tls.key
{{- end }}
{{- end }}
{{- end }}
{{- with .Values.etcd.serverName }}
serverName: {{ . | quote }}
{{- end }}
{{- with .Values.etcd.username }}
username: {{ . | quote }}
passwordFile: {{ $folder }}/password
{{- end }}
{{- end -}}

{{/* What a container needs to be weir, and to prove it. */}}
{{- define "weir.container" -}}
image: {{ include "weir.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end -}}

{{- define "weir.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{/* Certificate, users and token, where there are any. */}}
{{- define "weir.webVolume" -}}
- name: web
  projected:
    defaultMode: 0440
    sources:
      - secret: {name: {{ .Values.web.secretName | quote }}}
      - secret: {name: {{ .Values.web.tlsSecretName | quote }}}
{{- end -}}

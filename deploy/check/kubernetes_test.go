package check

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apimachinery/pkg/util/intstr"
	security "k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml" //nolint:depguard // as Kubernetes reads it
)

const (
	kustomize = "../kubernetes"
	chart     = "../helm/weir"
	// kubeVersion is what the chart is rendered for: a helm built from its
	// module does not know which Kubernetes it was made for.
	kubeVersion = "1.34.0"
)

// object is what every kind of Kubernetes' is.
type object interface {
	runtime.Object
	meta.Object
}

// objects are what is sent to a cluster, by kind and name.
type objects map[string]object

// decode reads documents as the API server would, refusing fields that their
// kind does not have and keys that stand twice.
func decode(t *testing.T, text string) objects {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		apps.AddToScheme, core.AddToScheme, networking.AddToScheme, monitoring.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	strict := json.NewSerializerWithOptions(json.DefaultMetaFactory, scheme, scheme,
		json.SerializerOptions{Yaml: true, Strict: true})
	out := objects{}
	for document := range strings.SplitSeq("\n"+text, "\n---\n") {
		if strings.TrimSpace(document) == "" {
			continue
		}
		decoded, kind, err := strict.Decode([]byte(document), nil, nil)
		if err != nil {
			t.Fatalf("%v\n%s", err, document)
		}
		o := decoded.(object)
		key := kind.Kind + " " + o.GetName()
		if _, twice := out[key]; twice {
			t.Errorf("%s stands twice", key)
		}
		out[key] = o
	}
	return out
}

// kustomized builds a kustomization as `kubectl apply -k` does.
func kustomized(t *testing.T, dir string) objects {
	t.Helper()
	made, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).
		Run(filesys.MakeFsOnDisk(), filepath.Join(kustomize, dir))
	if err != nil {
		t.Fatal(err)
	}
	text, err := made.AsYaml()
	if err != nil {
		t.Fatal(err)
	}
	return decode(t, string(text))
}

// helm runs the real helm, of the version in go.mod.
func helm(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"tool", "helm"}, args...)...)
	var complaints strings.Builder
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("helm %s: %v\n%s%s", strings.Join(args, " "), err, out, &complaints)
	}
	return string(out)
}

func rendered(t *testing.T, args ...string) objects {
	t.Helper()
	return decode(t, helm(t, append([]string{
		"template", "weir", chart, "--namespace", "weir", "--kube-version", kubeVersion,
	}, args...)...))
}

func TestKustomize(t *testing.T) {
	base := kustomized(t, "base")
	checkAll(t, base)
	example := kustomized(t, "overlays/example")
	checkAll(t, example)
	for key, o := range example {
		if _, isNamespace := o.(*core.Namespace); !isNamespace && o.GetNamespace() != "weir" {
			t.Errorf("the overlay leaves %s in namespace %q", key, o.GetNamespace())
		}
	}
	pod := podOf(t, example)
	if image := pod.Spec.Containers[0].Image; image != "registry.example.com/ops/weir:0.1.0" {
		t.Errorf("the overlay's image is %s", image)
	}
	if !strings.Contains(configOf(t, example), "volc-main") || strings.Contains(configOf(t, base), "volc-main") {
		t.Error("the overlay does not replace weir.yaml")
	}
	if got, want := len(policyOf(t, example).Spec.Ingress[0].From), 2; got != want {
		t.Errorf("the overlay lets %d kinds of peers in, want %d", got, want)
	}
}

func TestChart(t *testing.T) {
	values, err := filepath.Glob(chart + "/ci/*-values.yaml")
	if err != nil || len(values) < 2 {
		t.Fatalf("%q, %v", values, err)
	}
	for _, file := range values {
		t.Run(filepath.Base(file), func(t *testing.T) {
			out := helm(t, "lint", "--strict", "--kube-version", kubeVersion, chart, "--values", file)
			if !strings.Contains(out, "1 chart(s) linted, 0 chart(s) failed") {
				t.Error(out)
			}
			checkAll(t, rendered(t, "--values", file))
		})
	}
}

// TestChart_Refuses holds that values which cannot work are refused before
// anything reaches a cluster.
func TestChart_Refuses(t *testing.T) {
	good := []string{"--values", chart + "/ci/secured-values.yaml"}
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"nothing said":         {nil, "missing property 'mode'"},
		"no account":           {append(slices.Clone(good), "--set-json", "config.accounts=[]"), "/config/accounts"},
		"no such mode":         {append(slices.Clone(good), "--set", "config.policy.mode=all"), "/config/policy/mode"},
		"what the chart says":  {append(slices.Clone(good), "--set", "config.listen=:80"), "/config/listen"},
		"a value nobody knows": {append(slices.Clone(good), "--set", "replicas=2"), "replicas"},
		"a shared volume":      {append(slices.Clone(good), "--set-json", `persistence.accessModes=["ReadWriteMany"]`), "accessModes"},
	} {
		t.Run(name, func(t *testing.T) {
			args := append([]string{"tool", "helm", "template", "weir", chart, "--kube-version", kubeVersion}, c.args...)
			out, err := exec.CommandContext(t.Context(), "go", args...).CombinedOutput()
			if err == nil || !strings.Contains(string(out), c.want) {
				t.Errorf("%v, want %q:\n%s", err, c.want, out)
			}
		})
	}
}

// TestChart_Kustomize holds that the chart and the base say the same.
func TestChart_Kustomize(t *testing.T) {
	base, sample := kustomized(t, "base"), map[string]any{}
	if err := yaml.Unmarshal([]byte(configOf(t, base)), &sample); err != nil {
		t.Fatal(err)
	}
	for _, written := range []string{"listen", "state", "web"} {
		delete(sample, written)
	}
	values, err := yaml.Marshal(map[string]any{
		"config": sample, "image": map[string]any{"tag": "latest"},
	})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "values.yaml")
	write(t, file, string(values))
	got := rendered(t, "--values", file, "--no-hooks")
	sameConfig(t, configOf(t, got), configOf(t, base))
	want := map[string]object{}
	for key, o := range base {
		want[key] = bare(o)
	}
	for key, o := range got {
		b, ok := want[key]
		if strings.HasPrefix(key, "ConfigMap ") {
			continue // compared above; its name has a hash in one of them
		}
		if !ok {
			t.Errorf("the base has no %s", key)
			continue
		}
		if g := bare(o); !reflect.DeepEqual(g, b) {
			t.Errorf("%s differs:\nchart\n%s\nbase\n%s", key, asYAML(t, g), asYAML(t, b))
		}
	}
	if len(got) != len(base) {
		t.Errorf("the chart has %d objects, the base %d", len(got), len(base))
	}
}

// bare is an object without what only says who made it.
func bare(o object) object {
	o = o.DeepCopyObject().(object)
	o.SetLabels(nil)
	if s, ok := o.(*apps.StatefulSet); ok {
		delete(s.Spec.Template.Annotations, "checksum/config")
		for i, v := range s.Spec.Template.Spec.Volumes {
			if v.ConfigMap != nil {
				s.Spec.Template.Spec.Volumes[i].ConfigMap.Name = strings.SplitN(v.ConfigMap.Name, "-", 2)[0]
			}
		}
	}
	o.SetNamespace("")
	return o
}

func sameConfig(t *testing.T, chart, base string) {
	t.Helper()
	var c, b any
	if err := yaml.UnmarshalStrict([]byte(chart), &c); err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalStrict([]byte(base), &b); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(c, b) {
		t.Errorf("weir.yaml of the chart\n%s\nof the base\n%s", chart, base)
	}
}

func asYAML(t *testing.T, v any) string {
	t.Helper()
	text, err := yaml.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// find returns the only object of a kind whose name has no -test.
func find[T object](t *testing.T, all objects) T {
	t.Helper()
	var found []T
	for _, o := range all {
		if of, ok := o.(T); ok && !strings.Contains(o.GetName(), "-test") {
			found = append(found, of)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d of %T", len(found), *new(T))
	}
	return found[0]
}

func podOf(t *testing.T, all objects) core.PodTemplateSpec {
	t.Helper()
	return find[*apps.StatefulSet](t, all).Spec.Template
}

func policyOf(t *testing.T, all objects) *networking.NetworkPolicy {
	t.Helper()
	return find[*networking.NetworkPolicy](t, all)
}

func configOf(t *testing.T, all objects) string {
	t.Helper()
	return find[*core.ConfigMap](t, all).Data["weir.yaml"]
}

// checkAll holds what any way of installing must have.
func checkAll(t *testing.T, all objects) {
	t.Helper()
	set := find[*apps.StatefulSet](t, all)
	pod := set.Spec.Template
	selects(t, "the StatefulSet", meta.FormatLabelSelector(set.Spec.Selector), pod.Labels)
	service := find[*core.Service](t, all)
	selects(t, "the Service", labels.SelectorFromSet(service.Spec.Selector).String(), pod.Labels)
	selects(t, "the NetworkPolicy", meta.FormatLabelSelector(&policyOf(t, all).Spec.PodSelector), pod.Labels)
	if *set.Spec.Replicas != 1 || !service.Spec.PublishNotReadyAddresses || set.Spec.ServiceName != service.Name {
		t.Errorf("%d replicas of service %s, published while not ready: %v",
			*set.Spec.Replicas, set.Spec.ServiceName, service.Spec.PublishNotReadyAddresses)
	}
	var claims []string
	for _, claim := range set.Spec.VolumeClaimTemplates {
		claims = append(claims, claim.Name)
	}
	checkPod(t, pod.ObjectMeta, pod.Spec, claims)
	checkProbes(t, pod.Spec.Containers[0], strings.Contains(configOf(t, all), "insecure: true"))
	for _, o := range all {
		switch o := o.(type) {
		case *core.Pod:
			checkPod(t, o.ObjectMeta, o.Spec, nil)
			if labels.SelectorFromSet(service.Spec.Selector).Matches(labels.Set(o.Labels)) {
				t.Errorf("the Service leads to the pod %s", o.Name)
			}
		case *monitoring.ServiceMonitor:
			selects(t, "the ServiceMonitor", meta.FormatLabelSelector(&o.Spec.Selector), service.Labels)
			if o.Spec.Endpoints[0].Port != service.Spec.Ports[0].Name {
				t.Errorf("the ServiceMonitor asks port %q", o.Spec.Endpoints[0].Port)
			}
		case *core.ServiceAccount:
			if o.AutomountServiceAccountToken == nil || *o.AutomountServiceAccountToken {
				t.Error("the ServiceAccount's token is mounted")
			}
		}
	}
}

// selects holds that a selector says something, and that it chooses these labels.
func selects(t *testing.T, who, selector string, of map[string]string) {
	t.Helper()
	s, err := labels.Parse(selector)
	if err != nil || s.Empty() || !s.Matches(labels.Set(of)) {
		t.Errorf("%s selects %q of %v, %v", who, selector, of, err)
	}
}

// checkPod holds a pod against the strictest Pod Security Standard, and that
// what it mounts is there.
func checkPod(t *testing.T, m meta.ObjectMeta, spec core.PodSpec, claims []string) {
	t.Helper()
	restricted, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	level := security.LevelVersion{Level: security.LevelRestricted, Version: security.LatestVersion()}
	if r := policy.AggregateCheckResults(restricted.EvaluatePod(level, &m, &spec)); !r.Allowed {
		t.Errorf("%s: %s", m.Name, r.ForbiddenDetail())
	}
	if spec.AutomountServiceAccountToken == nil || *spec.AutomountServiceAccountToken {
		t.Error("a token of Kubernetes is mounted")
	}
	volumes := slices.Clone(claims)
	for _, v := range spec.Volumes {
		volumes = append(volumes, v.Name)
	}
	for _, c := range spec.Containers {
		if c.SecurityContext.ReadOnlyRootFilesystem == nil || !*c.SecurityContext.ReadOnlyRootFilesystem {
			t.Errorf("%s can write its image", c.Name)
		}
		if c.Resources.Limits.Memory().IsZero() {
			t.Errorf("%s has no limit of memory", c.Name)
		}
		for _, mount := range c.VolumeMounts {
			if !slices.Contains(volumes, mount.Name) {
				t.Errorf("%s mounts %s, which is none of %v", c.Name, mount.Name, volumes)
			}
		}
	}
}

// checkProbes holds that each probe asks the right door in the right way.
func checkProbes(t *testing.T, c core.Container, insecure bool) {
	t.Helper()
	scheme := core.URISchemeHTTPS
	if insecure {
		scheme = core.URISchemeHTTP
	}
	for path, probe := range map[string]*core.Probe{"/readyz": c.ReadinessProbe, "/healthz": c.LivenessProbe} {
		want := &core.HTTPGetAction{Path: path, Port: intstr.FromString(c.Ports[0].Name), Scheme: scheme}
		if probe == nil || !reflect.DeepEqual(probe.HTTPGet, want) {
			t.Errorf("%s: %v, want %v", path, probe, want)
		}
	}
	if c.StartupProbe == nil || c.StartupProbe.HTTPGet.Scheme != scheme {
		t.Error("no startup probe of that scheme")
	}
	if fmt.Sprint(c.Args[:3]) != "[run --config /etc/weir/weir.yaml]" {
		t.Errorf("it runs %v", c.Args)
	}
}

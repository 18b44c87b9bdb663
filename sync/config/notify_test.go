package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"weir/sync/manifest"
	"weir/sync/notify/message"
	"weir/sync/secret"
)

// TestOneServerIsAsItWas: the short form tells of held plans and fights alone, at
// once, and not of their end.
func TestOneServerIsAsItWas(t *testing.T) {
	cfg, problems := Parse("/etc/weir/weir.yaml", []byte(least+"notify: {url: 'https://alerts.example.com/weir', secretEnv: KEY}\n"))
	if len(problems) != 0 {
		t.Fatal(problems)
	}
	r := cfg.Notify.Receivers[0]
	if len(cfg.Notify.Receivers) != 1 || r.Webhook.URL != "https://alerts.example.com/weir" || r.Webhook.Secret != (secret.Ref{Env: "KEY"}) ||
		!slices.Equal(r.Events, []string{"held", "fight"}) || r.Over || r.GroupWait != 0 || r.Rate != 0 {
		t.Errorf("%+v", r)
	}
}

func TestReceivers(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "own.tmpl"), []byte(`{{define "title"}}{{.Name}}!{{end}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, problems := Parse(filepath.Join(dir, "weir.yaml"), []byte(least+`externalURL: https://weir.example.com
notify:
  leaseLead: 30m
  receivers:
    - name: ops
      dingtalk: {urlFile: url, secretEnv: KEY}
      language: zh
      events: [held]
      sources: [live]
      accounts: [volc-main]
      template: own.tmpl
      mention: [all]
      groupWait: 1s
      repeat: 0s
      rate: 3
      over: false
    - name: hook
      webhook: {urlEnv: HOOK, secretFile: key}
    - name: mail
      mail: {server: 'smtp.example.com:587', from: a@example.com, to: [b@example.com]}
    - name: alerts
      alertmanager: {url: 'http://127.0.0.1:9093', labels: {site: sh}}
`))
	if len(problems) != 0 {
		t.Fatal(problems)
	}
	n := cfg.Notify
	if cfg.URL != "https://weir.example.com" || n.LeaseLead != 30*time.Minute || n.UnavailableAfter != DefaultUnavailableAfter {
		t.Errorf("%s, %+v", cfg.URL, n)
	}
	ops := n.Receivers[0]
	if ops.DingTalk.Address.File != filepath.Join(dir, "url") || ops.DingTalk.Secret.Env != "KEY" || ops.GroupWait != time.Second ||
		ops.GroupInterval != DefaultGroupInterval || ops.Repeat != 0 || ops.Rate != 3 || ops.Over {
		t.Errorf("%+v", ops)
	}
	text, err := ops.Texts.Render(message.Sample(message.Held, false), message.Plain(), nil)
	if err != nil || text.Title != "held!" || !strings.Contains(text.Body, "处理命令：weir apply --consent") {
		t.Errorf("%+v, %v", text, err)
	}
	hook, mail := n.Receivers[1], n.Receivers[2]
	if hook.GroupWait != 0 || !hook.Over || mail.Mail.Encryption != "starttls" || mail.GroupWait != DefaultGroupWait || mail.Repeat != DefaultRepeat {
		t.Errorf("%+v, %+v", hook, mail)
	}
}

// TestReceiversThatCannotBeMeant: each problem is at its place.
func TestReceiversThatCannotBeMeant(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"syntax.tmpl": `{{define "title"}}{{.Name}`,
		"field.tmpl":  "{{define \"body\"}}\n{{.Nobody}}{{end}}",
		"endless":     `{{define "body"}}{{template "body" .}}{{end}}`,
		"big":         `{{define "body"}}{{range .Events}}{{printf "%300000d" 1}}{{end}}{{end}}` + strings.Repeat(" ", message.MaxTemplate),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct{ field, want string }{
		"no such source":  {"sources: [other]", "weir.yaml:14:17: notify.receivers[0].sources[0]: there is no source other [receiver]"},
		"no such account": {"accounts: [other]", "weir.yaml:14:18: notify.receivers[0].accounts[0]: there is no account other [receiver]"},
		"no file":         {"template: nowhere", "no such file or directory [template]"},
		"a folder":        {"template: .", "is no regular file of at most 65536 bytes [template]"},
		"syntax":          {"template: syntax.tmpl", "weir.yaml:14:17: notify.receivers[0].template: template:1: bad character U+007D '}' [template]"},
		"no such field":   {"template: field.tmpl", "template:2:2: executing \"body\" at <.Nobody>"},
		"endless":         {"template: endless", "exceeded maximum template depth"},
		"too big":         {"template: big", "is no regular file of at most 65536 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			_, problems := Parse(filepath.Join(dir, "weir.yaml"), []byte(least+`notify:
  receivers:
    - name: ops
      slack: {urlEnv: SLACK}
      `+c.field+"\n"))
			if len(problems) != 1 || !strings.Contains(problems[0].String(), c.want) {
				t.Errorf("%v, want %s", problems, c.want)
			}
		})
	}
}

// TestTheExplainedTemplateWorks: what `weir explain template` shows as an example.
func TestTheExplainedTemplateWorks(t *testing.T) {
	text, _ := manifest.Explain("template")
	var own strings.Builder
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "  {{") {
			own.WriteString(strings.TrimPrefix(line, "  "))
		}
	}
	texts, err := message.NewTemplates(message.Chinese, own.String(), time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	got, err := texts.Render(message.Sample(message.Applied, false), message.Plain(), nil)
	if err != nil || got.Title != "weir: applied volc/RelaySource/push.example.com/live" || !strings.HasSuffix(got.Body, "and 10 more") {
		t.Errorf("%+v, %v", got, err)
	}
}

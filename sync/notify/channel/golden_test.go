package channel

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"weir/sync/notify/message"
	"weir/sync/secret"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestGolden holds what each event is in each channel and language. A golden file is
// of one channel and language, and has all events in their order.
func TestGolden(t *testing.T) {
	for _, language := range []message.Language{message.English, message.Chinese} {
		texts, err := message.NewTemplates(language, "", time.UTC)
		if err != nil {
			t.Fatal(err)
		}
		for name, c := range everyChannel(t, texts) {
			t.Run(name+"."+string(language), func(t *testing.T) {
				var out bytes.Buffer
				for _, d := range message.Samples() {
					d.URL = "https://weir.example.com/live"
					l, err := c.Compose(d, "id-of-the-message")
					if err != nil {
						t.Fatal(err)
					}
					fmt.Fprintf(&out, "== %s, over: %v: %s\n%s\n", d.Name, d.Over, l.Title, readable(l.Body))
					if l.HTML != nil {
						fmt.Fprintf(&out, "%s\n", l.HTML)
					}
				}
				compare(t, filepath.Join("testdata", name+"."+string(language)+".golden"), out.Bytes())
			})
		}
	}
}

func everyChannel(t *testing.T, texts *message.Templates) map[string]Channel {
	t.Helper()
	robot := RobotOptions{Address: Address{Secret: secret.Ref{Env: "X"}}, Texts: texts, Mention: []string{"all", "ops1"}}
	out := map[string]Channel{}
	add := func(name string, c Channel, err error) {
		if err != nil {
			t.Fatal(err)
		}
		out[name] = c
	}
	d, err := NewDingTalk(robot, secret.Ref{})
	add("dingtalk", d, err)
	f, err := NewFeishu(robot, secret.Ref{})
	add("feishu", f, err)
	w, err := NewWeCom(robot)
	add("wecom", w, err)
	s, err := NewSlack(robot)
	add("slack", s, err)
	m, err := NewMail(MailOptions{Server: "smtp.example.com:587", From: "a@example.com", To: []string{"b@example.com"}, Texts: texts})
	add("mail", m, err)
	a, err := NewAlertmanager(AlertmanagerOptions{Address: Address{URL: "http://127.0.0.1:9093"}, Texts: texts})
	add("alertmanager", a, err)
	h, err := NewWebhook(WebhookOptions{Address: Address{URL: "http://127.0.0.1"}, Secret: secret.Ref{Env: "X"}, Source: "/weir/here"})
	add("webhook", h, err)
	return out
}

// readable indents JSON, and leaves other texts as they are.
func readable(body []byte) []byte {
	var v any
	if json.Unmarshal(body, &v) != nil {
		return body
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if enc.Encode(v) != nil {
		return body
	}
	return bytes.TrimSpace(b.Bytes())
}

func compare(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, got, 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs; look at it and run with -update:\n%s", file, got)
	}
}

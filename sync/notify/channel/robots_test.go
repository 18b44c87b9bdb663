package channel

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"go.uber.org/goleak"

	"weir/sync/notify/message"
	"weir/sync/secret"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	token = "token-of-the-robot-7d1f"
	key   = "SEC-key-of-the-robot-0a4c"
)

// chat is a chat's server as its document describes it: it verifies signatures,
// counts, measures, and answers in its own way.
type chat struct {
	t      *testing.T
	handle func(c *chat, req *http.Request, body []byte) (status int, answer string)
	server *httptest.Server

	mu  sync.Mutex
	got []string // bodies that were taken
	at  []time.Time
}

func newChat(t *testing.T, handle func(*chat, *http.Request, []byte) (int, string)) *chat {
	c := &chat{t: t, handle: handle}
	c.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			t.Error(err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		status, answer := c.handle(c, req, body)
		w.Header().Set("Content-Type", "application/json")
		if status == http.StatusTooManyRequests {
			w.Header().Set("Retry-After", "30")
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(c.server.Close)
	return c
}

// tooMany counts a message of a minute in which most are taken.
func (c *chat) tooMany(most int) bool {
	c.at = append(c.at, time.Now())
	return len(c.at) > most
}

func (c *chat) take(body []byte) { c.got = append(c.got, string(body)) }

func hmacOf(key, text string) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(text))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// dingtalk is a custom robot: it signs with its key over time and key, takes 20 a
// minute, and 20,000 bytes each.
func dingtalk(c *chat, req *http.Request, body []byte) (int, string) {
	q := req.URL.Query()
	at, err := strconv.ParseInt(q.Get("timestamp"), 10, 64)
	var m struct {
		Type     string `json:"msgtype"`
		Markdown struct{ Title, Text string }
	}
	jerr := json.Unmarshal(body, &m)
	switch {
	case q.Get("access_token") != token:
		return 200, `{"errcode":300001,"errmsg":"token is not exist"}`
	case err != nil || time.Since(time.UnixMilli(at)).Abs() > time.Hour,
		q.Get("sign") != hmacOf(key, fmt.Sprintf("%d\n%s", at, key)):
		return 200, `{"errcode":310000,"errmsg":"sign not match, more: [https://ding-doc.dingtalk.com]"}`
	case jerr != nil || m.Type != "markdown" || m.Markdown.Title == "" || m.Markdown.Text == "":
		return 200, `{"errcode":40035,"errmsg":"missing parameter"}`
	case len(body) > 20000:
		return 200, `{"errcode":460101,"errmsg":"message too long, exceed 20000 bytes"}`
	case c.tooMany(20):
		return 200, `{"errcode":130101,"errmsg":"send too fast, exceed 20 times per minute"}`
	}
	c.take(body)
	return 200, `{"errcode":0,"errmsg":"ok"}`
}

// feishu is a custom bot: its key signs nothing, the time is in the key, and all is
// in the body of at most 20 kB.
func feishu(c *chat, req *http.Request, body []byte) (int, string) {
	var m struct {
		Timestamp, Sign string
		Type            string `json:"msg_type"`
		Card            struct {
			Header   struct{ Title struct{ Tag, Content string } }
			Elements []struct{ Tag, Content string }
		}
	}
	err := json.Unmarshal(body, &m)
	at, terr := strconv.ParseInt(m.Timestamp, 10, 64)
	switch {
	case req.URL.Path != "/open-apis/bot/v2/hook/"+token:
		return 200, `{"code":19001,"data":{},"msg":"param invalid: incoming webhook access token invalid"}`
	case err != nil || m.Type != "interactive" || len(m.Card.Elements) == 0 || len(body) > 20<<10:
		return 200, `{"code":9499,"msg":"Bad Request","data":{}}`
	case terr != nil || time.Since(time.Unix(at, 0)).Abs() > time.Hour, m.Sign != hmacOf(fmt.Sprintf("%d\n%s", at, key), ""):
		return 200, `{"code":19021,"data":{},"msg":"sign match fail or timestamp is not within one hour from current time"}`
	case c.tooMany(100):
		return 200, `{"code":11232,"data":{},"msg":"frequency limited psm[lark.oapi.app_platform_runtime]"}`
	}
	c.take(body)
	return 200, `{"StatusCode":0,"StatusMessage":"success","code":0,"data":{},"msg":"success"}`
}

// wecom is a group's robot: its address is all, 20 a minute, 4096 bytes of Markdown.
func wecom(c *chat, req *http.Request, body []byte) (int, string) {
	var m struct {
		Type     string `json:"msgtype"`
		Markdown struct{ Content string }
	}
	err := json.Unmarshal(body, &m)
	switch {
	case req.URL.Query().Get("key") != token:
		return 200, `{"errcode":93000,"errmsg":"invalid webhook url, hint: [1700000000]"}`
	case err != nil || m.Type != "markdown" || m.Markdown.Content == "":
		return 200, `{"errcode":40008,"errmsg":"invalid message type"}`
	case len(m.Markdown.Content) > 4096:
		return 200, `{"errcode":40058,"errmsg":"markdown.content exceed max length 4096"}`
	case c.tooMany(20):
		return 200, `{"errcode":45009,"errmsg":"api freq out of limit"}`
	}
	c.take(body)
	return 200, `{"errcode":0,"errmsg":"ok"}`
}

// slack is an incoming webhook: 50 blocks, 3000 characters a section, 150 a header.
func slack(c *chat, req *http.Request, body []byte) (int, string) {
	var m struct {
		Text   string
		Blocks []struct {
			Type string
			Text struct{ Type, Text string }
		}
	}
	err := json.Unmarshal(body, &m)
	switch {
	case req.URL.Path != "/services/"+token:
		return 404, "no_service"
	case err != nil || m.Text == "" || len(m.Blocks) == 0 || len(m.Blocks) > 50:
		return 400, "invalid_payload"
	case c.tooMany(30):
		return 429, `{"ok":false,"error":"rate_limited"}`
	}
	most := map[string]int{"header": 150, "section": 3000}
	for _, b := range m.Blocks {
		if n := utf8.RuneCountInString(b.Text.Text); n == 0 || n > most[b.Type] {
			return 400, "invalid_blocks"
		}
	}
	c.take(body)
	return 200, "ok"
}

// robot is one of the chats, and how it is reached.
type robot struct {
	serve func(*chat, *http.Request, []byte) (int, string)
	path  string
	open  func(RobotOptions) (Channel, error)
	take  int // messages a minute that it takes
	rest  time.Duration
	body  func(string) string // what people read of a body
}

func signing() secret.Ref { return secret.Ref{Env: "ROBOT_KEY"} }

func robots() map[string]robot {
	return map[string]robot{
		"dingtalk": {
			dingtalk, "/robot/send?access_token=" + token,
			func(o RobotOptions) (Channel, error) { return NewDingTalk(o, signing()) }, 20, 10 * time.Minute,
			func(body string) string {
				var m struct{ Markdown struct{ Text string } }
				_ = json.Unmarshal([]byte(body), &m)
				return m.Markdown.Text
			},
		},
		"feishu": {
			feishu, "/open-apis/bot/v2/hook/" + token,
			func(o RobotOptions) (Channel, error) { return NewFeishu(o, signing()) }, 100, time.Minute,
			func(body string) string {
				var m struct {
					Card struct {
						Header   struct{ Title struct{ Content string } }
						Elements []struct{ Content string }
					}
				}
				_ = json.Unmarshal([]byte(body), &m)
				if len(m.Card.Elements) == 0 {
					return ""
				}
				return m.Card.Header.Title.Content + "\n" + m.Card.Elements[0].Content
			},
		},
		"wecom": {
			wecom, "/cgi-bin/webhook/send?key=" + token,
			func(o RobotOptions) (Channel, error) { return NewWeCom(o) }, 20, time.Minute,
			func(body string) string {
				var m struct{ Markdown struct{ Content string } }
				_ = json.Unmarshal([]byte(body), &m)
				return m.Markdown.Content
			},
		},
		"slack": {
			slack, "/services/" + token,
			func(o RobotOptions) (Channel, error) { return NewSlack(o) }, 30, 30 * time.Second,
			func(body string) string {
				var m struct {
					Blocks []struct{ Text struct{ Text string } }
				}
				_ = json.Unmarshal([]byte(body), &m)
				if len(m.Blocks) < 2 {
					return ""
				}
				return m.Blocks[0].Text.Text + "\n" + m.Blocks[1].Text.Text
			},
		},
	}
}

// dial opens a robot's channel at a chat, whose address is in a file.
func (r robot) dial(t *testing.T, c *chat, path string, language message.Language) Channel {
	t.Helper()
	t.Setenv("ROBOT_KEY", key)
	file := filepath.Join(t.TempDir(), "address")
	if err := os.WriteFile(file, []byte(c.server.URL+path+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	texts, err := message.NewTemplates(language, "", time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	out, err := r.open(RobotOptions{Address: Address{Secret: secret.Ref{File: file}}, Texts: texts, Mention: []string{"13800001111", "ops1"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(out.Close)
	return out
}

func try(t *testing.T, c Channel, d message.Data) error {
	t.Helper()
	l, err := c.Compose(d, "0123456789")
	if err != nil {
		t.Fatal(err)
	}
	return c.Send(t.Context(), l)
}

// TestRobotsTakeEverySample, in both languages, with people called where one is
// needed.
func TestRobotsTakeEverySample(t *testing.T) {
	for name, r := range robots() {
		for _, language := range []message.Language{message.English, message.Chinese} {
			t.Run(name+"/"+string(language), func(t *testing.T) {
				c := newChat(t, r.serve)
				to := r.dial(t, c, r.path, language)
				for _, d := range message.Samples() {
					d.URL = "https://weir.example.com/live"
					if err := try(t, to, d); err != nil {
						t.Fatalf("%s: %v", d.Name, err)
					}
				}
				if len(c.got) != len(message.Samples()) {
					t.Fatalf("%d were taken", len(c.got))
				}
				calls := func(d message.Data) bool {
					i := slices.IndexFunc(message.Samples(), func(s message.Data) bool { return s.Name == d.Name && s.Over == d.Over })
					return strings.Contains(c.got[i], "ops1")
				}
				if !calls(message.Sample(message.Held, false)) || calls(message.Sample(message.Held, true)) || calls(message.Sample(message.Applied, false)) {
					t.Error("not who is needed is called")
				}
			})
		}
	}
}

// TestRobotsFaults: what a robot says in a body with status 200 is heard, and no
// secret is told.
func TestRobotsFaults(t *testing.T) {
	for name, r := range robots() {
		t.Run(name, func(t *testing.T) {
			d := message.Sample(message.Held, false)
			wrong := r.dial(t, newChat(t, r.serve), strings.ReplaceAll(r.path, token, "another-token"), message.English)
			if f := FaultOf(try(t, wrong, d)); f.Final || strings.Contains(f.Error(), "another-token") {
				t.Errorf("an unknown token: %+v", f)
			}
			c := newChat(t, r.serve)
			to := r.dial(t, c, r.path, message.English)
			for range r.take {
				if err := try(t, to, d); err != nil {
					t.Fatal(err)
				}
			}
			if f := FaultOf(try(t, to, d)); f.Final || f.After != r.rest {
				t.Errorf("too many: %+v", f)
			}
			if err := to.Send(t.Context(), Letter{Body: []byte(`{"msgtype":"nothing"}`)}); !FaultOf(err).Final {
				t.Errorf("a message of nothing: %v", err)
			}
			c.server.Close()
			if f := FaultOf(try(t, to, d)); f.Final || strings.Contains(f.Error(), token) || strings.Contains(f.Error(), key) {
				t.Errorf("nobody there: %+v", f)
			}
		})
	}
}

// TestRobotsWrongKey: a signature by another key is one that a person may mend.
func TestRobotsWrongKey(t *testing.T) {
	for _, name := range []string{"dingtalk", "feishu"} {
		r := robots()[name]
		to := r.dial(t, newChat(t, r.serve), r.path, message.English)
		t.Setenv("ROBOT_KEY", "another")
		if f := FaultOf(try(t, to, message.Sample(message.Held, false))); f == nil || f.Final || !strings.Contains(f.Error(), "sign") {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

// TestNoRobotThere: what answers is a page of a proxy, or nothing at all.
func TestNoRobotThere(t *testing.T) {
	for name, answer := range map[string]string{"a page": "<html>sign in</html>", "nothing": "", "no code": `{"ok":true}`} {
		r := robots()["wecom"]
		to := r.dial(t, newChat(t, func(*chat, *http.Request, []byte) (int, string) { return 200, answer }), r.path, message.English)
		if err := try(t, to, message.Sample(message.Held, false)); err == nil || FaultOf(err).Final {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestMuchFits: a thousand long problems are cut to what each takes, and the number
// of the rest is told.
func TestMuchFits(t *testing.T) {
	d := message.Sample(message.Failed, false)
	for i := range 200 {
		e := d.Events[0]
		e.Resource = fmt.Sprintf("volc/RelaySource/push.example.com/%d", i)
		e.Reason = strings.Repeat("这个域名没有配置中心流", 60)
		d.Events = append(d.Events, e)
	}
	d.Total = 1000
	for name, r := range robots() {
		c := newChat(t, r.serve)
		to := r.dial(t, c, r.path, message.Chinese)
		if err := try(t, to, d); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if text := r.body(c.got[0]); !strings.Contains(text, "另有 9") || !utf8.ValidString(text) {
			t.Errorf("%s does not say how many more there are:\n%s", name, text)
		}
	}
}

// TestRedirectsAreNotFollowed: another address has no part in the secret.
func TestRedirectsAreNotFollowed(t *testing.T) {
	r := robots()["slack"]
	other := newChat(t, func(c *chat, _ *http.Request, body []byte) (int, string) { c.take(body); return 200, "ok" })
	front := httptest.NewServer(http.RedirectHandler(other.server.URL, http.StatusTemporaryRedirect))
	defer front.Close()
	to := r.dial(t, &chat{server: front}, r.path, message.English)
	if f := FaultOf(try(t, to, message.Sample(message.Held, false))); !f.Final || len(other.got) != 0 {
		t.Errorf("%+v, and %d were sent on", f, len(other.got))
	}
}

// TestCanceled: a try that is given up ends at once.
func TestCanceled(t *testing.T) {
	r := robots()["slack"]
	to := r.dial(t, newChat(t, r.serve), r.path, message.English)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := to.Send(ctx, Letter{Body: []byte("{}")}); err == nil {
		t.Error("no error")
	}
}

func TestAddresses(t *testing.T) {
	for url, ok := range map[string]bool{
		"https://alerts.example.com/weir": true, "http://127.0.0.1:9000/x": true, "http://localhost/": true,
		"http://[::1]:80/": true, "http://alerts.example.com/": false, "ftp://localhost/": false,
		"https://user@example.com/": false, "": false, "https:///x": false, "http://localhost.evil.com/": false,
	} {
		_, err := NewWebhook(WebhookOptions{Address: Address{URL: url}, Secret: secret.Ref{Env: "X"}})
		if (err == nil) != ok {
			t.Errorf("%q: %v", url, err)
		}
	}
	if _, err := NewWebhook(WebhookOptions{Address: Address{URL: "https://example.com"}}); err == nil {
		t.Error("no secret, and no error")
	}
}

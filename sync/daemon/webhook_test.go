package daemon

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"weir/sync/daemon/webhook"
	"weir/sync/secret"
)

const push = `{"ref":"refs/heads/main","repository":{"clone_url":"https://git.example.com/team/live.git"}}`

// hooked is a daemon whose source "live" takes GitHub's deliveries.
type hooked struct {
	*Daemon
	t     *testing.T
	world *world
	pokes *atomic.Int64 // of the configuration in force
}

func startHooked(t *testing.T) *hooked {
	h := &hooked{t: t, world: newWorld(t)}
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("s3"), 0o600); err != nil {
		t.Fatal(err)
	}
	load := func(ctx context.Context) (Setup, error) {
		setup, err := h.world.load(ctx)
		pokes := &atomic.Int64{}
		h.pokes = pokes
		setup.Webhooks = []webhook.Hook{{
			Source: "live", Kind: webhook.GitHub, Secret: secret.Ref{File: file},
			URL: "https://git.example.com/team/live", Ref: "main", Poke: func() { pokes.Add(1) },
		}}
		return setup, err
	}
	var err error
	h.Daemon, err = New(t.Context(), Options{Listen: "127.0.0.1:0", Load: load, Registry: h.world.registry})
	if err != nil {
		t.Fatal(err)
	}
	h.Start()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := h.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	return h
}

// deliver posts a push that proves the secret, exactly to target.
func (h *hooked) deliver(target, id string, more ...string) int {
	h.t.Helper()
	m := hmac.New(sha256.New, []byte("s3"))
	m.Write([]byte(push))
	head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: example.com\r\nContent-Length: %d\r\nX-GitHub-Event: push\r\n"+
		"X-GitHub-Delivery: %s\r\nX-Hub-Signature-256: sha256=%s\r\n", target, len(push), id, hex.EncodeToString(m.Sum(nil)))
	return h.raw(head + strings.Join(more, "") + "\r\n" + push)
}

// raw sends bytes over a connection of its own and returns the answer's code.
func (h *hooked) raw(request string) int {
	h.t.Helper()
	c := h.dial()
	defer c.Close()
	io.WriteString(c, request) // the answer may come before its end
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		h.t.Fatal(err)
	}
	return resp.StatusCode // the body of an answer to HEAD would never end
}

func (h *hooked) dial() net.Conn {
	h.t.Helper()
	c, err := net.Dial("tcp", h.Addr())
	if err != nil {
		h.t.Fatal(err)
	}
	return c
}

func TestWebhookPokes(t *testing.T) {
	h := startHooked(t)
	if code := h.deliver("/webhook/live", "one"); code != http.StatusAccepted || h.pokes.Load() != 1 {
		t.Errorf("%d, %d pokes", code, h.pokes.Load())
	}
	if code := h.deliver("/webhook/live", "one"); code != http.StatusAccepted || h.pokes.Load() != 1 {
		t.Errorf("again: %d, %d pokes", code, h.pokes.Load())
	}
	for _, want := range []string{"accepted", "duplicate"} {
		until(t, h.Daemon, "/metrics", `weir_webhook_deliveries_total{result="`+want+`",source="live"} 1`)
	}
	old := h.pokes
	if err := h.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if code := h.deliver("/webhook/live", "two"); code != http.StatusAccepted || h.pokes.Load() != 1 || old.Load() != 1 {
		t.Errorf("after a reload: %d, %d pokes, %d of the old", code, h.pokes.Load(), old.Load())
	}
}

func TestNoWebhookNoRoute(t *testing.T) {
	d := newWorld(t).start()
	resp, err := http.Post("http://"+d.Addr()+"/webhook/live", "application/json", strings.NewReader(push))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusNotFound {
		t.Error(resp.Status)
	}
}

func TestBadHookIsNoConfiguration(t *testing.T) {
	w := newWorld(t)
	load := func(ctx context.Context) (Setup, error) {
		setup, err := w.load(ctx)
		setup.Webhooks = []webhook.Hook{{Source: "live"}}
		return setup, err
	}
	if _, err := New(t.Context(), Options{Listen: "127.0.0.1:0", Load: load}); err == nil || w.closes != 1 {
		t.Errorf("%v, %d closes", err, w.closes)
	}
}

// TestFailure_W08_W09_WebhookExactly: only the route as it is written, only
// POST, and nothing that a browser was made to send.
func TestFailure_W08_W09_WebhookExactly(t *testing.T) {
	h := startHooked(t)
	for _, target := range []string{
		"/webhook/..%2flive", "/webhook/%6Cive", "//webhook/live", "/webhook//live", "/webhook/./live", "/x/../webhook/live",
		"/webhook/live/", "/webhook/live%00", "/webhook/", "/webhook", "/WEBHOOK/live", "/webhook/" + strings.Repeat("a", 9000),
		"/webhook/live;x", "http://evil.example//webhook/live",
	} {
		if code := h.deliver(target, target[:1]); code != http.StatusNotFound {
			t.Errorf("%s: %d", target, code)
		}
	}
	for _, method := range []string{"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE", "post", "PRI"} {
		request := method + " /webhook/live HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
		if code := h.raw(request); code != http.StatusMethodNotAllowed && code != http.StatusBadRequest {
			t.Errorf("%s: %d", method, code)
		}
	}
	for _, browser := range []string{"Origin: https://evil.example\r\n", "Sec-Fetch-Site: cross-site\r\n"} {
		if code := h.deliver("/webhook/live", "b", browser); code != http.StatusForbidden {
			t.Errorf("%s: %d", browser, code)
		}
	}
	if h.pokes.Load() != 0 {
		t.Errorf("%d pokes", h.pokes.Load())
	}
	if code := h.deliver("/webhook/live?a=%2f", "q"); code != http.StatusAccepted || h.pokes.Load() != 1 {
		t.Errorf("a query is no part of the path: %d", code)
	}
}

// TestFailure_W02_HugeHeader is refused before anything looks at it.
func TestFailure_W02_HugeHeader(t *testing.T) {
	h := startHooked(t)
	c := h.dial()
	defer c.Close()
	go io.WriteString(c, "POST /webhook/live HTTP/1.1\r\nHost: x\r\nX-Long: "+strings.Repeat("a", 1<<20)+"\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("%v, %v", resp, err)
	}
}

// TestFailure_W01_SlowClients: connections that say nothing, a part of a header
// or a part of a body end by themselves, and the others are served meanwhile.
func TestFailure_W01_SlowClients(t *testing.T) {
	h := startHooked(t)
	started := time.Now()
	ended := make(chan time.Duration)
	const each = 100
	for _, part := range []string{"", "POST /webhook/live HTTP/1.1\r\nHost:", "POST /webhook/live HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{"} {
		for range each {
			c := h.dial()
			t.Cleanup(func() { c.Close() })
			io.WriteString(c, part)
			go func() {
				io.Copy(io.Discard, c)
				ended <- time.Since(started)
			}()
		}
	}
	if code, _ := get(t, h.Daemon, "/healthz"); code != http.StatusOK {
		t.Errorf("/healthz %d", code)
	}
	var last time.Duration
	for range 3 * each {
		last = max(last, <-ended)
	}
	if took := time.Since(started); last > readTimeout+3*time.Second {
		t.Errorf("the last connection ended after %v, all after %v", last, took)
	}
	t.Logf("%d slow connections ended within %v", 3*each, last)
	// Nothing of theirs stays: the next one is heard.
	until(t, h.Daemon, "/healthz", "ok")
	if code := h.deliver("/webhook/live", "one"); code != http.StatusAccepted {
		t.Errorf("afterwards: %d", code)
	}
}

package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"weir/sync/daemon"
	"weir/sync/emulator"
)

// pushConfig is a daemon that follows a repository: of the URL, for the clouds
// at the address.
const pushConfig = `apiVersion: weir/v1
kind: Config
sources:
  - name: live
    git:
      url: %s
      branch: main
      path: live
      interval: 1h
      webhook: {kind: github, secretFile: hook.secret}
accounts:
  - name: volc
    provider: volcengine
    endpoint: %s
    credentials: {accessKeyIdFile: key, accessKeySecretFile: key}
policy: {mode: sync}
interval: 1h
`

// pokeGap is a little more than a source's pause between two looks that a
// webhook asks for: what is measured is a push after a while without one.
const pokeGap = 5200 * time.Millisecond

// BenchmarkWebhookToCall is from the delivery of a webhook about one changed
// file until its call arrives at the cloud: the whole daemon, git's own server
// and the emulator, over loopback.
func BenchmarkWebhookToCall(b *testing.B) {
	for _, n := range []int{100, 10_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) { webhookToCall(b, n) })
	}
}

func webhookToCall(b *testing.B, n int) {
	p := newPushed(b, n)
	var took []time.Duration
	for b.Loop() {
		b.StopTimer()
		p.push(len(took))
		time.Sleep(pokeGap)
		p.clouds.ClearJournal()
		b.StartTimer()
		began := time.Now()
		p.deliver(len(took))
		took = append(took, p.called().Sub(began))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1e3, "p50-ms")
	b.ReportMetric(float64(took[len(took)-1].Microseconds())/1e3, "max-ms")
}

// pushed is a daemon in force on a repository of n relay sources.
type pushed struct {
	b      *testing.B
	dir    string // of the worktree
	clouds *emulator.Emulator
	url    string // of the repository
	hook   string
}

func newPushed(b *testing.B, n int) *pushed {
	b.Helper()
	world := emulator.DefaultWorld()
	p := &pushed{b: b, dir: filepath.Join(b.TempDir(), "live")}
	p.check(os.Mkdir(p.dir, 0o755))
	p.git("init", "-q", "-b", "main")
	p.git("config", "gc.auto", "0")
	for i := range n {
		p.write(i, "origin-a.example.org")
		world.RelaySources = append(world.RelaySources, emulator.RelaySource{
			Vhost: "push.example.com", App: fmt.Sprintf("channel-%05d", i), Groups: []emulator.RelayGroup{
				{Name: "main", Servers: []emulator.RelayServer{{Address: "origin-a.example.org", Protocol: "rtmp"}}},
			},
		})
	}
	p.git("add", "-A")
	p.git("commit", "-q", "-m", "all")
	p.git("gc", "-q")
	p.clouds = emulator.New(world)
	p.url = p.serve(&cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(p.git("--exec-path")), "git-http-backend"),
		Env:  []string{"GIT_PROJECT_ROOT=" + filepath.Dir(p.dir), "GIT_HTTP_EXPORT_ALL=1"},
	}) + "/live"
	p.run(p.serve(p.clouds))
	return p
}

func (p *pushed) serve(h http.Handler) string {
	s := httptest.NewServer(h)
	p.b.Cleanup(s.Close)
	return s.URL
}

// run starts the daemon and waits until a pass found nothing to do.
func (p *pushed) run(clouds string) {
	home := p.b.TempDir()
	for name, text := range map[string]string{
		"weir.yaml": fmt.Sprintf(pushConfig, p.url, clouds), "key": "weir-emulator\n", "hook.secret": hookSecret + "\n",
	} {
		p.check(os.WriteFile(filepath.Join(home, name), []byte(text), 0o600))
	}
	a := &app{out: io.Discard, errs: os.Stderr, logFormat: "text", config: filepath.Join(home, "weir.yaml")}
	cfg, err := a.readConfig()
	p.check(err)
	registry, parts, err := newBuilder(slog.New(slog.DiscardHandler), false)
	p.check(err)
	d, err := daemon.New(p.b.Context(), daemon.Options{Listen: "127.0.0.1:0", Registry: registry, Load: a.loader(parts, cfg)})
	p.check(err)
	d.Start()
	p.b.Cleanup(func() { _ = stopDaemon(d, slog.New(slog.DiscardHandler)) })
	p.hook = "http://" + d.Addr() + "/webhook/live"
	p.until("ready", func() bool {
		resp, err := http.Get("http://" + d.Addr() + "/readyz")
		p.check(err)
		return resp.Body.Close() == nil && resp.StatusCode == http.StatusOK
	})
}

// push changes one file in the repository that is served.
func (p *pushed) push(turn int) {
	p.write(0, fmt.Sprintf("edit-%d.example.org", turn))
	p.git("commit", "-q", "-a", "-m", "edit")
}

// deliver posts what GitHub posts after a push.
func (p *pushed) deliver(turn int) {
	body := fmt.Appendf(nil, `{"ref":"refs/heads/main","repository":{"clone_url":%q},"turn":%d}`, p.url, turn)
	mac := hmac.New(sha256.New, []byte(hookSecret))
	mac.Write(body)
	req, err := http.NewRequestWithContext(p.b.Context(), http.MethodPost, p.hook, bytes.NewReader(body))
	p.check(err)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-GitHub-Event", "push")
	req.Header.Set("X-GitHub-Delivery", strconv.Itoa(turn))
	req.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	resp, err := http.DefaultClient.Do(req)
	p.check(err)
	p.check(resp.Body.Close())
	if resp.StatusCode != http.StatusAccepted {
		p.b.Fatalf("the delivery is answered with %s", resp.Status)
	}
}

// called waits for the call of the edit and returns when it arrived.
func (p *pushed) called() (at time.Time) {
	p.until("a call", func() bool {
		for _, c := range p.clouds.Journal() {
			if c.Operation == "UpdateRelaySourceV3" {
				at = c.Time
				return true
			}
		}
		return false
	})
	return at
}

func (p *pushed) until(what string, ok func() bool) {
	p.b.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			p.b.Fatalf("there never is %s", what)
		}
	}
}

func (p *pushed) write(i int, address string) {
	dir := filepath.Join(p.dir, "live", fmt.Sprintf("d%03d", i/100))
	p.check(os.MkdirAll(dir, 0o755))
	p.check(os.WriteFile(filepath.Join(dir, fmt.Sprintf("c%05d.yaml", i)), fmt.Appendf(nil, `apiVersion: volcengine/v1
kind: RelaySource
spec:
  vhost: push.example.com
  app: channel-%05d
  groups:
    - {name: main, servers: [{address: %s, protocol: rtmp}]}
`, i, address), 0o600))
}

func (p *pushed) git(args ...string) string {
	p.b.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = p.dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=c", "GIT_COMMITTER_EMAIL=c@example.com")
	out, err := cmd.Output()
	p.check(err)
	return string(out)
}

func (p *pushed) check(err error) {
	p.b.Helper()
	if err != nil {
		p.b.Fatal(err)
	}
}

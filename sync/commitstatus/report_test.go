package commitstatus

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"weir/sync/secret"
)

// logs is what was logged; it may be read at any time.
type logs struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// rig is a reporter and what it leaves behind.
type rig struct {
	*Reporter
	t       *testing.T
	log     logs
	metrics *prometheus.Registry
	file    string // of the token
	closed  bool
}

// newRig starts a reporter with opt, a token file and without jitter. The token
// is looked for in everything that was logged when the test ends.
func newRig(t *testing.T, opt Options) *rig {
	t.Helper()
	r := &rig{t: t, metrics: prometheus.NewRegistry(), file: filepath.Join(t.TempDir(), "token")}
	r.rotate(token)
	m, err := NewMetrics(r.metrics)
	if err != nil {
		t.Fatal(err)
	}
	opt.Metrics, opt.Source = m, "main"
	opt.Token = secret.Ref{File: r.file}
	opt.Logger = slog.New(slog.NewJSONHandler(&r.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	opt.random = func() float64 { return 0 }
	r.Reporter, err = New(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if !r.closed {
			t.Error("the reporter was not closed")
		}
		for _, part := range []string{token, "c4n4ry", "Hunter2"} {
			if strings.Contains(r.log.String(), part) {
				t.Errorf("the log holds %q:\n%s", part, r.log.String())
			}
		}
	})
	return r
}

func (r *rig) rotate(token string) {
	r.t.Helper()
	if err := os.WriteFile(r.file, []byte(token+"\n"), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) end() {
	r.t.Helper()
	if err := r.close(); err != nil {
		r.t.Error(err)
	}
}

func (r *rig) close() error {
	r.closed = true
	return r.Close(context.Background())
}

// counted holds how many reports were sent and failed.
func (r *rig) counted(sent, failed int) {
	r.t.Helper()
	want := fmt.Sprintf(`
# HELP weir_commit_status_reports_total Commit statuses for the git host: sent, or failed, which are those given up. A newer one replaces one that waits.
# TYPE weir_commit_status_reports_total counter
weir_commit_status_reports_total{result="failed",source="main"} %d
weir_commit_status_reports_total{result="sent",source="main"} %d
`, failed, sent)
	if err := testutil.GatherAndCompare(r.metrics, strings.NewReader(want)); err != nil {
		r.t.Error(err)
	}
}

func (r *rig) warnings() int { return strings.Count(r.log.String(), `"level":"WARN"`) }

// commitOf returns a commit of its own for each n.
func commitOf(n int) string { return fmt.Sprintf("%040x", n) }

var apiPath = map[string]string{"github": "", "gitlab": "", "gitea": "", "gitee": "/api/v5"}

// optionsOf are those of a repository that the host given has.
func optionsOf(h *gitHost, api string) Options {
	return Options{Kind: h.kind, API: api + h.base + apiPath[h.kind], URL: "git@git.example.com:" + h.repo + ".git", Target: target}
}

func TestReport(t *testing.T) {
	states := map[string][]string{ // of Pending, Success, Failure, Held
		"github": {"pending", "success", "failure", "pending"},
		"gitlab": {"running", "success", "failed", "failed"},
		"gitea":  {"pending", "success", "failure", "pending"},
		"gitee":  {"in_progress", "success", "failure", "action_required"},
	}
	for kind, want := range states {
		for _, base := range []string{"", "/git"} {
			t.Run(kind+base, func(t *testing.T) {
				h := newGitHost(kind)
				h.base = base
				server := httptest.NewServer(h)
				defer server.Close()
				r := newRig(t, optionsOf(h, server.URL))
				for i := range want {
					r.Report(Status{commitOf(i), State(i + 1), "text & more: 50%\nof «it»"})
				}
				r.end()
				got := h.statuses()
				for i, state := range want {
					w := stated{commitOf(i), state, "text & more: 50% of «it»", "weir", target}
					if len(got) != len(want) || got[i] != w {
						t.Fatalf("%v: %+v, want %+v; %v", State(i+1), got, w, h.complaints())
					}
				}
				r.counted(4, 0)
			})
		}
	}
}

// Without a target there is none, not an empty one, and Gitee takes no
// action_required.
func TestReport_NoTarget(t *testing.T) {
	for kind, held := range map[string]string{"github": "pending", "gitlab": "failed", "gitea": "pending", "gitee": "failure"} {
		t.Run(kind, func(t *testing.T) {
			h := newGitHost(kind)
			server := httptest.NewServer(h)
			defer server.Close()
			opt := optionsOf(h, server.URL)
			opt.Target, opt.Name = "", "weir/live"
			r := newRig(t, opt)
			r.Report(Status{commit, Held, HeldBy("history", "rewritten")})
			r.end()
			want := stated{commit, held, "held [history]: rewritten", "weir/live", ""}
			if got := h.statuses(); len(got) != 1 || got[0] != want {
				t.Errorf("%+v, want %+v; %v", got, want, h.complaints())
			}
		})
	}
}

// A text is cut to what the host takes, after the token was taken out: also
// where the cut would go through it.
func TestReport_Text(t *testing.T) {
	for kind, longest := range map[string]int{"github": 140, "gitlab": 255, "gitea": 255, "gitee": 255} {
		t.Run(kind, func(t *testing.T) {
			h := newGitHost(kind)
			server := httptest.NewServer(h)
			defer server.Close()
			r := newRig(t, optionsOf(h, server.URL))
			r.Report(Status{commitOf(1), Failure, strings.Repeat("é", longest-10) + token + " and more"})
			r.Report(Status{commitOf(2), Failure, strings.Repeat("ab\x00\n", 5000)})
			r.Report(Status{commitOf(3), Success, "\x1b\n"})
			r.end()
			got := h.statuses()
			if len(got) != 3 {
				t.Fatalf("%+v; %v", got, h.complaints())
			}
			if strings.Contains(got[0].text, token[:6]) || !strings.Contains(got[0].text, "…") {
				t.Errorf("%q", got[0].text)
			}
			if got[2].text != "success" {
				t.Errorf("%q in the place of no text", got[2].text)
			}
		})
	}
}

// The newest of a commit wins, and what was said is not said again.
func TestReport_Once(t *testing.T) {
	h := newGitHost("github")
	arrived, goOn := make(chan struct{}, 10), make(chan struct{})
	h.answerWith(func(http.ResponseWriter, *http.Request) bool {
		arrived <- struct{}{}
		<-goOn
		return false
	})
	server := httptest.NewServer(h)
	defer server.Close()
	r := newRig(t, optionsOf(h, server.URL))
	r.Report(Status{commit, Pending, "a"})
	<-arrived
	for range 3 {
		r.Report(Status{commit, Pending, "a"}) // under way
	}
	r.Report(Status{commit, Failure, "b"})
	r.Report(Status{commit, Success, "c"})
	close(goOn)
	<-arrived
	r.Report(Status{commit, Success, "c"})
	r.end()
	got := h.statuses()
	if len(got) != 2 || got[0].text != "a" || got[1].text != "c" {
		t.Errorf("%+v", got)
	}
	r.counted(2, 0)
}

func TestReport_Wrong(t *testing.T) {
	h := newGitHost("github")
	r := newRig(t, optionsOf(h, "https://git.example.com"))
	for _, s := range []Status{
		{},
		{commit, 0, "x"},
		{commit, 9, "x"},
		{"main", Success, "x"},
		{commit[:39], Success, "x"},
		{commit[:38] + "/.", Success, "x"},
		{strings.ToUpper(commit), Success, "x"},
	} {
		r.Report(s)
	}
	r.end()
	r.counted(0, 7)
	r.Report(Status{commit, Success, "x"}) // after the end
	r.counted(0, 8)
	if err := r.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestNew_Wrong(t *testing.T) {
	good := Options{Kind: "github", URL: "https://github.com/a/b", Token: secret.Ref{Env: "T"}}
	for want, change := range map[string]func(*Options){
		"kind must be":                  func(o *Options) { o.Kind = "sourcehut" },
		"token is required":             func(o *Options) { o.Token = secret.Ref{} },
		"name must be":                  func(o *Options) { o.Name = "a\nb" },
		"target must begin":             func(o *Options) { o.Target = "javascript:alert(1)" },
		"target must have at most":      func(o *Options) { o.Target = "https://x/" + strings.Repeat("x", 250) },
		"target must not hold":          func(o *Options) { o.Target = "https://u:c4n4ry@x/" },
		"names no host":                 func(o *Options) { o.URL = "live" },
		"no such file":                  func(o *Options) { o.CAFile = "none" },
		"the CA file holds":             func(o *Options) { o.CAFile = "report_test.go" },
		"api must begin with https://":  func(o *Options) { o.API = "ftp://x" },
		"repository must be owner/name": func(o *Options) { o.Repository = "a" },
	} {
		opt := good
		change(&opt)
		r, err := New(opt)
		if err == nil {
			_ = r.Close(t.Context())
		}
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "c4n4ry") {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// A host with a certificate of its own is believed with its CA, and with no
// other.
func TestReport_CA(t *testing.T) {
	h := newGitHost("gitea")
	server := httptest.NewTLSServer(h)
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	defer server.Close()
	file := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(file, block, 0o600); err != nil {
		t.Fatal(err)
	}
	for want, ca := range []string{"", file} {
		opt := optionsOf(h, server.URL)
		opt.CAFile = ca
		r := newRig(t, opt)
		r.Report(Status{commit, Success, "x"})
		if err := r.close(); errors.Is(err, errUnsent) != (want == 0) {
			t.Errorf("with %q: %v", ca, err)
		}
		if len(h.statuses()) != want {
			t.Errorf("with %q: %+v", ca, h.statuses())
		}
	}
}

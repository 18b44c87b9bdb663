package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"go.uber.org/goleak"

	"weir/sync/apply"
	"weir/sync/call"
	"weir/sync/cluster"
	"weir/sync/daemon/access"
	"weir/sync/daemon/view"
	"weir/sync/emulator"
	"weir/sync/manifest"
	"weir/sync/plan"
	"weir/sync/provider"
	"weir/sync/provider/aliyunlive"
	"weir/sync/provider/volcenginelive"
	"weir/sync/reconcile"
	"weir/sync/secret"
	"weir/sync/source"
	"weir/sync/source/dirsource"
	"weir/sync/state/statetest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("net/http.(*persistConn).readLoop"),
		goleak.IgnoreTopFunction("net/http.(*persistConn).writeLoop"))
}

const multi = "apiVersion: aliyun/v1\nkind: MultiStream\nspec: {domain: live.example.com, enabled: true}\n"

// world is a daemon on a directory and an emulator.
type world struct {
	t        *testing.T
	dir      string
	clouds   *emulator.Emulator
	store    *statetest.Memory
	registry *prometheus.Registry
	metrics  *reconcile.Metrics
	calls    *call.Metrics
	loads    int
	closes   int
	closing  func() // at the next close, beforehand; may be nil
	fail     error
	mode     plan.Mode
	listen   string
	access   access.Options
	insecure bool
	// overrides are quotas of operations instead of the documented ones.
	overrides map[string]call.Window
	reports   bool // drift, and does not heal it
	open      func() (source.Source, func() error, error)
	cluster   cluster.Cluster // nil: it works alone
	follows   string
}

func newWorld(t *testing.T) *world { return newWorldIn(t, t.TempDir()) }

func newWorldIn(t *testing.T, dir string) *world {
	w := &world{
		t: t, dir: dir, clouds: emulator.New(emulator.DefaultWorld()), store: statetest.NewMemory(),
		registry: prometheus.NewRegistry(), mode: plan.Sync, listen: "127.0.0.1:0",
		access: access.Options{Names: []string{"example.com"}}, // the host of httptest's requests
	}
	w.open = w.openDir
	w.metrics = reconcile.NewMetrics(w.registry)
	var err error
	if w.calls, err = call.NewMetrics(w.registry); err != nil {
		t.Fatal(err)
	}
	w.write("a.yaml", multi)
	return w
}

func (w *world) write(name, text string) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) load(context.Context) (Setup, error) {
	w.loads++
	if w.fail != nil {
		return Setup{}, w.fail
	}
	src, closeSource, err := w.open()
	if err != nil {
		return Setup{}, err
	}
	targets, limiters, err := w.targets()
	if err != nil {
		return Setup{}, err
	}
	return Setup{
		Reconcile: reconcile.Options{
			Feeds: []reconcile.Feed{{Name: "live", Source: src, Follows: w.follows, Loader: manifest.New(manifest.Options{
				Accounts: map[string][]string{"aliyun/v1": {"ali"}, "volcengine/v1": {"volc"}},
			})}},
			Accounts: targets, Store: w.store, Outlook: limiters.Outlook,
			Policy:  plan.Policy{Mode: w.mode, HealDrift: !w.reports},
			Metrics: w.metrics, Cluster: w.cluster,
		},
		Limiters: limiters,
		Access:   w.access, Insecure: w.insecure,
		Close: func() error {
			if w.closing != nil {
				w.closing()
			}
			w.closes++
			return closeSource()
		},
	}, nil
}

// openDir opens the directory of the world as a source.
func (w *world) openDir() (source.Source, func() error, error) {
	src, err := dirsource.New(dirsource.Options{Name: "live", Path: w.dir, Quiet: 20 * time.Millisecond})
	if err != nil {
		return nil, nil, err
	}
	return src, src.Close, nil
}

// targets returns an account of each cloud.
func (w *world) targets() (map[string]apply.Target, call.Limiters, error) {
	key := func() (secret.Key, error) {
		return secret.Key{ID: "weir-emulator", Secret: secret.New("weir-emulator")}, nil
	}
	ali, aliErr := aliyunlive.NewClient(aliyunlive.ClientOptions{
		Account: "ali", Endpoint: "http://emulator", Region: "cn-shanghai", Transport: w.clouds.Transport(), Keys: key,
	})
	volc, volcErr := volcenginelive.NewClient(volcenginelive.ClientOptions{
		Account: "volc", Endpoint: "http://emulator", Transport: w.clouds.Transport(), Keys: key,
	})
	if err := errors.Join(aliErr, volcErr); err != nil {
		return nil, nil, err
	}
	limiters := call.Limiters{}
	providers := map[string]provider.Provider{"ali": aliyunlive.New(), "volc": volcenginelive.New()}
	for name, p := range providers {
		var err error
		if limiters[name], err = call.NewLimiter(call.LimiterOptions{Limits: p.Limits(), Overrides: w.overrides}); err != nil {
			return nil, nil, err
		}
	}
	stack := call.Stack(call.ByAccount{"ali": ali, "volc": volc}, call.StackOptions{
		Limiters: limiters, Metrics: w.calls, Recorder: apply.NewRecorder(w.store),
	})
	targets := map[string]apply.Target{}
	for name, p := range providers {
		targets[name] = apply.Target{Provider: p, Caller: stack}
	}
	return targets, limiters, nil
}

// make returns a daemon on a free port.
func (w *world) make() *Daemon {
	w.t.Helper()
	d, err := New(w.t.Context(), Options{Listen: w.listen, Load: w.load, Registry: w.registry, Version: "test"})
	if err != nil {
		w.t.Fatal(err)
	}
	return d
}

// start runs a daemon on a free port until the test ends.
func (w *world) start() *Daemon {
	w.t.Helper()
	d := w.make()
	w.begin(d)
	return d
}

// begin runs a daemon until the test ends.
func (w *world) begin(d *Daemon) {
	w.t.Helper()
	d.Start()
	w.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := d.Stop(ctx); err != nil {
			w.t.Error(err)
		}
	})
}

// get returns the status and body of a path.
func get(t *testing.T, d *Daemon, path string) (int, string) {
	t.Helper()
	resp, err := http.Get("http://" + d.Addr() + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// decode reads a JSON text.
func decode[T any](t *testing.T, text string) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return v
}

// until asks a path again and again until its body holds text.
func until(t *testing.T, d *Daemon, path, text string) string {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for {
		_, body := get(t, d, path)
		if strings.Contains(body, text) {
			return body
		}
		select {
		case <-deadline:
			t.Fatalf("%s never says %q; last:\n%s", path, text, body)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func TestServesWhatItDoes(t *testing.T) {
	w := newWorld(t)
	d := w.start()
	until(t, d, "/readyz", "ready\n")
	if code, body := get(t, d, "/healthz"); code != http.StatusOK || body != "ok\n" {
		t.Errorf("/healthz %d %q", code, body)
	}
	var status struct {
		Version string
		Status  reconcile.Status
	}
	body := until(t, d, "/api/v1/status", `"state": "in-sync"`)
	if err := json.Unmarshal([]byte(body), &status); err != nil {
		t.Fatal(err)
	}
	s := status.Status
	if status.Version != "test" || !s.Ready || len(s.Counts) != 1 || s.Counts[0].Count != 1 || s.Sources[0].Documents != 1 {
		t.Errorf("status %s", body)
	}
	var list struct {
		Total     int
		Resources []view.Row
	}
	_, body = get(t, d, "/api/v1/resources?kind=MultiStream&state=in-sync&limit=1")
	if err := json.Unmarshal([]byte(body), &list); err != nil || list.Total != 1 || list.Resources[0].Origin.Line != 1 {
		t.Errorf("resources %s, %v", body, err)
	}
	if _, body := get(t, d, "/api/v1/resources?state=drifted"); !strings.Contains(body, `"total": 0`) {
		t.Errorf("filtered resources %s", body)
	}
	if _, body := get(t, d, "/api/v1/plan"); !strings.Contains(body, `"format": "weir.plan/v1"`) {
		t.Errorf("plan %s", body)
	}
	if _, body := get(t, d, "/"); !strings.Contains(body, `<h1 id="state">In sync</h1>`) || !strings.Contains(body, ">MultiStream</a>") {
		t.Errorf("page %s", body)
	}
}

func TestContractMetrics(t *testing.T) {
	w := newWorld(t)
	d := w.start()
	until(t, d, "/api/v1/status", `"state": "in-sync"`)
	_, body := get(t, d, "/metrics")
	for _, name := range []string{
		"weir_source_revision_info", "weir_source_last_success_timestamp_seconds", "weir_source_sync_errors_total",
		"weir_manifest_documents", "weir_manifest_problems", "weir_reconcile_duration_seconds_bucket",
		"weir_reconcile_last_success_timestamp_seconds", "weir_reconcile_last_attempt_timestamp_seconds",
		`weir_resources{account="ali",kind="MultiStream",state="in-sync"} 1`, `weir_plan_changes{action="create"} 0`,
		`weir_calls_total{account="ali",code="ok",operation="SetLiveDomainMultiStreamConfig"} 1`,
		"weir_call_duration_seconds_bucket", `weir_drift_detected_total{account="ali",kind="MultiStream"} 0`,
		"weir_removals_refused_total 0", `weir_observation_age_seconds{account="ali",kind="MultiStream"}`,
	} {
		if !strings.Contains(body, name) {
			t.Errorf("/metrics lacks %s", name)
		}
	}
	problems, err := promlint.New(strings.NewReader(body)).Lint()
	if err != nil || len(problems) != 0 {
		t.Errorf("promlint: %v, %v", problems, err)
	}
}

func TestEditArrives(t *testing.T) {
	w := newWorld(t)
	d := w.start()
	until(t, d, "/api/v1/status", `"state": "in-sync"`)
	w.write("a.yaml", strings.Replace(multi, "true", "on", 1))
	until(t, d, "/api/v1/status", `"code": "wrong-type"`)
	until(t, d, "/", "a.yaml:3:43")
	until(t, d, "/metrics", `weir_manifest_problems{source="live"} 1`)
	w.write("a.yaml", strings.Replace(multi, "true", "false", 1))
	until(t, d, "/metrics", `code="ok",operation="SetLiveDomainMultiStreamConfig"} 2`)
	until(t, d, "/metrics", `weir_manifest_problems{source="live"} 0`)
}

// TestFailure_S25_NotReadyWithoutItsSource: /readyz says which source is gone.
func TestFailure_S25_NotReadyWithoutItsSource(t *testing.T) {
	w := newWorld(t)
	d := w.start()
	until(t, d, "/readyz", "ready\n")
	if err := os.Rename(w.dir, w.dir+"-gone"); err != nil {
		t.Fatal(err)
	}
	body := until(t, d, "/readyz", "not ready: source live")
	if code, _ := get(t, d, "/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(body, "source-missing") {
		t.Errorf("/readyz %d %q", code, body)
	}
	if err := os.Rename(w.dir+"-gone", w.dir); err != nil {
		t.Fatal(err)
	}
	until(t, d, "/readyz", "ready\n")
}

func TestSyncRunsAFullPass(t *testing.T) {
	w := newWorld(t)
	d := w.start()
	until(t, d, "/api/v1/status", `"state": "in-sync"`)
	if err := w.clouds.Patch(emulator.World{Domains: []emulator.Domain{
		{Name: "live.example.com", Type: "vhost", MultiStream: "off"}, {Name: "push.example.com", Type: "publish", Main: "live.example.com"},
	}}); err != nil {
		t.Fatal(err)
	}
	resp, err := http.Post("http://"+d.Addr()+"/api/v1/sync", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusAccepted {
		t.Errorf("POST /api/v1/sync: %s", resp.Status)
	}
	form := httptest.NewRequest("POST", "/api/v1/sync", nil) // as the page's button sends it without script
	form.Header.Set("Accept", "text/html,*/*;q=0.8")
	form.Header.Set("Sec-Fetch-Site", "same-origin")
	back := httptest.NewRecorder()
	d.server.Handler.ServeHTTP(back, form)
	if back.Code != http.StatusSeeOther || back.Header().Get("Location") != "../../" {
		t.Errorf("the page's button leads to %d %q", back.Code, back.Header().Get("Location"))
	}
	until(t, d, "/metrics", `weir_drift_detected_total{account="ali",kind="MultiStream"} 1`)
	until(t, d, "/metrics", `code="ok",operation="SetLiveDomainMultiStreamConfig"} 2`)
}

// TestFailure_W08_W09_OnlyWhatIsThere: other paths, methods and origins get
// nothing.
func TestFailure_W08_W09_OnlyWhatIsThere(t *testing.T) {
	w := newWorld(t)
	d := w.start()
	for _, path := range []string{"/..%2f..%2fetc/passwd", "//etc/passwd", "/%00", "/api/v1/", "/api/v1/status/x", "/" + strings.Repeat("a", 9000)} {
		if code, body := get(t, d, path); code != http.StatusNotFound || strings.Contains(body, "root:") {
			t.Errorf("%s: %d", path, code)
		}
	}
	for _, tc := range []struct{ method, path, origin string }{
		{"GET", "/api/v1/sync", ""},
		{"DELETE", "/api/v1/status", ""},
		{"POST", "/metrics", ""},
		{"POST", "/api/v1/sync", "https://evil.example"},
	} {
		req := httptest.NewRequest(tc.method, tc.path, nil)
		if tc.origin != "" {
			req.Header.Set("Origin", tc.origin)
			req.Header.Set("Sec-Fetch-Site", "cross-site")
		}
		rec := httptest.NewRecorder()
		d.server.Handler.ServeHTTP(rec, req)
		if rec.Code != http.StatusMethodNotAllowed && rec.Code != http.StatusForbidden {
			t.Errorf("%s %s from %q: %d", tc.method, tc.path, tc.origin, rec.Code)
		}
	}
	rec := httptest.NewRecorder()
	d.server.Handler.ServeHTTP(rec, httptest.NewRequest("GET", "/", nil))
	if csp := rec.Header().Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'") {
		t.Errorf("Content-Security-Policy %q", csp)
	}
}

// TestFailure_C20_PageEscapesWhatManifestsSay: a file name is text, not markup.
func TestFailure_C20_PageEscapesWhatManifestsSay(t *testing.T) {
	w := newWorld(t)
	w.write("<script>alert(1)<.yaml", "kind: <b>x</b>\n")
	d := w.start()
	body := until(t, d, "/", "&lt;script&gt;alert(1)&lt;.yaml:1")
	if strings.Contains(body, "<script>") || strings.Contains(body, "<b>") {
		t.Errorf("page holds markup of a manifest:\n%s", body)
	}
}

// TestFailure_P07_ReloadKeepsTheOldConfig where the new one cannot be used.
func TestFailure_P07_ReloadKeepsTheOldConfig(t *testing.T) {
	w := newWorld(t)
	d := w.start()
	until(t, d, "/api/v1/status", `"state": "in-sync"`)
	until(t, d, "/metrics", "\nweir_ready 1\n")
	until(t, d, "/metrics", "\nweir_config_last_reload_successful 1\n")
	w.fail = errors.New("weir.yaml:3:1: no")
	if err := d.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), "weir.yaml:3:1") {
		t.Errorf("reload of a broken config: %v", err)
	}
	if w.closes != 0 {
		t.Error("the old configuration was closed")
	}
	until(t, d, "/metrics", "\nweir_config_last_reload_successful 0\n")
	w.fail, w.mode = nil, plan.Observe
	if err := d.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	until(t, d, "/api/v1/status", `"mode": "observe"`)
	until(t, d, "/metrics", "\nweir_config_last_reload_successful 1\n")
	if w.closes != 1 || w.loads != 3 {
		t.Errorf("%d loads, %d closes", w.loads, w.closes)
	}
	w.write("a.yaml", strings.Replace(multi, "true", "false", 1))
	until(t, d, "/api/v1/resources", "mode observe never calls")
}

func TestStopBeforeStart(t *testing.T) {
	w := newWorld(t)
	d, err := New(t.Context(), Options{Listen: "127.0.0.1:0", Load: w.load})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Stop(t.Context()); err != nil || w.closes != 1 {
		t.Errorf("stop: %v, %d closes", err, w.closes)
	}
	if err := d.listener.Close(); err != nil {
		t.Error(err)
	}
}

func TestNewFailsBeforeAnythingRuns(t *testing.T) {
	w := newWorld(t)
	w.fail = errors.New("broken")
	if _, err := New(t.Context(), Options{Listen: "127.0.0.1:0", Load: w.load}); !errors.Is(err, w.fail) {
		t.Errorf("broken config: %v", err)
	}
	w.fail = nil
	taken := w.start()
	if _, err := New(t.Context(), Options{Listen: taken.Addr(), Load: w.load}); err == nil {
		t.Error("two daemons on one address")
	}
	if w.closes != 1 {
		t.Errorf("%d closes, want what the failed one opened", w.closes)
	}
	if _, err := New(t.Context(), Options{Listen: "127.0.0.1:0"}); err == nil {
		t.Error("a daemon without Load")
	}
}

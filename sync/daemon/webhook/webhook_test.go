package webhook

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"go.uber.org/goleak"

	"weir/sync/daemon/gate"
	"weir/sync/secret"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	theSecret = "no one else knows this"
	theURL    = "https://git.example.com/team/live.git"
	push      = `{"ref":"refs/heads/main","before":"1","after":"2","repository":{"id":7,"clone_url":"` + theURL + `"},"commits":[{}]}`
)

// world is a handler for one source of each kind, named as the kind is.
type world struct {
	t        testing.TB
	file     string // of the secret
	pokes    atomic.Int64
	log      lines
	registry *prometheus.Registry
	handler  *Handler
	mux      *http.ServeMux
}

// lines is a log that may be written by several.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, file: filepath.Join(t.TempDir(), "secret"), registry: prometheus.NewRegistry(), mux: http.NewServeMux()}
	w.secret(theSecret + "\n")
	metrics, err := NewMetrics(w.registry)
	if err != nil {
		t.Fatal(err)
	}
	var hooks []Hook
	for kind := range events {
		hooks = append(hooks, w.hook(kind))
	}
	w.handler, err = New(Options{Hooks: hooks, Logger: slog.New(slog.NewTextHandler(&w.log, nil)), Metrics: metrics})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.handler.Close)
	w.mux.Handle("POST /webhook/{source}", w.handler)
	return w
}

func (w *world) hook(kind Kind) Hook {
	return Hook{
		Source: string(kind), Kind: kind, Secret: secret.Ref{File: w.file}, URL: "git@git.example.com:team/live",
		Ref: "main", Poke: func() { w.pokes.Add(1) },
	}
}

func (w *world) secret(text string) {
	w.t.Helper()
	if err := os.WriteFile(w.file, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// proof is what a host of kind sends with a push.
func proof(kind Kind, body, id string) http.Header {
	digits := hex.EncodeToString(mac([]byte(theSecret), []byte(body)))
	stamp := strconv.FormatInt(time.Now().UnixMilli(), 10)
	switch kind {
	case GitHub:
		return headersOf("X-Hub-Signature-256", "sha256="+digits, "X-GitHub-Event", "push", "X-GitHub-Delivery", id)
	case Gitea:
		return headersOf("X-Gitea-Signature", digits, "X-Gitea-Event", "push", "X-Gitea-Delivery", id)
	case GitLab:
		return headersOf("X-Gitlab-Token", theSecret, "X-Gitlab-Event", "Push Hook", "X-Gitlab-Event-UUID", id)
	case Gitee:
		return headersOf("X-Gitee-Event", "Push Hook", "X-Gitee-Timestamp", stamp,
			"X-Gitee-Token", base64.StdEncoding.EncodeToString(mac([]byte(theSecret), []byte(stamp+"\n"+theSecret))))
	}
	return headersOf("X-Signature-256", "sha256="+digits, "X-Delivery-Id", id)
}

// send answers a delivery from an address of its own.
func (w *world) send(path string, h http.Header, body string) *http.Response {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	r.Header = h
	rec := httptest.NewRecorder()
	w.mux.ServeHTTP(rec, r)
	return rec.Result()
}

// wants sends, and compares the answer and the number of pokes since.
func (w *world) wants(name string, kind Kind, h http.Header, body string, code int, text string, pokes int64) {
	w.t.Helper()
	before := w.pokes.Load()
	resp := w.send("/webhook/"+string(kind), h, body)
	got, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != code || string(got) != text+"\n" {
		w.t.Errorf("%s: %d %q, want %d %q", name, resp.StatusCode, got, code, text)
	}
	if n := w.pokes.Load() - before; n != pokes {
		w.t.Errorf("%s: %d pokes, want %d", name, n, pokes)
	}
}

func (w *world) counted(source string, r result) float64 {
	return testutil.ToFloat64(w.handler.metrics.deliveries.WithLabelValues(source, string(r)))
}

func TestEachHostIsHeard(t *testing.T) {
	for kind := range events {
		w := newWorld(t)
		w.wants("a push", kind, proof(kind, push, "one"), push, 202, "accepted", 1)
		if w.counted(string(kind), resultAccepted) != 1 {
			t.Errorf("%s is not counted", kind)
		}
		if log := w.log.String(); !strings.Contains(log, `source=`+string(kind)+` ref=refs/heads/main`) {
			t.Errorf("log %s", log)
		}
	}
}

// TestPayloadsOfHosts are pushes as the hosts' documents show them, cut to what
// surrounds what is read.
func TestPayloadsOfHosts(t *testing.T) {
	for kind, repository := range map[Kind]string{
		GitHub: `"id":1,"full_name":"team/live","private":true,"owner":{"name":"team"},"html_url":"https://git.example.com/team/live",
			"homepage":null,"git_url":"git://git.example.com/team/live.git","ssh_url":"git@git.example.com:team/live.git",
			"clone_url":"https://git.example.com/team/live.git","url":"https://git.example.com/team/live","pushed_at":1700000000`,
		GitLab: `"name":"live","url":"git@git.example.com:team/live.git","description":"","homepage":"http://git.example.com/team/live",
			"git_http_url":"http://git.example.com/team/live.git","git_ssh_url":"git@git.example.com:team/live.git","visibility_level":0`,
		Gitea: `"id":140,"owner":{"login":"team"},"full_name":"team/live","html_url":"http://git.example.com:3000/team/live",
			"ssh_url":"ssh://gitea@git.example.com:2222/team/live.git","clone_url":"http://git.example.com:3000/team/live.git"`,
		Gitee: `"id":1,"path":"live","full_name":"team/live","url":"https://git.example.com/team/live","git_http_url":
			"https://git.example.com/Team/Live.git","git_ssh_url":"git@git.example.com:team/live.git","homepage":null,"stargazers_count":1`,
	} {
		w := newWorld(t)
		body := `{"object_kind":"push","ref":"refs/heads/main","repository":{` + repository + `},"commits":[],"created":false}`
		w.wants(string(kind), kind, proof(kind, body, "1"), body, 202, "accepted", 1)
	}
}

func TestFormPayload(t *testing.T) {
	w := newWorld(t)
	body := "payload=" + url.QueryEscape(push)
	h := proof(GitHub, body, "one")
	h.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	w.wants("form", GitHub, h, body, 202, "accepted", 1)
	for _, body := range []string{"payload=", "other=1", "payload=%zz", "%"} {
		h := proof(GitHub, body, "two")
		h.Set("Content-Type", "application/x-www-form-urlencoded")
		w.wants(body, GitHub, h, body, 400, "bad request", 0)
	}
}

func TestGenericMayBeBare(t *testing.T) {
	for _, body := range []string{"", "{}", `{"ref":"main"}`, `{"ref":null,"repository":null}`, " {\"repository\":{\"url\":\"" + theURL + "\"}}\n"} {
		w := newWorld(t)
		w.wants(body, Generic, proof(Generic, body, ""), body, 202, "accepted", 1)
		w.wants(body+" again", Generic, proof(Generic, body, ""), body, 202, "duplicate", 0)
	}
}

// TestFailure_W03_C6_Forged: whatever is wrong, the answer is the same and
// nothing happens.
func TestFailure_W03_C6_Forged(t *testing.T) {
	wrong := map[string]func(h http.Header, name, value string){
		"missing":          func(h http.Header, n, _ string) { h.Del(n) },
		"empty":            func(h http.Header, n, _ string) { h.Set(n, "") },
		"one digit off":    func(h http.Header, n, v string) { h.Set(n, flip(v)) },
		"cut":              func(h http.Header, n, v string) { h.Set(n, v[:len(v)-2]) },
		"longer":           func(h http.Header, n, v string) { h.Set(n, v+"00") },
		"no hex":           func(h http.Header, n, _ string) { h.Set(n, "sha256=zz") },
		"prefix only":      func(h http.Header, n, _ string) { h.Set(n, "sha256=") },
		"sha1 named":       func(h http.Header, n, v string) { h.Set(n, strings.Replace(v, "sha256=", "sha1=", 1)+"0") },
		"sha512 named":     func(h http.Header, n, v string) { h.Set(n, "sha512="+v) },
		"the secret's own": func(h http.Header, n, _ string) { h.Set(n, theSecret+"\n") },
		"sha1 header only": func(h http.Header, n, _ string) {
			h.Del(n)
			h.Set("X-Hub-Signature", "sha1=aef5ac5eb3cc4e1cd4d7b5bd2d4ffcdbdd1ae9f4")
		},
		"another's header": func(h http.Header, n, v string) { h.Del(n); h.Set("X-Signature", v) },
	}
	proofs := map[Kind]string{
		GitHub: "X-Hub-Signature-256", GitLab: "X-Gitlab-Token", Gitea: "X-Gitea-Signature",
		Gitee: "X-Gitee-Token", Generic: "X-Signature-256",
	}
	w := newWorld(t)
	w.handler.gate = gate.New(open)
	for kind, name := range proofs {
		var first http.Header
		for how, spoil := range wrong {
			h := proof(kind, push, "one")
			spoil(h, name, h.Get(name))
			w.wants(string(kind)+", "+how, kind, h, push, 401, "unauthorized", 0)
			got := w.send("/webhook/"+string(kind), h, "x").Header
			if first == nil {
				first = got
			}
			if !maps.EqualFunc(first, got, func(a, b []string) bool { return strings.Join(a, ",") == strings.Join(b, ",") }) {
				t.Errorf("%s, %s: headers %v, others %v", kind, how, got, first)
			}
		}
		if w.counted(string(kind), resultUnauthorized) != float64(2*len(wrong)) {
			t.Errorf("%s: refusals are not counted", kind)
		}
	}
	if n := strings.Count(w.log.String(), "level=WARN"); n != len(proofs) {
		t.Errorf("%d warnings, want one a source:\n%s", n, w.log.String())
	}
	if strings.Contains(w.log.String(), theSecret) {
		t.Error("the log holds the secret")
	}
}

// flip changes the last character of a proof.
func flip(v string) string {
	if strings.HasSuffix(v, "0") {
		return v[:len(v)-1] + "1"
	}
	return v[:len(v)-1] + "0"
}

// TestFailure_C5_NoSecretNoEntry: an unreadable or empty secret refuses all,
// and a rotated one is seen.
func TestFailure_C5_NoSecretNoEntry(t *testing.T) {
	w := newWorld(t)
	for name, spoil := range map[string]func(){
		"empty":      func() { w.secret("") },
		"only space": func() { w.secret(" \n") },
		"gone":       func() { os.Remove(w.file) },
		"no base64":  func() { w.secret("whsec_!") },
	} {
		spoil()
		kind := GitLab
		h := proof(kind, push, "one")
		w.wants(name, kind, h, push, 503, "service unavailable", 0)
		h.Set("X-Gitlab-Token", "")
		w.wants(name+", nothing sent", kind, h, push, 503, "service unavailable", 0)
	}
	if n := strings.Count(w.log.String(), "level=ERROR"); n != 1 || w.counted("gitlab", resultError) != 8 {
		t.Errorf("%d errors logged, want one a minute; %v counted", n, w.counted("gitlab", resultError))
	}
	w.secret("another")
	w.wants("rotated away", GitHub, proof(GitHub, push, "one"), push, 401, "unauthorized", 0)
	w.secret(theSecret)
	w.wants("rotated back", GitHub, proof(GitHub, push, "one"), push, 202, "accepted", 1)
}

// TestFailure_W04_C6_Replayed: the same delivery again is a duplicate, with
// another id a poke that waits for the others.
func TestFailure_W04_C6_Replayed(t *testing.T) {
	for kind := range events {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			h := proof(kind, push, "one")
			w.wants("first", kind, h, push, 202, "accepted", 1)
			time.Sleep(2 * pokeGap)
			for range 20 {
				w.wants("replayed", kind, h, push, 202, "duplicate", 0)
			}
			if kind == Gitee { // its id is in its proof
				return
			}
			for i := range 20 {
				w.wants("other id", kind, proof(kind, push, strconv.Itoa(i)), push, 202, "accepted", min(1, max(0, int64(1-i))))
			}
			time.Sleep(5 * time.Second)
			synctest.Wait()
			if w.pokes.Load() != 3 {
				t.Errorf("%s: %d pokes", kind, w.pokes.Load())
			}
			if kind == GitHub || kind == Gitea || kind == Generic { // the body is in the proof
				w.wants("other body", kind, h, push+" ", 401, "unauthorized", 0)
			}
		})
	}
}

// TestFailure_W05_Malformed: foreign JSON that proves the secret is refused,
// without a panic.
func TestFailure_W05_Malformed(t *testing.T) {
	w := newWorld(t)
	w.handler.gate = gate.New(open)
	for _, body := range []string{
		"", " ", "null", "true", "0", `""`, "[]", "{", "}", "{}", "[{}]", `{"ref":`, "\x00", "\xff\xfe", "{}{}",
		`{"ref":null}`, `{"ref":"refs/heads/main"}`, `{"ref":"refs/heads/main","repository":null}`, `{"repository":{}}`,
		`{"ref":1,"repository":{}}`, `{"ref":[],"repository":{}}`, `{"ref":{},"repository":{}}`,
		`{"ref":"main","repository":[]}`, `{"ref":"main","repository":"x"}`, `{"ref":"main","repository":1e999}`,
		`{"ref":"main","repository":{"clone_url":1}}`, `{"ref":"main","repository":{"clone_url":{}}}`,
		`{"ref":"main","repository":{"url":["a"]}}`, `{"ref":"","repository":{"url":"` + theURL + `"}}`,
		strings.Repeat("[", 100_000), strings.Repeat(`{"repository":`, 10_000), `{"a":` + strings.Repeat("[", 50_000) + strings.Repeat("]", 50_000) + "}",
		"payload=" + push,
	} {
		for _, kind := range []Kind{GitHub, GitLab, Gitea, Gitee} {
			w.wants(fmt.Sprintf("%s %.60q", kind, body), kind, proof(kind, body, "1"), body, 400, "bad request", 0)
		}
	}
	for _, body := range []string{
		`{"ref":"main","repository":{}}`, `{"ref":"main","repository":{"clone_url":"","ssh_url":null}}`,
		`{"ref":"main","repository":{"url":"://","html_url":"http://[::1"}}`,
	} {
		w.wants(body, GitHub, proof(GitHub, body, "1"), body, 202, "ignored", 0)
	}
}

// TestFailure_W06_AnotherRepositoryOrRef is answered, counted and ignored.
func TestFailure_W06_AnotherRepositoryOrRef(t *testing.T) {
	w := newWorld(t)
	for _, body := range []string{
		strings.Replace(push, "team/live", "team/other", 1),
		strings.Replace(push, "git.example.com", "git.example.org", 1),
		strings.Replace(push, "heads/main", "heads/mainly", 1),
		strings.Replace(push, "clone_url", "homepage", 1),
	} {
		w.wants(body, GitHub, proof(GitHub, body, "one"), body, 202, "ignored", 0)
	}
	for _, event := range []string{"ping", "issues", "delete", "", "push\x00"} {
		h := proof(GitHub, push, "one")
		h.Set("X-GitHub-Event", event)
		w.wants("event "+event, GitHub, h, push, 202, "ignored", 0)
	}
	if w.counted("github", resultIgnored) != 9 {
		t.Errorf("%v counted", w.counted("github", resultIgnored))
	}
	body := strings.Replace(push, `"refs/heads/main"`, `"main","ref_type":"branch"`, 1)
	h := proof(GitHub, body, "one")
	h.Set("X-GitHub-Event", "create")
	w.wants("a branch is created", GitHub, h, body, 202, "accepted", 1)
}

// TestFailure_C5_LogIsClean: what a sender writes cannot forge lines.
func TestFailure_C5_LogIsClean(t *testing.T) {
	w := newWorld(t)
	body := strings.Replace(push, "refs/heads/main", `x\nlevel=ERROR\u001b[31m`+strings.Repeat("y", 5000), 1)
	w.wants("", GitHub, proof(GitHub, body, "one\x1b"+strings.Repeat("z", 5000)), body, 202, "ignored", 0)
	if log := w.log.String(); strings.Count(log, "\n") != 1 || len(log) > 800 || strings.ContainsRune(log, 0x1b) {
		t.Errorf("log of %d bytes: %.900q", len(log), log)
	}
}

func TestOthersAreNotFound(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{"/webhook/none", "/webhook/GitHub", "/webhook/..%2fgithub", "/webhook/github/", "/webhook/", "/webhook/%00"} {
		if resp := w.send(path, proof(GitHub, push, "1"), push); resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", path, resp.Status)
		}
	}
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/webhook/github", nil))
	if rec.Code != http.StatusMethodNotAllowed || rec.Header().Get("Allow") != "POST" {
		t.Errorf("GET: %d", rec.Code)
	}
	if n := testutil.CollectAndCount(w.handler.metrics.deliveries); n != len(events)*len(results) || w.pokes.Load() != 0 {
		t.Errorf("%d series, %d pokes", n, w.pokes.Load())
	}
	none, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	rec = httptest.NewRecorder()
	none.ServeHTTP(rec, httptest.NewRequest(http.MethodPost, "/webhook/github", nil))
	if rec.Code != http.StatusNotFound {
		t.Errorf("off: %d", rec.Code)
	}
}

func TestMetricsAreWellNamed(t *testing.T) {
	w := newWorld(t)
	families, err := w.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil || len(problems) != 0 || families[0].GetName() != "weir_webhook_deliveries_total" {
		t.Errorf("%v, %v", problems, err)
	}
}

func TestNewRefuses(t *testing.T) {
	w := newWorld(t)
	for want, spoil := range map[string]func(*Hook){
		"no Source":         func(h *Hook) { h.Source = "" },
		"no part of a path": func(h *Hook) { h.Source = "a/b" },
		`kind "svn"`:        func(h *Hook) { h.Kind = "svn" },
		"no Secret":         func(h *Hook) { h.Secret = secret.Ref{} },
		"no Poke":           func(h *Hook) { h.Poke = nil },
		`URL ""`:            func(h *Hook) { h.URL = "" },
		`URL "h"`:           func(h *Hook) { h.URL = "https://me:pw@h" },
	} {
		hook := w.hook(GitHub)
		spoil(&hook)
		if _, err := New(Options{Hooks: []Hook{hook}}); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "pw") {
			t.Errorf("want %s, got %v", want, err)
		}
	}
	if _, err := New(Options{Hooks: []Hook{w.hook(GitHub), w.hook(GitHub)}}); err == nil {
		t.Error("a source twice")
	}
	free := w.hook(Generic)
	free.URL = ""
	if _, err := New(Options{Hooks: []Hook{free}}); err != nil {
		t.Error(err)
	}
}

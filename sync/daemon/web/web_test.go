package web

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/html"

	"weir/sync/daemon/view"
	"weir/sync/plan"
	"weir/sync/reconcile"
)

func readAll(t *testing.T, pattern string) map[string]string {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil || len(names) == 0 {
		t.Fatalf("%s: %v, %v", pattern, names, err)
	}
	out := map[string]string{}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		out[name] = string(b)
	}
	return out
}

func handler(t testing.TB, v Viewer) *Handler {
	t.Helper()
	h, err := New(func() Viewer { return v }, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func get(t testing.TB, h http.Handler, path string) *http.Response {
	t.Helper()
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequest("GET", path, nil))
	return rec.Result()
}

func body(t testing.TB, h http.Handler, path string, code int) string {
	t.Helper()
	resp := get(t, h, path)
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != code {
		t.Fatalf("%s: %s, %v:\n%s", path, resp.Status, err, b)
	}
	return string(b)
}

// pages are all pages of the values of full.
var pages = []string{"/", "/resources", "/resources/ali/Recording/live.example.com/live/main", "/plan"}

// TestFailure_C20_TextsOfOthersStayTexts: what a manifest, a commit or a cloud says
// is text in every place of every page, whatever it is.
func TestFailure_C20_TextsOfOthersStayTexts(t *testing.T) {
	for name, text := range map[string]string{
		"markup":    `"><script>alert(1)</script><img src=x onerror=alert(1)>`,
		"attribute": `' onmouseover='alert(1)`,
		"address":   `javascript:alert(1)`,
		"bidi":      "a\u202eb\u2066c\u200fd",
		"controls":  "a\x00b\x1b[31mc\u2028d",
		"template":  `{{.T "never"}}`,
		"bad bytes": "a\xffb",
		"long":      strings.Repeat("10,000 characters ", 600),
	} {
		h := handler(t, full(text))
		for _, path := range pages {
			page := body(t, h, path, http.StatusOK)
			shown := regexp.MustCompile(`<option value="[^"]*"`).ReplaceAllString(page, "")
			if strings.ContainsAny(shown, "\u202e\u2066\u200f\u2028\x00\x1b\ufffd") {
				t.Errorf("%s, %s: a character that is not seen is in the page", name, path)
			}
			if len(page) > 300_000 {
				t.Errorf("%s, %s: %d bytes", name, path, len(page))
			}
			own(t, name+", "+path, page)
		}
	}
}

// own checks that a page has only elements and addresses of its own making.
func own(t *testing.T, where, page string) {
	t.Helper()
	doc := html.NewTokenizer(strings.NewReader(page))
	for doc.Next() != html.ErrorToken {
		tok := doc.Token()
		for _, a := range tok.Attr {
			switch {
			case strings.HasPrefix(a.Key, "on"), a.Key == "style":
				t.Errorf("%s: <%s> has %s=%q", where, tok.Data, a.Key, a.Val)
			case (a.Key == "href" || a.Key == "src" || a.Key == "action") && !ownAddress(a.Val):
				t.Errorf("%s: <%s> leads to %q", where, tok.Data, a.Val)
			case tok.Data == "script" && a.Key == "src" && !strings.Contains(a.Val, "assets/app."):
				t.Errorf("%s: script of %q", where, a.Val)
			}
		}
		if tok.Type == html.StartTagToken && (tok.Data == "img" || tok.Data == "script" && len(tok.Attr) == 0 || tok.Data == "style") {
			t.Errorf("%s: <%s>", where, tok.Data)
		}
	}
}

func ownAddress(a string) bool {
	return strings.HasPrefix(a, "./") || strings.HasPrefix(a, "../") || strings.HasPrefix(a, "#") ||
		strings.HasPrefix(a, "https://github.com/example/live/")
}

// TestPagesAreWhole: no place of a page of full is left out, in either language.
func TestPagesAreWhole(t *testing.T) {
	h := handler(t, full("a text of others"))
	for _, lang := range languages {
		for _, path := range pages {
			page := body(t, h, path+"?lang="+lang.code, http.StatusOK)
			for _, want := range []string{
				`<html lang="` + lang.tag + `"`, "a text of others", `<main id="main"`, "<h1", "</footer>", "lang=" + lang.code,
			} {
				if !strings.Contains(page, want) {
					t.Errorf("%s in %s lacks %s", path, lang.name, want)
				}
			}
			if bad := regexp.MustCompile(`%!|&lt;no value|ZgotmplZ|map\[|0x[0-9a-f]{6}`).FindString(page); bad != "" {
				t.Errorf("%s in %s has %s", path, lang.name, bad)
			}
		}
	}
	overview := body(t, h, "/", http.StatusOK)
	for _, want := range []string{
		"<code>weir apply --consent 0123456789abcdef0123456789abcdef</code>",
		"<code>weir settle ali/Recording/live.example.com/live/main again</code>",
		`href="./resources?state=drifted"`, "12 of 40 changes are done; about 1 min 35 s left.", "42 % of 18/s",
		`href="https://github.com/example/live/commit/9d2e1f0c6b2a9e41d2"`, "123,400", "a text of others.yaml:3:8",
		"<mark>a</mark> text of others",
	} {
		if !strings.Contains(overview, want) {
			t.Errorf("the overview lacks %s", want)
		}
	}
}

// TestConditions: the headline is the most urgent that holds.
func TestConditions(t *testing.T) {
	are := func(s plan.State) func(*view.Overview) {
		return func(o *view.Overview) { o.States = map[view.State]int{view.State(s): 2} }
	}
	for want, set := range map[view.Condition]func(*view.Overview){
		view.InSync:  are(plan.InSync),
		view.Waits:   are(plan.Waiting),
		view.Unknown: are(plan.Unknown),
		view.Pinned: func(o *view.Overview) {
			o.Sources = append(o.Sources, view.Source{SourceStatus: reconcile.SourceStatus{Name: "live", Pinned: &reconcile.Pin{}}})
		},
		view.Unread:   func(o *view.Overview) { o.Status.Unread = make([]reconcile.Unread, 1) },
		view.Due:      are(plan.Pending),
		view.Drift:    are(plan.Differs),
		view.Applying: func(o *view.Overview) { o.Run = &view.Run{Done: 1, Total: 2} },
		view.Fought:   func(o *view.Overview) { o.Status.Fights = make([]reconcile.FightStatus, 1) },
		view.Failing:  func(o *view.Overview) { o.Status.Failures = make([]reconcile.Failure, 1) },
		view.Refused:  func(o *view.Overview) { o.Sources = full("x").over.Sources },
		view.Held:     func(o *view.Overview) { o.Status.Plan.Held = make([]plan.Hold, 1) },
		view.NotReady: func(o *view.Overview) { o.Status.Ready = false },
	} {
		v := &values{}
		v.over.Status.Ready, v.over.Status.Mode = true, plan.Sync
		set(&v.over)
		h := handler(t, v)
		if got := v.over.Conditions(); got[0] != want {
			t.Errorf("%s: %v", want, got)
		}
		page := body(t, h, "/", http.StatusOK)
		for _, part := range []string{
			`<h1 id="state">` + h.texts.say(0, "condition."+string(want)) + "</h1>",
			`<section class="hero ` + string(conditions()[want]) + `"`, `assets/state-` + string(want) + ".",
		} {
			if !strings.Contains(page, part) {
				t.Errorf("%s: the page lacks %s", want, part)
			}
		}
	}
	all := full("x").over.Conditions()
	if all[0] != view.NotReady || len(all) != 10 {
		t.Errorf("all at once: %v", all)
	}
}

// TestConsentCommand: a plan of what was rolled back is let through by another
// command than others.
func TestConsentCommand(t *testing.T) {
	v := full("x")
	v.over.Status.Plan.Held = []plan.Hold{{Guard: "rolled-back", Message: "pinned"}}
	if page := body(t, handler(t, v), "/", http.StatusOK); !strings.Contains(page, "<code>weir rollback --unpin</code>") ||
		strings.Contains(page, "--consent") || !strings.Contains(page, "To allow it again") {
		t.Error("the page names the wrong command for a revision that was rolled back")
	}
}

func TestAssets(t *testing.T) {
	h := handler(t, full("x"))
	page := body(t, h, "/", http.StatusOK)
	found := regexp.MustCompile(`(?:src|href)="\./(assets/[^"]+)"`).FindAllStringSubmatch(page, -1)
	if len(found) != 3 {
		t.Fatalf("the page has %v", found)
	}
	for _, m := range found {
		resp := get(t, h, "/"+m[1])
		if resp.StatusCode != http.StatusOK || !strings.Contains(resp.Header.Get("Cache-Control"), "immutable") ||
			!regexp.MustCompile(`^(text/css|text/javascript|image/svg\+xml)`).MatchString(resp.Header.Get("Content-Type")) {
			t.Errorf("%s: %s, %v", m[1], resp.Status, resp.Header)
		}
	}
	for _, path := range []string{"/assets/app.css", "/assets/app.000000000000.css", "/assets/", "/assets/x/y"} {
		if code := get(t, h, path).StatusCode; code != http.StatusNotFound {
			t.Errorf("%s: %d", path, code)
		}
	}
}

// TestNothingChangesAnything: the page answers to GET alone.
func TestNothingChangesAnything(t *testing.T) {
	h := handler(t, full("x"))
	for _, path := range pages {
		for _, method := range []string{"POST", "PUT", "PATCH", "DELETE"} {
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, httptest.NewRequest(method, path, nil))
			if rec.Code != http.StatusMethodNotAllowed {
				t.Errorf("%s %s: %d", method, path, rec.Code)
			}
		}
		for _, m := range regexp.MustCompile(`<form[^>]*method="post"[^>]*>`).FindAllString(body(t, h, path, http.StatusOK), -1) {
			if !strings.Contains(m, `action="./api/v1/sync"`) {
				t.Errorf("%s has %s", path, m)
			}
		}
	}
}

// TestManyWhoLook: whoever looks in the same moment sees the same, and another
// configuration shows at once.
func TestManyWhoLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second := full("first"), full("second")
		now := first
		h, err := New(func() Viewer { return now }, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		for range 10 {
			body(t, h, "/", http.StatusOK)
		}
		if first.asks != 1 {
			t.Errorf("ten looks at once asked %d times", first.asks)
		}
		time.Sleep(fresh + 1)
		body(t, h, "/plan", http.StatusOK)
		if first.asks != 2 {
			t.Errorf("a later look asked %d times", first.asks-1)
		}
		now = second
		if page := body(t, h, "/", http.StatusOK); !strings.Contains(page, "second") {
			t.Error("a reload does not show")
		}
	})
}

// TestBelowAnotherPath: links of a page lead to where it is, so that a proxy may
// serve it below another path.
func TestBelowAnotherPath(t *testing.T) {
	h := handler(t, full("x"))
	proxy := http.StripPrefix("/ops/weir", h)
	for _, path := range pages {
		page := body(t, proxy, "/ops/weir"+path, http.StatusOK)
		for _, m := range regexp.MustCompile(`(?:href|src|action|data-events)="([^"#]+)"`).FindAllStringSubmatch(page, -1) {
			if strings.HasPrefix(m[1], "https://github.com/") {
				continue
			}
			at, err := httptest.NewRequest("GET", "http://x/ops/weir"+path, nil).URL.Parse(html.UnescapeString(m[1]))
			if err != nil || !strings.HasPrefix(at.Path, "/ops/weir/") {
				t.Errorf("%s leads to %s, %v", path, m[1], err)
			}
		}
	}
}

func TestMissing(t *testing.T) {
	h := handler(t, full("x"))
	for _, path := range []string{"/resources/ali/Recording/other", "/resources/x", "/resources/"} {
		body(t, h, path, http.StatusNotFound)
	}
	if code := get(t, h, "/elsewhere").StatusCode; code != http.StatusNotFound {
		t.Errorf("/elsewhere: %d", code)
	}
}

// TestPagerLinks: previous and next keep the filter.
func TestPagerLinks(t *testing.T) {
	page := body(t, handler(t, full("x")), "/resources?state=drifted&offset=300&lang=zh", http.StatusOK)
	for _, want := range []string{
		"第 301–400 项，共 100,000 项", `href="./resources?lang=zh&amp;offset=200&amp;state=drifted"`,
		`href="./resources?lang=zh&amp;offset=400&amp;state=drifted"`, `name="lang" value="zh"`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
}

// TestOffsets: whatever stands in an address, a page begins with a row that can be
// counted on from.
func TestOffsets(t *testing.T) {
	for offset, want := range map[string]int{
		"": 0, "x": 0, "-1": 0, "99": 0, "250": 200,
		"9223372036854775807": 0, "9223372036854775800": 0, "99999999999999999999": 0,
	} {
		if got := offsetOf(httptest.NewRequest(http.MethodGet, "/plan?offset="+offset, http.NoBody)); got != want {
			t.Errorf("offset %q: %d, want %d", offset, got, want)
		}
	}
}

// gone is a viewer that finds all only as long as whoever asks is there.
type gone struct {
	Viewer
	t *testing.T
}

func (g gone) Overview(ctx context.Context) view.Overview {
	if ctx.Err() != nil {
		g.t.Error("what is shown to all depends on who has gone")
	}
	return g.Viewer.Overview(ctx)
}

func TestWhoHasGoneSpoilsNothing(t *testing.T) {
	h := handler(t, gone{full("text"), t})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, http.MethodGet, "/", http.NoBody))
}

func TestTimes(t *testing.T) {
	p := &page{h: handler(t, &values{})}
	p.over.Now = moment
	for seconds, want := range map[float64]string{
		0: "0 s", .0004: "1 ms", .25: "250 ms", 1: "1 s", 59.6: "1 min", 95: "1 min 35 s", 3600: "1 h", 3661: "1 h 1 min", 90061: "1 d 1 h",
	} {
		if got := p.Span(seconds); got != want {
			t.Errorf("%v s: %q, want %q", seconds, got, want)
		}
	}
	if got := []string{p.Ago(moment), p.Ago(ago(90 * time.Minute)), p.In(moment.Add(3599 * time.Second)), p.In(ago(time.Second))}; strings.Join(got, "|") !=
		"just now|1 h ago|in 59 min 59 s|now" {
		t.Errorf("%q", got)
	}
	p.lang = 1
	if got := []string{p.Ago(ago(90 * time.Minute)), p.In(moment.Add(3599 * time.Second))}; strings.Join(got, "|") != "1 小时前|59 分钟 59 秒后" {
		t.Errorf("%q", got)
	}
}

func TestNumbers(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 100000: "100,000", 1234567: "1,234,567", -1000: "-1,000", -100: "-100"} {
		if got := Number(n); got != want {
			t.Errorf("%d: %s", n, got)
		}
	}
}

// TestMarked marks the word at a column, wherever that is.
func TestMarked(t *testing.T) {
	p := &page{}
	for _, tc := range []struct {
		line   string
		column int
		want   marked
	}{
		{"  regions: [SHH, NOR]", 18, marked{"  regions: [SHH, ", "NOR", "]"}},
		{"直播: 主", 5, marked{"直播: ", "主", ""}},
		{"a: b", 2, marked{"a", ":", " b"}},
		{"short", 99, marked{"short", "", ""}},
		{"short", 0, marked{"", "short", ""}},
		{"", 1, marked{}},
	} {
		if got := p.Marked(tc.line, tc.column); got != tc.want {
			t.Errorf("%q at %d: %q", tc.line, tc.column, got)
		}
	}
}

// serve serves the page as the daemon does, with a stream of events that says
// nothing.
func serve(t *testing.T, v Viewer) (origin string) {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle("/", handler(t, v))
	mux.HandleFunc("GET /api/v1/events", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", Policy)
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	t.Cleanup(srv.CloseClientConnections)
	return srv.URL
}

// BenchmarkRender is what making each page costs, apart from knowing what is in it.
func BenchmarkRender(b *testing.B) {
	h := handler(b, full("A sentence of others"))
	for _, path := range pages {
		b.Run(strings.Trim(path, "/"), func(b *testing.B) {
			for b.Loop() {
				get(b, h, path)
			}
		})
	}
}

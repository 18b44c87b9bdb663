package daemon

import (
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"weir/sync/daemon/view"
	"weir/sync/emulator"
	"weir/sync/source"
	"weir/sync/source/gitsource"
)

const (
	drifting = "apiVersion: aliyun/v1\nkind: MultiStream\nspec: {domain: drift.example.com, enabled: true}\n"
	waiting  = "apiVersion: aliyun/v1\nkind: Recording\nspec: {domain: live.example.com, app: live, stream: off, state: recording}\n"
	blocked  = "apiVersion: aliyun/v1\nkind: StreamIngest\nspec: {domain: push.example.com, app: live, stream: bad, allowed: false}\n"
	unseen   = `apiVersion: aliyun/v1
kind: RtcPrefetch
spec: {domain: live.example.com, app: live, stream: main, regions: [SHH], audioMsid: a, videoMsid: v, connectionTimeout: 1h}
`
	doubtful = `apiVersion: aliyun/v1
kind: RtcPrefetch
spec: {domain: live.example.com, app: live, stream: main, regions: [SG], audioMsid: a, videoMsid: v, connectionTimeout: 1h}
`
	relayed = `apiVersion: volcengine/v1
kind: RelaySource
metadata: {labels: {team: sports}}
spec: {vhost: push.example.com, app: live, groups: [{name: main, servers: [{address: a.example.org, protocol: rtmp}]}]}
`
)

// newGallery is a world with a resource in each state that there is, soon after it
// has begun.
func newGallery(t *testing.T) *world {
	w := newWorld(t)
	w.reports = true
	check(t, w.clouds.SetStreams(emulator.Stream{Domain: "live.example.com", App: "live", Stream: "main", Online: true}))
	check(t, w.clouds.SetFaults(1, emulator.Fault{Operation: "ForbidLiveStream", Kind: "error", Code: "InternalError"}))
	for name, text := range map[string]string{
		"drift.yaml": drifting, "wait.yaml": waiting, "block.yaml": blocked, "unseen.yaml": unseen, "relay.yaml": relayed,
	} {
		w.write(name, text)
	}
	return w
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// drift switches a domain off behind weir's back.
func (w *world) drift(d *Daemon) {
	w.t.Helper()
	check(w.t, w.clouds.Patch(emulator.World{Domains: []emulator.Domain{
		{Name: "drift.example.com", Type: "vhost", MultiStream: "off"},
		{Name: "push.drift.example.com", Type: "publish", Main: "drift.example.com"},
	}}))
	rec := httptest.NewRecorder()
	d.server.Handler.ServeHTTP(rec, httptest.NewRequest(http.MethodPost, "/api/v1/sync", http.NoBody))
	if rec.Code != http.StatusAccepted {
		w.t.Fatalf("sync: %d", rec.Code)
	}
}

// everything asks for all that can be asked for, and returns what was said of all.
func (c *contract) everything(d *Daemon) string {
	c.t.Helper()
	status := c.ask(d, "GET", "/api/v1/status", "/api/v1/status")
	list := c.ask(d, "GET", "/api/v1/resources?limit=1000", "/api/v1/resources")
	for _, row := range decode[view.List](c.t, list).Resources {
		c.ask(d, "GET", "/api/v1/resources/"+row.ID, "/api/v1/resources/{account}/{kind}/{key}")
	}
	for _, path := range []string{"plan", "passes", "problems", "quota", "journal", "observations", "openapi.json"} {
		c.ask(d, "GET", "/api/v1/"+path, "/api/v1/"+path)
	}
	return status
}

// TestAnswersAreAsDocumented: what a daemon says while it goes through what it
// can meet is what the document declares.
func TestAnswersAreAsDocumented(t *testing.T) {
	w := newGallery(t)
	d := w.make()
	c := newContract(t)
	c.ask(d, "GET", "/api/v1/plan", "/api/v1/plan") // none yet
	w.begin(d)
	events := listen(t, d)
	until(t, d, "/api/v1/status", `"failed": 1,`)
	until(t, d, "/api/v1/status", `"in-sync": 3,`)
	w.drift(d)
	until(t, d, "/api/v1/status", `"drifted": 1,`)
	for state, n := range decode[view.Overview](t, c.everything(d)).States {
		if n == 0 && state != "pending" {
			t.Errorf("nothing is %s", state)
		}
	}
	c.refusals(d)
	c.run(w, d)
	c.held(w, d)
	c.refused(w, d)
	c.told(events)
	c.git(t)
}

// refusals asks in all the ways in which weir refuses an answer.
func (c *contract) refusals(d *Daemon) {
	c.t.Helper()
	c.ask(d, "GET", "/api/v1/resources/ali/MultiStream/liev.example.com", "/api/v1/resources/{account}/{kind}/{key}")
	for _, query := range []string{
		"a=b", "limit=0", "limit=1001", "limit=x", "offset=-1", "state=odd", "label=x", "label==x", "q=1&q=2", "limit=", "q=%zz",
	} {
		body := c.ask(d, "GET", "/api/v1/resources?"+query, "/api/v1/resources")
		if !strings.Contains(body, `"status":400`) {
			c.t.Errorf("?%s: %s", query, body)
		}
	}
	c.ask(d, "GET", "/api/v1/plan?limit=-1", "/api/v1/plan")
	c.ask(d, "GET", "/api/v1/journal?below=x", "/api/v1/journal")
	c.ask(d, "GET", "/api/v1/status?x=", "/api/v1/status")
	for path, want := range map[string]int{
		"/api/v2": http.StatusNotFound, "/api/v1/nothing": http.StatusNotFound, "/api/v1/status/": http.StatusNotFound,
		"/api/v1/resources/ali": http.StatusNotFound,
	} {
		c.refusal(d, "GET", path, want)
	}
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "OPTIONS"} {
		c.refusal(d, method, "/api/v1/status", http.StatusMethodNotAllowed)
	}
	c.refusal(d, "GET", "/api/v1/sync", http.StatusMethodNotAllowed)
}

// refusal asks for what is no operation of the API.
func (c *contract) refusal(d *Daemon, method, path string, want int) {
	c.t.Helper()
	rec := httptest.NewRecorder()
	d.server.Handler.ServeHTTP(rec, httptest.NewRequest(method, path, http.NoBody))
	if rec.Code != want || rec.Header().Get("Content-Type") != "application/problem+json" {
		c.t.Errorf("%s %s: %d %s", method, path, rec.Code, rec.Header().Get("Content-Type"))
		return
	}
	if want == http.StatusMethodNotAllowed && rec.Header().Get("Allow") == "" {
		c.t.Errorf("%s %s: nothing is allowed", method, path)
	}
	c.holds("refusal", map[string]any{"$ref": "#/components/schemas/Problem"}, rec.Body.String())
}

// run asks while a change takes its time.
func (c *contract) run(w *world, d *Daemon) {
	c.t.Helper()
	check(c.t, w.clouds.SetFaults(1, emulator.Fault{
		Operation: "UpdateRelaySourceV3", Kind: "latency", Delay: emulator.Duration(3 * time.Second),
	}, emulator.Fault{Operation: "HotLiveRtcStream", Kind: "lost-response"}))
	w.write("relay.yaml", strings.Replace(relayed, "a.example.org", "b.example.org", 1))
	until(c.t, d, "/api/v1/status", `"foreseen"`)
	c.everything(d)
	until(c.t, d, "/api/v1/passes", `"account": "volc"`)
	w.write("doubtful.yaml", strings.Replace(doubtful, "stream: main", "stream: other", 1))
	check(c.t, w.clouds.SetStreams(emulator.Stream{Domain: "live.example.com", App: "live", Stream: "other", Online: true}))
	until(c.t, d, "/api/v1/status", `"inDoubt": true`)
	c.everything(d)
	check(c.t, w.clouds.SetFaults(1))
}

// held asks while a guard holds the plan.
func (c *contract) held(w *world, d *Daemon) {
	c.t.Helper()
	check(c.t, os.Remove(filepath.Join(w.dir, "relay.yaml")))
	w.write("record.yaml", strings.Replace(waiting, "stream: off", "stream: main", 1))
	w.write("silence.yaml", strings.Replace(blocked, "stream: bad", "stream: main", 1))
	until(c.t, d, "/api/v1/plan", `"consent": "weir apply --consent `)
	until(c.t, d, "/api/v1/resources/ali/Recording/live.example.com/live/main", `"token"`)
	c.everything(d)
	w.write("relay.yaml", relayed)
	check(c.t, os.Remove(filepath.Join(w.dir, "silence.yaml")))
	until(c.t, d, "/api/v1/resources/ali/Recording/live.example.com/live/main", `"epoch"`)
	c.everything(d)
}

// refused asks while the newest revision is refused.
func (c *contract) refused(w *world, d *Daemon) {
	c.t.Helper()
	w.write("a.yaml", "# one\n# two\n"+strings.Replace(multi, "true", "on", 1)+"# after\n")
	body := until(c.t, d, "/api/v1/problems", `"wrong-type"`)
	if !strings.Contains(body, `"number": 3`) || !strings.Contains(body, `"# after"`) {
		c.t.Errorf("no lines round the problem: %s", body)
	}
	c.everything(d)
	w.write("a.yaml", multi)
	until(c.t, d, "/api/v1/problems", `"sources": []`)
	check(c.t, os.Rename(w.dir, w.dir+"-gone"))
	until(c.t, d, "/api/v1/status", "source-missing")
	c.everything(d)
	check(c.t, os.Rename(w.dir+"-gone", w.dir))
}

// told holds the events of all of it against the document.
func (c *contract) told(events <-chan event) {
	c.t.Helper()
	schemas := map[string]string{"status": "Headline", "pass": "Pass", "plan": "PlanHead", "resource": "Row"}
	met := map[string]int{}
	for len(events) > 0 {
		e := <-events
		if met[e.name]++; schemas[e.name] != "" {
			c.holds("event-"+e.name, map[string]any{"$ref": "#/components/schemas/" + schemas[e.name]}, e.data)
		}
	}
	for name := range schemas {
		if met[name] == 0 {
			c.t.Errorf("no event %s, but %v", name, met)
		}
	}
}

// git asks a daemon that follows a repository.
func (c *contract) git(t *testing.T) {
	w := newWorld(t)
	git := serveGit(t)
	git("add", "a.yaml")
	git("commit", "-qm", "Two encoders for the main channel")
	w.open = func() (source.Source, func() error, error) {
		src, err := gitsource.New(gitsource.Options{
			Name: "live", URL: git("url"), Branch: "main", Interval: 50 * time.Millisecond,
		})
		if err != nil {
			return nil, nil, err
		}
		return src, src.Close, nil
	}
	d := w.start()
	until(t, d, "/api/v1/status", `"state": "in-sync"`)
	body := c.everything(d)
	if !strings.Contains(body, `"subject": "Two encoders for the main channel"`) || !strings.Contains(body, `"author": "Ann <ann@example.com>"`) {
		t.Errorf("status without the commit: %s", body)
	}
	body = c.ask(d, "GET", "/api/v1/resources/ali/MultiStream/live.example.com", "/api/v1/resources/{account}/{kind}/{key}")
	res := decode[view.Resource](t, body)
	if res.Origin.Author != "Ann <ann@example.com>" || res.Desired.At.IsZero() || time.Since(res.Desired.At) > time.Hour {
		t.Errorf("resource without its commit: %s", body)
	}
	git("broken")
	git("commit", "-qam", "A mistake")
	body = until(t, d, "/api/v1/status", `"newestCommit"`)
	if !strings.Contains(body, `"subject": "A mistake"`) {
		t.Errorf("status without the newest commit: %s", body)
	}
	c.everything(d)
}

// serveGit serves a new repository with one manifest. What it returns runs git in
// it, breaks the manifest, or tells its address.
func serveGit(t *testing.T) func(args ...string) string {
	t.Helper()
	dir := t.TempDir()
	address := ""
	git := func(args ...string) string {
		switch args[0] {
		case "url":
			return address
		case "broken":
			check(t, os.WriteFile(filepath.Join(dir, "a.yaml"), []byte("kind: nonsense\n"), 0o600))
			return ""
		}
		cmd := exec.CommandContext(t.Context(), "git", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1",
			"GIT_AUTHOR_NAME=Ann", "GIT_AUTHOR_EMAIL=ann@example.com", "GIT_COMMITTER_NAME=c", "GIT_COMMITTER_EMAIL=c@example.com")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	git("init", "-q", "-b", "main")
	check(t, os.WriteFile(filepath.Join(dir, "a.yaml"), []byte(multi), 0o600))
	server := httptest.NewServer(&cgi.Handler{
		Path: filepath.Join(git("--exec-path"), "git-http-backend"),
		Env:  []string{"GIT_PROJECT_ROOT=" + dir, "GIT_HTTP_EXPORT_ALL=1"},
	})
	t.Cleanup(server.Close)
	address = server.URL + "/.git"
	return git
}

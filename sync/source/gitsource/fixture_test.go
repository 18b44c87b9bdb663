package gitsource

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"weir/sync/source"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// repo is a repository with a worktree and a server of git's own that serves
// it.
type repo struct {
	t      testing.TB
	dir    string
	server *httptest.Server
	posts  atomic.Int32 // fetches
	// before sees each request first and answers it itself by returning true.
	before atomic.Pointer[func(http.ResponseWriter, *http.Request) bool]
}

func newRepo(t testing.TB) *repo {
	t.Helper()
	r := &repo{t: t, dir: t.TempDir()}
	r.git("init", "-q", "-b", "main")
	r.git("config", "gc.auto", "0")
	r.git("config", "http.receivepack", "false")
	backend := &cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(r.git("--exec-path")), "git-http-backend"),
		Env:  []string{"GIT_PROJECT_ROOT=" + r.dir, "GIT_HTTP_EXPORT_ALL=1"},
	}
	r.server = httptest.NewServer(r.around(backend))
	t.Cleanup(r.server.Close)
	return r
}

func (r *repo) around(backend http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if f := r.before.Load(); f != nil && (*f)(w, req) {
			return
		}
		if req.Method == http.MethodPost {
			r.posts.Add(1)
		}
		backend.ServeHTTP(w, req)
	})
}

func (r *repo) intercept(f func(http.ResponseWriter, *http.Request) bool) { r.before.Store(&f) }

func (r *repo) git(args ...string) string {
	r.t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = r.dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=c", "GIT_COMMITTER_EMAIL=c@example.com")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		r.t.Fatalf("git %v: %v\n%s", args, err, stderr.String())
	}
	return string(out)
}

func (r *repo) write(name, text string) {
	r.t.Helper()
	full := filepath.Join(r.dir, name)
	must(r.t, os.MkdirAll(filepath.Dir(full), 0o755))
	must(r.t, os.WriteFile(full, []byte(text), 0o644))
}

// commit commits all there is and returns the hash.
func (r *repo) commit() string {
	r.t.Helper()
	r.git("add", "-A")
	r.git("commit", "-q", "--allow-empty", "-m", "x")
	return r.head()
}

func (r *repo) head() string { return strings.TrimSpace(r.git("rev-parse", "HEAD")) }

// save writes a file and commits it.
func (r *repo) save(name, text string) string {
	r.t.Helper()
	r.write(name, text)
	return r.commit()
}

// tracked is a source under test and what it returned last.
type tracked struct {
	t   testing.TB
	src *Source
	got *source.Snapshot
}

// options are quick ones for the repository's main branch.
func (r *repo) options() Options {
	return Options{
		Name: "live", URL: r.server.URL + "/.git", Branch: "main", Interval: 10 * time.Millisecond, Timeout: 10 * time.Second,
		retryFirst: time.Millisecond, retryMost: 4 * time.Millisecond, gap: time.Millisecond,
		random: func() float64 { return 0 },
	}
}

func open(t testing.TB, opt Options) *tracked {
	t.Helper()
	src, err := New(opt)
	must(t, err)
	t.Cleanup(func() { _ = src.Close() })
	return &tracked{t: t, src: src}
}

func (f *tracked) next() (*source.Snapshot, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	return f.src.Next(ctx, f.got)
}

// want takes the next revision, which must be this one with these files.
func (f *tracked) want(commit string, files map[string]string) {
	f.t.Helper()
	snap, err := f.next()
	if err != nil {
		f.t.Fatalf("next: %v", err)
	}
	f.same(snap, commit, files)
	f.got = snap
}

func (f *tracked) same(snap *source.Snapshot, commit string, files map[string]string) {
	f.t.Helper()
	if snap.Revision != commit || snap.Source != "live" {
		f.t.Errorf("revision %s of %s, want %s of live", snap.Revision, snap.Source, commit)
	}
	got := map[string]string{}
	for i, file := range snap.Files {
		got[file.Path] = string(file.Data)
		if i > 0 && snap.Files[i-1].Path >= file.Path {
			f.t.Errorf("%s does not come before %s", snap.Files[i-1].Path, file.Path)
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(files) {
		f.t.Errorf("files %v, want %v", got, files)
	}
}

// refuses takes the next error, which must have this code and path.
func (f *tracked) refuses(code, path string) string {
	f.t.Helper()
	snap, err := f.next()
	var fault *source.Error
	if !errors.As(err, &fault) {
		f.t.Fatalf("got %v, %v; want %s", snap, err, code)
	}
	if fault.Code != code || fault.Path != path {
		f.t.Fatalf("got %v, want %s at %q", err, code, path)
	}
	return err.Error()
}

// reaches takes errors until there is a revision, which must be this one.
func (f *tracked) reaches(commit string, files map[string]string) {
	f.t.Helper()
	for range 200 {
		snap, err := f.next()
		if err == nil {
			f.same(snap, commit, files)
			f.got = snap
			return
		}
	}
	f.t.Fatal("the source does not heal")
}

// quiet holds that Next returns nothing for a while.
func (f *tracked) quiet() {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 80*time.Millisecond)
	defer cancel()
	if snap, err := f.src.Next(ctx, f.got); !errors.Is(err, context.DeadlineExceeded) {
		f.t.Errorf("got %v, %v; want nothing", snap, err)
	}
}

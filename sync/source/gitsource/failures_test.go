package gitsource

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-git/go-billy/v5"

	"weir/sync/source"
)

// fetched returns what git itself answers to a fetch.
func (r *repo) fetched(req *http.Request) *httptest.ResponseRecorder {
	backend := &cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(r.git("--exec-path")), "git-http-backend"),
		Env:  []string{"GIT_PROJECT_ROOT=" + r.dir, "GIT_HTTP_EXPORT_ALL=1"},
	}
	answer := httptest.NewRecorder()
	backend.ServeHTTP(answer, req)
	return answer
}

func (r *repo) listing(dir string) string {
	r.t.Helper()
	var names []string
	must(r.t, filepath.WalkDir(dir, func(name string, _ os.DirEntry, err error) error {
		names = append(names, name)
		return err
	}))
	return strings.Join(names, "\n")
}

// TestFailure_S12_CorruptAgainAndAgain holds that a server whose packs are all
// damaged changes nothing: the mirror stays as it is and is used.
func TestFailure_S12_CorruptAgainAndAgain(t *testing.T) {
	r, f, opt := mirrored(t)
	first := r.head()
	before := r.listing(opt.Mirror)
	last := r.save("a.yaml", "x: 2\n")
	r.intercept(func(w http.ResponseWriter, req *http.Request) bool {
		if req.Method != http.MethodPost {
			return false
		}
		answer := r.fetched(req)
		body := answer.Body.Bytes()
		body[bytes.Index(body, []byte("PACK"))+30] ^= 1
		w.Header().Set("Content-Type", answer.Header().Get("Content-Type"))
		_, _ = w.Write(body)
		return true
	})
	for range 5 {
		f.refuses(source.CodeProtocol, "")
	}
	if after := r.listing(opt.Mirror); after != before {
		t.Errorf("the mirror was\n%s\nand is\n%s", before, after)
	}
	snap, err := f.src.At(t.Context(), first)
	must(t, err)
	f.same(snap, first, one("x: 1\n"))

	must(t, f.src.Close())
	f = open(t, opt)
	f.want(first, one("x: 1\n"))
	f.refuses(source.CodeProtocol, "")
	r.intercept(func(http.ResponseWriter, *http.Request) bool { return false })
	f.reaches(last, one("x: 2\n"))
}

// failing is a filesystem that does not write while it is told so.
type failing struct {
	billy.Filesystem
	with error
}

func (f *failing) fault(name string) error {
	if f.with == nil {
		return nil
	}
	return &os.PathError{Op: "open", Path: name, Err: f.with}
}

func (f *failing) TempFile(dir, prefix string) (billy.File, error) {
	if err := f.fault(prefix); err != nil {
		return nil, err
	}
	return f.Filesystem.TempFile(dir, prefix)
}

func (f *failing) OpenFile(name string, flag int, perm os.FileMode) (billy.File, error) {
	if err := f.fault(name); err != nil && flag != os.O_RDONLY {
		return nil, err
	}
	return f.Filesystem.OpenFile(name, flag, perm)
}

func (f *failing) Rename(from, to string) error {
	if err := f.fault(to); err != nil {
		return err
	}
	return f.Filesystem.Rename(from, to)
}

// TestFailure_S34_ReadOnly holds that a filesystem that became read-only keeps
// the revision in force, and that it heals when it is writable again.
func TestFailure_S34_ReadOnly(t *testing.T) {
	r, f, _ := mirrored(t)
	first := r.head()
	disk := &failing{Filesystem: f.src.mirror.fs, with: syscall.EROFS}
	f.src.mirror = newMirror(disk)
	last := r.save("a.yaml", "x: 2\n")
	for range 3 {
		f.refuses(source.CodeMirror, "")
	}
	snap, err := f.src.At(t.Context(), first)
	must(t, err)
	f.same(snap, first, one("x: 1\n"))
	disk.with = nil
	f.reaches(last, one("x: 2\n"))
}

// TestFailure_S34_EIO holds that a mirror on a spot that cannot be written any
// more is replaced by another.
func TestFailure_S34_EIO(t *testing.T) {
	r, f, _ := mirrored(t)
	f.src.mirror = newMirror(&failing{Filesystem: f.src.mirror.fs, with: syscall.EIO})
	f.want(r.save("a.yaml", "x: 2\n"), one("x: 2\n"))
	f.want(r.save("a.yaml", "x: 3\n"), one("x: 3\n"))
}

// many makes n commits that change a.yaml, without a process for each.
func (r *repo) many(n int) string {
	r.t.Helper()
	var b strings.Builder
	for i := range n {
		text := fmt.Sprintf("x: %d\n", i+100)
		fmt.Fprintf(&b, "commit refs/heads/main\ncommitter c <c@example.com> %d +0000\ndata 1\nx\n", 1_900_000_000+i)
		if i == 0 {
			fmt.Fprintf(&b, "from refs/heads/main^0\n")
		}
		fmt.Fprintf(&b, "M 644 inline a.yaml\ndata %d\n%s\n", len(text), text)
	}
	cmd := exec.Command("git", "fast-import", "--quiet")
	cmd.Dir, cmd.Stdin = r.dir, strings.NewReader(b.String())
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.t.Fatalf("fast-import: %v\n%s", err, out)
	}
	r.git("reset", "-q", "--hard")
	return r.head()
}

// TestFailure_S38_MergeStorm holds that a thousand commits are one revision and
// one fetch.
func TestFailure_S38_MergeStorm(t *testing.T) {
	r, f, opt := mirrored(t)
	must(t, f.src.Close())
	opt.Interval = time.Hour
	f = open(t, opt)
	f.want(r.head(), one("x: 1\n"))
	before := r.posts.Load()
	head := r.many(1_000)
	f.src.Poke()
	f.src.Poke()
	f.want(head, one("x: 1099\n"))
	if n := r.posts.Load() - before; n != 1 {
		t.Errorf("%d fetches, want 1", n)
	}
	f.quiet()
}

// The variables that make this test the process that is killed.
const (
	victimURL    = "GITSOURCE_VICTIM_URL"
	victimMirror = "GITSOURCE_VICTIM_MIRROR"
)

func TestVictim(t *testing.T) {
	url := os.Getenv(victimURL)
	if url == "" {
		t.Skip("only as a process of its own")
	}
	src, err := New(Options{Name: "live", URL: url, Branch: "main", Mirror: os.Getenv(victimMirror)})
	must(t, err)
	snap, err := src.Next(context.Background(), nil)
	t.Fatalf("it was not killed: %v, %v", snap, err)
}

// stall has half of a pack sent, and then nothing.
func (r *repo) stall() (half <-chan struct{}) {
	sent := make(chan struct{})
	r.intercept(func(w http.ResponseWriter, req *http.Request) bool {
		if req.Method != http.MethodPost {
			return false
		}
		answer := r.fetched(req)
		body := answer.Body.Bytes()
		w.Header().Set("Content-Type", answer.Header().Get("Content-Type"))
		_, _ = w.Write(body[:bytes.Index(body, []byte("PACK"))+40])
		_ = http.NewResponseController(w).Flush()
		close(sent)
		<-req.Context().Done()
		return true
	})
	return sent
}

// waitFor waits until a file that matches is there.
func waitFor(t *testing.T, pattern string) {
	t.Helper()
	for range 1_000 {
		if found, err := filepath.Glob(pattern); err == nil && len(found) > 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("no %s", pattern)
}

// TestMirror_KilledInAFetch kills a process that has half a pack.
func TestMirror_KilledInAFetch(t *testing.T) {
	for name, repository := range map[string]string{"in the first clone": coming, "in a later fetch": current} {
		t.Run(name, func(t *testing.T) {
			r, f, opt := mirrored(t)
			must(t, f.src.Close())
			last := r.save("a.yaml", "x: 2\n")
			if repository == coming {
				opt.Mirror = filepath.Join(t.TempDir(), "mirror")
			}
			half := r.stall()
			cmd := exec.Command(os.Args[0], "-test.run", "^TestVictim$")
			cmd.Env = append(os.Environ(), victimURL+"="+opt.URL, victimMirror+"="+opt.Mirror)
			must(t, cmd.Start())
			<-half
			waitFor(t, filepath.Join(opt.Mirror, repository, "tmp_fetch_*"))
			must(t, cmd.Process.Signal(syscall.SIGKILL))
			if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
				t.Fatalf("the process ended with %v", err)
			}
			r.intercept(func(http.ResponseWriter, *http.Request) bool { return false })
			f = open(t, opt)
			f.want(last, one("x: 2\n"))
			left, err := filepath.Glob(filepath.Join(opt.Mirror, "*", "tmp_*"))
			if err != nil || len(left) > 0 {
				t.Errorf("left: %v, %v", left, err)
			}
		})
	}
}

// TestMirror_Reload holds that a source that is made for the mirror of one that
// is open does not touch it.
func TestMirror_Reload(t *testing.T) {
	r, f, opt := mirrored(t)
	must(t, os.Mkdir(filepath.Join(opt.Mirror, coming), 0o700))
	before := r.listing(opt.Mirror)
	other := opt
	other.URL += "/other"
	for _, o := range []Options{opt, other} {
		next, err := New(o)
		must(t, err)
		if after := r.listing(opt.Mirror); after != before {
			t.Errorf("the mirror was\n%s\nand is\n%s", before, after)
		}
		must(t, next.Close())
	}
	f.want(r.save("a.yaml", "x: 2\n"), one("x: 2\n"))
	again := open(t, opt)
	must(t, f.src.Close())
	again.want(r.head(), one("x: 2\n"))
}

// TestMirror_WipedThenRestarted holds that a folder that was wiped while it was
// in use is still known as ours.
func TestMirror_WipedThenRestarted(t *testing.T) {
	r, f, opt := mirrored(t)
	must(t, os.RemoveAll(opt.Mirror))
	f.want(r.save("a.yaml", "x: 2\n"), one("x: 2\n"))
	must(t, f.src.Close())
	open(t, opt).want(r.head(), one("x: 2\n"))
}

// TestTrace_WhileTheRemoteStalls holds that who asks for the past does not wait
// for the remote.
func TestTrace_WhileTheRemoteStalls(t *testing.T) {
	for _, mirror := range []string{"", t.TempDir()} {
		r := newRepo(t)
		first := r.save("a.yaml", "x: 1\n")
		f := r.follow(t, func(o *Options) { o.Mirror = mirror })
		half := r.stall()
		r.save("a.yaml", "x: 2\n")
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_, _ = f.src.Next(ctx, f.got)
		}()
		<-half
		f.says("a.yaml:1", first)
		snap, err := f.src.At(ctx, first)
		must(t, err)
		f.same(snap, first, one("x: 1\n"))
		select {
		case <-ended:
			t.Error("Next did not wait for the remote")
		default:
		}
		stop()
		<-ended
	}
}

package gitsource

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"weir/sync/source"
)

// rewritten is a repository with one commit in force whose branch was then
// moved to another history, and a source that asks a store.
type rewritten struct {
	*repo
	opt       Options
	good, bad string
	stored    string
	told      []string
}

func newRewritten(t *testing.T) (*rewritten, *tracked) {
	t.Helper()
	r := &rewritten{repo: newRepo(t)}
	r.opt = r.options()
	r.opt.Mirror = filepath.Join(t.TempDir(), "m")
	r.opt.Held = func(_ context.Context, head string) error { r.told = append(r.told, head); return nil }
	r.opt.Accepted = func(context.Context) (string, error) { return r.stored, nil }
	r.opt.Remember = func(_ context.Context, hash string) error { r.stored = hash; return nil }
	base := r.save("a.yaml", "x: 0\n")
	r.good = r.save("a.yaml", "x: 1\n")
	f := open(t, r.opt)
	f.want(r.good, one("x: 1\n"))
	r.git("reset", "-q", "--hard", base)
	r.bad = r.save("a.yaml", "x: 2\n")
	return r, f
}

func (r *rewritten) saw(want ...string) {
	r.t.Helper()
	if !slices.Equal(r.told, want) {
		r.t.Errorf("told %q, want %q", r.told, want)
	}
}

func TestFailure_S08_Held(t *testing.T) {
	r, f := newRewritten(t)
	for range 3 {
		f.refuses(source.CodeRewritten, "")
	}
	r.saw("", r.bad)
	worse := r.save("a.yaml", "x: 3\n")
	f.refuses(source.CodeRewritten, "")
	r.git("branch", "-m", "away") // says nothing about what waits
	f.refuses(source.CodeBranch, "")
	r.git("branch", "-m", "main")
	r.saw("", r.bad, worse)
	r.git("update-ref", "refs/heads/main", r.good)
	f.reaches(r.good, one("x: 1\n"))
	f.quiet()
	r.saw("", r.bad, worse, "")
	must(t, f.src.Close())
	f = open(t, r.opt)
	f.want(r.good, one("x: 1\n"))
	r.saw("", r.bad, worse, "", "") // a mark of the process before may be stale
}

func TestFailure_S33_HeldNotStored(t *testing.T) {
	r, f := newRewritten(t)
	full := errors.New("disk full")
	var told []string
	f.src.opt.Held = func(_ context.Context, head string) error { told = append(told, head); return full }
	f.refuses(source.CodeRewritten, "")
	f.refuses(source.CodeRewritten, "")
	full = nil
	f.refuses(source.CodeRewritten, "")
	f.refuses(source.CodeRewritten, "")
	if want := []string{r.bad, r.bad, r.bad}; !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
}

func TestFailure_S08_AcceptedElsewhere(t *testing.T) {
	r, f := newRewritten(t)
	f.refuses(source.CodeRewritten, "")
	r.stored = r.bad // as by a command in another process
	f.want(r.bad, one("x: 2\n"))
	r.saw("", r.bad, "")
}

func TestFailure_S08_AcceptedElsewherePoked(t *testing.T) {
	r, f := newRewritten(t)
	f.src.opt.Interval, f.src.opt.retryFirst, f.src.opt.retryMost = time.Hour, time.Hour, time.Hour
	f.refuses(source.CodeRewritten, "")
	r.stored = r.bad
	f.quiet()
	f.src.Poke()
	f.want(r.bad, one("x: 2\n"))
}

func TestFailure_C11_RestartAcceptedElsewhere(t *testing.T) {
	r, f := newRewritten(t)
	must(t, f.src.Close())
	f = open(t, r.opt)
	f.want(r.good, one("x: 1\n"))
	f.refuses(source.CodeRewritten, "")
	r.stored = r.bad
	f.want(r.bad, one("x: 2\n"))
	r.saw("", r.bad, "")
}

func TestFailure_S09_BranchGoneAtStart(t *testing.T) {
	r, f := newRewritten(t)
	must(t, f.src.Close())
	must(t, os.RemoveAll(r.opt.Mirror))
	r.git("branch", "-m", "away")
	if text := open(t, r.opt).refuses(source.CodeBranch, ""); !strings.Contains(text, r.good) {
		t.Errorf("%q does not name %s", text, r.good)
	}
}

// After a rewrite the accepted commit is in no branch any more. A host may
// still give it to those who know its hash.
func TestFailure_C11_MirrorWiped(t *testing.T) {
	for name, c := range map[string]struct{ gives, gone bool }{
		"the host gives it": {true, false}, "the host does not": {false, false},
		"the branch is gone": {true, true},
	} {
		t.Run(name, func(t *testing.T) {
			r, f := newRewritten(t)
			must(t, f.src.Close())
			must(t, os.RemoveAll(r.opt.Mirror))
			code := source.CodeRewritten
			if c.gives {
				r.git("config", "uploadpack.allowAnySHA1InWant", "true")
			}
			if c.gone {
				r.git("branch", "-m", "away")
				code = source.CodeBranch
			}
			before := r.posts.Load()
			f = open(t, r.opt)
			if c.gives {
				f.want(r.good, one("x: 1\n"))
			}
			for range 3 {
				f.refuses(code, "")
			}
			if n := r.posts.Load() - before; n > 2 {
				t.Errorf("%d fetches, want one of the head and one of the accepted commit", n)
			}
			if c.gone {
				return
			}
			r.stored = r.bad
			f.reaches(r.bad, one("x: 2\n"))
		})
	}
}

package gitsource

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"weir/sync/source"
)

func one(text string) map[string]string { return map[string]string{"a.yaml": text} }

func TestFailure_S08_ForcePush(t *testing.T) {
	r := newRepo(t)
	base := r.save("a.yaml", "x: 0\n")
	f := open(t, r.options())
	f.want(base, one("x: 0\n"))
	good := r.save("a.yaml", "x: 1\n")
	f.want(good, one("x: 1\n"))
	r.git("reset", "-q", "--hard", base)
	bad := r.save("a.yaml", "x: 2\n")
	for range 3 {
		text := f.refuses(source.CodeRewritten, "")
		if !strings.Contains(text, good) || !strings.Contains(text, bad) {
			t.Errorf("%q does not name %s and %s", text, good, bad)
		}
	}
	if n := r.posts.Load(); n != 3 {
		t.Errorf("%d fetches for 3 heads", n)
	}
	t.Run("the old head again", func(t *testing.T) {
		r.git("update-ref", "refs/heads/main", good)
		f.reaches(good, one("x: 1\n"))
		f.quiet()
	})
	t.Run("accepted", func(t *testing.T) {
		r.git("update-ref", "refs/heads/main", bad)
		f.refuses(source.CodeRewritten, "")
		must(t, f.src.Accept(bad))
		f.reaches(bad, one("x: 2\n"))
		r.git("update-ref", "refs/heads/main", good) // the consent was for one hash
		f.refuses(source.CodeRewritten, "")
	})
	if err := f.src.Accept("main"); err == nil {
		t.Error("a name is accepted in place of a hash")
	}
}

func TestFailure_S08_OtherConsent(t *testing.T) {
	r := newRepo(t)
	r.save("a.yaml", "x: 1\n")
	opt := r.options()
	accepted := strings.Repeat("1", 40)
	var remembered []string
	opt.Accepted = func(context.Context) (string, error) { return accepted, nil }
	opt.Remember = func(_ context.Context, hash string) error {
		remembered = append(remembered, hash)
		return nil
	}
	f := open(t, opt)
	f.refuses(source.CodeRewritten, "")
	accepted = r.head() // as by a command in another process
	f.reaches(accepted, one("x: 1\n"))
	next := r.save("a.yaml", "x: 2\n")
	f.want(next, one("x: 2\n"))
	if len(remembered) != 1 || remembered[0] != next {
		t.Errorf("remembered %v, want %s", remembered, next)
	}
}

func TestFailure_S08_Follow(t *testing.T) {
	r := newRepo(t)
	opt := r.options()
	opt.FollowRewrites = true
	f := open(t, opt)
	f.want(r.save("a.yaml", "x: 1\n"), one("x: 1\n"))
	r.git("checkout", "-q", "--orphan", "other")
	second := r.save("a.yaml", "x: 2\n")
	r.git("update-ref", "refs/heads/main", second)
	f.want(second, one("x: 2\n"))
}

func TestFailure_S09_BranchGone(t *testing.T) {
	r := newRepo(t)
	first := r.save("a.yaml", "x: 1\n")
	f := open(t, r.options())
	f.want(first, one("x: 1\n"))
	r.git("branch", "-m", "away")
	if text := f.refuses(source.CodeBranch, ""); !strings.Contains(text, first) {
		t.Errorf("%q does not name %s", text, first)
	}
	r.git("branch", "-m", "main")
	f.reaches(first, one("x: 1\n"))
	r.git("update-ref", "-d", "refs/heads/main") // the repository is empty
	f.refuses(source.CodeBranch, "")
}

func TestFailure_S10_UnrelatedRoot(t *testing.T) {
	r := newRepo(t)
	first := r.save("a.yaml", "x: 1\n")
	f := open(t, r.options())
	f.want(first, one("x: 1\n"))
	r.git("checkout", "-q", "--orphan", "other")
	second := r.save("a.yaml", "x: 2\n")
	r.git("update-ref", "refs/heads/main", second)
	text := f.refuses(source.CodeRewritten, "")
	if !strings.Contains(text, second+" does not follow "+first) {
		t.Errorf("%q does not say what happened", text)
	}
}

func TestFailure_S11_Backwards(t *testing.T) {
	r := newRepo(t)
	first := r.save("a.yaml", "x: 1\n")
	second := r.save("a.yaml", "x: 2\n")
	f := open(t, r.options())
	f.want(second, one("x: 2\n"))
	r.git("reset", "-q", "--hard", first)
	if text := f.refuses(source.CodeRewritten, ""); !strings.Contains(text, first+" is older than "+second) {
		t.Errorf("%q does not say what happened", text)
	}
	r.git("reset", "-q", "--hard", second)
	r.git("revert", "--no-edit", "HEAD")
	f.reaches(r.head(), one("x: 1\n"))
}

func TestFailure_C11_AcrossRestarts(t *testing.T) {
	for _, hooks := range []bool{false, true} {
		r := newRepo(t)
		base := r.save("a.yaml", "x: 0\n")
		good := r.save("a.yaml", "x: 1\n")
		opt := r.options()
		opt.Mirror = t.TempDir()
		if stored := ""; hooks {
			opt.Accepted = func(context.Context) (string, error) { return stored, nil }
			opt.Remember = func(_ context.Context, hash string) error { stored = hash; return nil }
		}
		f := open(t, opt)
		f.want(good, one("x: 1\n"))
		must(t, f.src.Close())
		r.git("reset", "-q", "--hard", base)
		bad := r.save("a.yaml", "x: 2\n")
		f = open(t, opt)
		f.want(good, one("x: 1\n")) // the last good one stays in force
		f.refuses(source.CodeRewritten, "")
		must(t, f.src.Accept(bad))
		f.reaches(bad, one("x: 2\n"))
	}
}

func TestFailure_S33_AcceptedNotStored(t *testing.T) {
	r := newRepo(t)
	head := r.save("a.yaml", "x: 1\n")
	full := errors.New("disk full")
	opt := r.options()
	opt.Accepted = func(context.Context) (string, error) { return "", nil }
	opt.Remember = func(context.Context, string) error { return full }
	f := open(t, opt)
	f.refuses(source.CodeAccepted, "")
	full = nil
	f.reaches(head, one("x: 1\n"))
	opt.Accepted = func(context.Context) (string, error) { return "", os.ErrPermission }
	open(t, opt).refuses(source.CodeAccepted, "")
}

func TestMerge(t *testing.T) {
	r := newRepo(t)
	f := open(t, r.options())
	f.want(r.save("a.yaml", "x: 1\n"), one("x: 1\n"))
	r.git("checkout", "-q", "-b", "side", "HEAD")
	r.save("b.yaml", "y: 1\n")
	r.git("checkout", "-q", "main")
	r.git("merge", "-q", "--no-ff", "-m", "merge", "side")
	f.want(r.head(), map[string]string{"a.yaml": "x: 1\n", "b.yaml": "y: 1\n"})
}

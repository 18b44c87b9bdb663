package gitsource

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"weir/sync/source"
)

func local(t *testing.T, o LocalOptions) *Checkout {
	t.Helper()
	o.Name = "live"
	c, err := Local(t.Context(), o)
	must(t, err)
	t.Cleanup(func() { must(t, c.Close()) })
	return c
}

func (r *repo) has(t *testing.T, dir, revision, commit, text string) {
	t.Helper()
	c := local(t, LocalOptions{Dir: dir, Revision: revision})
	(&tracked{t: t}).same(c.Snapshot(), commit, one(text))
}

func TestLocal_Revisions(t *testing.T) {
	r := newRepo(t)
	first := r.save("a.yaml", "x: 1\n")
	r.git("tag", "-a", "-m", "x", "v1")
	second := r.save("a.yaml", "x: 2\n")
	r.branch("feature/x", first)
	side := r.save("a.yaml", "x: 3\n")
	r.git("checkout", "-q", "main")
	r.git("merge", "-q", "--no-ff", "-s", "ours", "-m", "m", "feature/x")
	merge := r.head()
	r.git("update-ref", "refs/remotes/origin/main", second)
	r.git("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/main")
	r.git("update-ref", "refs/pull/7/merge", side)
	r.write("a.yaml", "not: committed\n")
	check := func(t *testing.T) {
		t.Helper()
		for name, want := range map[string]struct{ commit, text string }{
			"HEAD": {merge, "x: 2\n"}, "@": {merge, "x: 2\n"}, "main": {merge, "x: 2\n"},
			"HEAD~1": {second, "x: 2\n"}, "HEAD~": {second, "x: 2\n"}, "HEAD^": {second, "x: 2\n"}, "main~2": {first, "x: 1\n"},
			"HEAD^2": {side, "x: 3\n"}, "HEAD^2~1": {first, "x: 1\n"}, "HEAD^^": {first, "x: 1\n"}, "main^0": {merge, "x: 2\n"},
			"v1": {first, "x: 1\n"}, "refs/tags/v1": {first, "x: 1\n"}, "feature/x": {side, "x: 3\n"},
			"origin/main": {second, "x: 2\n"}, "origin": {second, "x: 2\n"}, "refs/pull/7/merge": {side, "x: 3\n"},
			side: {side, "x: 3\n"}, side[:9]: {side, "x: 3\n"}, strings.ToUpper(side[:12]): {side, "x: 3\n"},
		} {
			r.has(t, r.dir, name, want.commit, want.text)
		}
	}
	check(t)
	r.git("gc", "-q")
	check(t)
	for _, name := range []string{
		"", "nothing", "HEAD~9", "HEAD^3", "~1", "main:a.yaml", "main@{1}", "HEAD^{tree}", "-x", "../main", "HEAD~x",
		strings.Repeat("1", 40), "12345678", first + "0", strings.TrimSpace(r.git("rev-parse", "HEAD^{tree}")),
	} {
		_, err := Local(t.Context(), LocalOptions{Dir: r.dir, Revision: name})
		if err == nil || !strings.Contains(err.Error(), "git fetch") {
			t.Errorf("%q: got %v", name, err)
		}
	}
}

func TestLocal_Rules(t *testing.T) {
	r := newRepo(t)
	r.save("live/a.yaml", "x: 1\n")
	if c := local(t, LocalOptions{Dir: r.dir, Revision: "HEAD", Path: "live/"}); len(c.Snapshot().Files) != 1 {
		t.Errorf("got %v", c.Snapshot())
	}
	must(t, os.Symlink("/etc/passwd", filepath.Join(r.dir, "live/b.yaml")))
	r.commit()
	for path, code := range map[string]string{"live": source.CodeSymlink, "none": source.CodeMissing} {
		var fault *source.Error
		_, err := Local(t.Context(), LocalOptions{Dir: r.dir, Revision: "HEAD", Path: path})
		if !errors.As(err, &fault) || fault.Code != code {
			t.Errorf("%s: got %v, want %s", path, err, code)
		}
	}
	if _, err := Local(t.Context(), LocalOptions{Dir: r.dir, Revision: "HEAD", Path: "../x"}); err == nil {
		t.Error("a path out of the repository was taken")
	}
	if _, err := Local(t.Context(), LocalOptions{Dir: t.TempDir(), Revision: "HEAD"}); err == nil {
		t.Error("a folder in no repository was taken")
	}
}

func TestLocal_Source(t *testing.T) {
	r := newRepo(t)
	first := r.save("a.yaml", "x: 1\n")
	r.save("b.yaml", "x: 1\n")
	c := local(t, LocalOptions{Dir: r.dir, Revision: "HEAD"})
	snap, err := c.Next(t.Context(), nil)
	if err != nil || snap != c.Snapshot() {
		t.Errorf("got %v, %v", snap, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if snap, err := c.Next(ctx, snap); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, %v", snap, err)
	}
	was, err := c.At(t.Context(), first)
	must(t, err)
	(&tracked{t: t}).same(was, first, one("x: 1\n"))
	got, err := c.Trace(t.Context(), r.head(), []source.Place{place("a.yaml:1"), place("b.yaml:1")})
	must(t, err)
	if got[0].Commit != first || got[1].Commit != r.head() {
		t.Errorf("got %v", got)
	}
}

// TestLocal_Kinds reads clones of all kinds that CI systems make.
func TestLocal_Kinds(t *testing.T) {
	r := newRepo(t)
	r.save("a.yaml", "x: 1\n")
	head := r.save("a.yaml", "x: 2\n")
	must(t, os.MkdirAll(filepath.Join(r.dir, "sub/folder"), 0o755))
	at := t.TempDir()
	sh := func(script string) {
		t.Helper()
		cmd := exec.Command("sh", "-ec", script)
		cmd.Dir = at
		cmd.Env = append(os.Environ(), "R="+r.dir, "URL="+r.server.URL+"/.git", "GIT_CONFIG_GLOBAL=/dev/null",
			"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@b", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@b")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", script, err, out)
		}
	}
	sh(`git -C "$R" worktree add -q "$PWD/linked" -b other HEAD`)
	sh(`git clone -q --shared "$R" shared && git clone -q --reference shared "$URL" twice`)
	sh(`git init -q super && cd super && git -c protocol.file.allow=always submodule --quiet add "$R" m && git commit -q -m x`)
	sh(`git clone -q --depth 1 "$URL" shallow`)
	for dir, revision := range map[string]string{
		"linked": "other", "shared": "HEAD", "twice": "origin/main", "super/m": "HEAD", "shallow": "HEAD",
	} {
		t.Run(dir, func(t *testing.T) { r.has(t, filepath.Join(at, dir), revision, head, "x: 2\n") })
	}
	r.has(t, filepath.Join(r.dir, "sub/folder"), "HEAD~1", strings.TrimSpace(r.git("rev-parse", "HEAD~1")), "x: 1\n")
}

func TestLocal_Shallow(t *testing.T) {
	r := newRepo(t)
	r.save("a.yaml", "x: 1\n")
	r.save("b.yaml", "x: 1\n")
	last := r.save("c.yaml", "x: 1\n")
	dir := filepath.Join(t.TempDir(), "c")
	must(t, exec.Command("git", "clone", "-q", "--depth", "2", r.server.URL+"/.git", dir).Run())
	c := local(t, LocalOptions{Dir: dir, Revision: "HEAD"})
	got, err := c.Trace(t.Context(), last, []source.Place{place("a.yaml:1"), place("b.yaml:1"), place("c.yaml:1")})
	must(t, err)
	if got[0] != (source.Change{}) || got[1] != (source.Change{}) || got[2].Commit != last {
		t.Errorf("got %v", got)
	}
	if _, err := Local(t.Context(), LocalOptions{Dir: dir, Revision: "HEAD~2"}); err == nil ||
		!strings.Contains(err.Error(), "--unshallow") {
		t.Errorf("got %v", err)
	}
}

func TestFind(t *testing.T) {
	r := newRepo(t)
	r.save("live/deep/a.yaml", "x: 1\n")
	link := filepath.Join(t.TempDir(), "link")
	must(t, os.Symlink(filepath.Join(r.dir, "live"), link))
	for dir, want := range map[string]string{r.dir: ".", filepath.Join(r.dir, "live/deep"): "live/deep", link: "live"} {
		root, rel, err := Find(dir)
		if err != nil || root != r.dir || rel != want {
			t.Errorf("%s: got %s, %s, %v", dir, root, rel, err)
		}
	}
	if _, _, err := Find(t.TempDir()); err == nil {
		t.Error("found a repository where none is")
	}
}

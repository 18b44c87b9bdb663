package gitsource

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"weir/sync/source"
)

func TestNew_Options(t *testing.T) {
	good := Options{Name: "live", URL: "https://git.example.com/live.git", Branch: "main"}
	for name, c := range map[string]struct {
		change func(*Options)
		want   string
	}{
		"no name":        {func(o *Options) { o.Name = "" }, "name is required"},
		"no branch":      {func(o *Options) { o.Branch = "" }, "one of branch, tag, semver and commit"},
		"branch and tag": {func(o *Options) { o.Tag = "v1" }, "one of branch, tag, semver and commit"},
		"tag and range":  {func(o *Options) { o.Branch, o.Tag, o.Semver = "", "v1", ">=1" }, "one of branch, tag, semver"},
		"no range":       {func(o *Options) { o.Branch, o.Semver = "", "new ones" }, "semver: \"new ones\" is no range"},
		"short commit":   {func(o *Options) { o.Branch, o.Commit = "", "abc" }, "40 hexadecimal"},
		"path outside":   {func(o *Options) { o.Path = "../x" }, "folder of the repository"},
		"negative time":  {func(o *Options) { o.Interval = -1 }, "must not be negative"},
		"negative limit": {func(o *Options) { o.Limits.Files = -1 }, "limits must not be negative"},
		"file":           {func(o *Options) { o.URL = "file:///etc" }, "must begin with https"},
		"no host":        {func(o *Options) { o.URL = "https:///x" }, "must begin with https"},
		"query":          {func(o *Options) { o.URL += "?token=x" }, "query"},
		"user":           {func(o *Options) { o.URL = "https://bob:hunter2@host/x" }, "must not hold a user"},
		"broken url":     {func(o *Options) { o.URL = "https://bob:hunter2@ho st/%zz" }, "cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			opt := good
			c.change(&opt)
			_, err := New(opt)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the password is in %v", err)
			}
		})
	}
}

func TestNext_Branch(t *testing.T) {
	for name, mirror := range map[string]string{"in memory": "", "on disk": t.TempDir()} {
		t.Run(name, func(t *testing.T) {
			r := newRepo(t)
			r.write("b/a.yaml", "x: 1\n")
			r.write("b-c.yaml", "x: 2\n")
			r.write(".ci/d.yaml", "x: 3\n")
			first := r.save("notes.md", "not a manifest")
			opt := r.options()
			opt.Mirror = mirror
			f := open(t, opt)
			f.want(first, map[string]string{"b/a.yaml": "x: 1\n", "b-c.yaml": "x: 2\n"})
			was := f.got.Files
			f.quiet()
			second := r.save("b/a.yaml", "x: 4\n")
			f.want(second, map[string]string{"b/a.yaml": "x: 4\n", "b-c.yaml": "x: 2\n"})
			if &was[0].Data[0] != &f.got.Files[0].Data[0] {
				t.Error("an unchanged file was read again")
			}
			r.git("mv", "b", "c")
			third := r.commit()
			f.want(third, map[string]string{"c/a.yaml": "x: 4\n", "b-c.yaml": "x: 2\n"})
			r.git("rm", "-q", "-r", "c", "b-c.yaml")
			f.want(r.commit(), map[string]string{})
			if n := r.posts.Load(); n != 4 {
				t.Errorf("%d fetches for 4 commits", n)
			}
		})
	}
}

func TestNext_NoNewsNoFetch(t *testing.T) {
	r := newRepo(t)
	f := open(t, r.options())
	f.want(r.save("a.yaml", "x: 1\n"), map[string]string{"a.yaml": "x: 1\n"})
	f.quiet()
	if n := r.posts.Load(); n != 1 {
		t.Errorf("%d fetches, want 1", n)
	}
}

func TestNext_Hash(t *testing.T) {
	r := newRepo(t)
	f := open(t, r.options())
	f.want(r.save("a.json", "{}"), map[string]string{"a.json": "{}"})
	const hash = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a" // sha256sum of {}
	if got := f.got.Files[0].Hash; got != hash {
		t.Errorf("hash %s, want %s", got, hash)
	}
}

func TestNext_Path(t *testing.T) {
	r := newRepo(t)
	r.write("else/b.yaml", "x: 1\n")
	first := r.save("ops/live/a.yaml", "x: 1\n")
	opt := r.options()
	opt.Path = "/ops/live/"
	f := open(t, opt)
	f.want(first, map[string]string{"a.yaml": "x: 1\n"})
	second := r.save("else/b.yaml", "x: 2\n") // another commit is another revision
	f.want(second, map[string]string{"a.yaml": "x: 1\n"})
	r.git("mv", "ops", "away")
	r.commit()
	f.refuses(source.CodeMissing, "")
	r.git("mv", "away", "ops")
	f.reaches(r.commit(), map[string]string{"a.yaml": "x: 1\n"})
}

func TestNext_Tag(t *testing.T) {
	r := newRepo(t)
	first := r.save("a.yaml", "x: 1\n")
	r.git("tag", "-a", "-m", "x", "stable")
	second := r.save("a.yaml", "x: 2\n")
	opt := r.options()
	opt.Branch, opt.Tag = "", "stable"
	f := open(t, opt)
	f.want(first, map[string]string{"a.yaml": "x: 1\n"})
	f.quiet()
	r.git("tag", "-f", "stable")
	f.want(second, map[string]string{"a.yaml": "x: 2\n"})
	r.git("tag", "-f", "stable", r.tree())
	f.refuses(source.CodeBranch, "")
}

func (r *repo) tree() string { return strings.TrimSpace(r.git("rev-parse", "HEAD^{tree}")) }

func TestNext_Commit(t *testing.T) {
	r := newRepo(t)
	first := r.save("a.yaml", "x: 1\n")
	r.save("a.yaml", "x: 2\n")
	opt := r.options()
	opt.Branch, opt.Commit, opt.Mirror = "", first, t.TempDir()
	f := open(t, opt)
	f.want(first, map[string]string{"a.yaml": "x: 1\n"})
	must(t, f.src.Close())
	r.server.Close() // what is in the mirror needs no remote
	open(t, opt).want(first, map[string]string{"a.yaml": "x: 1\n"})
}

func TestNext_CommitUnknown(t *testing.T) {
	r := newRepo(t)
	r.save("a.yaml", "x: 1\n")
	opt := r.options()
	opt.Branch, opt.Commit = "", strings.Repeat("1", 40)
	open(t, opt).refuses(source.CodeBranch, "")
}

func TestNext_Ends(t *testing.T) {
	r := newRepo(t)
	f := open(t, r.options())
	f.want(r.save("a.yaml", "x: 1\n"), map[string]string{"a.yaml": "x: 1\n"})
	ended := make(chan error)
	go func() {
		_, err := f.src.Next(context.Background(), f.got)
		ended <- err
	}()
	must(t, f.src.Close())
	if err := <-ended; !errors.Is(err, os.ErrClosed) {
		t.Errorf("got %v, want closed", err)
	}
	if _, err := f.src.Next(t.Context(), nil); !errors.Is(err, os.ErrClosed) {
		t.Errorf("got %v, want closed", err)
	}
}

func TestPoke(t *testing.T) {
	r := newRepo(t)
	opt := r.options()
	opt.Interval = time.Hour
	f := open(t, opt)
	f.want(r.save("a.yaml", "x: 1\n"), map[string]string{"a.yaml": "x: 1\n"})
	second := r.save("a.yaml", "x: 2\n")
	f.quiet()
	for range 10 {
		f.src.Poke()
	}
	f.want(second, map[string]string{"a.yaml": "x: 2\n"})
}

func TestFailure_S39_Coalesced(t *testing.T) {
	r := newRepo(t)
	f := open(t, r.options())
	f.want(r.save("a.yaml", "x: 1\n"), map[string]string{"a.yaml": "x: 1\n"})
	was := &f.got.Files[0].Data[0]
	r.save("a.yaml", "x: 2\n")
	last := r.save("a.yaml", "x: 1\n")
	f.want(last, map[string]string{"a.yaml": "x: 1\n"})
	if &f.got.Files[0].Data[0] != was {
		t.Error("a change that was taken back was read")
	}
}

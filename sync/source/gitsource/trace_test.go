package gitsource

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"weir/sync/source"
)

// traced is a source whose history is asked for.
type traced struct {
	*tracked
	repo *repo
}

// follow opens a source at the repository's head.
func (r *repo) follow(t testing.TB, change func(*Options)) *traced {
	t.Helper()
	opt := r.options()
	if change != nil {
		change(&opt)
	}
	f := &traced{open(t, opt), r}
	f.take()
	return f
}

// take takes the repository's head.
func (f *traced) take() {
	f.t.Helper()
	for range 100 {
		snap, err := f.next()
		must(f.t, err)
		if f.got = snap; snap.Revision == f.repo.head() {
			return
		}
	}
	f.t.Fatal("the head does not come")
}

func place(at string) source.Place {
	file, line, _ := strings.Cut(at, ":")
	n, _ := strconv.Atoi(line)
	return source.Place{File: file, Line: n}
}

// says holds that the document at this place was last changed by this commit,
// "" for nobody.
func (f *traced) says(at, commit string) {
	f.t.Helper()
	f.answers(place(at), commit)
}

// lost holds that the document that was at this place was removed by this
// commit.
func (f *traced) lost(at, since, commit string) {
	f.t.Helper()
	p := place(at)
	p.Since = since
	f.answers(p, commit)
}

func (f *traced) answers(p source.Place, commit string) {
	f.t.Helper()
	got, err := f.src.Trace(context.Background(), f.got.Revision, []source.Place{p})
	must(f.t, err)
	want := source.Change{Commit: commit}
	if commit != "" {
		want.Author = "a <a@example.com>"
	}
	if got[0] != want {
		f.t.Errorf("%v: got %v, want %s", p, got[0], want)
	}
}

func TestTrace_Linear(t *testing.T) {
	r := newRepo(t)
	first := r.save("a.yaml", "x: 1\n")
	other := r.save("b.yaml", "x: 1\n")
	f := r.follow(t, nil)
	f.says("a.yaml:1", first)
	f.says("b.yaml:1", other)
	last := r.save("a.yaml", "x: 2\n")
	f.take()
	f.says("a.yaml:1", last)
	f.says("b.yaml:1", other)
	f.says("c.yaml:1", "")
	f.says("../b.yaml:1", "")
}

func TestTrace_Documents(t *testing.T) {
	r := newRepo(t)
	first := r.save("a.yaml", "x: 1\n---\ny: 1\n---\nz: 1\n")
	second := r.save("a.yaml", "x: 1\n---\n# why\ny: 1\n---\nz: 1\n")
	third := r.save("a.yaml", "# head\n\n\n---\nx: 1\n\n---\n# why\ny: 1   \n---\nz: 1\n---\nn: 1")
	f := r.follow(t, nil)
	f.says("a.yaml:5", first)
	f.says("a.yaml:4", first)
	f.says("a.yaml:8", second)
	f.says("a.yaml:9", second)
	f.says("a.yaml:11", first)
	f.says("a.yaml:13", third)
	f.says("a.yaml:1", third)
}

func TestTrace_JSON(t *testing.T) {
	r := newRepo(t)
	r.save("a.json", "{\n\"x\":\n1}")
	last := r.save("a.json", "{\n\"x\":\n2}")
	f := r.follow(t, nil)
	f.says("a.json:1", last)
	f.says("a.json:3", last)
}

func TestTrace_Revert(t *testing.T) {
	r := newRepo(t)
	first := r.save("a.yaml", "x: 1\n")
	f := r.follow(t, nil)
	f.says("a.yaml:1", first)
	r.save("a.yaml", "x: 2\n")
	revert := r.save("a.yaml", "x: 1\n")
	f.take()
	f.says("a.yaml:1", revert)
	r.save("b.yaml", "x: 1\n")
	f.take()
	f.says("a.yaml:1", revert)
}

func TestTrace_Path(t *testing.T) {
	r := newRepo(t)
	r.save("live/a.yaml", "x: 1\n")
	last := r.save("live/a.yaml", "x: 2\n")
	r.save("a.yaml", "x: 1\n")
	f := r.follow(t, func(o *Options) { o.Path = "live" })
	f.says("a.yaml:1", last)
}

// branch makes a branch of the present head and stands on it.
func (r *repo) branch(name, from string) { r.git("checkout", "-q", "-b", name, from) }

func TestTrace_Merge(t *testing.T) {
	r := newRepo(t)
	base := r.save("a.yaml", "x: 1\n---\ny: 1\n---\nz: 1\n---\nw: 1\n---\nv: 1\n")
	r.branch("side", base)
	side := r.save("a.yaml", "x: 1\n---\ny: 1\n---\nz: 1\n---\nw: 1\n---\nv: 2\n")
	r.git("checkout", "-q", "main")
	main := r.save("a.yaml", "x: 2\n---\ny: 1\n---\nz: 1\n---\nw: 1\n---\nv: 1\n")
	r.git("merge", "-q", "--no-ff", "-m", "m", "side")
	f := r.follow(t, nil)
	f.says("a.yaml:1", main)
	f.says("a.yaml:3", base)
	f.says("a.yaml:9", side)
}

func TestTrace_MergeThatChanges(t *testing.T) {
	r := newRepo(t)
	base := r.save("a.yaml", "x: 1\n")
	r.branch("side", base)
	r.save("b.yaml", "x: 1\n")
	r.git("checkout", "-q", "main")
	r.save("c.yaml", "x: 1\n")
	r.git("merge", "-q", "--no-ff", "--no-commit", "side")
	evil := r.save("a.yaml", "x: 3\n")
	f := r.follow(t, nil)
	f.says("a.yaml:1", evil)
}

func TestTrace_Octopus(t *testing.T) {
	r := newRepo(t)
	base := r.save("a.yaml", "x: 1\n")
	want := map[string]string{"a.yaml": base}
	for i := range 4 {
		name := fmt.Sprintf("b%d", i)
		r.branch(name, base)
		want[name+".yaml"] = r.save(name+".yaml", "x: 1\n")
	}
	r.git("checkout", "-q", "main")
	r.git("merge", "-q", "-m", "m", "b0", "b1", "b2", "b3")
	f := r.follow(t, nil)
	for file, commit := range want {
		f.says(file+":1", commit)
	}
}

func TestTrace_Renames(t *testing.T) {
	r := newRepo(t)
	r.write("dir/b.yaml", "x: 1\n")
	first := r.save("dir/a.yaml", "x: 1\n---\ny: 1\n")
	r.git("mv", "dir", "folder")
	r.commit()
	f := r.follow(t, nil)
	f.says("folder/a.yaml:1", first)
	f.says("folder/a.yaml:3", first)
	f.says("folder/b.yaml:1", first)

	// Renamed and changed at once.
	r.git("mv", "folder/a.yaml", "c.yaml")
	both := r.save("c.yaml", "x: 1\n---\ny: 2\n")
	f.take()
	f.says("c.yaml:1", first)
	f.says("c.yaml:3", both)

	// One file becomes two.
	r.git("rm", "-q", "c.yaml")
	r.write("d.yaml", "x: 1\n")
	r.save("e.yaml", "y: 2\n")
	f.take()
	f.says("d.yaml:1", first)
	f.says("e.yaml:1", both)

	// A document that stays elsewhere was not moved.
	copied := r.save("f.yaml", "x: 1\n")
	f.take()
	f.says("f.yaml:1", copied)
}

func TestTrace_Gone(t *testing.T) {
	r := newRepo(t)
	r.save("a.yaml", "x: 1\n")
	was := r.save("a.yaml", "x: 1\n---\ny: 1\n---\nz: 1\n")
	f := r.follow(t, nil)
	y := r.save("a.yaml", "x: 1\n---\nz: 1\n")
	r.save("b.yaml", "x: 1\n")
	f.take()
	f.lost("a.yaml:3", was, y)
	r.git("rm", "-q", "a.yaml")
	all := r.commit()
	r.save("b.yaml", "x: 2\n")
	f.take()
	f.lost("a.yaml:3", was, y)
	f.lost("a.yaml:1", was, all)
	f.lost("a.yaml:1", strings.Repeat("1", 40)+","+was, all)
	f.lost("a.yaml:5", "dir:0, "+was, all)
	f.lost("a.yaml:3", strings.Repeat("1", 40), all)
	f.lost("c.yaml:1", was, "")
}

func TestTrace_GoneOnABranch(t *testing.T) {
	r := newRepo(t)
	base := r.save("a.yaml", "x: 1\n---\ny: 1\n")
	r.branch("side", base)
	side := r.save("a.yaml", "x: 1\n")
	r.git("checkout", "-q", "main")
	r.save("b.yaml", "x: 1\n")
	f := r.follow(t, nil)
	r.git("merge", "-q", "--no-ff", "-m", "m", "side")
	f.take()
	f.lost("a.yaml:3", base, side)
}

func TestTrace_GoneByAMerge(t *testing.T) {
	r := newRepo(t)
	base := r.save("b.yaml", "x: 1\n")
	r.branch("side", base)
	r.save("c.yaml", "x: 1\n")
	r.git("checkout", "-q", "main")
	was := r.save("a.yaml", "x: 1\n")
	f := r.follow(t, nil)
	r.git("merge", "-q", "--no-ff", "--no-commit", "side")
	r.git("rm", "-q", "-f", "a.yaml")
	merge := r.commit()
	f.take()
	f.lost("a.yaml:1", was, merge)
}

// TestTrace_Restart holds that nothing has to be remembered.
func TestTrace_Restart(t *testing.T) {
	r := newRepo(t)
	first := r.save("a.yaml", "x: 1\n")
	last := r.save("b.yaml", "x: 1\n")
	mirror := filepath.Join(t.TempDir(), "m")
	f := r.follow(t, func(o *Options) { o.Mirror = mirror })
	f.says("a.yaml:1", first)
	must(t, f.src.Close())
	got, err := f.src.Trace(t.Context(), last, []source.Place{place("a.yaml:1")})
	if err != nil || got[0] != (source.Change{}) {
		t.Errorf("after Close: got %v, %v", got, err)
	}
	if _, err := f.src.At(t.Context(), last); err == nil {
		t.Error("At answers after Close")
	}

	opt := r.options()
	opt.Mirror = mirror
	again := &traced{open(t, opt), r}
	snap, err := again.src.At(t.Context(), first)
	must(t, err)
	again.same(snap, first, one("x: 1\n"))
	again.got = &source.Snapshot{Revision: last}
	again.says("a.yaml:1", first)
	if n := r.posts.Load(); n != 1 {
		t.Errorf("%d fetches, want 1", n)
	}
}

func TestTrace_Bounds(t *testing.T) {
	r := newRepo(t)
	first := r.save("a.yaml", "x: 1\n")
	for i := range 10 {
		r.save("b.yaml", fmt.Sprintf("x: %d\n", i))
	}
	f := r.follow(t, nil)
	f.src.tracer.most = 5
	f.says("a.yaml:1", "")
	f.says("b.yaml:1", r.head())
	f.src.tracer.most = 100
	f.says("a.yaml:1", "") // it is remembered
	f.src.tracer.known = known{}
	f.says("a.yaml:1", first)

	f.src.tracer.known = known{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	got, err := f.src.Trace(ctx, f.got.Revision, []source.Place{place("a.yaml:1")})
	if err != nil || got[0] != (source.Change{}) {
		t.Errorf("without time: got %v, %v", got, err)
	}
	f.says("a.yaml:1", first)
}

func TestTrace_Unknown(t *testing.T) {
	r := newRepo(t)
	opt := r.options()
	f := &traced{open(t, opt), r}
	head := r.save("a.yaml", "x: 1\n")
	f.got = &source.Snapshot{Revision: head}
	f.says("a.yaml:1", "")
	if _, err := f.src.Trace(t.Context(), "main", nil); err == nil {
		t.Error("a branch was taken for a revision")
	}
	for _, revision := range []string{head, "main", strings.Repeat("1", 40)} {
		if _, err := f.src.At(t.Context(), revision); err == nil {
			t.Errorf("there is a snapshot of %s", revision)
		}
	}
}

// TestTrace_KnownEnds holds that a walk ends where an answer is known, and that
// only the answers of that commit count.
func TestTrace_KnownEnds(t *testing.T) {
	r := newRepo(t)
	first := r.save("a.yaml", "x: 1\n")
	for i := range 10 {
		r.save("b.yaml", fmt.Sprintf("x: %d\n", i))
	}
	f := r.follow(t, nil)
	f.says("a.yaml:1", first)
	r.save("b.yaml", "x: no\n")
	r.git("mv", "a.yaml", "c.yaml")
	r.commit()
	f.take()
	f.src.tracer.most = 3
	f.says("c.yaml:1", first)
}

func TestKnown_Bounded(t *testing.T) {
	var k known
	for i := range mostKnown + 10 {
		k.remember([20]byte{byte(i)}, target{path: strconv.Itoa(i)}, source.Change{})
	}
	if k.count != 10 || len(k.at) != 10 {
		t.Errorf("%d answers of %d commits, want 10", k.count, len(k.at))
	}
}

// TestTrace_Past holds that what a revision must not have does not matter in
// its past.
func TestTrace_Past(t *testing.T) {
	r := newRepo(t)
	first := r.save("a.yaml", "x: 1\n")
	must(t, os.Symlink("a.yaml", filepath.Join(r.dir, "link.yaml")))
	r.commit()
	r.git("rm", "-q", "link.yaml")
	link := r.save("link.yaml", "x: 2\n")
	f := r.follow(t, nil)
	f.says("a.yaml:1", first)
	f.says("link.yaml:1", link)
}

func TestChecked(t *testing.T) {
	r := newRepo(t)
	r.save("a.yaml", "x: 1\n")
	begun := time.Now()
	f := &traced{open(t, r.options()), r}
	if at := f.src.Checked(); !at.IsZero() {
		t.Errorf("checked at %s before it began", at)
	}
	f.take()
	first := f.src.Checked()
	f.quiet()
	if again := f.src.Checked(); first.Before(begun) || !again.After(first) {
		t.Errorf("checked at %s, then %s", first, again)
	}
}

func TestParseIdentity(t *testing.T) {
	for in, want := range map[string]struct {
		who  string
		when int64
	}{
		"A B <a@b> 1700000000 +0100":        {"A B <a@b>", 1700000000},
		"A <a@b>":                           {"A <a@b>", 0},
		"A\x1b[31m\u202e <a@b>\x07> 12 +0":  {"A [31m  <a@b> >", 12},
		"\xff <x> -5 +0":                    {"? <x>", -5},
		"":                                  {"", 0},
		strings.Repeat("é", 150) + " <x> 7": {strings.Repeat("é", 100), 7},
	} {
		if who, when := parseIdentity([]byte(in)); who != want.who || when != want.when {
			t.Errorf("%q: got %q, %d", in, who, when)
		}
	}
}

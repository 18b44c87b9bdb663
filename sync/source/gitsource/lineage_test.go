package gitsource

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"weir/sync/source"
)

// findLine finds the line "thing: text"; "broken" in its place cannot be read.
func findLine(f source.File) source.Found {
	n := 0
	for line := range strings.SplitSeq(string(f.Data), "\n") {
		n++
		if text, ok := strings.CutPrefix(line, "thing: "); ok {
			return source.Found{Present: true, Text: text, Line: n}
		}
		if line == "broken" {
			return source.Found{Broken: true}
		}
	}
	return source.Found{}
}

// local opens the repository at its head.
func (r *repo) local() *Checkout {
	r.t.Helper()
	c, err := Local(r.t.Context(), LocalOptions{Name: "live", Dir: r.dir, Revision: "HEAD"})
	must(r.t, err)
	r.t.Cleanup(func() { _ = c.Close() })
	return c
}

func (r *repo) versions(whole bool) source.Versions {
	r.t.Helper()
	v, err := r.local().Versions(r.t.Context(), source.Quest{Revision: r.head(), Find: findLine, Whole: whole})
	must(r.t, err)
	return v
}

// told writes versions as the test expects them: the newest first, each as
// its commit's name, what it declares, and what it came from.
func told(v source.Versions, names map[string]string) string {
	out := []string{fmt.Sprint("head ", v.Head)}
	for _, one := range v.List {
		text := names[one.Commit] + " " + one.File + " " + one.Text
		if !one.Present {
			text = names[one.Commit] + " gone"
		}
		if one.Edge {
			text += " edge"
		}
		out = append(out, text+" "+fmt.Sprint(one.From))
	}
	return strings.Join(out, "; ")
}

func TestVersions_Linear(t *testing.T) {
	r := newRepo(t)
	names := map[string]string{}
	save := func(name, file, text string) { names[r.save(file, text)] = name }
	save("first", "b.yaml", "x")
	save("made", "a.yaml", "x\nthing: 1\n")
	save("other", "b.yaml", "thing")
	save("moved lines", "a.yaml", "\n\n\nthing: 1\n")
	r.git("mv", "a.yaml", "c.yaml")
	names[r.commit()] = "renamed"
	save("changed", "c.yaml", "thing: 2\n")
	r.write("c.yaml", "none")
	save("into another file", "b.yaml", "x\nthing: 2\n")
	save("typo", "b.yaml", "broken")
	save("mended", "b.yaml", "thing: 3")
	if got, want := told(r.versions(false), names), "head 0; mended b.yaml 3 [1]; changed c.yaml 2 [2]; made a.yaml 1 []"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	save("removed", "b.yaml", "none")
	save("idle", "d.yaml", "none")
	want := "head 0; removed gone [1]; mended b.yaml 3 [2]; changed c.yaml 2 [3]; made a.yaml 1 []"
	if got := told(r.versions(false), names); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	save("again", "d.yaml", "thing: 3\n")
	if got := told(r.versions(false), names); got != "head 0; again d.yaml 3 []" {
		t.Errorf("since it was there last: %s", got)
	}
	if got := told(r.versions(true), names); got != "head 0; again d.yaml 3 [1]; removed gone [2]; "+
		"mended b.yaml 3 [3]; changed c.yaml 2 [4]; made a.yaml 1 []" {
		t.Errorf("whole: %s", got)
	}
}

func TestVersions_Never(t *testing.T) {
	r := newRepo(t)
	r.save("a.yaml", "x: 1\n")
	r.save("a.yaml", "x: 2\n")
	if v := r.versions(true); v.Head != -1 || len(v.List) != 0 || v.Cut {
		t.Errorf("%+v", v)
	}
}

func TestVersions_Merge(t *testing.T) {
	r := newRepo(t)
	names := map[string]string{}
	save := func(name, file, text string) { names[r.save(file, text)] = name }
	save("base", "a.yaml", "thing: 1\n")
	r.branch("side", "HEAD")
	save("side", "a.yaml", "thing: 2\n")
	r.git("checkout", "-q", "main")
	save("main", "b.yaml", "x")
	r.git("merge", "-q", "--no-ff", "-m", "m", "side")
	names[r.head()] = "merge"
	if got := told(r.versions(false), names); got != "head 0; side a.yaml 2 [1]; base a.yaml 1 []" {
		t.Error(got)
	}
	r.branch("other", "HEAD")
	save("3", "a.yaml", "thing: 3\n")
	r.git("checkout", "-q", "main")
	save("4", "a.yaml", "thing: 4\n")
	r.git("merge", "-q", "--no-ff", "--no-commit", "-s", "ours", "other")
	save("evil", "a.yaml", "thing: 5\n")
	got := told(r.versions(false), names)
	if !strings.HasPrefix(got, "head 0; evil a.yaml 5 [") || !strings.Contains(got, "3 a.yaml 3 [3]") || !strings.Contains(got, "4 a.yaml 4 [3]") {
		t.Error(got)
	}
}

func TestVersions_Edge(t *testing.T) {
	r := newRepo(t)
	r.save("a.yaml", "thing: 1\n")
	last := r.save("a.yaml", "thing: 1\nx\n")
	shallow := &repo{t: t, dir: filepath.Join(t.TempDir(), "clone")}
	must(t, os.Mkdir(shallow.dir, 0o755))
	shallow.git("clone", "-q", "--depth", "1", "file://"+r.dir, ".")
	if got := told(shallow.versions(false), map[string]string{last: "last"}); got != "head 0; last a.yaml 1 edge []" {
		t.Error(got)
	}
}

func TestVersions_Bounds(t *testing.T) {
	r := newRepo(t)
	for i := range 8 {
		r.save("a.yaml", fmt.Sprintf("thing: %d\n", i))
	}
	c := r.local()
	c.tracer.most = 3
	v, err := c.Versions(t.Context(), source.Quest{Revision: r.head(), Find: findLine})
	must(t, err)
	if !v.Cut || len(v.List) != 4 || !v.List[3].Edge || v.Head != 0 {
		t.Errorf("cut at three commits: %+v", v)
	}
	late, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	if v, err := c.Versions(late, source.Quest{Revision: r.head(), Find: findLine}); err != nil || len(v.List) != 0 {
		t.Errorf("without time: %+v, %v", v, err)
	}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	if _, err := c.Versions(stopped, source.Quest{Revision: r.head(), Find: findLine}); err == nil {
		t.Error("a stopped walk is no answer")
	}
	if _, err := c.Versions(t.Context(), source.Quest{Revision: "main", Find: findLine}); err == nil {
		t.Error("a name is no hash")
	}
}

// TestVersions_AsDefined makes histories with merges, in which the thing moves
// from file to file, comes and goes, and compares with the plain definition:
// the versions are the commits that have what no parent has.
func TestVersions_AsDefined(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := newRepo(t)
			random := rand.New(rand.NewPCG(seed, 11))
			texts, parents := map[string]string{}, map[string][]string{}
			commit := func(merged ...string) {
				var from []string
				if len(texts) > 0 {
					from = append([]string{r.head()}, merged...)
				}
				text := []string{"", "thing: 1\n", "thing: 2\n", "thing: 3\n"}[random.IntN(4)]
				at := random.IntN(3)
				for i := range 3 {
					body := fmt.Sprintln("x", random.IntN(2))
					if i == at {
						body += text
					}
					r.write(fmt.Sprintf("d%d/a.yaml", i), body)
				}
				c := r.commit()
				texts[c], parents[c] = text, from
			}
			for n := range 25 {
				if n == 0 || random.IntN(4) > 0 {
					commit()
					continue
				}
				name := fmt.Sprintf("b%d", n)
				r.branch(name, r.head())
				commit()
				r.git("checkout", "-q", "main")
				commit()
				r.git("merge", "-q", "--no-ff", "--no-commit", "-s", "ours", name)
				commit(strings.TrimSpace(r.git("rev-parse", name)))
			}
			want := map[string]bool{}
			for c, text := range texts {
				same := func(p string) bool { return texts[p] == text }
				if len(parents[c]) == 0 && text != "" || len(parents[c]) > 0 && !slices.ContainsFunc(parents[c], same) {
					want[c] = true
				}
			}
			compareVersions(t, r.versions(true), want, texts)
		})
	}
}

func compareVersions(t *testing.T, v source.Versions, want map[string]bool, texts map[string]string) {
	t.Helper()
	got := map[string]bool{}
	for i, one := range v.List {
		got[one.Commit] = true
		if text := strings.TrimSpace(strings.TrimPrefix(texts[one.Commit], "thing:")); text != one.Text {
			t.Errorf("%s declares %q, want %q", one.Commit, one.Text, text)
		}
		for _, from := range one.From {
			if from <= i || v.List[from].Text == one.Text {
				t.Errorf("version %d comes from %d", i, from)
			}
		}
	}
	if !maps.Equal(got, want) {
		t.Errorf("versions %v, want %v", got, want)
	}
}

func TestMirrored(t *testing.T) {
	r := newRepo(t)
	first := r.save("a.yaml", "thing: 1\n")
	second := r.save("a.yaml", "thing: 2\n")
	opt := r.options()
	opt.Mirror = t.TempDir()
	if _, err := Mirrored(t.Context(), opt, ""); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("before there is one: %v", err)
	}
	f := &traced{open(t, opt), r}
	f.take()
	for revision, want := range map[string]string{"": second, first: first} {
		c, err := Mirrored(t.Context(), opt, revision) // while its owner is there
		must(t, err)
		if got := c.Snapshot().Revision; got != want {
			t.Errorf("%q: revision %s, want %s", revision, got, want)
		}
		v, err := c.Versions(t.Context(), source.Quest{Revision: want, Find: findLine})
		must(t, errors.Join(err, c.Close()))
		if v.List[v.Head].Commit != want {
			t.Errorf("%q: %+v", revision, v)
		}
	}
	if _, err := Mirrored(t.Context(), opt, strings.Repeat("1", 40)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a commit it has not: %v", err)
	}
	other := opt
	other.Branch = "other"
	if _, err := Mirrored(t.Context(), other, ""); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of another branch: %v", err)
	}
	third := r.save("a.yaml", "thing: 3\n")
	f.take() // nothing was changed under its hands
	v, err := f.src.Versions(t.Context(), source.Quest{Revision: third, Find: findLine})
	must(t, err)
	if len(v.List) != 3 {
		t.Errorf("%+v", v)
	}
}

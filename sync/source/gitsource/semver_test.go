package gitsource

import (
	"path/filepath"
	"strings"
	"testing"

	"weir/sync/source"
)

// versioned is a repository whose tags are versions, each at another commit.
func versioned(t *testing.T, within string, tags ...string) (*repo, Options, map[string]string) {
	t.Helper()
	r := newRepo(t)
	at := map[string]string{}
	for _, tag := range tags {
		r.git("checkout", "-q", "--orphan", "o-"+tag) // no version follows another
		at[tag] = r.save("a.yaml", "# "+tag+"\n")
		r.git("tag", "-a", "-m", "x", tag)
	}
	opt := r.options()
	opt.Branch, opt.Semver = "", within
	return r, opt, at
}

func TestSemver_Highest(t *testing.T) {
	tags := []string{"v1.2.0", "v1.10.0", "1.9.0", "v2.0.0-rc.1", "v2.0.0+b", "v3.0.0-rc.1", "v4", "5.0", "20260101", "x6.0.0"}
	r, opt, at := versioned(t, "", tags...)
	r.git("tag", "-f", "light/v9.0.0")
	for within, want := range map[string]string{
		"~1.2": "v1.2.0", "1.x": "v1.10.0", "<1.10": "1.9.0", ">=1": "v2.0.0+b", "*": "v2.0.0+b",
		">=2.0.0-0": "v3.0.0-rc.1", "~2.0.0-rc || ~1.9": "v2.0.0+b", "<2.0.0-z >=1.11.0-0": "v2.0.0-rc.1",
	} {
		opt.Semver = within
		snap, err := open(t, opt).next()
		if err != nil || snap.Revision != at[want] {
			t.Errorf("%s: got %v, %v; want %s at %s", within, snap, err, want, at[want])
		}
	}
	opt.Semver = ">=7"
	if text := open(t, opt).refuses(source.CodeNoVersion, ""); !strings.Contains(text, ">=7") {
		t.Errorf("got %q", text)
	}
}

func TestSemver_News(t *testing.T) {
	r, opt, at := versioned(t, ">=1", "v1.0.0")
	f := open(t, opt)
	f.want(at["v1.0.0"], one("# v1.0.0\n"))
	r.git("checkout", "-q", "--orphan", "other")
	next := r.save("a.yaml", "# 2\n")
	r.git("tag", "v2.0.0")
	f.want(next, one("# 2\n"))
	r.save("a.yaml", "# 1.5\n")
	r.git("tag", "v1.5.0") // a patch of an old line
	f.quiet()
}

func TestFailure_S08_VersionMoved(t *testing.T) {
	r, opt, at := versioned(t, ">=1", "v1.0.0", "v1.1.0")
	f := open(t, opt)
	f.want(at["v1.1.0"], one("# v1.1.0\n"))
	r.git("checkout", "-q", "--orphan", "other")
	bad := r.save("a.yaml", "# moved\n")
	r.git("tag", "-f", "-a", "-m", "x", "v1.1.0")
	if text := f.refuses(source.CodeRewritten, ""); !strings.Contains(text, bad) || !strings.Contains(text, at["v1.1.0"]) {
		t.Errorf("%q does not name %s and %s", text, bad, at["v1.1.0"])
	}
	r.git("tag", "-f", "v1.1.0", at["v1.1.0"])
	f.reaches(at["v1.1.0"], one("# v1.1.0\n"))
	r.git("tag", "v1.1.0+z", bad) // no higher version either
	f.refuses(source.CodeRewritten, "")
	r.git("tag", "-d", "v1.1.0", "v1.1.0+z")
	f.refuses(source.CodeRewritten, "") // a lower version is the highest now
	must(t, f.src.Accept(at["v1.0.0"]))
	f.reaches(at["v1.0.0"], one("# v1.0.0\n"))
	r.git("tag", "-d", "v1.0.0")
	if text := f.refuses(source.CodeNoVersion, ""); !strings.Contains(text, at["v1.0.0"]) {
		t.Errorf("%q does not name the accepted commit", text)
	}
}

func TestFailure_S08_VersionFollows(t *testing.T) {
	r, opt, at := versioned(t, ">=1", "v1.0.0")
	f := open(t, opt)
	f.want(at["v1.0.0"], one("# v1.0.0\n"))
	next := r.save("a.yaml", "# moved\n")
	r.git("tag", "-f", "v1.0.0")
	f.want(next, one("# moved\n"))
}

// TestFailure_C11_VersionBackwards: a higher version of an older commit is a way
// back, which a person has to consent to.
func TestFailure_C11_VersionBackwards(t *testing.T) {
	r, opt, at := versioned(t, ">=1", "v1.0.0")
	head := r.save("a.yaml", "# v1.1.0\n")
	r.git("tag", "v1.1.0")
	f := open(t, opt)
	f.want(head, one("# v1.1.0\n"))
	r.git("tag", "v9.0.0", at["v1.0.0"])
	f.refuses(source.CodeRewritten, "")
	must(t, f.src.Accept(at["v1.0.0"]))
	f.reaches(at["v1.0.0"], one("# v1.0.0\n"))
}

func TestFailure_S37_Version(t *testing.T) {
	r, _, opt, _ := keyed(t)
	r.unsigned()
	opt.Branch, opt.Semver, opt.Mirror = "", ">=1", filepath.Join(t.TempDir(), "m")
	head := r.save("a.yaml", "x: 1\n")
	r.git("tag", "-s", "-m", "x", "v1.0.0")
	f := open(t, opt)
	f.want(head, one("x: 1\n"))
	r.save("a.yaml", "x: 2\n")
	r.git("tag", "-a", "-m", "x", "v2.0.0")
	f.refuses(source.CodeUnsigned, "")
	r.git("update-ref", "refs/tags/v2.0.0", "refs/tags/v1.0.0") // in force already
	f.reaches(head, one("x: 1\n"))
	r.git("tag", "-d", "v2.0.0", "v1.0.0")
	must(t, f.src.Close())
	f = open(t, opt)
	f.want(head, one("x: 1\n")) // by the signed tag that the mirror keeps
	f.refuses(source.CodeNoVersion, "")
	r.save("a.yaml", "x: 3\n")
	r.git("tag", "-s", "-m", "x", "v3.0.0")
	third := r.head()
	f.reaches(third, one("x: 3\n"))
}

func TestNext_FullName(t *testing.T) {
	r := newRepo(t)
	head := r.save("a.yaml", "x: 1\n")
	r.git("update-ref", "refs/pull/12/head", head)
	r.save("a.yaml", "x: 2\n")
	opt := r.options()
	opt.Branch = "refs/pull/12/head"
	f := open(t, opt)
	f.want(head, one("x: 1\n"))
	r.git("update-ref", "-d", "refs/pull/12/head")
	f.refuses(source.CodeBranch, "")
}

package dirsource

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"weir/sync/source"
)

func TestFailure_S25_RootMissing(t *testing.T) {
	opt := brisk(filepath.Join(t.TempDir(), "live"))
	f := open(t, opt)
	f.refuses(source.CodeMissing, "")
	f.write("a.yaml", "x: 1\n")
	f.reaches(map[string]string{"a.yaml": "x: 1\n"})
	must(t, os.RemoveAll(opt.Path))
	f.refuses(source.CodeMissing, "")
	f.write("a.yaml", "x: 1\n")
	f.write("b.yaml", "x: 2\n")
	f.reaches(map[string]string{"a.yaml": "x: 1\n", "b.yaml": "x: 2\n"})
	f.write("b.yaml", "x: 3\n") // the watch stands again
	f.want(map[string]string{"a.yaml": "x: 1\n", "b.yaml": "x: 3\n"})
}

// The event wakes a source that would look again only in an hour.
func TestFailure_S25_WokenByItsReturn(t *testing.T) {
	opt := brisk(filepath.Join(t.TempDir(), "live"))
	opt.retryFirst, opt.retryMost = time.Hour, time.Hour
	f := open(t, opt)
	f.refuses(source.CodeMissing, "")
	f.write("a.yaml", "x: 1\n")
	f.reaches(map[string]string{"a.yaml": "x: 1\n"})
}

func TestFailure_S25_NotAFolder(t *testing.T) {
	opt := brisk(filepath.Join(t.TempDir(), "live"))
	must(t, os.WriteFile(opt.Path, nil, 0o644))
	open(t, opt).refuses(source.CodeUnreadable, "")
}

// An empty folder where a filled one was is a lost mount or a checkout under
// way; files removed one by one, down to the last, are not.
func TestFailure_S25_ReplacedByEmpty(t *testing.T) {
	f := filled(t, map[string]string{"a.yaml": "x: 1\n"})
	must(t, os.Rename(f.dir, f.dir+".old"))
	must(t, os.Mkdir(f.dir, 0o755))
	f.refuses(source.CodeMissing, "")
	f.refuses(source.CodeMissing, "") // still, after the wait
	must(t, os.Remove(f.dir))
	must(t, os.Rename(f.dir+".old", f.dir))
	f.reaches(map[string]string{"a.yaml": "x: 1\n"})
	f.remove("a.yaml")
	f.want(nil)
}

func TestFailure_S28_NewFolders(t *testing.T) {
	f := filled(t, map[string]string{"a.yaml": "x: 1\n"})
	want := map[string]string{"a.yaml": "x: 1\n"}
	for i := range 5 { // made faster than they can be watched one by one
		name := fmt.Sprintf("n%d/b/c/d/e.yaml", i)
		f.write(name, "x: 1\n")
		want[name] = "x: 1\n"
		f.reaches(want)
		f.write(name, "x: 2\n")
		want[name] = "x: 2\n"
		f.reaches(want)
	}
}

func TestFailure_S28_FolderMovedIn(t *testing.T) {
	f := filled(t, map[string]string{"a.yaml": "x: 1\n"})
	fill(t, f.dir+".out", map[string]string{"b/c.yaml": "x: 2\n"})
	must(t, os.Rename(f.dir+".out", f.path("in")))
	f.want(map[string]string{"a.yaml": "x: 1\n", "in/b/c.yaml": "x: 2\n"})
	f.rename("in", "within") // the watches go with the folder
	f.want(map[string]string{"a.yaml": "x: 1\n", "within/b/c.yaml": "x: 2\n"})
	f.write("within/b/c.yaml", "x: 3\n")
	f.want(map[string]string{"a.yaml": "x: 1\n", "within/b/c.yaml": "x: 3\n"})
	must(t, os.Rename(f.path("within"), f.dir+".out"))
	f.want(map[string]string{"a.yaml": "x: 1\n"})
}

func TestFailure_S28_FoldersSwapped(t *testing.T) {
	f := filled(t, map[string]string{"a/1.yaml": "x: 1\n", "b/2.yaml": "x: 2\n"})
	for i := range 3 {
		f.rename("a", "c")
		f.rename("b", "a")
		f.rename("c", "b")
		one, two := "b/1.yaml", "a/2.yaml"
		if i%2 == 1 {
			one, two = "a/1.yaml", "b/2.yaml"
		}
		data := fmt.Sprintf("x: %d\n", 10+i)
		f.reaches(map[string]string{one: contentsOf(f.got)[otherOf(one)], two: "x: 2\n"})
		f.write(one, data)
		f.want(map[string]string{one: data, two: "x: 2\n"})
	}
}

// otherOf returns the name that a file had before its folder was swapped.
func otherOf(name string) string {
	return strings.Map(func(r rune) rune {
		switch r {
		case 'a':
			return 'b'
		case 'b':
			return 'a'
		}
		return r
	}, strings.TrimSuffix(name, ".yaml")) + ".yaml"
}

func TestFailure_S28_RenameOver(t *testing.T) {
	f := filled(t, map[string]string{"a.yaml": "x: 1\n", "b.yaml": "x: 2\n"})
	f.rename("b.yaml", "a.yaml")
	f.want(map[string]string{"a.yaml": "x: 2\n"})
	f.rename("a.yaml", "c.yaml")
	f.want(map[string]string{"c.yaml": "x: 2\n"})
}

func TestFailure_S28_RootRecreated(t *testing.T) {
	f := filled(t, map[string]string{"a.yaml": "x: 1\n", "sub/b.yaml": "x: 1\n"})
	for i := range 3 {
		must(t, os.RemoveAll(f.dir))
		want := map[string]string{"a.yaml": fmt.Sprintf("x: %d\n", i+2), "sub/b.yaml": "x: 1\n"}
		fill(t, f.dir, want)
		f.reaches(want)
	}
}

// Another folder is put where the root was, which lives on elsewhere: what is
// written there is not heard of any more, what is written here is.
func TestFailure_S28_RootReplaced(t *testing.T) {
	f := filled(t, map[string]string{"a.yaml": "x: 1\n", "sub/b.yaml": "x: 1\n"})
	fill(t, f.dir+".new", map[string]string{"a.yaml": "x: 2\n", "sub/b.yaml": "x: 2\n"})
	must(t, os.Rename(f.dir, f.dir+".old"))
	must(t, os.Rename(f.dir+".new", f.dir))
	f.reaches(map[string]string{"a.yaml": "x: 2\n", "sub/b.yaml": "x: 2\n"})
	f.write("sub/b.yaml", "x: 3\n")
	f.want(map[string]string{"a.yaml": "x: 2\n", "sub/b.yaml": "x: 3\n"})
	fill(t, f.dir+".old", map[string]string{"a.yaml": "x: 9\n"})
	f.quiet(exceeds)
}

// exceeds is several times what an event takes to become a snapshot here.
const exceeds = 150 * time.Millisecond

// The root is a link to one checkout and then to another, as git-sync does it.
func TestFailure_S28_RootLinkSwapped(t *testing.T) {
	base := t.TempDir()
	fill(t, base, map[string]string{"rev1/a.yaml": "x: 1\n", "rev2/a.yaml": "x: 2\n"})
	live := filepath.Join(base, "live")
	must(t, os.Symlink("rev1", live))
	f := open(t, brisk(live))
	f.want(map[string]string{"a.yaml": "x: 1\n"})
	must(t, os.Symlink("rev2", live+".tmp"))
	must(t, os.Rename(live+".tmp", live))
	f.want(map[string]string{"a.yaml": "x: 2\n"})
	f.write("a.yaml", "x: 3\n")
	f.want(map[string]string{"a.yaml": "x: 3\n"})
	fill(t, base, map[string]string{"rev1/a.yaml": "x: 9\n"})
	f.quiet(exceeds)
}

// mountConfigMap lays files out as the kubelet does, and returns how it
// replaces them: another folder, and one rename of the link to it.
func mountConfigMap(t *testing.T, dir string, files map[string]string) (swap func(map[string]string)) {
	t.Helper()
	version := 0
	put := func(files map[string]string) string {
		version++
		name := fmt.Sprintf("..2026_10_01_00_00_%02d.1234", version)
		fill(t, filepath.Join(dir, name), files)
		must(t, os.Symlink(name, filepath.Join(dir, "..data_tmp")))
		must(t, os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")))
		return filepath.Join(dir, name)
	}
	old := put(files)
	for name := range files {
		first, _, _ := strings.Cut(name, "/")
		_ = os.Symlink("..data/"+first, filepath.Join(dir, first))
	}
	return func(files map[string]string) {
		now := put(files)
		must(t, os.RemoveAll(old))
		old = now
	}
}

func TestFailure_S28_ConfigMapSwap(t *testing.T) {
	dir := t.TempDir()
	swap := mountConfigMap(t, dir, map[string]string{"a.yaml": "x: 1\n", "sub/b.yaml": "x: 1\n"})
	f := open(t, brisk(dir))
	f.want(map[string]string{"a.yaml": "x: 1\n", "sub/b.yaml": "x: 1\n"})
	for i := range 3 {
		want := map[string]string{"a.yaml": fmt.Sprintf("x: %d\n", i+2), "sub/b.yaml": "x: 1\n"}
		swap(want)
		f.want(want)
	}
	swap(map[string]string{"a.yaml": "x: 4\n", "sub/b.yaml": "x: 1\n"}) // the same content
	f.quiet(exceeds)
}

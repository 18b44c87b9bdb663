package dirsource

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"weir/sync/source"
)

// linked returns a source of a directory with links (name → target) beside the
// file real/a.yaml and a hidden folder with b.yaml.
func linked(t *testing.T, links map[string]string) *harness {
	t.Helper()
	dir := t.TempDir()
	fill(t, dir, map[string]string{"real/a.yaml": "x: 1\n", ".store/sub/b.yaml": "x: 2\n"})
	for name, target := range links {
		path := filepath.Join(dir, filepath.FromSlash(name))
		must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		must(t, os.Symlink(target, path))
	}
	return open(t, brisk(dir))
}

// links are names and what they lead to.
type links = map[string]string

func TestFailure_S18_LinksRefused(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "credentials.yaml")
	must(t, os.WriteFile(secret, []byte("hunter2"), 0o644))
	for name, tt := range map[string]struct {
		links      links
		code, path string
	}{
		"absolute":               {links{"l.yaml": secret}, source.CodeOutside, "l.yaml"},
		"absolute folder":        {links{"l": filepath.Dir(secret)}, source.CodeOutside, "l"},
		"absolute to nothing":    {links{"l.yaml": "/no/such"}, source.CodeOutside, "l.yaml"},
		"absolute name not read": {links{"notes": secret}, source.CodeOutside, "notes"},
		"relative escape": {
			links{"real/l.yaml": "../../../etc/passwd"}, source.CodeOutside, "real/l.yaml",
		},
		"out and in again": {links{"l": "../" + "x/real"}, source.CodeOutside, "l"},
		"to the parent":    {links{"l": ".."}, source.CodeOutside, "l"},
		"behind a link": {
			links{"l.yaml": "m.yaml", "m.yaml": secret}, source.CodeOutside, "l.yaml",
		},
		"behind a link to a folder": {
			links{"l.yaml": ".up/x.yaml", ".up": "../.."}, source.CodeOutside, "l.yaml",
		},
		"dangling":              {links{"l.yaml": "gone.yaml"}, source.CodeDangling, "l.yaml"},
		"dangling, no manifest": {links{"l": "gone"}, source.CodeDangling, "l"},
		"through a file":        {links{"l.yaml": "real/a.yaml/b.yaml"}, source.CodeDangling, "l.yaml"},
		"to itself":             {links{"l.yaml": "l.yaml"}, source.CodeLoop, "l.yaml"},
		"to each other": {
			links{"l.yaml": "m.yaml", "m.yaml": "l.yaml"}, source.CodeLoop, "l.yaml",
		},
		"folder to itself":         {links{"l": "."}, source.CodeLoop, "l"},
		"folder to its own folder": {links{"real/l": "../real"}, source.CodeLoop, "real/l"},
		"folder to the root":       {links{"real/l": ".."}, source.CodeLoop, "real/l"},
		"hidden folder to itself": {
			links{"l": ".store", ".store/sub/up": ".."}, source.CodeLoop, "l/sub/up",
		},
	} {
		t.Run(name, func(t *testing.T) {
			fault := linked(t, tt.links).refuses(tt.code, tt.path)
			for _, word := range []string{"hunter2", "credentials", "passwd", "gone", "/no/such"} {
				if strings.Contains(fault.Error(), word) {
					t.Errorf("the message %q tells of the target", fault)
				}
			}
		})
	}
}

func TestFailure_S18_LinksFollowed(t *testing.T) {
	real := map[string]string{"real/a.yaml": "x: 1\n"}
	with := func(more map[string]string) map[string]string {
		maps.Copy(more, real)
		return more
	}
	for name, tt := range map[string]struct {
		links links
		want  map[string]string
	}{
		"to a file":        {links{"l.yaml": "real/a.yaml"}, with(links{"l.yaml": "x: 1\n"})},
		"to a hidden file": {links{"l.yaml": ".store/sub/b.yaml"}, with(links{"l.yaml": "x: 2\n"})},
		"down and up": {
			links{"l.yaml": "real/../real//./a.yaml"}, with(links{"l.yaml": "x: 1\n"}),
		},
		"link by link": {
			links{"l.yaml": "m.yaml", "m.yaml": "real/a.yaml"}, with(links{"l.yaml": "x: 1\n", "m.yaml": "x: 1\n"}),
		},
		"to a hidden folder": {links{"l": ".store"}, with(links{"l/sub/b.yaml": "x: 2\n"})},
		"hidden folder twice": {
			links{"l": ".store", "m": ".store/sub"}, with(links{"l/sub/b.yaml": "x: 2\n"}),
		},
		"inner part first": {
			links{"m": ".store", "l": ".store/sub"}, with(links{"l/b.yaml": "x: 2\n"}),
		},
		"folder that is read":      {links{"l": "real"}, real},
		"folders to each other":    {links{"p/l": "../q", "q/m": "../p"}, real},
		"name that is no manifest": {links{"notes": "real/a.yaml"}, real},
		"hidden link":              {links{".l.yaml": "/etc/passwd"}, real},
		"lock of an editor":        {links{".#a.yaml": "me@host.1:1"}, real},
	} {
		t.Run(name, func(t *testing.T) { linked(t, tt.links).want(tt.want) })
	}
}

func TestFailure_S18_ManyHops(t *testing.T) {
	for hops, code := range map[int]string{maxHops: "", maxHops + 1: source.CodeLoop} {
		links := map[string]string{"l.yaml": ".1"}
		for i := 1; i < hops; i++ {
			links[fmt.Sprintf(".%d", i)] = fmt.Sprintf(".%d", i+1)
		}
		links[fmt.Sprintf(".%d", hops-1)] = "real/a.yaml"
		f := linked(t, links)
		if code != "" {
			f.refuses(code, "l.yaml")
			continue
		}
		f.want(map[string]string{"real/a.yaml": "x: 1\n", "l.yaml": "x: 1\n"})
	}
}

func TestFailure_S18_TargetChanges(t *testing.T) {
	f := linked(t, map[string]string{"l.yaml": ".store/notes"})
	f.write(".store/notes", "x: 3\n")
	f.want(map[string]string{"real/a.yaml": "x: 1\n", "l.yaml": "x: 3\n"})
	f.write(".store/notes", "x: 4\n") // a name that matters only as a target
	f.reaches(map[string]string{"real/a.yaml": "x: 1\n", "l.yaml": "x: 4\n"})
}

// FuzzLink holds the resolution against the system's own: a link is followed
// exactly when its target lies below the root.
func FuzzLink(f *testing.F) {
	for _, target := range []string{
		"real/a.yaml", "../x", "/etc/passwd", ".", "..", "real/..", "l.yaml", "real/../../x", "./real/./a.yaml",
		"real/a.yaml/", "real//a.yaml", "..data/b.yaml", "...", " ", "real/../..data/../real/a.yaml", "loop/loop/a.yaml",
	} {
		f.Add(target)
	}
	base, err := os.MkdirTemp("", "weir-fuzz")
	must(f, err)
	f.Cleanup(func() { _ = os.RemoveAll(base) })
	dir, err := filepath.EvalSymlinks(base)
	must(f, err)
	dir = filepath.Join(dir, "root")
	fill(f, dir, map[string]string{"real/a.yaml": "x: 1\n", ".store/b.yaml": "x: 2\n"})
	must(f, os.Symlink(".store", filepath.Join(dir, "..data")))
	must(f, os.Symlink("real", filepath.Join(dir, ".loop")))
	src, err := New(Options{Name: "live", Path: dir})
	must(f, err)
	f.Cleanup(func() { _ = src.Close() })
	link := filepath.Join(dir, "l.yaml")
	f.Fuzz(func(t *testing.T, target string) {
		_ = os.Remove(link)
		if os.Symlink(target, link) != nil {
			t.Skip() // not a target that a file system takes
		}
		list, err := src.scan(t.Context(), nil, false)
		must(t, err)
		real, broken := filepath.EvalSymlinks(link)
		inside := broken == nil && (real == dir || strings.HasPrefix(real, dir+"/"))
		if list.fault == nil && !inside {
			t.Errorf("target %q was followed to %q", target, real)
		}
		if rec := list.find("l.yaml"); rec != nil && rec.target != strings.TrimPrefix(real, dir+"/") {
			t.Errorf("target %q was read from %q, it leads to %q", target, rec.target, real)
		}
	})
}

func TestFailure_C1_NotRegular(t *testing.T) {
	for name, mode := range map[string]uint32{"pipe": syscall.S_IFIFO, "socket": syscall.S_IFSOCK} {
		t.Run(name, func(t *testing.T) {
			f := filled(t, map[string]string{"a.yaml": "x: 1\n"})
			must(t, syscall.Mknod(f.path("p.yaml"), mode|0o644, 0))
			f.refuses(source.CodeNotRegular, "p.yaml")
			f.rename("p.yaml", "p") // no manifest by its name
			f.reaches(map[string]string{"a.yaml": "x: 1\n"})
			must(t, os.Symlink("p", f.path("l.yaml")))
			f.refuses(source.CodeNotRegular, "l.yaml")
		})
	}
	t.Run("a folder named as a manifest is a folder", func(t *testing.T) {
		filled(t, map[string]string{"a.yaml/b.yaml": "x: 1\n"})
	})
}

// A pipe that takes a file's place after it was looked at must neither be
// waited for nor read.
func TestFailure_C1_PipeInPlaceOfFile(t *testing.T) {
	f := filled(t, map[string]string{"a.yaml": "x: 1\n"})
	info, err := os.Lstat(f.path("a.yaml"))
	must(t, err)
	f.remove("a.yaml")
	must(t, syscall.Mkfifo(f.path("a.yaml"), 0o644))
	sc := f.scanner()
	rec, err := sc.read(sc.top, found{name: "a.yaml", shown: "a.yaml", info: info}, identify(info))
	if rec != nil || err != nil || sc.list.moving != "a.yaml" {
		t.Errorf("got %v, %v, moving %q, want a note that a.yaml moved", rec, err, sc.list.moving)
	}
}

// scanner returns a scanner that stands at the root.
func (f *harness) scanner() *scanner {
	top, err := os.OpenRoot(f.dir)
	must(f.t, err)
	f.t.Cleanup(func() { _ = top.Close() })
	return &scanner{
		ctx: f.t.Context(), limits: f.src.opt.Limits, watch: f.src.watch, top: top,
		list: &listing{}, real: map[string]bool{}, passed: map[string]bool{},
	}
}

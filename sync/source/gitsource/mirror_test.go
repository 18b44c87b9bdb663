package gitsource

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"

	"weir/sync/source"
)

// mirrored is a source with a mirror on disk that took in one commit.
func mirrored(t *testing.T) (*repo, *tracked, Options) {
	t.Helper()
	r := newRepo(t)
	opt := r.options()
	opt.Mirror = filepath.Join(t.TempDir(), "mirror")
	f := open(t, opt)
	f.want(r.save("a.yaml", "x: 1\n"), one("x: 1\n"))
	return r, f, opt
}

func TestMirror_Reused(t *testing.T) {
	r, f, opt := mirrored(t)
	must(t, f.src.Close())
	f = open(t, opt)
	f.want(r.head(), one("x: 1\n"))
	if n := r.posts.Load(); n != 1 {
		t.Errorf("%d fetches, want 1", n)
	}
}

func TestMirror_OtherURL(t *testing.T) {
	_, f, opt := mirrored(t)
	must(t, f.src.Close())
	other := newRepo(t)
	opt.URL = other.server.URL + "/.git"
	open(t, opt).want(other.save("a.yaml", "x: 2\n"), one("x: 2\n"))
}

func TestMirror_NotOurs(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "thesis.txt"), []byte("x"), 0o600))
	_, err := New(Options{Name: "live", URL: "https://h/x", Branch: "main", Mirror: dir})
	if err == nil || !strings.Contains(err.Error(), "other files") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "thesis.txt")); err != nil {
		t.Errorf("a file of others was touched: %v", err)
	}
}

// spoil changes every file of the mirror whose name has this end.
func spoil(t *testing.T, dir, suffix string, change func([]byte) []byte) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, current, "objects/pack/*"+suffix))
	must(t, err)
	if len(files) == 0 {
		t.Fatalf("no %s", suffix)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		must(t, err)
		must(t, os.Chmod(name, 0o600))
		must(t, os.WriteFile(name, change(data), 0o600))
	}
}

func TestFailure_S13_DamagedMirror(t *testing.T) {
	for name, c := range map[string]struct {
		suffix string
		change func([]byte) []byte
	}{
		"a flipped bit":   {".pack", func(b []byte) []byte { b[len(b)/2] ^= 4; return b }},
		"all bits":        {".pack", func(b []byte) []byte { return bytes.Repeat([]byte{7}, len(b)) }},
		"a short pack":    {".pack", func(b []byte) []byte { return b[:40] }},
		"an empty pack":   {".pack", func([]byte) []byte { return nil }},
		"an empty index":  {".idx", func([]byte) []byte { return nil }},
		"a changed index": {".idx", func(b []byte) []byte { b[len(b)-50] ^= 1; return b }},
	} {
		t.Run(name, func(t *testing.T) {
			r, f, opt := mirrored(t)
			must(t, f.src.Close())
			spoil(t, opt.Mirror, c.suffix, c.change)
			f = open(t, opt)
			f.want(r.head(), one("x: 1\n"))
			f.want(r.save("a.yaml", "x: 2\n"), one("x: 2\n"))
		})
	}
}

func TestFailure_S14_ObjectsMissing(t *testing.T) {
	r, f, opt := mirrored(t)
	r.save("a.yaml", "x: 2\n")
	r.save("a.yaml", "x: 3\n")
	must(t, f.src.Close())
	packs, err := filepath.Glob(filepath.Join(opt.Mirror, current, "objects/pack/*"))
	must(t, err)
	for _, p := range packs {
		must(t, os.Remove(p))
	}
	f = open(t, opt)
	f.want(r.head(), one("x: 3\n"))
}

func TestFailure_S35_MirrorWiped(t *testing.T) {
	r, f, opt := mirrored(t)
	must(t, os.RemoveAll(filepath.Join(opt.Mirror, current)))
	f.want(r.save("a.yaml", "x: 2\n"), one("x: 2\n"))
	must(t, os.RemoveAll(opt.Mirror))
	f.want(r.save("a.yaml", "x: 3\n"), one("x: 3\n"))
}

func TestFailure_S32_MirrorNotWritable(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root may write everywhere")
	}
	r, f, opt := mirrored(t)
	pack := filepath.Join(opt.Mirror, current)
	must(t, os.Chmod(pack, 0o500))
	head := r.save("a.yaml", "x: 2\n")
	f.refuses(source.CodeMirror, "")
	must(t, os.Chmod(pack, 0o700))
	f.reaches(head, one("x: 2\n"))
}

func TestMirror_KilledBefore(t *testing.T) {
	for name, c := range map[string]func(t *testing.T, dir string){
		"in a fetch": func(t *testing.T, dir string) {
			must(t, os.WriteFile(filepath.Join(dir, current, "tmp_fetch_1"), []byte("PACK"), 0o600))
			must(t, os.WriteFile(filepath.Join(dir, current, "objects/pack/tmp_pack_1"), []byte("PACK"), 0o600))
		},
		"in a clone": func(t *testing.T, dir string) {
			must(t, os.MkdirAll(filepath.Join(dir, coming, "objects"), 0o700))
		},
		"in a swap": func(t *testing.T, dir string) {
			must(t, os.Rename(filepath.Join(dir, current), filepath.Join(dir, former)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			r, f, opt := mirrored(t)
			must(t, f.src.Close())
			c(t, opt.Mirror)
			f = open(t, opt)
			f.want(r.head(), one("x: 1\n"))
			if n := r.posts.Load(); n != 1 {
				t.Errorf("%d fetches, want 1", n)
			}
			for _, left := range []string{coming, former, current + "/tmp_fetch_1", current + "/objects/pack/tmp_pack_1"} {
				if _, err := os.Stat(filepath.Join(opt.Mirror, left)); err == nil {
					t.Errorf("%s is still there", left)
				}
			}
		})
	}
}

func TestFailure_S12_CorruptPack(t *testing.T) {
	r := newRepo(t)
	r.save("a.yaml", "x: 1\n")
	pack := []byte(r.pack())
	for i := range pack {
		bad := bytes.Clone(pack)
		bad[i] ^= 1
		m, err := makeMirror("")
		must(t, err)
		err = m.take(Limits{FetchBytes: 1 << 20, ObjectBytes: 1 << 20}, filling(bad))
		if err == nil {
			t.Fatalf("a pack with byte %d changed was taken", i)
		}
	}
	m, err := makeMirror("")
	must(t, err)
	must(t, m.take(Limits{FetchBytes: 1 << 20, ObjectBytes: 1 << 20}, filling(pack)))
	if known, err := m.has(plumbing.NewHash(r.head())); err != nil || !known {
		t.Errorf("the sound pack lacks the head: %v", err)
	}
}

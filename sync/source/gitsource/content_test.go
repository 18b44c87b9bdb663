package gitsource

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"weir/sync/source"
)

func TestFailure_S18_Symlink(t *testing.T) {
	for name, target := range map[string]string{
		"inside": "a.yaml", "escaping": "../../etc/passwd", "absolute": "/etc/passwd", "looping": "l.yaml",
	} {
		t.Run(name, func(t *testing.T) {
			r := newRepo(t)
			first := r.save("d/a.yaml", "x: 1\n")
			f := open(t, r.options())
			f.want(first, map[string]string{"d/a.yaml": "x: 1\n"})
			must(t, os.Symlink(target, filepath.Join(r.dir, "d/l.yaml")))
			r.commit()
			f.refuses(source.CodeSymlink, "d/l.yaml")
			must(t, os.Remove(filepath.Join(r.dir, "d/l.yaml")))
			f.reaches(r.commit(), map[string]string{"d/a.yaml": "x: 1\n"})
		})
	}
}

func TestFailure_C1_SymlinkInPlaceOfPath(t *testing.T) {
	r := newRepo(t)
	must(t, os.Symlink("/etc", filepath.Join(r.dir, "live")))
	r.commit()
	opt := r.options()
	opt.Path = "live"
	open(t, opt).refuses(source.CodeSymlink, "")
}

func TestFailure_S19_Submodule(t *testing.T) {
	r := newRepo(t)
	head := r.save("live/a.yaml", "x: 1\n")
	r.git("update-index", "--add", "--cacheinfo", "160000,"+head+",sub")
	r.git("commit", "-q", "-m", "x")
	open(t, r.options()).refuses(source.CodeSubmodule, "sub")
	opt := r.options()
	opt.Path = "live" // outside the path it is nobody's concern
	open(t, opt).want(r.head(), one("x: 1\n"))
}

func TestFailure_S19_LFS(t *testing.T) {
	r := newRepo(t)
	r.save("a.yaml", "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n")
	open(t, r.options()).refuses(source.CodeLFS, "a.yaml")
}

// TestFailure_S17_BinaryJunk holds that bytes are not judged here, neither lost
// nor repaired: the manifest's reader refuses them with their path.
func TestFailure_S17_BinaryJunk(t *testing.T) {
	r := newRepo(t)
	junk := "\x00\xff\xfe\x7fELF\r\n\x1a"
	r.write("b.yaml", "x: 1\n")
	open(t, r.options()).want(r.save("a.yaml", junk), map[string]string{"a.yaml": junk, "b.yaml": "x: 1\n"})
}

func TestFailure_S20_Names(t *testing.T) {
	for name, c := range map[string]struct{ file, code, shown string }{
		"newline":       {"a\nb.yaml", source.CodeName, `"a\nb.yaml"`},
		"direction":     {"a\u202e.yaml", source.CodeName, `"a\u202e.yaml"`},
		"invalid UTF-8": {"a\xff.yaml", source.CodeName, `"a\xff.yaml"`},
		"case":          {"d/B.yaml", source.CodeNameClash, "d/b.yaml"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRepo(t)
			f := open(t, r.options())
			f.want(r.save("d/b.yaml", "x: 1\n"), map[string]string{"d/b.yaml": "x: 1\n"})
			r.save(c.file, "x: 1\n")
			f.refuses(c.code, c.shown)
		})
	}
}

// tree makes a tree of one entry as git itself would not make it.
func (r *repo) rawTree(mode, name, hash string) string {
	r.t.Helper()
	raw := []byte(mode + " " + name + "\x00")
	for i := 0; i < len(hash); i += 2 {
		var b byte
		_, err := fmt.Sscanf(hash[i:i+2], "%02x", &b)
		must(r.t, err)
		raw = append(raw, b)
	}
	cmd := exec.Command("git", "hash-object", "-w", "-t", "tree", "--literally", "--stdin")
	cmd.Dir, cmd.Stdin = r.dir, strings.NewReader(string(raw))
	out, err := cmd.Output()
	must(r.t, err)
	return strings.TrimSpace(string(out))
}

func TestFailure_S20_NamesOfNoFile(t *testing.T) {
	for _, name := range []string{"..", ".", ".git", ".GIT", "a/b.yaml"} {
		t.Run(name, func(t *testing.T) {
			r := newRepo(t)
			r.save("a.yaml", "x: 1\n")
			blob := strings.TrimSpace(r.git("rev-parse", "HEAD:a.yaml"))
			tree := r.rawTree("100644", name, blob)
			r.git("update-ref", "refs/heads/main", strings.TrimSpace(r.git("commit-tree", "-m", "x", tree)))
			_, err := open(t, r.options()).next()
			if err == nil || !strings.Contains(err.Error(), source.CodeName) {
				t.Errorf("got %v, want %s", err, source.CodeName)
			}
		})
	}
}

// TestFailure_S16_TreeBomb has a tree of trees that would be 10^12 files.
func TestFailure_S16_TreeBomb(t *testing.T) {
	r := newRepo(t)
	for i := range 10 {
		r.write(fmt.Sprintf("f%d.yaml", i), "x: 1\n")
	}
	r.commit()
	tree := r.tree()
	for range 12 {
		var list strings.Builder
		for i := range 10 {
			fmt.Fprintf(&list, "040000 tree %s\td%d\n", tree, i)
		}
		cmd := exec.Command("git", "mktree")
		cmd.Dir, cmd.Stdin = r.dir, strings.NewReader(list.String())
		out, err := cmd.Output()
		must(t, err)
		tree = strings.TrimSpace(string(out))
	}
	r.git("update-ref", "refs/heads/main", strings.TrimSpace(r.git("commit-tree", "-m", "x", tree)))
	open(t, r.options()).refuses(source.CodeFiles, "")
}

func TestLimits(t *testing.T) {
	for name, c := range map[string]struct {
		limits     Limits
		code, path string
	}{
		"file":   {Limits{FileBytes: 9}, source.CodeFileSize, "d/e/b.yaml"},
		"total":  {Limits{TotalBytes: 12}, source.CodeTotalSize, ""},
		"files":  {Limits{Files: 1}, source.CodeFiles, ""},
		"depth":  {Limits{Depth: 1}, source.CodeDepth, "d/e"},
		"object": {Limits{ObjectBytes: 9}, source.CodeFetchSize, ""},
		"fetch":  {Limits{FetchBytes: 500}, source.CodeFetchSize, ""},
		"none":   {Limits{FileBytes: 10, TotalBytes: 15, Files: 2, Depth: 2}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRepo(t)
			r.write("a.yaml", "x: 1\n")
			r.save("d/e/b.yaml", "xxxxxx: 1\n")
			opt := r.options()
			opt.Limits = c.limits
			f := open(t, opt)
			if c.code == "" {
				f.want(r.head(), map[string]string{"a.yaml": "x: 1\n", "d/e/b.yaml": "xxxxxx: 1\n"})
				return
			}
			f.refuses(c.code, c.path)
		})
	}
}

// TestFailure_S15_Bomb has a file that a small pack inflates to 8 MiB.
func TestFailure_S15_Bomb(t *testing.T) {
	r := newRepo(t)
	r.save("a.bin", strings.Repeat("\x00", 8<<20))
	opt := r.options()
	opt.Limits.ObjectBytes = 1 << 20
	open(t, opt).refuses(source.CodeFetchSize, "")
}

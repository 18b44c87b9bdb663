package gitsource

import (
	"bytes"
	"crypto/sha1"
	"io"
	"os/exec"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/go-git/go-git/v5/plumbing"
)

// pack returns a pack of all there is.
func (r *repo) pack() string {
	r.t.Helper()
	cmd := exec.Command("git", "pack-objects", "--all", "--stdout", "-q")
	cmd.Dir, cmd.Stdin = r.dir, strings.NewReader("")
	out, err := cmd.Output()
	must(r.t, err)
	return string(out)
}

func filling(data []byte) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	}
}

func TestLEB128(t *testing.T) {
	for in, want := range map[string]int64{
		"": 0, "\x05": 5, "\x80\x01": 128, "\xff\xff\x7f": 1<<21 - 1, "\x80": 0, strings.Repeat("\xff", 12): 1 << 62,
	} {
		if got, _ := leb128([]byte(in)); got != want {
			t.Errorf("%x: got %d, want %d", in, got, want)
		}
	}
}

// TestFailure_S15_Delta holds that the size is that of a delta's result, not of
// the few bytes that describe it.
func TestFailure_S15_Delta(t *testing.T) {
	m := &meter{left: 100, delta: true}
	for _, b := range []byte{0x80, 0x01, 0x80, 0x80, 0x40, 1, 2, 3} {
		_, err := m.Write([]byte{b})
		must(t, err)
	}
	if got := m.result(); got != 1<<20 {
		t.Errorf("result %d, want %d", got, 1<<20)
	}
}

func TestParseTree_Malformed(t *testing.T) {
	for name, in := range map[string]string{
		"no zero": "100644 a.yaml", "short hash": "100644 a.yaml\x00abc", "no mode": "a.yaml\x00" + strings.Repeat("x", 20),
		"bad mode": "1x a\x00" + strings.Repeat("x", 20),
	} {
		if got, err := parseTree([]byte(in)); err != errTree {
			t.Errorf("%s: got %v, %v", name, got, err)
		}
	}
}

func FuzzParseTree(f *testing.F) {
	f.Add([]byte("100644 a.yaml\x00" + strings.Repeat("x", 20) + "40000 d\x00" + strings.Repeat("y", 20)))
	f.Add([]byte("120000 \x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		entries, err := parseTree(data)
		if err != nil {
			return
		}
		size := 0
		for _, e := range entries {
			if strings.ContainsRune(e.name, 0) {
				t.Errorf("%q has a zero byte", e.name)
			}
			size += len(e.name) + len(e.hash) + 3
		}
		if size > len(data) {
			t.Errorf("%d bytes became entries of %d", len(data), size)
		}
	})
}

func FuzzParseCommit(f *testing.F) {
	hash := strings.Repeat("1", 40)
	f.Add([]byte("tree " + hash + "\nparent " + hash + "\n\nparent x\n"))
	f.Add([]byte("tree " + hash + "\nauthor A\x1b\xff <a@b> 1 +0000\ncommitter c <c@d> 2 +0000\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		head, _, _ := bytes.Cut(data, []byte("\n\n"))
		author := parseCommit(data).author
		if len(author) > longestAuthor || !utf8.ValidString(author) || strings.ContainsFunc(author, unicode.IsControl) {
			t.Errorf("author %q", author)
		}
		if got, most := len(parseCommit(data).parents), bytes.Count(head, []byte("parent ")); got > most {
			t.Errorf("%d parents, at most %d are named", got, most)
		}
	})
}

// FuzzCut holds that documents are in order and that each has its lines.
func FuzzCut(f *testing.F) {
	f.Add([]byte("x: 1\n---\n\n--- y\n"))
	f.Add([]byte("---\r\n---"))
	f.Fuzz(func(t *testing.T, data []byte) {
		last := 0
		docs := cut("a.yaml", data)
		for _, d := range docs {
			if d.line <= last || d.line > bytes.Count(data, []byte("\n"))+1 {
				t.Errorf("a document at line %d after %d", d.line, last)
			}
			if last = d.line; standsAt(docs, d.line) != d.text {
				t.Errorf("line %d is not in its document", d.line)
			}
		}
	})
}

func FuzzPack(f *testing.F) {
	r := newRepo(f)
	r.save("a.yaml", strings.Repeat("x: 1\n", 100))
	r.save("a.yaml", strings.Repeat("x: 1\n", 101))
	pack := []byte(r.pack())
	f.Add(pack[:len(pack)-20])
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := makeMirror("")
		must(t, err)
		defer m.close()
		h := plumbing.ComputeHash(plumbing.BlobObject, data) // not the pack's checksum
		if err := m.take(Limits{FetchBytes: 1 << 20, ObjectBytes: 1 << 16}, filling(append(bytes.Clone(data), h[:]...))); err == nil {
			t.Error("a pack with a wrong checksum was taken")
		}
		sealed := bytes.NewReader(seal(data))
		_ = checkPack(sealed, Limits{FetchBytes: 1 << 20, ObjectBytes: 1 << 16})
	})
}

// seal ends a pack with its right checksum.
func seal(data []byte) []byte {
	sum := sha1.Sum(data)
	return append(bytes.Clone(data), sum[:]...)
}

package gitsource

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"weir/sync/source"
)

// TestFailure_S16_MillionFiles has a real tree of 1,000 folders with 1,000
// files each: the revision is refused at once and the last one stays.
func TestFailure_S16_MillionFiles(t *testing.T) {
	if testing.Short() {
		t.Skip("packs a million names")
	}
	r := newRepo(t)
	first := r.save("a.yaml", "x: 1\n")
	r.git("config", "pack.window", "0") // what git spends on deltas is not ours
	opt := r.options()
	opt.Timeout = time.Minute
	f := open(t, opt)
	f.want(first, map[string]string{"a.yaml": "x: 1\n"})
	million(t, r)
	began := time.Now()
	f.refuses(source.CodeFiles, "")
	t.Logf("refused after %v", time.Since(began))
	r.git("read-tree", "--reset", "-u", first) // a million files are never checked out
	r.git("update-ref", "refs/heads/main", first)
	f.reaches(r.save("b.yaml", "x: 2\n"), map[string]string{"a.yaml": "x: 1\n", "b.yaml": "x: 2\n"})
}

// million commits a million names of one file, without a worktree.
func million(t testing.TB, r *repo) {
	t.Helper()
	blob := strings.TrimSpace(r.git("rev-parse", "HEAD:a.yaml"))
	var trees strings.Builder
	for folder := range 1_000 {
		for file := range 1_000 {
			fmt.Fprintf(&trees, "100644 blob %s\tf%03d-%03d.yaml\n", blob, folder, file)
		}
		trees.WriteString("\n")
	}
	var root strings.Builder
	for i, tree := range strings.Fields(r.feed(trees.String(), "mktree", "--batch")) {
		fmt.Fprintf(&root, "040000 tree %s\td%03d\n", tree, i)
	}
	tree := strings.TrimSpace(r.feed(root.String(), "mktree"))
	r.git("update-ref", "refs/heads/main", strings.TrimSpace(r.git("commit-tree", "-p", "HEAD", "-m", "x", tree)))
}

// feed runs git with this input.
func (r *repo) feed(input string, args ...string) string {
	r.t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir, cmd.Stdin = r.dir, strings.NewReader(input)
	out, err := cmd.Output()
	must(r.t, err)
	return string(out)
}

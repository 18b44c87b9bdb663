package gitsource

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-git/go-git/v5/plumbing"

	"weir/sync/source"
)

// TestFailure_S37_TagAsCommit: a tag's text, which somebody signed, makes no
// commit: it has no tree, and would be a revision without files.
func TestFailure_S37_TagAsCommit(t *testing.T) {
	r := newRepo(t)
	opt := r.options()
	file, line := sshKey(t, "ed25519")
	opt.Verify.AllowedSignersFile = filepath.Join(t.TempDir(), "signers")
	must(t, os.WriteFile(opt.Verify.AllowedSignersFile, []byte("* "+line+"\n"), 0o600))
	r.signsSSH(file)
	opt.Branch, opt.Semver = "", ">=1"
	head := r.save("a.yaml", "x: 1\n")
	r.git("tag", "-s", "-m", "x", "v1.0.0")
	f := open(t, opt)
	f.want(head, one("x: 1\n"))

	tag := r.raw("tag", "v1.0.0")
	cut := strings.Index(tag, beginSSH)
	signature := "gpgsig " + strings.ReplaceAll(strings.TrimSuffix(tag[cut:], "\n"), "\n", "\n ") + "\n"
	body := strings.Index(tag, "\n\n") + 1
	odd := f.src.mirror.store.NewEncodedObject()
	odd.SetType(plumbing.CommitObject)
	w, err := odd.Writer()
	must(t, err)
	_, err = io.WriteString(w, tag[:body]+signature+tag[body:cut])
	must(t, errors.Join(err, w.Close()))
	hash, err := f.src.mirror.store.SetEncodedObject(odd) // git itself would not send it
	must(t, err)
	must(t, f.src.signed(hash, hash, ""))
	if rev, err := f.src.mirror.derive(t.Context(), &f.src.opt, nil, hash); err == nil {
		t.Errorf("a revision with %d files", len(rev.files))
	}
}

// TestFailure_S37_FormerVersion: a version that only its tag is signed of can
// come back after a newer one that is signed, too.
func TestFailure_S37_FormerVersion(t *testing.T) {
	r, _, opt, _ := keyed(t)
	r.unsigned()
	opt.Branch, opt.Semver, opt.Mirror = "", ">=1", filepath.Join(t.TempDir(), "m")
	first := r.save("a.yaml", "x: 1\n")
	r.git("tag", "-s", "-m", "x", "v1.0.0")
	f := open(t, opt)
	f.want(first, one("x: 1\n"))
	between := r.save("a.yaml", "x: 2\n")
	third := r.save("a.yaml", "x: 3\n")
	r.git("tag", "-s", "-m", "x", "v3.0.0")
	f.want(third, one("x: 3\n"))
	must(t, f.src.Close())
	f = open(t, opt)
	f.want(third, one("x: 3\n"))
	snap, err := f.src.At(t.Context(), first)
	must(t, err)
	f.same(snap, first, one("x: 1\n"))
	if _, err := f.src.At(t.Context(), between); err == nil {
		t.Error("a commit that nobody signed is returned")
	}
}

// TestNext_AnotherBranch: what was accepted of a branch says nothing of another.
func TestNext_AnotherBranch(t *testing.T) {
	r := newRepo(t)
	opt := r.options()
	opt.Mirror = filepath.Join(t.TempDir(), "m")
	main := r.save("a.yaml", "x: 1\n")
	f := open(t, opt)
	f.want(main, one("x: 1\n"))
	must(t, f.src.Close())
	r.git("checkout", "-q", "--orphan", "release")
	release := r.save("a.yaml", "x: 2\n")
	opt.Branch = "release"
	f = open(t, opt)
	f.want(release, one("x: 2\n"))
	must(t, f.src.Close())
	r.git("checkout", "-q", "--orphan", "again")
	r.git("update-ref", "refs/heads/release", r.save("a.yaml", "x: 3\n"))
	f = open(t, opt)
	f.want(release, one("x: 2\n")) // of its own branch it remembers
	f.refuses(source.CodeRewritten, "")
}

// TestTraceDoesNotWaitForTheMirror: whoever asks who changed what waits for as
// long as he said, though a large pack is taken in meanwhile.
func TestTraceDoesNotWaitForTheMirror(t *testing.T) {
	r := newRepo(t)
	head := r.save("a.yaml", "x: 1\n")
	f := open(t, r.options())
	f.want(head, one("x: 1\n"))
	f.src.use.Lock()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	ended := make(chan error, 2)
	go func() {
		changes, err := f.src.Trace(ctx, head, []source.Place{{File: "a.yaml", Line: 1}})
		if err == nil && (len(changes) != 1 || changes[0] != source.Change{}) {
			err = errors.New("it knows")
		}
		ended <- err
	}()
	select {
	case err := <-ended:
		must(t, err)
	case <-time.After(5 * time.Second):
		t.Error("it waits for the mirror")
	}
	f.src.use.Unlock()
}

package dirsource

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"weir/sync/source"
)

// A writer moves and rewrites files at random while Next runs. However it goes,
// no snapshot misses a file that was there all the time or holds half of one
// that was renamed into place, and the last equals the tree.
func TestStress(t *testing.T) {
	for name, opt := range map[string]Options{"heard": brisk(t.TempDir()), "unheard": polling(t.TempDir())} {
		t.Run(name, func(t *testing.T) {
			opt.Longest, opt.Rescan = 60*time.Millisecond, 10*time.Millisecond
			for seed := range uint64(3) {
				stress(t, opt, seed)
			}
		})
	}
}

func stress(t *testing.T, opt Options, seed uint64) {
	w := newWriter(t, opt.Path, seed)
	f := open(t, opt)
	ctx, stop := context.WithTimeout(t.Context(), 600*time.Millisecond)
	defer stop()
	written := make(chan struct{})
	go func() {
		defer close(written)
		for ctx.Err() == nil {
			w.burst()
		}
	}()
	snapshots := 0
	for {
		snap, err := f.src.Next(ctx, f.got)
		if errors.Is(err, context.DeadlineExceeded) {
			break
		}
		if err == nil {
			f.got = snap
			snapshots++
			w.check(snap)
			select {
			case w.seen <- struct{}{}:
			default:
			}
		}
	}
	<-written
	f.write("end.yaml", fmt.Sprintf("seed: %d\nend: 1\n", seed)) // so that there is a change to wait for
	f.reaches(walk(t, opt.Path))
	w.check(f.got)
	t.Logf("seed %d: %d changes, %d snapshots on the way", seed, w.steps, snapshots)
}

// writer changes a tree at random.
type writer struct {
	t     *testing.T
	dir   string
	rand  *rand.Rand
	seen  chan struct{} // one token a snapshot
	roams string        // where the file is that is moved and never absent
	steps int
}

func newWriter(t *testing.T, dir string, seed uint64) *writer {
	w := &writer{t: t, dir: dir, rand: rand.New(rand.NewPCG(seed, 1)), seen: make(chan struct{}), roams: "a/roam.yaml"}
	must(t, os.RemoveAll(dir))
	must(t, os.MkdirAll(dir, 0o755))
	for _, sub := range []string{"a", "b", "c/d", "z"} {
		must(t, os.MkdirAll(filepath.Join(dir, sub), 0o755))
	}
	fill(t, dir, map[string]string{"keep.yaml": "end: 1\n", w.roams: "end: 1\n", "c/d/keep.yaml": "end: 1\n"})
	return w
}

func (w *writer) path(name string) string { return filepath.Join(w.dir, name) }

func (w *writer) pick(names ...string) string { return names[w.rand.IntN(len(names))] }

// burst makes up to 20 changes, then mostly waits for them to be seen, though
// not for long.
func (w *writer) burst() {
	for range 1 + w.rand.IntN(20) {
		w.step()
	}
	timer := time.NewTimer(time.Duration(w.rand.IntN(80)) * time.Millisecond)
	defer timer.Stop()
	select {
	case <-w.seen:
	case <-timer.C:
	}
}

func (w *writer) step() {
	w.steps++
	sub := w.pick("a", "b", "c/d", "z", "new", "new/er")
	file := sub + "/" + w.pick("1.yaml", "2.yaml", "3.json")
	switch w.rand.IntN(8) {
	case 0, 1, 2: // whole, renamed into place
		tmp := w.path(sub + "/.tmp")
		data := fmt.Sprintf("n: %d\n%send: 1\n", w.steps, strings.Repeat("x: 1\n", w.rand.IntN(200)))
		if os.WriteFile(tmp, []byte(data), 0o644) == nil {
			_ = os.Rename(tmp, w.path(file))
		}
	case 3:
		_ = os.Remove(w.path(file))
	case 4:
		_ = os.MkdirAll(w.path("new/er"), 0o755)
	case 5:
		_ = os.Rename(w.path("new"), w.path(w.pick("old", "older")))
	case 6:
		_ = os.RemoveAll(w.path(w.pick("old", "older", "new")))
	case 7:
		to := w.pick("a", "b", "c/d", "z") + "/roam.yaml"
		must(w.t, os.Rename(w.path(w.roams), w.path(to)))
		w.roams = to
	}
}

// check asserts what must hold of each snapshot.
func (w *writer) check(snap *source.Snapshot) {
	w.t.Helper()
	count := map[string]int{}
	for _, file := range snap.Files {
		count[filepath.Base(file.Path)]++
		if !strings.HasSuffix(string(file.Data), "end: 1\n") {
			w.t.Errorf("%s is half a file: %q", file.Path, file.Data)
		}
	}
	if count["keep.yaml"] != 2 || count["roam.yaml"] != 1 {
		w.t.Errorf("keep.yaml is there %d times, want 2; roam.yaml %d times, want 1", count["keep.yaml"], count["roam.yaml"])
	}
}

// walk reads a tree that is at rest in the plainest way.
func walk(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !source.Selects(d.Name()) {
			return err
		}
		data, err := os.ReadFile(path)
		below, _ := filepath.Rel(dir, path)
		files[filepath.ToSlash(below)] = string(data)
		return err
	}))
	return files
}

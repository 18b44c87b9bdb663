package dirsource

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"weir/sync/source"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// deadline is how long a test waits for what must come; never waited for in a
// test that passes.
const deadline = 20 * time.Second

// brisk returns options that find a change by an event in a moment, and
// without one only after the test's deadline.
func brisk(dir string) Options {
	return Options{
		Name: "live", Path: dir, Quiet: 20 * time.Millisecond, Longest: 200 * time.Millisecond,
		Rescan: time.Hour, retryFirst: time.Millisecond, retryMost: 4 * time.Millisecond,
	}
}

// polling returns options of a source that hears no event at all.
func polling(dir string) Options {
	opt := brisk(dir)
	opt.Rescan = 5 * time.Millisecond
	opt.event = deaf
	return opt
}

// harness is a directory under test and the source that reads it.
type harness struct {
	t   *testing.T
	dir string
	src *Source
	got *source.Snapshot
}

func open(t *testing.T, opt Options) *harness {
	t.Helper()
	src, err := New(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := src.Close(); err != nil {
			t.Error(err)
		}
	})
	return &harness{t: t, dir: opt.Path, src: src}
}

// filled returns a source of a new directory that holds files, read once.
func filled(t *testing.T, files map[string]string) *harness {
	t.Helper()
	dir := t.TempDir()
	fill(t, dir, files)
	f := open(t, brisk(dir))
	f.want(files)
	return f
}

// next returns what the source says next; a test that gets nothing fails.
func (f *harness) next() (*source.Snapshot, error) {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), deadline)
	defer cancel()
	snap, err := f.src.Next(ctx, f.got)
	if errors.Is(err, context.DeadlineExceeded) {
		f.t.Fatal("no snapshot within the deadline")
	}
	return snap, err
}

// want asserts that the next snapshot holds exactly files.
func (f *harness) want(files map[string]string) {
	f.t.Helper()
	snap, err := f.next()
	if err != nil {
		f.t.Fatalf("next: %v", err)
	}
	f.got = snap
	f.holds(files)
}

// reaches waits until a snapshot holds exactly files, over others on the way.
func (f *harness) reaches(files map[string]string) {
	f.t.Helper()
	for {
		snap, err := f.next()
		if err != nil {
			continue
		}
		f.got = snap
		if text(contentsOf(snap)) == text(files) {
			return
		}
	}
}

func (f *harness) holds(files map[string]string) {
	f.t.Helper()
	if got := contentsOf(f.got); text(got) != text(files) {
		f.t.Fatalf("snapshot holds\n%swant\n%s", text(got), text(files))
	}
}

// refuses asserts that the next outcome is a fault of this code and path.
func (f *harness) refuses(code, path string) *source.Error {
	f.t.Helper()
	snap, err := f.next()
	var fault *source.Error
	if !errors.As(err, &fault) {
		f.t.Fatalf("got %v, %v, want a fault %s", snap, err, code)
	}
	if fault.Code != code || fault.Path != path {
		f.t.Fatalf("fault %s of %q (%v), want %s of %q", fault.Code, fault.Path, fault, code, path)
	}
	return fault
}

// quiet asserts that nothing comes within a time that is several times what an
// event takes.
func (f *harness) quiet(d time.Duration) {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), d)
	defer cancel()
	snap, err := f.src.Next(ctx, f.got)
	if !errors.Is(err, context.DeadlineExceeded) {
		f.t.Fatalf("got %v, %v, want nothing", snap, err)
	}
}

func (f *harness) path(name string) string { return filepath.Join(f.dir, filepath.FromSlash(name)) }

func (f *harness) write(name, data string) { fill(f.t, f.dir, map[string]string{name: data}) }

func (f *harness) remove(name string) { must(f.t, os.RemoveAll(f.path(name))) }

func (f *harness) rename(from, to string) { must(f.t, os.Rename(f.path(from), f.path(to))) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func fill(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	for name, data := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		must(t, os.WriteFile(path, []byte(data), 0o644))
	}
}

func contentsOf(snap *source.Snapshot) map[string]string {
	files := map[string]string{}
	for _, f := range snap.Files {
		files[f.Path] = string(f.Data)
	}
	return files
}

// text is a printed and comparable form of files.
func text(files map[string]string) string {
	var lines []string
	for name, data := range files {
		lines = append(lines, fmt.Sprintf("  %q: %q\n", name, data))
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

package dirsource

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
)

// deaf swallows every event, as a network file system does.
func deaf(fsnotify.Event) bool { return false }

// The kernel's queue is filled while nobody takes from it: most of what
// happens is never announced.
func TestFailure_S26_Overflow(t *testing.T) {
	if testing.Short() {
		t.Skip("makes 20,000 files")
	}
	var log syncBuffer
	opt := brisk(t.TempDir())
	opt.Logger = textLogger(&log)
	blocked, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	opt.event = func(fsnotify.Event) bool {
		once.Do(func() { close(blocked); <-release })
		return false // what is announced is swallowed: only the overflow is heard
	}
	f := open(t, opt)
	f.want(nil)
	f.write("first.txt", "")
	<-blocked
	for i := range 20_000 {
		f.write(fmt.Sprintf("%05d.txt", i), "")
	}
	f.write("last.yaml", "x: 1\n")
	close(release)
	f.want(map[string]string{"last.yaml": "x: 1\n"})
	for want, times := range map[string]int{"events were lost": 1, "relied on again": 1} {
		if got := strings.Count(log.String(), want); got != times {
			t.Errorf("%q is logged %d times, want %d: %s", want, got, times, log.String())
		}
	}
	if got := f.src.Degraded(); got != "" {
		t.Errorf("degraded by %q after the rescan, want nothing", got)
	}
}

func TestFailure_S29_NoEvents(t *testing.T) {
	opt := polling(t.TempDir())
	fill(t, opt.Path, map[string]string{"a.yaml": "x: 1\n", "sub/b.yaml": "x: 2\n"})
	f := open(t, opt)
	f.want(map[string]string{"a.yaml": "x: 1\n", "sub/b.yaml": "x: 2\n"})
	f.write("sub/b.yaml", "x: 3\n")
	f.want(map[string]string{"a.yaml": "x: 1\n", "sub/b.yaml": "x: 3\n"})
	f.remove("a.yaml")
	f.want(map[string]string{"sub/b.yaml": "x: 3\n"})
	f.write("new/folder/c.yaml", "x: 4\n")
	f.reaches(map[string]string{"sub/b.yaml": "x: 3\n", "new/folder/c.yaml": "x: 4\n"})
	f.rename("new", "newer")
	f.want(map[string]string{"sub/b.yaml": "x: 3\n", "newer/folder/c.yaml": "x: 4\n"})
}

func TestWatches_Matters(t *testing.T) {
	opt := brisk(t.TempDir())
	fill(t, opt.Path, map[string]string{"sub/a.yaml": "x: 1\n", ".store/notes": "x: 2\n", "weir.db": ""})
	f := open(t, opt)
	must(t, os.Symlink(".store/notes", f.path("l.yaml")))
	f.want(map[string]string{"sub/a.yaml": "x: 1\n", "l.yaml": "x: 2\n"})
	must(t, os.Mkdir(f.path("made"), 0o755))
	for _, tt := range []struct {
		name string
		op   fsnotify.Op
		want bool
	}{
		{"sub/a.yaml", fsnotify.Write, true},
		{"sub/new.JSON", fsnotify.Create, true},
		{"sub/a.yaml", fsnotify.Chmod, true},
		{"sub", fsnotify.Chmod, true},
		{"sub", fsnotify.Remove, true},
		{"", fsnotify.Rename, true},
		{"made", fsnotify.Create, true},
		{"l.yaml", fsnotify.Create, true},
		{".store/notes", fsnotify.Write, true},
		{"gone", fsnotify.Remove, true}, // perhaps a folder, or a temporary file's new name
		{"weir.db", fsnotify.Write, false},
		{"weir.db", fsnotify.Create, false},
		{"weir.db", fsnotify.Chmod, false},
		{"sub/.a.yaml.swp", fsnotify.Remove, false},
		{"sub/a.yaml~", fsnotify.Rename, false},
		{"../beside.yaml", fsnotify.Write, false},
		{"../beside", fsnotify.Remove, false},
		{"..", fsnotify.Chmod, false},
	} {
		if got := f.src.watch.matters(fsnotify.Event{Name: f.path(tt.name), Op: tt.op}); got != tt.want {
			t.Errorf("%s of %q matters %t, want %t", tt.op, tt.name, got, tt.want)
		}
	}
}

// Only folders are watched, those behind links too, and none that is gone.
func TestWatches_Folders(t *testing.T) {
	opt := brisk(t.TempDir())
	fill(t, opt.Path, map[string]string{"a/b/x.yaml": "x: 1\n", ".store/y.yaml": "x: 2\n", ".git/z": ""})
	f := open(t, opt)
	f.want(map[string]string{"a/b/x.yaml": "x: 1\n"})
	watched := func() string {
		var names []string
		for _, path := range f.src.watch.fs.WatchList() {
			names = append(names, strings.TrimPrefix(strings.Replace(path, f.dir, "", 1), "/"))
		}
		slices.Sort(names)
		return strings.Replace(strings.Join(names, " "), strings.TrimPrefix(filepath.Dir(f.dir), "/"), "PARENT", 1)
	}
	if got, want := watched(), " a a/b PARENT"; got != want {
		t.Errorf("watched %q, want %q", got, want)
	}
	must(t, os.Symlink(".store", f.path("l")))
	f.want(map[string]string{"a/b/x.yaml": "x: 1\n", "l/y.yaml": "x: 2\n"})
	if got, want := watched(), " .store a a/b PARENT"; got != want {
		t.Errorf("watched %q, want %q", got, want)
	}
	f.remove("l")
	f.rename("a/b", "a/c")
	f.want(map[string]string{"a/c/x.yaml": "x: 1\n"})
	if got, want := watched(), " a a/c PARENT"; got != want {
		t.Errorf("watched %q, want %q", got, want)
	}
}

// While a folder cannot be watched, the next look is due in two seconds.
func TestDegraded_LooksMoreOften(t *testing.T) {
	f := filled(t, map[string]string{"a.yaml": "x: 1\n"})
	due := func() time.Duration {
		f.src.schedule(f.src.last, rescan)
		return time.Until(f.src.rescan)
	}
	f.src.last.records[0].racy = false
	if got := due(); got < time.Hour-time.Minute {
		t.Errorf("next look in %v, want an hour", got)
	}
	f.src.watch.report("no space left on device", false)
	if got := due(); got > degradedRescan {
		t.Errorf("next look in %v, want %v", got, degradedRescan)
	}
	if got, want := f.src.Degraded(), "cannot watch all folders: no space left on device"; got != want {
		t.Errorf("degraded by %q, want %q", got, want)
	}
	f.src.watch.report("", false)
	f.src.last.records[0].racy = true
	if got := due(); got > degradedRescan {
		t.Errorf("next look in %v with a racy file, want %v", got, degradedRescan)
	}
}

func textLogger(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

// syncBuffer is a buffer that a logger may write to while a test reads it.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

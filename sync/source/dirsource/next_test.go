package dirsource

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"

	"weir/sync/source"
)

func TestNew_Options(t *testing.T) {
	for name, tt := range map[string]struct {
		opt  Options
		want string
	}{
		"no name":         {Options{Path: "x"}, "directory source: name is required"},
		"no path":         {Options{Name: "live"}, "source live: path is required"},
		"negative quiet":  {Options{Name: "live", Path: "x", Quiet: -1}, "must not be negative"},
		"negative rescan": {Options{Name: "live", Path: "x", Rescan: -1}, "must not be negative"},
		"negative files":  {Options{Name: "live", Path: "x", Limits: Limits{Files: -1}}, "limits must not be negative"},
		"negative bytes":  {Options{Name: "live", Path: "x", Limits: Limits{FileBytes: -1}}, "limits must not be negative"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(tt.opt)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestNew_Defaults(t *testing.T) {
	f := open(t, Options{Name: "live", Path: t.TempDir()})
	want := Limits{FileBytes: 1 << 20, TotalBytes: 64 << 20, Files: 50_000, Depth: 64}
	if f.src.opt.Limits != want {
		t.Errorf("limits %+v, want %+v", f.src.opt.Limits, want)
	}
	o := f.src.opt
	got := []time.Duration{o.Quiet, o.Longest, o.Rescan, o.Rehash, o.retryFirst, o.retryMost}
	for i, want := range []time.Duration{
		250 * time.Millisecond, 2 * time.Second, 30 * time.Second, 10 * time.Minute, time.Second, 30 * time.Second,
	} {
		if got[i] != want {
			t.Errorf("duration %d is %v, want %v", i, got[i], want)
		}
	}
}

func TestNext_Snapshot(t *testing.T) {
	f := filled(t, map[string]string{"b/a.yaml": "x: 1\n", "b-c.yaml": "x: 2\n", "b.json": "{}"})
	if f.got.Source != "live" {
		t.Errorf("source %q, want live", f.got.Source)
	}
	for i, want := range []string{"b-c.yaml", "b.json", "b/a.yaml"} { // by bytes of the whole path
		if got := f.got.Files[i].Path; got != want {
			t.Errorf("file %d is %s, want %s", i, got, want)
		}
	}
	const hash = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a" // sha256sum of {}
	if got := f.got.Files[1].Hash; got != hash {
		t.Errorf("hash %s, want %s", got, hash)
	}
}

func TestNext_EmptyFolder(t *testing.T) {
	f := filled(t, nil)
	const hashOfNothing = "dir:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	if f.got.Revision != hashOfNothing {
		t.Errorf("revision %s, want %s", f.got.Revision, hashOfNothing)
	}
	f.write("a.yaml", "x: 1\n")
	f.want(map[string]string{"a.yaml": "x: 1\n"})
}

func TestNext_RevisionIsContent(t *testing.T) {
	files := map[string]string{"a.yaml": "x: 1\n", "b/c.yaml": "x: 2\n"}
	one, two := filled(t, files), filled(t, files)
	if one.got.Revision != two.got.Revision {
		t.Errorf("equal content, revisions %s and %s", one.got.Revision, two.got.Revision)
	}
	for name, other := range map[string]map[string]string{
		"other content":    {"a.yaml": "x: 1\n", "b/c.yaml": "x: 3\n"},
		"other path":       {"a.yaml": "x: 1\n", "b/d.yaml": "x: 2\n"},
		"contents swapped": {"a.yaml": "x: 2\n", "b/c.yaml": "x: 1\n"},
		"one file less":    {"a.yaml": "x: 1\n"},
	} {
		if got := filled(t, other).got.Revision; got == one.got.Revision {
			t.Errorf("%s: the revision is the same", name)
		}
	}
}

func TestNext_OnlyContentCounts(t *testing.T) {
	f := filled(t, map[string]string{"a.yaml": "x: 1\n"})
	f.write("a.yaml", "x: 1\n")
	must(t, os.Chtimes(f.path("a.yaml"), time.Time{}, time.Unix(1, 0)))
	f.write("notes.txt", "not a manifest")
	must(t, os.Mkdir(f.path("empty"), 0o755))
	f.quiet(150 * time.Millisecond)
	f.write("a.yaml", "x: 2\n")
	f.want(map[string]string{"a.yaml": "x: 2\n"})
}

func TestNext_UnchangedDataIsShared(t *testing.T) {
	f := filled(t, map[string]string{"a.yaml": "x: 1\n", "b.yaml": "x: 2\n"})
	was := f.got.Files
	f.write("a.yaml", "x: 3\n")
	f.want(map[string]string{"a.yaml": "x: 3\n", "b.yaml": "x: 2\n"})
	if &was[1].Data[0] != &f.got.Files[1].Data[0] {
		t.Error("the data of an unchanged file was read into new memory")
	}
	list, err := f.src.scan(t.Context(), f.src.last, true)
	must(t, err)
	if &was[1].Data[0] != &list.records[1].Data[0] {
		t.Error("the data of an unchanged file was kept twice by a full reading")
	}
}

func TestNext_OlderPrevious(t *testing.T) {
	f := filled(t, map[string]string{"a.yaml": "x: 1\n"})
	old := f.got
	f.write("a.yaml", "x: 2\n")
	f.want(map[string]string{"a.yaml": "x: 2\n"})
	f.got = old
	f.want(map[string]string{"a.yaml": "x: 2\n"})
	f.got = nil
	f.want(map[string]string{"a.yaml": "x: 2\n"})
}

func TestNext_ChangeBetweenCalls(t *testing.T) {
	opt := brisk(t.TempDir())
	heard := make(chan struct{}, 100)
	opt.event = func(fsnotify.Event) bool { heard <- struct{}{}; return true }
	f := open(t, opt)
	f.want(nil)
	f.write("a.yaml", "x: 2\n")
	<-heard
	f.want(map[string]string{"a.yaml": "x: 2\n"})
}

func TestNext_Ends(t *testing.T) {
	t.Run("with its context before", func(t *testing.T) {
		f := filled(t, nil)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := f.src.Next(ctx, nil); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want canceled", err)
		}
	})
	t.Run("with its context while it waits", func(t *testing.T) {
		f := filled(t, nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := f.src.Next(ctx, f.got); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want deadline exceeded", err)
		}
	})
	t.Run("with its context while a fault is waited out", func(t *testing.T) {
		opt := brisk(t.TempDir() + "/missing")
		opt.retryFirst, opt.retryMost = time.Hour, time.Hour
		f := open(t, opt)
		f.refuses(source.CodeMissing, "")
		f.quiet(time.Millisecond)
	})
	t.Run("with the source", func(t *testing.T) {
		f := filled(t, nil)
		ended := make(chan error)
		go func() {
			_, err := f.src.Next(context.Background(), f.got)
			ended <- err
		}()
		must(t, f.src.Close())
		if err := <-ended; !errors.Is(err, os.ErrClosed) {
			t.Errorf("got %v, want closed", err)
		}
	})
}

func TestFault_BackOff(t *testing.T) {
	opt := brisk(t.TempDir() + "/missing")
	f := open(t, opt)
	for i, want := range []time.Duration{1, 2, 4, 4} {
		f.refuses(source.CodeMissing, "")
		if got := f.src.fault.wait; got != want*time.Millisecond {
			t.Errorf("wait %d is %v, want %v ms", i, got, int(want))
		}
	}
	must(t, os.Mkdir(opt.Path, 0o755))
	f.reaches(nil)
	if f.src.fault != nil {
		t.Error("the fault is kept after a success")
	}
}

func TestFault_ReturnedOnceAWait(t *testing.T) {
	opt := brisk(t.TempDir())
	opt.retryFirst, opt.retryMost = time.Hour, time.Hour
	f := open(t, opt)
	must(t, os.Symlink("nothing", f.path("b.yaml")))
	f.refuses(source.CodeDangling, "b.yaml")
	f.write("a.yaml", "x: 1\n") // an event: looked at, but the fault is the same
	f.quiet(150 * time.Millisecond)
	must(t, os.Symlink("/etc", f.path("a")))
	f.refuses(source.CodeOutside, "a") // another fault comes at once
	f.remove("a")
	f.remove("b.yaml")
	f.want(map[string]string{"a.yaml": "x: 1\n"})
}

func TestFault_EndIsSeen(t *testing.T) {
	f := filled(t, map[string]string{"a.yaml": "x: 1\n"})
	must(t, os.Symlink("nothing", f.path("b.yaml")))
	f.refuses(source.CodeDangling, "b.yaml")
	f.remove("b.yaml")
	was := f.got.Revision
	f.reaches(map[string]string{"a.yaml": "x: 1\n"})
	if f.got.Revision != was {
		t.Errorf("revision %s, want %s", f.got.Revision, was)
	}
	f.quiet(100 * time.Millisecond)
}

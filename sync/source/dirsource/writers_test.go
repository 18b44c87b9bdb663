package dirsource

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"

	"weir/sync/source"
)

func TestFailure_S21_RemovedWhileListed(t *testing.T) {
	f := filled(t, map[string]string{"a.yaml": "x: 1\n"})
	for name, step := range map[string]func(sc *scanner) error{
		"file":   func(sc *scanner) error { return sc.file(sc.top, "gone.yaml", "gone.yaml") },
		"folder": func(sc *scanner) error { return sc.enter(sc.top, "gone", place{shown: "gone.yaml"}) },
		"file in place of folder": func(sc *scanner) error {
			return sc.enter(sc.top, "a.yaml", place{shown: "gone.yaml"})
		},
		"folder in place of file": func(sc *scanner) error { return sc.file(sc.top, ".", "gone.yaml") },
	} {
		sc := f.scanner()
		if err := step(sc); err != nil || sc.list.moving != "gone.yaml" {
			t.Errorf("%s: got %v, moving %q, want a scan that does not count", name, err, sc.list.moving)
		}
	}
}

func TestFailure_S21_TwoScansMustAgree(t *testing.T) {
	f := filled(t, map[string]string{"a.yaml": "x: 1\n", "b.yaml": "x: 2\n"})
	look := func() *listing {
		list, err := f.src.scan(t.Context(), nil, false)
		must(t, err)
		return list
	}
	was := look()
	for _, tt := range []struct {
		name   string
		change func(*listing)
		want   string
	}{
		{"the same", func(*listing) {}, ""},
		{"size", func(l *listing) { l.records[0].id.size++ }, "a.yaml"},
		{"mtime", func(l *listing) { l.records[0].id.mtime++ }, "a.yaml"},
		{"ctime", func(l *listing) { l.records[1].id.change++ }, "b.yaml"},
		{"inode", func(l *listing) { l.records[1].id.key.ino++ }, "b.yaml"},
		{"hash", func(l *listing) { l.records[0].Hash = "0" }, "a.yaml"},
		{"link", func(l *listing) { l.records[0].target = "x" }, "a.yaml"},
		{"one less", func(l *listing) { l.records = l.records[:1] }, "b.yaml"},
		{"another", func(l *listing) { l.records[0].Path = "0.yaml" }, "0.yaml"},
		{"race", func(l *listing) { l.moving = "c.yaml" }, "c.yaml"},
		{"root", func(l *listing) { l.root.ino++ }, "."},
	} {
		is := look()
		tt.change(is)
		if got := was.difference(is); got != tt.want {
			t.Errorf("%s: difference %q, want %q", tt.name, got, tt.want)
		}
		if got := is.difference(was); got != tt.want {
			t.Errorf("%s: difference the other way %q, want %q", tt.name, got, tt.want)
		}
	}
}

// The second half of a file is written when the first is announced: no
// snapshot may hold the first alone.
func TestFailure_S22_HalfWritten(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir, map[string]string{"a.yaml": "x: 0\n"})
	opt := brisk(dir)
	var once sync.Once
	var file *os.File
	opt.event = func(ev fsnotify.Event) bool {
		if ev.Has(fsnotify.Write) {
			once.Do(func() {
				_, err := file.WriteString("second: 2\n")
				must(t, err)
			})
		}
		return true
	}
	f := open(t, opt)
	f.want(map[string]string{"a.yaml": "x: 0\n"})
	var err error
	file, err = os.OpenFile(f.path("b.yaml"), os.O_CREATE|os.O_WRONLY, 0o644)
	must(t, err)
	defer file.Close()
	_, err = file.WriteString("first: 1\n")
	must(t, err)
	f.want(map[string]string{"a.yaml": "x: 0\n", "b.yaml": "first: 1\nsecond: 2\n"})
}

// A file that is longer at each look never counts, and is no secret meanwhile.
func TestFailure_S22_NeverAtRest(t *testing.T) {
	for name, opt := range map[string]Options{"heard": brisk(t.TempDir()), "unheard": polling(t.TempDir())} {
		t.Run(name, func(t *testing.T) {
			opt.Rescan, opt.Longest = 50*time.Millisecond, 50*time.Millisecond
			fill(t, opt.Path, map[string]string{"a.yaml": "x: 1\n"})
			var writing bool
			opt.scanned = func() {
				if writing {
					grow(t, filepath.Join(opt.Path, "a.yaml"))
				}
			}
			f := open(t, opt)
			f.want(map[string]string{"a.yaml": "x: 1\n"})
			writing = true
			grow(t, f.path("a.yaml"))
			f.refuses(source.CodeUnstable, "a.yaml")
			writing = false
			f.write("a.yaml", "x: 2\n")
			f.reaches(map[string]string{"a.yaml": "x: 2\n"})
		})
	}
}

// Events alone, without an end and without a change, hold nothing up for
// longer than Longest.
func TestFailure_S22_NeverQuiet(t *testing.T) {
	opt := brisk(t.TempDir())
	fill(t, opt.Path, map[string]string{"a.yaml": "x: 1\n"})
	f := open(t, opt)
	f.want(map[string]string{"a.yaml": "x: 1\n"})
	stop := chatter(f.src.watch)
	defer stop()
	f.write("a.yaml", "x: 2\n")
	began := time.Now()
	f.want(map[string]string{"a.yaml": "x: 2\n"})
	if took := time.Since(began); took < opt.Longest {
		t.Errorf("took %v, want at least %v", took, opt.Longest)
	}
}

func grow(t *testing.T, path string) {
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	must(t, err)
	defer file.Close()
	_, err = file.WriteString("more: 1\n")
	must(t, err)
}

// chatter hints every millisecond until stopped.
func chatter(w *watches) (stop func()) {
	done := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				w.hint(false)
			}
		}
	})
	return func() { close(done); running.Wait() }
}

func TestFailure_S23_TruncatedToNothing(t *testing.T) {
	f := filled(t, map[string]string{"a.yaml": "x: 1\n", "b.yaml": "# nothing yet\n"})
	f.write("a.yaml", "")
	f.refuses(source.CodeEmptied, "a.yaml")
	f.write("a.yaml", "x: 2\n")
	f.reaches(map[string]string{"a.yaml": "x: 2\n", "b.yaml": "# nothing yet\n"})
	f.write("b.yaml", "") // declared nothing before
	f.want(map[string]string{"a.yaml": "x: 2\n", "b.yaml": ""})
	f.remove("a.yaml") // what an emptied file asks for
	f.want(map[string]string{"b.yaml": ""})
}

func TestFailure_V16_OnlyComments(t *testing.T) {
	f := filled(t, map[string]string{"a.yaml": "x: 1\n"})
	f.write("a.yaml", "# x: 1\n---\n\n")
	f.refuses(source.CodeEmptied, "a.yaml")
	f.remove("a.yaml")
	f.reaches(nil)
	f.write("a.yaml", "# new\n")
	f.want(map[string]string{"a.yaml": "# new\n"})
}

func TestDeclares(t *testing.T) {
	for data, want := range map[string]bool{
		"": false, "\n \t\r\n": false, "# x\n": false, "---\n": false, "---\n# x\n...\n": false, "\ufeff# x": false,
		"x": true, "# x\nx: 1": true, "--- x": true, "{}": true, "\x00": true, "  # x\n  y: 1": true,
	} {
		if got := declares([]byte(data)); got != want {
			t.Errorf("declares(%q) = %t, want %t", data, got, want)
		}
	}
}

// How editors save, each of which is one change and never a removal.
func TestEditors(t *testing.T) {
	for name, save := range map[string]func(f *harness, data string){
		"in place": func(f *harness, data string) { f.write("a.yaml", data) },
		"vim": func(f *harness, data string) {
			f.write(".a.yaml.swp", "swap")
			f.write("4913", "")
			f.remove("4913")
			f.rename("a.yaml", "a.yaml~")
			f.write("a.yaml", data)
			f.remove("a.yaml~")
			f.remove(".a.yaml.swp")
		},
		"sed -i": func(f *harness, data string) {
			f.write("sedA1b2C3", data)
			f.rename("sedA1b2C3", "a.yaml")
		},
		"emacs": func(f *harness, data string) {
			must(f.t, os.Symlink("me@host.1:1", f.path(".#a.yaml")))
			f.write("#a.yaml#", data)
			f.rename("a.yaml", "a.yaml~")
			f.write("a.yaml", data)
			f.remove("#a.yaml#")
			f.remove(".#a.yaml")
		},
		"written elsewhere": func(f *harness, data string) {
			other := f.t.TempDir()
			fill(f.t, other, map[string]string{"t": data})
			must(f.t, os.Rename(other+"/t", f.path("a.yaml")))
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := filled(t, map[string]string{"a.yaml": "x: 1\n", "b.yaml": "x: 1\n"})
			for _, data := range []string{"x: 2\n", "x: 3\n"} {
				save(f, data)
				f.want(map[string]string{"a.yaml": data, "b.yaml": "x: 1\n"})
			}
		})
	}
}

func TestRacy(t *testing.T) {
	read := time.Unix(1000, 500_000_000)
	at := func(d time.Duration) int64 { return read.Add(d).UnixNano() }
	for name, tt := range map[string]struct {
		id   identity
		want bool
	}{
		"old":                    {identity{mtime: at(-time.Minute) + 1, change: at(-time.Minute) + 1}, false},
		"just outside the tick":  {identity{change: at(-tick)}, false},
		"just inside the tick":   {identity{change: at(-tick) + 1}, true},
		"young mtime, old ctime": {identity{mtime: at(-1), change: at(-time.Minute) + 1}, true},
		"set back mtime":         {identity{mtime: 1, change: at(-1)}, true},
		"from the future":        {identity{mtime: at(time.Hour)}, true},
		"whole seconds, young":   {identity{mtime: at(-1500 * time.Millisecond)}, true},
		"whole seconds, old":     {identity{mtime: at(-2500 * time.Millisecond)}, false},
	} {
		if got := tt.id.racy(read); got != tt.want {
			t.Errorf("%s: racy %t, want %t", name, got, tt.want)
		}
	}
}

// A file whose stamp was too young is read again though its stat is the same,
// any other is not until all are.
func TestRacy_ReadAgain(t *testing.T) {
	f := filled(t, map[string]string{"a.yaml": "x: 1\n"})
	for _, tt := range []struct {
		racy, reread bool
		want         string
	}{{false, false, "stale"}, {true, false, "x: 1\n"}, {false, true, "x: 1\n"}} {
		old, err := f.src.scan(t.Context(), nil, false)
		must(t, err)
		old.records[0].racy, old.records[0].Hash, old.records[0].Data = tt.racy, "stale", []byte("stale")
		list, err := f.src.scan(t.Context(), old, tt.reread)
		must(t, err)
		if got := string(list.records[0].Data); got != tt.want {
			t.Errorf("racy %t, reread %t: %q, want %q", tt.racy, tt.reread, got, tt.want)
		}
	}
}

// Content that changed behind an unchanged stat is found by the full reading.
func TestRehash(t *testing.T) {
	opt := brisk(t.TempDir())
	fill(t, opt.Path, map[string]string{"a.yaml": "x: 1\n"})
	opt.Rehash = 50 * time.Millisecond
	f := open(t, opt)
	f.want(map[string]string{"a.yaml": "x: 1\n"})
	rec := &f.src.last.records[0]
	rec.Hash, rec.Data, rec.racy = "stale", []byte("stale"), false
	f.src.last.revise()
	f.got = f.src.last.snapshot("live")
	f.want(map[string]string{"a.yaml": "x: 1\n"})
}

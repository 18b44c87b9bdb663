package dirsource

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"

	"weir/sync/source"
)

// watches turns the file system's events into a hint: that something may have
// changed, and when. Only folders are watched, and the folder the root stands
// in, to see the root come, go and be replaced.
type watches struct {
	root   string
	log    *slog.Logger
	filter func(fsnotify.Event) bool
	wake   chan struct{} // holds a token when there is a hint
	drains sync.WaitGroup

	mu       sync.Mutex
	fs       *fsnotify.Watcher  // nil while the system gives none
	keys     map[string]fileKey // watched folders, and which folder the path was
	paths    map[fileKey]string // the same the other way round
	known    map[string]bool    // folders, links and their targets on disk
	last     time.Time          // of the last event that matters
	trouble  string             // why watches are missing
	failed   string             // the same, of the scan under way
	overflow bool               // events were lost since the last scan that counted
	closed   bool
}

func newWatches(root string, log *slog.Logger, filter func(fsnotify.Event) bool) *watches {
	return &watches{
		root: root, log: log, filter: filter, wake: make(chan struct{}, 1),
		keys: map[string]fileKey{}, paths: map[fileKey]string{}, known: map[string]bool{},
	}
}

// open asks the system for a watcher unless there is one.
func (w *watches) open() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fs != nil || w.closed {
		return
	}
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		w.failed = err.Error()
		return
	}
	w.fs = watcher
	w.drains.Go(func() { w.drain(watcher) })
}

func (w *watches) close() error {
	w.mu.Lock()
	watcher := w.fs
	w.fs, w.closed = nil, true
	w.mu.Unlock()
	if watcher == nil {
		return nil
	}
	err := watcher.Close()
	w.drains.Wait()
	return err
}

// begin and end bracket a scan, which arms every folder it enters.
func (w *watches) begin() {
	w.mu.Lock()
	w.failed = ""
	w.mu.Unlock()
	w.open()
	if parent := filepath.Dir(w.root); parent != w.root {
		w.add(parent, fileKey{})
	}
}

func (w *watches) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.report(w.failed, w.overflow)
}

// arm watches the real folder below the root. It is asked for anew in each
// scan, as the path may be another folder by now; for one that is watched
// already that changes nothing.
func (w *watches) arm(below string, key fileKey) { w.add(onDisk(w.root, below), key) }

func (w *watches) add(dir string, key fileKey) {
	w.mu.Lock()
	watcher, stale := w.fs, w.stale(dir, key)
	w.mu.Unlock()
	if watcher == nil {
		return
	}
	for _, path := range stale {
		_ = watcher.Remove(path) // fails where the system has removed it already
	}
	err := watcher.Add(dir)
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case err == nil:
		w.keys[dir], w.paths[key] = key, dir
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fsnotify.ErrClosed):
	case w.failed == "":
		w.failed = err.Error()
	}
}

// stale forgets and returns the watches that have to go before dir is watched:
// one on the folder that had this path before, and one on this folder under
// the path it had before, for fsnotify would keep that, and give up both with
// it. The lock is held.
func (w *watches) stale(dir string, key fileKey) (paths []string) {
	if key == (fileKey{}) {
		return nil
	}
	if old, ok := w.keys[dir]; ok && old != key {
		paths = append(paths, dir)
		delete(w.keys, dir)
		delete(w.paths, old)
	}
	if was, ok := w.paths[key]; ok && was != dir {
		paths = append(paths, was)
		delete(w.keys, was)
		delete(w.paths, key)
	}
	return paths
}

// settled takes over what a scan that counted found: watches on folders that
// are gone are given back, and lost events are made up for.
func (w *watches) settled(l *listing) {
	known := map[string]bool{filepath.Dir(w.root): true, w.root: true}
	for _, dir := range l.folders {
		known[onDisk(w.root, dir.real)] = true
	}
	w.forget(known)
	for _, link := range l.links {
		known[onDisk(w.root, link)] = true
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.known = known
	w.report(w.trouble, false)
}

// forget gives back the watches on folders that are not in keep. fsnotify is
// called without the lock: it may be waiting for drain, which takes the lock.
func (w *watches) forget(keep map[string]bool) {
	w.mu.Lock()
	watcher, gone := w.fs, []string(nil)
	for dir, key := range w.keys {
		if !keep[dir] {
			gone = append(gone, dir)
			delete(w.paths, key)
			delete(w.keys, dir)
		}
	}
	w.mu.Unlock()
	for _, dir := range gone {
		if watcher != nil {
			_ = watcher.Remove(dir) // as in add
		}
	}
}

// report logs a change of what Degraded says. The lock is held.
func (w *watches) report(trouble string, overflow bool) {
	was := w.reason()
	w.trouble, w.overflow = trouble, overflow
	switch is := w.reason(); is {
	case was:
	case "":
		w.log.Info("file system events can be relied on again", "path", w.root)
	default:
		w.log.Warn("file system events cannot be relied on, looking for changes instead",
			"path", w.root, "reason", is, "every", degradedRescan)
	}
}

func (w *watches) reason() string {
	switch {
	case w.trouble != "":
		return "cannot watch all folders: " + w.trouble
	case w.overflow:
		return "events were lost: the system's queue was full"
	}
	return ""
}

func (w *watches) degraded() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.reason()
}

// lastEvent returns when the last event that matters came.
func (w *watches) lastEvent() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last
}

func (w *watches) drain(watcher *fsnotify.Watcher) {
	errs := watcher.Errors
	for {
		select {
		case ev, ok := <-watcher.Events:
			if !ok {
				return
			}
			if (w.filter == nil || w.filter(ev)) && w.matters(ev) {
				w.hint(false)
			}
		case _, ok := <-errs:
			if !ok {
				errs = nil
				continue
			}
			w.hint(true) // a full queue, or a read that failed: events are lost either way
		}
	}
}

func (w *watches) hint(lost bool) {
	w.mu.Lock()
	w.last = time.Now()
	if lost {
		w.report(w.trouble, true)
	}
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// matters reports whether an event may change what a scan finds. Of the other
// names in a folder, such as a log or a database, only what may be a folder or
// a link matters, so that their writers do not keep weir busy.
func (w *watches) matters(ev fsnotify.Event) bool {
	name := filepath.Base(ev.Name)
	if w.isKnown(ev.Name) {
		return filepath.Dir(w.root) != ev.Name
	}
	if filepath.Dir(ev.Name) == filepath.Dir(w.root) || source.Dropping(name) {
		return false
	}
	switch {
	case source.Selects(name), ev.Has(fsnotify.Remove), ev.Has(fsnotify.Rename):
		return true
	case ev.Has(fsnotify.Create):
		fi, err := os.Lstat(ev.Name)
		return err == nil && (fi.IsDir() || fi.Mode().Type() == fs.ModeSymlink)
	}
	return false
}

func (w *watches) isKnown(path string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return path == w.root || w.known[path]
}

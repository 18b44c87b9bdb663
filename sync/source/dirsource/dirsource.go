// Package dirsource reads manifests from a directory and notices when they
// change.
//
// The truth is a scan by content hash. Events of the file system (fsnotify)
// only say when to look: they get lost when a queue overflows, when folders
// are made faster than they can be watched, on network file systems; so a
// rescan runs from time to time whatever the events say. A scan counts only
// when the next one finds the same files with the same stat, which is how a
// half-written file or a file moved while the folder was listed is never taken
// for a removal.
//
// Read are *.yaml, *.yml and *.json in any case, in all folders, without
// dot-files, dot-folders and what editors leave behind. Everything is opened
// below an os.Root. A symbolic link that stays inside is followed, though what
// it leads to be hidden, as in Kubernetes' ConfigMap mounts; a link that
// leaves the root, loops or dangles refuses the whole scan. A link to a file
// gives the file a second path. A link to a folder is followed only when the
// folder is hidden: any other is read under its own path anyway, and no folder
// is read twice.
//
// Two things are read well and still held as a fault: a file that declared
// something and is now empty or only comments, and an empty folder in the place
// of one that held files (a full disk, a lost mount, a checkout under way).
// Deleting a file, down to the last one, is a change like any other.
//
// A file system that does not answer at all hangs Next with it; a context
// cannot end a system call.
package dirsource

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fsnotify/fsnotify"

	"weir/sync/source"
)

// Options says which directory to read and how.
type Options struct {
	Name    string        // of the source, in weir's config
	Path    string        // the directory; it may come into being later
	Limits  Limits        // zero fields have their default
	Quiet   time.Duration // without events before a change counts, default 250 ms
	Longest time.Duration // after which a change counts without quiet, default 2 s
	Rescan  time.Duration // between two looks without an event, default 30 s
	Rehash  time.Duration // between two readings of all files, default 10 min
	Logger  *slog.Logger  // default: none

	// For tests: event sees every event first and swallows it by returning
	// false; scanned runs after each scan; retryFirst and retryMost replace the
	// bounds of the back-off.
	event                 func(fsnotify.Event) bool
	scanned               func()
	retryFirst, retryMost time.Duration
}

// Limits bounds what one scan takes in. Beyond any of them the scan is refused.
type Limits struct {
	FileBytes  int64 // one file, default 1 MiB
	TotalBytes int64 // all files together, default 64 MiB
	Files      int   // files and folders, default 50,000; of other names ten times as many
	Depth      int   // folders within each other, default 64
}

// degradedRescan is the longest time between two looks while events cannot be
// relied on, and until files are looked at again whose stamps were too young.
const degradedRescan = 2 * time.Second

// Source is a directory. Next must not be called by two goroutines at once.
type Source struct {
	opt    Options
	watch  *watches
	closed chan struct{}
	once   sync.Once

	last    *listing      // the last scan that counted
	checked atomic.Int64  // when, in Unix nanoseconds
	fault   *fault        // what the last Next returned, nil after a success
	cost    time.Duration // what the last scan took
	rescan  time.Time     // when the next look is due
	rehash  time.Time     // when the next reading of all files is due
}

var (
	_ source.Source  = (*Source)(nil)
	_ source.Watched = (*Source)(nil)
)

// New returns the source and begins to listen for events. The directory need
// not exist yet; a system that has no more watches to give is no error either:
// see Degraded.
func New(opt Options) (*Source, error) {
	if err := opt.check(); err != nil {
		return nil, err
	}
	abs, err := filepath.Abs(opt.Path)
	if err != nil {
		return nil, fmt.Errorf("source %s: path: %w", opt.Name, err)
	}
	opt.Path = abs
	opt.fill()
	s := &Source{opt: opt, closed: make(chan struct{}), watch: newWatches(abs, opt.Logger, opt.event)}
	s.watch.open()
	s.rehash = time.Now().Add(opt.Rehash)
	return s, nil
}

// Close ends the listening; a Next under way returns os.ErrClosed.
func (s *Source) Close() error {
	s.once.Do(func() { close(s.closed) })
	return s.watch.close()
}

// Degraded says why events cannot be relied on at present, so that changes are
// found by looking every two seconds; "" when all is well.
func (s *Source) Degraded() string { return s.watch.degraded() }

func (o *Options) check() error {
	switch {
	case o.Name == "":
		return fmt.Errorf("directory source: name is required")
	case o.Path == "":
		return fmt.Errorf("source %s: path is required", o.Name)
	case min(o.Quiet, o.Longest, o.Rescan, o.Rehash) < 0:
		return fmt.Errorf("source %s: quiet, longest, rescan and rehash must not be negative", o.Name)
	case min(o.Limits.FileBytes, o.Limits.TotalBytes) < 0, min(o.Limits.Files, o.Limits.Depth) < 0:
		return fmt.Errorf("source %s: limits must not be negative", o.Name)
	}
	return nil
}

func (o *Options) fill() {
	set(&o.Limits.FileBytes, 1<<20)
	set(&o.Limits.TotalBytes, 64<<20)
	set(&o.Limits.Files, 50_000)
	set(&o.Limits.Depth, 64)
	set(&o.Quiet, 250*time.Millisecond)
	set(&o.Longest, 2*time.Second)
	set(&o.Rescan, 30*time.Second)
	set(&o.Rehash, 10*time.Minute)
	set(&o.retryFirst, time.Second)
	set(&o.retryMost, 30*time.Second)
	if o.scanned == nil {
		o.scanned = func() {}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}

func set[T int | int64 | time.Duration](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}

// Checked returns when a scan last counted, zero for never.
func (s *Source) Checked() time.Time {
	if n := s.checked.Load(); n != 0 {
		return time.Unix(0, n)
	}
	return time.Time{}
}

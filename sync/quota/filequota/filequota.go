// Package filequota keeps the books of shared quotas in files of one folder,
// one an operation, for the processes of one machine.
//
// A book describes the next seconds only, so nothing is synced to the disk, and
// the folder may be removed while no weir runs. A process holds the file's lock
// for the time of one read and one write, some ten microseconds; the kernel frees
// the lock of one that dies. A book that is damaged, or that is another one than
// before, begins anew with a silence in which nobody calls, until nothing counts
// any more that it does not know of.
//
// Times are those of the machine since it started, sleep included, so that
// setting the clock has no effect; a book of before a restart is empty.
package filequota

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"time"

	"weir/sync/boottime"
	"weir/sync/call"
	"weir/sync/quota"
)

// patience is how long a process waits for a book that another one holds, which
// takes so long only where that one was stopped right then.
const patience = 2 * time.Second

// lockPause is the pause between two looks at a lock.
const lockPause = 200 * time.Microsecond

// Desk is a folder of books. It must be closed.
type Desk struct {
	dir  string
	boot [16]byte
	log  *slog.Logger

	mu    sync.Mutex
	files map[string]*file // by operation
}

var _ quota.Desk = (*Desk)(nil)

// New returns the desk in a folder, which is made when it is first used. A nil
// logger says nothing.
func New(dir string, log *slog.Logger) *Desk {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Desk{dir: dir, boot: boot(), log: log, files: map[string]*file{}}
}

// Share returns the budget kept at the desk, for this process.
func (d *Desk) Share() call.Shared { return quota.Share(d, rand.Int64()) }

// Now is the time since the machine started.
func (d *Desk) Now() quota.Instant { return boottime.Now() }

// names are the operations that may name a file.
var names = regexp.MustCompile(`^[A-Za-z0-9]{1,100}$`)

// Update lets f have the book of an operation while the others wait.
func (d *Desk) Update(ctx context.Context, operation string, f func(*quota.Book, quota.Instant)) error {
	if !names.MatchString(operation) {
		return fmt.Errorf("%q names no file", operation)
	}
	d.mu.Lock()
	own, ok := d.files[operation]
	if !ok {
		own = &file{path: filepath.Join(d.dir, operation), boot: d.boot, log: d.log, turn: make(chan struct{}, 1)}
		d.files[operation] = own
	}
	d.mu.Unlock()
	return own.update(ctx, f)
}

// Close closes the files. The books stay as they are.
func (d *Desk) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	var errs []error
	for _, own := range d.files {
		errs = append(errs, own.close())
	}
	return errors.Join(errs...)
}

// file is one book's.
type file struct {
	path string
	boot [16]byte
	log  *slog.Logger

	turn  chan struct{} // holds one while the rest is in use
	f     *os.File      // nil until it is needed
	fresh bool          // it was opened and not used yet
	seen  bool          // one was used before: another file at its path is a new book

	buffer []byte
}

// update reads the book, lets f change it, and writes it.
func (b *file) update(ctx context.Context, f func(*quota.Book, quota.Instant)) error {
	select {
	case b.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-b.turn }()
	another, err := b.lock(ctx)
	if err != nil {
		return fmt.Errorf("book of calls: %w", err)
	}
	defer unlock(b.f)
	now := boottime.Now()
	book, err := b.read()
	if err != nil {
		return fmt.Errorf("book of calls: %w", err)
	}
	if another {
		b.log.Warn("a book of calls was replaced: nothing is called until it is sure again", "path", b.path)
		book.Silence(now)
	}
	f(book, now)
	if boottime.Now() > now.After(patience) {
		book.Silence(boottime.Now()) // this process was stopped, and the others gave up waiting
	}
	if err := b.write(book); err != nil {
		return fmt.Errorf("book of calls: %w", err)
	}
	return nil
}

// lock opens the file and locks it, and reports whether it is another one than
// before.
func (b *file) lock(ctx context.Context) (another bool, err error) {
	deadline := time.Now().Add(patience)
	for {
		if err := b.open(); err != nil {
			return false, err
		}
		locked, err := tryLock(b.f)
		if err != nil {
			return false, errors.Join(err, b.shut())
		}
		if locked && b.there() {
			return b.opened(), nil
		}
		if locked { // it was removed, or replaced
			if err := b.shut(); err != nil {
				return false, err
			}
			continue
		}
		if err := wait(ctx, deadline); err != nil {
			return false, err
		}
	}
}

// wait makes the pause between two looks at a lock.
func wait(ctx context.Context, deadline time.Time) error {
	if time.Now().After(deadline) {
		return fmt.Errorf("another process held it for %v: look for a weir that was stopped", patience)
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(lockPause):
		return nil
	}
}

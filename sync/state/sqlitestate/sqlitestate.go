// Package sqlitestate keeps weir's memory in one SQLite file. Several
// processes may have it open at once: a daemon that writes and a CLI that
// reads, or two that race for the same act.
//
// Writes are durable when they return (write-ahead log, synchronous=FULL).
// Since every call to a cloud costs two of them, writes that arrive while
// another is on its way to the disk share the next transaction.
//
// What decides about removals and repetitions (records and acts) carries a
// checksum in every row, so that a flipped bit is an error and never another
// resource's name.
package sqlitestate

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"weir/sync/state"
)

// Temporary as a path opens a store in a new folder, which Shut removes.
const Temporary = ":memory:"

// The defaults of Options.
const (
	DefaultMaxEntries  = 1_000_000
	DefaultMaxReads    = 100_000
	DefaultBusyTimeout = 10 * time.Second
)

// readers is the number of connections that read beside the one that writes.
const readers = 4

// Options are the limits of a store; the zero value is right for most uses.
type Options struct {
	// MaxEntries bounds the journal's calls that write: closed entries older
	// than the newest MaxEntries are removed, a few at a time. 0 for
	// DefaultMaxEntries.
	MaxEntries int64
	// MaxReads bounds those that read in the same way. 0 for DefaultMaxReads,
	// or MaxEntries where that is less.
	MaxReads int64
	// MaxAge bounds the age of entries: those older go from the beginning of
	// the journal, a few at a time. 0 for no bound.
	MaxAge time.Duration
	// BusyTimeout is how long a write waits for one of another process. 0 for
	// DefaultBusyTimeout.
	BusyTimeout time.Duration
	// MaxBytes bounds the file; a write beyond it fails with state.Full. 0 for
	// no bound but the disk's.
	MaxBytes int64
	// Existing refuses to make a store where there is none, with an error that
	// is fs.ErrNotExist.
	Existing bool
}

// complete fills in the defaults and refuses what makes no sense.
func (o Options) complete() (Options, error) {
	if o.MaxEntries < 0 || o.MaxReads < 0 || o.MaxAge < 0 || o.BusyTimeout < 0 || o.MaxBytes < 0 {
		return o, errors.New("sqlite state: MaxEntries, MaxReads, MaxAge, BusyTimeout and MaxBytes cannot be negative")
	}
	if o.MaxEntries == 0 {
		o.MaxEntries = DefaultMaxEntries
	}
	if o.MaxReads == 0 {
		o.MaxReads = min(DefaultMaxReads, o.MaxEntries)
	}
	if o.BusyTimeout == 0 {
		o.BusyTimeout = DefaultBusyTimeout
	}
	return o, nil
}

// Store is a state.Store in a SQLite file. It must be shut.
type Store struct {
	path    string
	file    os.FileInfo // which file it is, whatever its path leads to later
	options Options
	write   *writer
	read    *sql.DB
	end     sync.Once
	ended   error
	cleanup func() error
	moved   bool // it had an identity, and was not at this path before
}

var _ state.Store = (*Store)(nil)

// Open opens the store at path and creates what is missing: its folder (mode
// 0700) and the file (mode 0600). Trouble with the file is a *state.Error that
// says what to do; the file is left as it was.
func Open(ctx context.Context, path string, o Options) (*Store, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	if path == Temporary {
		return openTemporary(ctx, o)
	}
	path, err = filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("state file: %w", err)
	}
	if _, err := os.Stat(path); o.Existing && errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no state at %s: nothing was applied yet: %w", path, fs.ErrNotExist)
	}
	s := &Store{path: path, options: o, cleanup: func() error { return nil }}
	if err := s.open(ctx); err != nil {
		return nil, s.fault(err)
	}
	return s, nil
}

func openTemporary(ctx context.Context, o Options) (*Store, error) {
	dir, err := os.MkdirTemp("", "weir-state-")
	if err != nil {
		return nil, fmt.Errorf("temporary state: %w", err)
	}
	remove := func() error { return os.RemoveAll(dir) }
	s, err := Open(ctx, filepath.Join(dir, "weir.db"), o)
	if err != nil {
		return nil, errors.Join(err, remove())
	}
	s.cleanup = remove
	return s, nil
}

// open secures the file, then opens the connections: the one that writes
// first, since it checks and migrates what the readers rely on.
func (s *Store) open(ctx context.Context) error {
	if err := secure(s.path); err != nil {
		return err
	}
	var conn *sql.DB
	err := patiently(ctx, s.options.BusyTimeout, func() (err error) {
		conn, err = s.prepare(ctx)
		return err
	})
	if err != nil {
		return err
	}
	if s.file, err = os.Stat(s.path); err != nil {
		return errors.Join(err, conn.Close())
	}
	s.read = sql.OpenDB(s.connector(readPragmas()))
	s.read.SetMaxOpenConns(readers)
	s.write, err = newWriter(ctx, conn)
	if err != nil {
		return errors.Join(err, s.read.Close(), conn.Close())
	}
	if err := s.identify(ctx); err != nil {
		return errors.Join(err, s.read.Close(), s.write.close())
	}
	return nil
}

// prepare opens the connection that writes, checks the file and migrates it.
func (s *Store) prepare(ctx context.Context) (*sql.DB, error) {
	db := sql.OpenDB(s.connector(s.writePragmas()))
	db.SetMaxOpenConns(1)
	err := check(ctx, db)
	if err == nil {
		err = migrate(ctx, db, s.path, schema())
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// Path returns the absolute path of the file.
func (s *Store) Path() string { return s.path }

// Shut ends the store after the writes that are on their way. It may be called
// more than once. (Close is the journal's.)
func (s *Store) Shut() error {
	s.end.Do(func() {
		s.ended = errors.Join(s.write.close(), s.read.Close(), s.cleanup())
	})
	return s.ended
}

// Check reads the whole file and reports any damage, in the journal and the
// indexes too; it takes seconds where the journal is long.
func (s *Store) Check(ctx context.Context) error {
	if err := integrity(ctx, s.read, "integrity_check(1)"); err != nil {
		return s.fault(err)
	}
	return nil
}

package sqlitestate

import (
	"context"
	"errors"
	"fmt"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"weir/sync/state"
)

// advice says what a person can do about a fault.
func advice(f state.Fault) string {
	switch f {
	case state.Damaged:
		return "move the file aside with its -wal and -shm files, or put a copy in its place, then start again: " +
			"without it nothing counts as applied by weir, so nothing is removed, " +
			"but acts that must not happen twice are forgotten"
	case state.Foreign:
		return "choose another path for the state or move that file away; weir leaves it as it is"
	case state.Swapped:
		return "put back the file that was there; if this one is meant, remove the file with its identity (" +
			"its path with " + identityFile + " at the end) and start again"
	case state.Newer:
		return "use the weir that wrote it or a newer one, or another path for the state"
	case state.Full:
		return "make room; nothing is applied until writing works again"
	case state.Busy:
		return "another process is writing for too long; look for one that hangs"
	case state.Moved:
		return "name the other one in the configuration; `weir state migrate --back` opens this one again, " +
			"without what was written there since"
	case state.Unusable:
		return "weir has to be able to read and write the file and its folder, on a local filesystem"
	}
	return ""
}

// fault makes a *state.Error with the path of trouble with the file; contexts'
// errors pass through. Callers add what they were doing around it.
func (s *Store) fault(err error) error {
	trouble := state.Error{Fault: classify(err), Err: err}
	if trouble.Fault == "" {
		return err
	}
	if known := (*state.Error)(nil); errors.As(err, &known) {
		trouble = *known
	}
	trouble.Path, trouble.Advice = s.path, advice(trouble.Fault)
	if trouble.Fault == state.Moved {
		trouble.Err = s.movedAway()
	}
	if trouble.Fault == state.Damaged {
		trouble.Advice = s.wayBack() + trouble.Advice
	}
	return &trouble
}

// wayBack names the newest copy that can be put in the place of a damaged file.
func (s *Store) wayBack() string {
	copies := s.generations()
	if len(copies) == 0 {
		return ""
	}
	return fmt.Sprintf("the newest copy is %s (%d are kept): what was applied since it was made "+
		"counts as not weir's until it is applied again, and acts since then are forgotten; ", copies[0], len(copies))
}

// faulty makes a *state.Error; fault completes it.
func faulty(f state.Fault, err error) error { return &state.Error{Fault: f, Err: err} }

func damaged(err error) error { return faulty(state.Damaged, err) }

// classify returns the fault that SQLite's code stands for, "" for none.
func classify(err error) state.Fault {
	var e *sqlite.Error
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &e) {
		return state.FaultOf(err)
	}
	if e.Code() == sqlite3.SQLITE_IOERR_SHMSIZE {
		return state.Full // no room for the index of the write-ahead log
	}
	if e.Code() == sqlite3.SQLITE_CONSTRAINT_TRIGGER {
		return state.Moved // no trigger is ours but those of a retirement
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT, sqlite3.SQLITE_ERROR:
		// SQLITE_ERROR: our statements are fixed, so only a schema that is not
		// what was written can make one of them wrong.
		return state.Damaged
	case sqlite3.SQLITE_FULL:
		return state.Full
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return state.Busy
	case sqlite3.SQLITE_INTERRUPT:
		return ""
	}
	return state.Unusable
}

package state

import (
	"errors"
	"fmt"
)

// Fault is a class of trouble with a store, stable enough for a label and for
// `weir explain`.
type Fault string

// The faults. None of them is ever answered by deleting what is there.
const (
	Damaged  Fault = "state-damaged"  // truncated, overwritten or bits flipped
	Foreign  Fault = "state-foreign"  // not a store of weir's
	Swapped  Fault = "state-swapped"  // a store of weir's, but not the one that was there
	Newer    Fault = "state-newer"    // written by a newer weir
	Unsafe   Fault = "state-unsafe"   // somebody else could have written it
	Full     Fault = "state-full"     // no space left for another write
	Busy     Fault = "state-busy"     // another process holds it for too long
	Unusable Fault = "state-unusable" // cannot be opened, read or written for another cause
	Closed   Fault = "state-closed"   // used after its end
	Fenced   Fault = "state-fenced"   // another process leads the account that was to be written of
	Moved    Fault = "state-moved"    // its content was taken to another store
)

// Error is a store's trouble that is not an answer of its methods. While it
// lasts nothing may be applied: what cannot be written down is not done.
type Error struct {
	Fault  Fault
	Path   string // of the store
	Advice string // what a person can do, "" where nothing is known
	Err    error
}

// Error returns path, cause, advice and fault.
func (e *Error) Error() string {
	msg := fmt.Sprintf("state %s: %v", e.Path, e.Err)
	if e.Advice != "" {
		msg += "; " + e.Advice
	}
	return msg + " [" + string(e.Fault) + "]"
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Fenced reports whether another process leads the account, which is nothing that is
// wrong with the store.
func (e *Error) Fenced() bool { return e.Fault == Fenced }

// FaultOf returns the fault of err, "" where it is none.
func FaultOf(err error) Fault {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Fault
	}
	return ""
}

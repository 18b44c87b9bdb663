package state

import (
	"context"
	"errors"
	"iter"
	"time"

	"weir/sync/resource"
)

// Board is a store on which who leads an account leaves what it sees of it, for those
// who do not. Nothing rests on it but what is shown: who takes an account over reads
// again what it is about to change.
type Board interface {
	// Post writes what was seen of resources of an account, and which are not looked at
	// any more. What cannot be written now is posted again by a later call with it.
	Post(ctx context.Context, account string, seen []resource.Observation, gone []resource.ID) error
	// Posted returns what was posted after a cursor, by any process.
	Posted(ctx context.Context, since Cursor) (Posts, error)
}

// Posts is what came onto a Board after a Cursor.
type Posts struct {
	Whole bool                   // Seen is all that there is: what is not in it is gone
	Seen  []resource.Observation // ordered by ID; of each what was posted last
	Gone  []resource.ID
	Next  Cursor
}

// Watcher is a store that other processes write as well, on other machines: nobody can
// see from here when they do.
type Watcher interface {
	// Watch calls f, from one goroutine, after other processes, or this one, have written
	// records, acts, marks, consents or posts, until ctx ends. Several writes may be one
	// call.
	Watch(ctx context.Context, f func()) error
}

// Dump is one thing that a store keeps, for another store: exactly one of its fields
// is set. The head comes first, then what there is of each field in the order of the
// fields.
type Dump struct {
	Head    *DumpHead         `json:"head,omitempty"`
	Applied *resource.Applied `json:"applied,omitempty"`
	Act     *resource.Act     `json:"act,omitempty"`
	Mark    *Mark             `json:"mark,omitempty"`
	Consent *Consent          `json:"consent,omitempty"`
	Claim   *Claimed          `json:"claim,omitempty"`
	Anchor  *DumpAnchor       `json:"anchor,omitempty"`
	Entry   *Entry            `json:"entry,omitempty"` // with Links; in the order of numbers
	Orphan  *DumpLink         `json:"orphan,omitempty"`
}

// DumpHead says what follows.
type DumpHead struct {
	Identity string `json:"identity"` // the store's, which the other one takes over
	Number   int64  `json:"number"`   // the greatest that was given to an entry
}

// Claimed is a claim that was made.
type Claimed struct {
	Name string `json:"name"`
	At   string `json:"at"` // RFC 3339 with nanoseconds, "" for no time
	By   string `json:"by,omitempty"`
}

// NewClaimed returns a claim that was made at a time.
func NewClaimed(name string, at time.Time, by string) Claimed {
	c := Claimed{Name: name, By: by}
	if !at.IsZero() {
		c.At = at.UTC().Format(time.RFC3339Nano)
	}
	return c
}

// Time returns when the claim was made.
func (c Claimed) Time() (time.Time, error) {
	if c.At == "" {
		return time.Time{}, nil
	}
	return time.Parse(time.RFC3339Nano, c.At)
}

// DumpAnchor is where a chain begins.
type DumpAnchor struct {
	Chain  Chain `json:"chain"`
	Anchor `json:"anchor"`
}

// DumpLink is a link that is not among those an Entry has: of an entry that was pruned,
// or of an outcome that was written anew since.
type DumpLink struct {
	Link   `json:"link"`
	Number int64 `json:"number"`
	Digest Hash  `json:"digest"`
}

// ErrNotEmpty is Restore's error for a store that holds something.
var ErrNotEmpty = errors.New("the store is not empty")

// Porter is a store whose whole content can be taken to another one.
type Porter interface {
	// Dump returns everything, as it is at one moment, whatever is written while it is
	// read. A retired store is dumped as any other.
	Dump(ctx context.Context) iter.Seq2[Dump, error]
	// Restore writes all of a dump into a store that holds nothing, or nothing of it: one
	// that holds anything is refused and stays as it is. all may be read more than once.
	// The journal verifies afterwards as it did before, with the same heads.
	Restore(ctx context.Context, all iter.Seq2[Dump, error]) error
	// Retire says that the store's content was taken elsewhere, in words for a person:
	// from then on it refuses every write, of this process and others, with the fault
	// Moved. "" takes that back.
	Retire(ctx context.Context, where string) error
	// Retired returns what Retire was told, "" for a store that is in use.
	Retired(ctx context.Context) (where string, err error)
}

package source

import (
	"context"
	"time"
)

// Lineage is a source that knows how a thing that its files declare came to be
// what it is, wherever it was declared.
type Lineage interface {
	// Versions returns the versions of a thing up to a revision that the source
	// has. It asks nobody else. Where ctx's deadline comes first, or there are
	// too many commits, what was found is returned as Cut.
	Versions(ctx context.Context, q Quest) (Versions, error)
}

// Quest says what the versions are wanted of.
type Quest struct {
	Revision string
	File     string // where the revision declares it, as far as that is known
	// Find looks for the thing in one file. It is called for many, from one
	// goroutine.
	Find func(File) Found
	// Whole asks also for what was before the thing last came from nothing.
	Whole bool
}

// Found is what one file has of a thing; the zero value is nothing.
type Found struct {
	Present bool
	// Broken says that the file may declare it but cannot be read. Of such a
	// revision nothing is made: what the next one changes is told against the one
	// before.
	Broken bool
	Text   string // what is declared; equal texts declare the same
	Line   int
}

// Versions is the history of a thing.
type Versions struct {
	List []Version // the newest first, and each before those it came from
	Head int       // what the revision has, -1 where the thing never was
	Cut  bool      // the history goes on beyond what was looked at
}

// Version is a commit that made a thing something that none of its parents had.
type Version struct {
	Change
	At      time.Time // when it was committed
	Present bool      // false where the commit took the thing away
	File    string    // where it is declared then
	Line    int
	Text    string
	From    []int // the versions of its parents, by position in the list
	// Edge says that a parent could not be looked at: it may have been so before.
	Edge bool
}

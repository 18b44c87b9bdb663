// Package source is where bytes come from. A Source blocks until there is
// another revision and returns it whole; what the bytes mean is not its
// concern.
package source

import (
	"context"
	"time"
)

// Source delivers revisions of a tree of manifest files.
type Source interface {
	// Next blocks until the tree differs from prev, or returns at once where
	// prev is nil. It returns the context's error when ctx ends. Any other
	// error is a problem that may pass (an *Error where it has a code): prev
	// stays in force and Next may be called again. The first success after
	// such an error is returned even where it is equal to prev, so that the
	// caller sees that the problem has passed.
	Next(ctx context.Context, prev *Snapshot) (*Snapshot, error)
}

// Snapshot is one whole revision of a source. It is never changed once made.
type Snapshot struct {
	Source   string // name in weir's config
	Revision string // a commit's hash, or "dir:" and a hash over all paths and contents
	Files    []File // ordered by path
	// Looked and Found are when the look at the place began that found it, and when
	// that ended; zero where a source does not say.
	Looked, Found time.Time
}

// File is one manifest file.
type File struct {
	Path string // below the root, with slashes
	Hash string // SHA-256 of Data in hex; equal hash means equal content
	Data []byte // must not be changed
}

// History is a source that knows former revisions and who made them.
type History interface {
	// At returns a revision that Next returned before, from memory or disk; it
	// asks nobody else.
	At(ctx context.Context, revision string) (*Snapshot, error)
	// Trace returns for each place who last changed it, as of a revision that
	// Next returned. What cannot be found out is the zero Change. It asks nobody
	// else, and it may be called while Next blocks.
	Trace(ctx context.Context, revision string, places []Place) ([]Change, error)
}

// Watched is a source that looks for news without returning from Next.
type Watched interface {
	// Checked returns when the source last made sure of what it holds, zero for
	// never.
	Checked() time.Time
}

// Place is where something is declared, or where it was.
type Place struct {
	File string // path below the root
	Line int    // within the document that is meant, from 1
	// Since is set for a document that is not there any more: the revision, or
	// several with commas between them, in which it was at File and Line. The
	// Change is then that which took it away.
	Since string
}

// Change is the commit that made something what it is.
type Change struct {
	Commit string // hash
	Author string // "Name <address>"
}

// Error is a source's problem with a stable code, which is also the label in
// metrics and what `weir explain` knows.
type Error struct {
	Code string // "source-missing", "source-unreadable", "too-many-files", "symlink-outside", ...
	Path string // below the root, "" for the root itself
	Err  error
	// Revision is the one that is refused, "" where no certain one is.
	Revision string
}

// Error returns code, path and cause.
func (e *Error) Error() string {
	msg := e.Err.Error()
	if e.Path != "" {
		msg = e.Path + ": " + msg
	}
	return msg + " [" + e.Code + "]"
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

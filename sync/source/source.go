// Package source is where bytes come from. A Source blocks until there is
// another revision and returns it whole; what the bytes mean is not its
// concern.
package source

import "context"

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
}

// File is one manifest file.
type File struct {
	Path string // below the root, with slashes
	Hash string // SHA-256 of Data in hex; equal hash means equal content
	Data []byte // must not be changed
}

// Error is a source's problem with a stable code, which is also the label in
// metrics and what `weir explain` knows.
type Error struct {
	Code string // "source-missing", "source-unreadable", "too-many-files", "symlink-outside", ...
	Path string // below the root, "" for the root itself
	Err  error
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

package source

import (
	"context"
	"time"
)

// Chronicle is a source whose revisions are commits that tell who made them.
type Chronicle interface {
	// Commit returns the commit of a revision that the source has. It asks nobody
	// else, and it may be called while Next blocks; then it may wait until ctx ends.
	Commit(ctx context.Context, revision string) (Commit, error)
}

// Commit is a revision of a repository as people know it. Author and Subject are
// what somebody wrote, made fit for one line of a log.
type Commit struct {
	Hash    string    `json:"hash"`
	Author  string    `json:"author"` // "Name <address>"
	When    time.Time `json:"when"`   // when it was committed, UTC
	Subject string    `json:"subject"`
}

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

// Housed is a source that reads of a repository of which people may know the pages.
type Housed interface {
	// Repository returns the URL of the repository, which holds no password, and
	// the folder of it that the source's paths begin in, "" for its root.
	Repository() (url, folder string)
}

// Commit is a revision of a repository as people know it. Author and Subject are
// what somebody wrote, made fit for one line of a log.
type Commit struct {
	Hash    string    `json:"hash"`
	Author  string    `json:"author"` // "Name <address>"
	When    time.Time `json:"when"`   // when it was committed, UTC
	Subject string    `json:"subject"`
}

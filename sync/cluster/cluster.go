// Package cluster is what weir's processes on several machines know of each other: who
// is there, who leads which account, and who should. It decides and waits for nobody;
// etcdcluster is where they meet.
//
// An account is led by one process at a time: that one alone calls it to change or to
// observe it, and writes what was applied. The others fetch, validate and show the
// same, and take an account over when its leader is gone.
package cluster

import (
	"context"
	"time"
)

// Sources stands among the accounts for what is of no account: who leads it tells
// people and git hosts what becomes of revisions, and writes which one is in force.
const Sources = "*"

// Member is a process of the cluster.
type Member struct {
	ID      string    `json:"id"`   // drawn at random when it starts
	Name    string    `json:"name"` // that people know it by; the host's where nobody gave one
	Process string    `json:"process"`
	Version string    `json:"version"`
	Address string    `json:"address,omitempty"` // where people reach its page
	Since   time.Time `json:"since"`
	// Accounts are those it could lead: they are in its configuration, and it has read
	// what is declared of them.
	Accounts []string `json:"accounts"`
	// Format is the newest format of the state that it writes.
	Format int `json:"format"`
	// Once says that it is a command that is done soon: an account it asks for is its
	// own before any daemon's.
	Once bool `json:"once,omitempty"`
}

// Leader is who leads an account.
type Leader struct {
	Account string    `json:"account"`
	Member  string    `json:"member"` // its ID
	Name    string    `json:"name"`
	Term    int64     `json:"term"` // greater than those of all leaders before; what it writes is conditional on it
	Since   time.Time `json:"since"`
}

// View is the cluster as one of its members sees it.
type View struct {
	Self    string            `json:"self"`
	Members []Member          `json:"members"` // ordered by name and ID
	Leaders map[string]Leader `json:"leaders"` // by account, without those that nobody leads
	// Error says why it may be older than it should, "" where it is not.
	Error string `json:"error,omitempty"`
	// Age is for how long nothing has shown that it is still so.
	Age time.Duration `json:"-"`
}

// Trigger is a hint that one member passes on to all: something may be new.
type Trigger struct {
	Source string `json:"source,omitempty"` // that a git host spoke of; "" for all, as with a request to synchronise
	By     string `json:"by"`               // the member that heard it
}

// Cluster is the process's part in it.
type Cluster interface {
	// Term returns the term under which this process leads an account, 0 where it does
	// not.
	Term(account string) int64
	// Left returns for how long nobody else can lead the account, 0 where this process
	// does not or cannot prove it. It is asked right before each call.
	Left(account string) time.Duration
	// View returns the cluster as it is known now.
	View() View
	// Changed returns a channel that is closed when Term or View say something else.
	Changed() <-chan struct{}
	// Ready says which accounts this process can lead from now on.
	Ready(accounts ...string)
	// Tell passes a trigger on to all members, this one left out.
	Tell(ctx context.Context, t Trigger) error
	// Close gives up what is led, for others to take over at once, and leaves.
	Close(ctx context.Context) error
}

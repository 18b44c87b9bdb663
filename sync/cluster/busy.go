package cluster

import (
	"context"
	"fmt"
	"time"
)

// Claimer is a command's part in a cluster.
type Claimer interface {
	// Claim waits until the command leads all of these accounts: the daemons that do
	// hand them over for as long as it lives. Commands that want the same one go one
	// after the other, in the order in which they asked. All that a command will need is
	// to be claimed at once: two that add to what they have may wait for each other. When
	// ctx ends before, the claim is taken back, what it has got is given up, and the
	// error is a *Busy.
	Claim(ctx context.Context, accounts ...string) error
}

// Busy says that a command did not get an account in time.
type Busy struct {
	Account string
	Leader  Leader // who leads it, zero where nobody does
	Member  Member // the same as a member, zero where it is not one any more
	Err     error  // why nobody waits any longer
}

// Error names who leads the account.
func (b *Busy) Error() string {
	who := "nobody leads it yet"
	if b.Leader.Member != "" {
		who = fmt.Sprintf("%s leads it since %s", b.who(), b.Leader.Since.UTC().Format(time.RFC3339))
	}
	return fmt.Sprintf("account %s was not handed over: %s: %v", b.Account, who, b.Err)
}

func (b *Busy) who() string {
	kind := "the daemon"
	if b.Member.Once {
		kind = "the command"
	}
	if b.Member.Process == "" {
		return b.Leader.Name
	}
	return fmt.Sprintf("%s %s on %s", kind, b.Member.Process, b.Leader.Name)
}

// Unwrap returns why nobody waits any longer.
func (b *Busy) Unwrap() error { return b.Err }

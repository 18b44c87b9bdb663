// Package provider says what a cloud must offer: its kinds with their normal
// form, judgement and calls, how they are observed, and its quotas. The clouds
// themselves are in the folders below, each passes the suite in providertest.
package provider

import (
	"context"

	"weir/sync/call"
	"weir/sync/plan"
	"weir/sync/resource"
)

// Provider is one cloud. It holds no account: requests carry the account's
// name, and the Caller given to Observe leads to it.
type Provider interface {
	// Kinds returns the kinds by name. The map must not be changed.
	Kinds() map[string]Kind
	// Limits returns the documented quotas of every operation used, each for
	// the whole account.
	Limits() map[string][]call.Window
	// Reads names the operations that have no effect: the only ones a dry run
	// lets out.
	Reads() []string
	// Observe reads what the cloud holds of the resources in want, which are
	// in normal form and of one account, with as few calls as the cloud
	// allows. It returns one observation for each, in the same order; what
	// could not be read says why. It fails only when ctx ends, and then
	// returns what it has.
	Observe(ctx context.Context, c call.Caller, want []resource.Resource) ([]resource.Observation, error)
	// OnAir says of each of the changes, which are of one account and interrupt
	// something (see Kind), what of it is on air now, "" for nothing. Of what
	// cannot be read it says why: that counts as on air.
	OnAir(ctx context.Context, c call.Caller, changes []plan.Change) []string
}

// Kind is one kind of a cloud: an entry in its table plus these functions, all
// pure.
type Kind struct {
	APIVersion string
	// Normal returns spec in the form in which the cloud would answer, with
	// every default written out.
	Normal func(spec resource.Spec) (resource.Spec, error)
	// Judge decides what is due.
	Judge plan.Judge
	// Calls returns the calls that carry out a change that is due, in order.
	Calls func(plan.Change) ([]*call.Request, error)
	// Reads returns the reads with which Observe asks for a resource. Two
	// resources that one read serves have an equal one, so that the distinct reads
	// of many are what observing them costs; a list may take further pages, and
	// what Observe remembers may save some.
	Reads func(resource.Resource) []*call.Request
	// Verify returns, after a change was carried out, the reads that show what
	// became of it (priced by the dry run), nil for none.
	Verify func(plan.Change) []*call.Request
	// Repair returns the calls still needed to make a change true when seen was
	// read after its calls, nil for none; nil for kinds that never need any.
	Repair func(c plan.Change, seen resource.Observation) []*call.Request
	// Interrupts reports whether a change that is due takes something away that
	// may be on air, so that OnAir is asked before; nil where none does.
	Interrupts func(plan.Change) bool
	// Airing returns the reads with which OnAir asks about a change of which
	// Interrupts is true, when it is asked about it alone; a list may take further
	// pages. nil where nothing is interrupted.
	Airing func(plan.Change) []*call.Request
	// Wide says what a change takes in beyond its own resource, "" for nothing;
	// nil where none does.
	Wide func(plan.Change) string
	// Independent says that the calls of one change do not build on each
	// other, so that the rest go on after one has failed.
	Independent bool
	// Readable is false for kinds that are never "in sync": no read shows them.
	Readable bool
}

// Rememberer is a provider that does not make every read of Kind.Reads each time.
type Rememberer interface {
	// Remembers reports whether the answer to a read is known and still believed.
	Remembers(req *call.Request) bool
}

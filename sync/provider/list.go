package provider

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"weir/sync/call"
	"weir/sync/resource"
)

// Lister is a provider that can say what an account holds, whoever made it.
type Lister interface {
	// List reads what s asks for with as few calls as the cloud allows. What
	// could not be read is in the Listing; it fails only when ctx ends, and then
	// returns what it has.
	List(ctx context.Context, c call.Caller, s Search) (Listing, error)
}

// Search says what to look for in an account.
type Search struct {
	Account string
	Kinds   []string // none: every kind
	// Domains are the domains (vhosts) to look at. Without any, those that the
	// cloud lists and those in Known are.
	Domains []string
	Known   []string
	// Defaults also finds what stands as it does without a configuration.
	Defaults bool
}

// Wants reports whether a kind is asked for.
func (s Search) Wants(kind string) bool { return len(s.Kinds) == 0 || slices.Contains(s.Kinds, kind) }

// Listing is what was found in an account, ordered.
type Listing struct {
	Found  []Found
	Unread []Unread
	// Limits say, by kind, what no read can tell.
	Limits map[string][]string
}

// Found is one thing that stands in the cloud.
type Found struct {
	ID    resource.ID
	Spec  resource.Spec // in normal form; "" where nothing could be made of it
	Notes []string      // what is to be known of it
	// Obstacle says why it may not be declared as it stands, "" where it may.
	Obstacle string
	// Twins are other identities under which it may be declared already, where the
	// cloud does not say which is right.
	Twins []resource.ID
}

// Unread is a read that failed.
type Unread struct {
	Domain string `json:"domain,omitempty"` // "" where the list of domains could not be read
	Kind   string `json:"kind,omitempty"`   // "" for every kind asked for
	Why    string `json:"why"`
	Absent bool   `json:"absent,omitempty"` // the account has no such domain
}

// Notebook collects a Listing from several goroutines. The zero value is empty.
type Notebook struct {
	mu      sync.Mutex
	listing Listing
}

// Find writes down what was found.
func (n *Notebook) Find(f Found) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.listing.Found = append(n.listing.Found, f)
}

// Fail writes down what could not be read.
func (n *Notebook) Fail(u Unread) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.listing.Unread = append(n.listing.Unread, u)
}

// Limit writes down what no read tells of a kind.
func (n *Notebook) Limit(kind, what string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.listing.Limits == nil {
		n.listing.Limits = map[string][]string{}
	}
	n.listing.Limits[kind] = append(n.listing.Limits[kind], what)
}

// Listing returns what was written down, in the order of identities and
// domains.
func (n *Notebook) Listing() Listing {
	n.mu.Lock()
	defer n.mu.Unlock()
	slices.SortStableFunc(n.listing.Found, func(a, b Found) int {
		return cmp.Or(resource.Compare(a.ID, b.ID), cmp.Compare(a.Obstacle, b.Obstacle))
	})
	slices.SortFunc(n.listing.Unread, func(a, b Unread) int {
		return cmp.Or(cmp.Compare(a.Domain, b.Domain), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Why, b.Why))
	})
	for _, list := range n.listing.Limits {
		slices.Sort(list)
	}
	return n.listing
}

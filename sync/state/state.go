// Package state is what weir remembers between passes and processes: what was
// last applied, acts that must not happen twice, and the journal of calls.
// Losing it loses nothing in the clouds: what is not in it is never removed.
package state

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"weir/sync/resource"
)

// Store keeps weir's memory. Several processes on one machine may use one
// store at the same time; every method is atomic and durable when it returns.
// It has more than three methods because it is one thing with one transaction
// log: a record, the acts behind it and the journal must never disagree.
type Store interface {
	// Applied returns every record, ordered by ID.
	Applied(ctx context.Context) ([]resource.Applied, error)
	// Save writes records, replacing those with the same ID.
	Save(ctx context.Context, records ...resource.Applied) error
	// Forget removes the record and the acts of each ID; unknown IDs are no error.
	Forget(ctx context.Context, ids ...resource.ID) error

	// Changes returns what was written of records and acts after a cursor, by any
	// process. Asking costs next to nothing where that is nothing.
	Changes(ctx context.Context, since Cursor) (Changes, error)

	// Acts returns every act, ordered by ID and name.
	Acts(ctx context.Context) ([]resource.Act, error)
	// Begin writes that act a is about to happen. It fails with ErrInDoubt
	// where the act of that ID, name and token was begun and not settled (by
	// any process) unless a is Repeatable, with ErrDone where it is done. An
	// act of the same name with another token is replaced.
	Begin(ctx context.Context, a resource.Act) error
	// Settle writes how an act that was begun ended: done at a time (Done and
	// Ends are written as given), or, with a zero time, that it did not happen
	// and may begin again. It fails with ErrNoAct where no such act was begun,
	// and with ErrDone where it is to be taken back but is done.
	Settle(ctx context.Context, a resource.Act) error

	// Marks returns every mark, ordered by source and role.
	Marks(ctx context.Context) ([]Mark, error)
	// SetMark writes a mark in place of the one of that source and role; one
	// without a revision is removed.
	SetMark(ctx context.Context, m Mark) error

	// Consent writes that a person lets the plan of that hash through. It
	// replaces one for the same plan that was not used, and fails with
	// ErrClaimed where one was.
	Consent(ctx context.Context, c Consent) error
	// Consents returns every consent, the oldest first.
	Consents(ctx context.Context) ([]Consent, error)
	// UseConsent uses the consent for a plan, once. It fails with ErrNoConsent
	// where there is none, or none that still holds at that time, and with
	// ErrClaimed where it was used.
	UseConsent(ctx context.Context, plan string, at time.Time, by string) error
	// Claim writes that something begins that may happen once only, such as
	// the carrying out of a saved plan. It fails with ErrClaimed where that
	// name was claimed before, by any process.
	Claim(ctx context.Context, name string, at time.Time, by string) error

	// Open writes the intent of a call and returns its entry's number, which
	// is greater than all before. An entry that has an Outcome is written with
	// it: a call without effect needs one write only, after it.
	Open(ctx context.Context, e Entry) (int64, error)
	// Close writes the outcome of the call numbered n. It fails with
	// ErrNoEntry where there is none.
	Close(ctx context.Context, n int64, o Outcome) error
	// Journal returns entries that match q, newest first.
	Journal(ctx context.Context, q Query) ([]Entry, error)
	// Heads returns the ends of the journal's chains.
	Heads(ctx context.Context) (Heads, error)
	// Verify holds the journal against its chains, as Prove does. What is wrong
	// is in the proof; an error says that it could not be read.
	Verify(ctx context.Context, noted ...Hash) (Proof, error)
}

// Cursor is a place in the order in which records and acts are written, as Changes
// gives it. It means something to the open store that it came from; 0 comes before
// everything.
type Cursor int64

// Changes is what came after a Cursor.
type Changes struct {
	// Whole says that Known is all that there is: what is not in it is gone.
	Whole bool
	Known []Known // ordered by ID; those of which something was written, as they are now
	// Next is where to go on. What is written while Changes are read may be in both.
	Next Cursor
}

// Known is all that a store remembers of one resource to go by.
type Known struct {
	ID      resource.ID
	Applied *resource.Applied // nil for no record
	Acts    []resource.Act    // ordered by name
}

// KnownOf puts the records and acts of resources together, with ids of which there
// may be neither. Acts of one resource stay in their order.
func KnownOf(records []resource.Applied, acts []resource.Act, ids ...resource.ID) []Known {
	known := make(map[resource.ID]Known, max(len(records), len(ids)))
	for _, id := range ids {
		known[id] = Known{ID: id}
	}
	for i, rec := range records {
		known[rec.ID] = Known{ID: rec.ID, Applied: &records[i]}
	}
	for _, a := range acts {
		k := known[a.ID]
		k.ID, k.Acts = a.ID, append(k.Acts, a)
		known[a.ID] = k
	}
	return slices.SortedFunc(maps.Values(known), func(a, b Known) int { return resource.Compare(a.ID, b.ID) })
}

// Mark is a revision that means something to a source, and must outlive the
// process: without it nobody could tell a rewritten history from a regular one.
type Mark struct {
	Source   string    `json:"source"` // its name and what it follows
	Role     Role      `json:"role"`
	Revision string    `json:"revision"`
	At       time.Time `json:"at"`
}

// Role says what a Mark's revision is.
type Role string

// The roles.
const (
	Accepted Role = "accepted" // the head the source's history led to last
	Held     Role = "held"     // a head that waits for a person's consent
	InForce  Role = "in-force" // the last one whose documents had no error
	Former   Role = "former"   // the one that was in force before that
	Pinned   Role = "pinned"   // one that was rolled back, and is not applied again
	Undone   Role = "undone"   // no revision but the plan that was rolled back, once that is done
	Loading  Role = "loading"  // one that is being read: a crash may be its doing
	Poisoned Role = "poisoned" // one whose reading ended the process time and again
	Mode     Role = "mode"     // of the source PolicySource: the mode of the last pass
	Offered  Role = "offered"  // one that a member of a cluster has, and the cluster not in force
	Parts    Role = "parts"    // of the source ConsentSource and more: what was held, by account
	Spent    Role = "spent"    // the same: nothing of it is left to do in an account
	Air      Role = "air"      // of the source AirSource and an account: what changes would interrupt
	Starts   Role = "starts"   // of the source ProcessSource: starts that did not end well
	Identity Role = "identity" // of a source AccountSource and a name: which account of a cloud it is
)

// The sources of marks that are of no source.
const (
	PolicySource  = "weir/policy"
	ProcessSource = "weir/process"
	AccountSource = "weir/account/" // and the account's name
	ConsentSource = "weir/consent/" // and the hash of a plan that is let through
	AirSource     = "weir/air/"     // and the account's name
)

// OfMember names what one member of a cluster alone keeps of a source: what crashes it
// is counted for itself. The name is that by which people know it.
func OfMember(source, name string) string { return source + " on " + name }

// Consent is a person's word that a held plan may be carried out, once.
type Consent struct {
	Plan    string    `json:"plan"` // its hash: another plan is not meant
	Given   time.Time `json:"given"`
	Expires time.Time `json:"expires"`
	By      string    `json:"by,omitempty"` // who gave it, as far as that is known
	Used    time.Time `json:"used,omitzero"`
	UsedBy  string    `json:"usedBy,omitempty"` // the process that carried the plan out
}

// Holds reports whether c lets its plan through at a time.
func (c Consent) Holds(at time.Time) bool {
	return c.Used.IsZero() && !at.Before(c.Given) && at.Before(c.Expires)
}

// The errors of Begin, Settle, Close, the consents and Claim.
var (
	ErrInDoubt = errors.New("the act was begun before and nobody knows how it ended")
	ErrDone    = errors.New("the act is done")
	ErrNoAct   = errors.New("no such act was begun")
	ErrNoEntry = errors.New("the journal has no such entry")

	ErrNoConsent = errors.New("nobody has consented, or the consent has run out")
	ErrClaimed   = errors.New("it was done before, and may be done once only")
)

// Entry is one call in the journal: why it was made, and how it ended. A store
// gives times back in UTC and numbers in Params as json.Number.
type Entry struct {
	Number    int64           `json:"number"` // given by Open
	Opened    time.Time       `json:"opened,omitzero"`
	Account   string          `json:"account"`
	Operation string          `json:"operation"`
	Params    map[string]any  `json:"params,omitzero"`
	Write     bool            `json:"write"`
	Resource  string          `json:"resource,omitempty"`
	Origin    resource.Origin `json:"origin"`
	Revision  string          `json:"revision,omitempty"`
	Plan      string          `json:"plan,omitempty"`
	Process   string          `json:"process,omitempty"` // "host:pid", who made it
	// Change is what the call was made for, nil for reads and for what was
	// written by a version that did not keep it.
	Change  *Change `json:"change,omitempty"`
	Outcome Outcome `json:"outcome"`
	// Links are those of its intent and of its latest outcome, where a Query
	// asked for them and they are not pruned.
	Links []Link `json:"links,omitempty"`
}

// Change is the part of a plan that a call belongs to.
type Change struct {
	Action string        `json:"action"` // create, update or delete
	Reason string        `json:"reason,omitempty"`
	Before resource.Spec `json:"before"` // what was observed, or applied where that cannot be; "" for absent
	After  resource.Spec `json:"after"`  // "" for absent
}

// Fields returns what the change is about, as resource.Fields does.
func (c *Change) Fields() []resource.Field {
	if c == nil {
		return nil
	}
	return resource.Fields(c.Before, c.After)
}

// Outcome is how a call ended; a zero Closed means that nobody wrote it down.
type Outcome struct {
	Closed    time.Time `json:"closed,omitzero"`
	Code      string    `json:"code"` // call.Code
	CloudCode string    `json:"cloudCode,omitempty"`
	Status    int       `json:"status,omitempty"`
	RequestID string    `json:"requestId,omitempty"`
	Message   string    `json:"message,omitempty"`
}

// Query selects journal entries; zero fields select all.
type Query struct {
	Account   string
	Operation string
	Action    string // of the change that the call was made for
	Resource  string
	Plan      string    // hash
	Commit    string    // of the origin; the first digits are enough
	RequestID string    // the cloud's
	Code      string    // of the outcome, CodeOpen or CodeFailed
	Since     time.Time // opened then or later
	Until     time.Time // opened before
	Above     int64     // only entries with a greater number, 0 for all
	Below     int64     // only entries with a smaller number, 0 for all
	Writes    bool      // only calls that have an effect
	Oldest    bool      // the oldest first; else the newest
	Links     bool      // with the links of each entry
	Limit     int       // at most this many, 0 for 1,000
}

// The words that stand for a Code in a Query.
const (
	CodeOpen   = "open"   // entries whose outcome nobody wrote down
	CodeFailed = "failed" // those whose outcome is another than CodeOK
)

// CodeOK is the Code of an outcome that is as it was meant to be, call.OK.
const CodeOK = "ok"

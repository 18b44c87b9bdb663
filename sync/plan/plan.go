// Package plan decides what has to change. It is pure: desired, observed, last
// applied, acts and the time go in, an ordered Plan comes out; nothing here
// calls, waits or reads a clock.
package plan

import (
	"iter"
	"time"

	"weir/sync/resource"
)

// Action is what a change does to a resource.
type Action string

// The actions.
const (
	None   Action = "none"
	Create Action = "create"
	Update Action = "update"
	Delete Action = "delete"
)

// Reason says why a change is due.
type Reason string

// The reasons. "" stands for nothing due.
const (
	New      Reason = "new"      // declared, never applied by weir
	Edited   Reason = "edited"   // the declaration changed, the cloud did not
	Drifted  Reason = "drifted"  // the cloud changed, the declaration did not
	Conflict Reason = "conflict" // both changed
	Removed  Reason = "removed"  // left the source
	Expired  Reason = "expired"  // what was applied has run out
	Restart  Reason = "restart"  // a new restart token
	// RolledBack is the reason of what undoes another plan.
	RolledBack Reason = "rolled-back"
)

// State is what weir knows of a resource at the time of the plan.
type State string

// The states.
const (
	InSync  State = "in-sync"
	Pending State = "pending" // differs, and a change is due or under way
	Differs State = "drifted" // the cloud was changed by someone else
	Waiting State = "waiting" // a precondition is not met
	Unknown State = "unknown" // cannot be read
)

// States lists every state, for metrics that are pre-filled.
func States() []State { return []State{InSync, Pending, Differs, Waiting, Unknown} }

// Act is something a change does that must not happen twice.
type Act struct {
	Name  string        `json:"name"`
	Token string        `json:"token"`
	Lasts time.Duration `json:"lasts,omitempty"`
	// Repeatable says that the cloud itself makes a second one harmless (it
	// answers "already done"), so that doubt is settled by doing it again.
	Repeatable bool `json:"repeatable,omitempty"`
}

// Change is what is to be done to one resource, or why nothing is.
type Change struct {
	ID     resource.ID
	Action Action
	Reason Reason
	State  State
	Before resource.Spec // observed, or last applied where it cannot be read; "" for absent
	After  resource.Spec // "" for absent
	Fields []resource.Field
	Acts   []Act
	Epoch  string            // see resource.Applied
	Last   *resource.Applied // what was applied before it, nil for nothing
	Origin resource.Origin
	Labels map[string]string
	// Withheld says which policy keeps the change from being made, "" for none.
	Withheld string
	Note     string // one sentence for people: why waiting, unknown or odd
	// Adopt says that nothing has to be called, but that the record of what
	// was last applied has to be written: the cloud already is as declared.
	Adopt bool
	// Heals are those of the record that still count, see resource.Applied.
	Heals []resource.Heal
	// Record, where it is not nil, is to be written though nothing is called:
	// what is remembered of heals has changed.
	Record *resource.Applied
	// Fight says that somebody undoes every heal, so that weir has stopped; nil
	// for none.
	Fight *Fight
	// Disown says that the resource is not weir's once the change is made: it is
	// as it was before weir first changed it.
	Disown bool
	// Unread says that a read failed, so that nothing is known.
	Unread bool
	// InDoubt says that nobody knows how an act of it ended, and a person settles it.
	InDoubt bool
	// Unmade says that it was declared and never applied, and that nothing is
	// known of it: what it replaces, if it is a rename, must stay.
	Unmade      bool
	Fingerprint string    // of what was observed
	Read        time.Time // when that was, zero for never
	Next        time.Time // when time alone changes this verdict, zero for never
	Ends        time.Time // when what is in force runs out and nothing renews it, zero for never
	// OnAir says what is on air now and would be interrupted, "" for nothing. What
	// cannot be read counts as on air. Aired is when that was asked.
	OnAir string
	Aired time.Time
	// Wide says what it takes in beyond its own resource, "" for nothing, and for
	// what was let through before.
	Wide string
	// Resting says that it failed a moment ago and is not tried again yet.
	Resting bool
	// UnderWay says that it is being made now.
	UnderWay bool
}

// Due reports whether the change leads to something being done now.
func (c Change) Due() bool { return c.Action != None && c.State != Waiting && c.Withheld == "" }

// Hold is a guard's refusal: nothing of a held plan is applied.
type Hold struct {
	Guard   string `json:"guard"`
	Message string `json:"message"`
}

// Plan is everything one pass found: changes that are due, those that wait or
// are to be written down, and resources with nothing to do.
type Plan struct {
	Revision string
	Hash     string   // over the revision, every due change, and what holds it
	Changes  []Change // all that matters now, ordered by ID
	Calm     Calm     // the rest
	Held     []Hold
	Next     time.Time // when time alone makes something due, zero for never
	// Consented is when the last consent was used, zero for never: the same
	// changes coming again are another plan, and need another consent.
	Consented time.Time
	// Declared counts the resources that were declared by source.
	Declared map[string]int
	// ID names a saved plan, which is carried out once; "" for others.
	ID string
}

// Case is all that is known of one resource.
type Case struct {
	ID   resource.ID
	Want *resource.Resource // in normal form; nil where it left the source
	Last *resource.Applied  // nil where weir never applied it
	Seen *resource.Observation
	Acts []resource.Act
	Now  time.Time
}

// Verdict is what a kind's Judge makes of a case.
type Verdict struct {
	Action Action
	Reason Reason
	State  State
	Before resource.Spec
	After  resource.Spec
	Acts   []Act
	Epoch  string
	Note   string
	Next   time.Time // when time alone changes the verdict, zero for never
	Ends   time.Time // when what is in force runs out and nothing renews it, zero for never
}

// Judge decides about one resource of a kind. It is pure.
type Judge func(Case) Verdict

// Due yields the changes that lead to something being done now.
func (p *Plan) Due() iter.Seq[Change] {
	return func(yield func(Change) bool) {
		for _, c := range p.Changes {
			if c.Due() && !yield(c) {
				return
			}
		}
	}
}

// Actions yields the changes that do something, or would if nothing kept them from
// being made.
func (p *Plan) Actions() iter.Seq[Change] {
	return func(yield func(Change) bool) {
		for _, c := range p.Changes { // what is calm has none
			if c.Action != None && !yield(c) {
				return
			}
		}
	}
}

// HasDue reports whether anything is done now.
func (p *Plan) HasDue() bool {
	for range p.Due() {
		return true
	}
	return false
}

// Summary counts a plan's changes, each once.
type Summary struct {
	Create    int `json:"create"`
	Update    int `json:"update"`
	Delete    int `json:"delete"`
	Unchanged int `json:"unchanged"` // seen, and as declared
	Waiting   int `json:"waiting"`
	Unknown   int `json:"unknown"`  // cannot be read, or a write does not show yet
	Withheld  int `json:"withheld"` // differs, and is left alone
}

// Summary counts the changes.
func (p *Plan) Summary() Summary {
	var s Summary
	for _, c := range p.Changes {
		s.add(c)
	}
	for of, n := range p.Calm.sums {
		s.addCalm(of.State, n)
	}
	return s
}

func (s *Summary) add(c Change) {
	switch {
	case c.Withheld != "":
		s.Withheld++
	case c.State == Waiting:
		s.Waiting++
	case c.Action == Create:
		s.Create++
	case c.Action == Update:
		s.Update++
	case c.Action == Delete:
		s.Delete++
	case c.State == InSync:
		s.Unchanged++
	case c.State == Differs:
		s.Withheld++
	default:
		s.Unknown++
	}
}

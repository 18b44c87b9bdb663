package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"weir/sync/resource"
)

// Mode says what weir may do at all.
type Mode string

// The modes, from least to most.
const (
	Observe    Mode = "observe"
	CreateOnly Mode = "create-only"
	Upsert     Mode = "upsert"
	Sync       Mode = "sync"
)

// Policy is what the operator chose.
type Policy struct {
	Mode       Mode
	ReadOnly   string // why nothing is done for now, whatever the mode; "" where it is
	HealDrift  bool   // false: drift is reported and left alone
	DriftRules []DriftRule
	MaxRemoved int // removals in one plan beyond which it is held
	MaxRemovedPercent,
	MaxUpdatedPercent int
	MaxUpdated int // updates in one plan beyond which it is held, 0 for DefaultMaxUpdated
}

// DefaultMaxUpdated is the number of updates that need no consent where the
// policy says nothing.
const DefaultMaxUpdated = 50

// MostUpdated returns the number of updates that one plan may make.
func (p Policy) MostUpdated() int {
	if p.MaxUpdated == 0 {
		return DefaultMaxUpdated
	}
	return p.MaxUpdated
}

// Input is all that Diff looks at.
type Input struct {
	Revision string
	Desired  resource.Set // in normal form
	Last     map[resource.ID]resource.Applied
	Seen     map[resource.ID]resource.Observation
	Acts     map[resource.ID][]resource.Act
	// Own is what this process itself has made true of resources, or has seen as
	// declared: a record that says otherwise was written by another one.
	Own map[resource.ID]resource.Spec
	// Written is what weir wrote after the record of a resource, where no record
	// could be written of it. It counts where the cloud holds just that.
	Written map[resource.ID]resource.Applied
	Now     time.Time
	Policy  Policy
	// Judge returns the judgement for the kind of id; nil where the account or
	// kind is not configured here, and then the resource is left alone.
	Judge func(id resource.ID) Judge
	// Partial says that Desired is a selection: what it lacks has not left the
	// source.
	Partial bool
}

// Diff decides about every resource that is declared or was applied.
func Diff(in Input) *Plan { return new(Ledger).Plan(in, nil) }

// resolve makes the change of one resource. It reports whether there is anything
// to say of it: it is declared or was applied, and its kind is known.
func resolve(in Input, c Case) (Change, bool) {
	if c.Want == nil && (c.Last == nil || in.Partial) {
		return Change{}, false
	}
	judge := in.Judge(c.ID)
	if judge == nil {
		return Change{}, false
	}
	own := ours(c, in.Own[c.ID])
	overlooked := overlook(own, in.Policy.ignores(c.Want))
	v := reveal(judge(overlooked), own, overlooked)
	return changeOf(in.Policy, c, v, own.Last != c.Last), true
}

func caseOf(in Input, id resource.ID) Case {
	c := Case{ID: id, Acts: in.Acts[id], Now: in.Now}
	if r, ok := in.Desired.Get(id); ok {
		c.Want = &r
	}
	if l, ok := in.Last[id]; ok {
		c.Last = &l
	}
	if s, ok := in.Seen[id]; ok {
		c.Seen = &s
	}
	if w, ok := in.Written[id]; ok && came(in.Judge(id), c, w) {
		c.Last = &w
	}
	return c
}

// came reports whether what was written after the record of c is what is seen, as
// far as a read of its kind can show it.
func came(judge Judge, c Case, w resource.Applied) bool {
	if judge == nil || c.Last == nil || !w.At.After(c.Last.At) || c.Seen == nil || c.Seen.Spec == "" {
		return false
	}
	written := resource.Resource{ID: c.ID, Spec: w.Spec}
	return judge(Case{ID: c.ID, Want: &written, Last: &w, Seen: c.Seen, Now: c.Now}).State == InSync
}

// changeOf makes the change of a verdict on c; another says that its record was
// written by another process, for another declaration.
func changeOf(p Policy, c Case, v Verdict, another bool) Change {
	ch := Change{
		ID: c.ID, Action: v.Action, Reason: v.Reason, State: v.State, Before: v.Before, After: v.After,
		Acts: v.Acts, Epoch: v.Epoch, Last: c.Last, Note: v.Note, Fingerprint: Fingerprint(c.Seen), Next: v.Next,
		Ends: v.Ends,
	}
	if c.Seen != nil {
		ch.Read = c.Seen.At
	}
	ch.Unread = c.Seen != nil && c.Seen.Unreadable != ""
	ch.InDoubt = v.State == Unknown && slices.ContainsFunc(c.Acts, resource.Act.InDoubt)
	ch.Unmade = c.Want != nil && c.Last == nil && v.State == Unknown && (c.Seen == nil || ch.Unread)
	switch {
	case c.Want != nil:
		ch.Origin, ch.Labels = originOf(c), c.Want.Labels
	case c.Last != nil:
		ch.Origin = c.Last.Origin
	}
	if v.Action != None {
		ch.Fields = resource.Fields(v.Before, v.After)
		ch.Withheld = p.Withholds(ch)
	}
	acts := p.Mode != Observe && p.ReadOnly == ""
	ch.Adopt = v.State == InSync && acts && stale(c)
	ch.recall(c, another)
	if !acts {
		ch.Record = nil
	}
	return ch
}

// originOf returns where c is declared, with the commit that the record knows of
// a declaration that is still the same.
func originOf(c Case) resource.Origin {
	o := c.Want.Origin
	if c.Last != nil && c.Last.Spec.Equal(c.Want.Spec) && !moved(c.Last.Origin, o) {
		return c.Last.Origin
	}
	return o
}

// stale reports whether the record of c no longer says what holds.
func stale(c Case) bool {
	return c.Want != nil && (c.Last == nil || !c.Last.Confirmed ||
		!c.Last.Spec.Equal(c.Want.Spec) || moved(c.Last.Origin, c.Want.Origin))
}

// moved reports whether a declaration has another place, or is known to be of
// another commit.
func moved(was, is resource.Origin) bool {
	if is.Commit == "" {
		is.Commit, is.Author = was.Commit, was.Author
	}
	return was != is
}

// Withholds says why p keeps a change from being made, "" where it does not.
func (p Policy) Withholds(c Change) string {
	switch {
	case p.ReadOnly != "":
		return p.ReadOnly
	case p.Mode == Observe:
		return "mode observe never calls"
	case p.Mode == CreateOnly && c.Action != Create:
		return "mode create-only only creates"
	case p.Mode == Upsert && c.Action == Delete:
		return "mode upsert never removes"
	case c.Reason == Drifted && !p.heals(c.ID, c.Labels):
		return "drift is reported only"
	}
	return ""
}

// Earliest returns the earlier of two times, where zero stands for never.
func Earliest(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}

// Fingerprint identifies what was observed of a resource, so that a plan made
// from it can be refused once the resource has moved.
func Fingerprint(o *resource.Observation) string {
	if o == nil || o.Unreadable != "" {
		return ""
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%t\n%t\n%s", o.Spec, o.Exists, o.Live, o.Epoch))
	return hex.EncodeToString(sum[:8])
}

// Digest identifies what p would do: its revision and every due change, with
// whether that interrupts something, what holds it, and which consent came last.
// Of a plan that is held, routine and what is being made already are left out:
// leases and ingests that end, and changes that do, while somebody reads it would
// make it another plan every few seconds.
func (p *Plan) Digest() string {
	h := sha256.New()
	fmt.Fprintf(h, "%s\n%s\n", p.Revision, p.Consented.UTC().Format(time.RFC3339Nano))
	if len(p.Declared) > 0 {
		fmt.Fprintf(h, "declared %v\n", p.Declared) // maps print in key order
	}
	for _, held := range p.Held {
		fmt.Fprintf(h, "held by %s\n", held.Guard)
	}
	for c := range p.Due() {
		if len(p.Held) > 0 && (c.Reason == Expired || c.UnderWay) {
			continue
		}
		line, _ := json.Marshal([]any{c.ID, c.Action, c.Reason, c.Before, c.After, c.Acts, c.OnAir != ""})
		h.Write(append(line, '\n'))
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

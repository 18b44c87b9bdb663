package plan

import (
	"maps"
	"reflect"
	"slices"

	"weir/sync/resource"
)

// Ledger makes one plan after another and decides anew only about what may have
// changed since the last one: what is declared otherwise, what it is told of, and
// all that was not calm. What it makes is what Diff makes of the same input. It
// belongs to one goroutine; the zero value has made no plan.
type Ledger struct {
	made    bool
	policy  Policy
	partial bool
	desired resource.Set
	restive []resource.ID // of the last plan, all that was not calm
	calm    Calm
}

// Plan decides about every resource that is declared or was applied. Touched holds
// all of which Last, Seen, Acts, Own or Written say something else than at the last
// plan. Judge must be what it was then.
func (l *Ledger) Plan(in Input, touched map[resource.ID]bool) *Plan {
	ids := l.subjects(in, touched)
	p := &Plan{Revision: in.Revision}
	edits := make([]resource.Edit[Change], 0, len(ids))
	l.restive = l.restive[:0]
	for _, id := range ids {
		e := resource.Edit[Change]{ID: id}
		of := caseOf(in, id)
		switch c, known := resolve(in, of); {
		case !known:
		case c.calm(of):
			e.Value = &c
		default:
			p.Changes = append(p.Changes, c)
			p.Next = Earliest(p.Next, c.Next)
			l.restive = append(l.restive, id)
		}
		edits = append(edits, e)
	}
	l.calm = l.calm.edit(edits)
	l.made, l.policy, l.partial, l.desired = true, in.Policy, in.Partial, in.Desired
	p.Calm = l.calm
	p.Hash = p.Digest()
	return p
}

// subjects returns what to decide about, ordered.
func (l *Ledger) subjects(in Input, touched map[resource.ID]bool) []resource.ID {
	if !l.made || l.partial != in.Partial || !reflect.DeepEqual(l.policy, in.Policy) {
		return l.everything(in)
	}
	ids := slices.Concat(l.restive, slices.Collect(maps.Keys(touched)))
	for before, after := range in.Desired.Since(l.desired) {
		switch {
		case after == nil:
			ids = append(ids, before.ID)
		case before == nil || !reflect.DeepEqual(before, after):
			ids = append(ids, after.ID)
		}
	}
	slices.SortFunc(ids, resource.Compare)
	return slices.Compact(ids)
}

// everything returns all that in speaks of, and forgets what was decided.
func (l *Ledger) everything(in Input) []resource.ID {
	l.calm = Calm{}
	ids := make([]resource.ID, 0, in.Desired.Len())
	for r := range in.Desired.All() {
		ids = append(ids, r.ID)
	}
	for id := range in.Last {
		if _, declared := in.Desired.Get(id); !declared && !in.Partial {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, resource.Compare)
	return ids
}

// Forget lets the next plan decide about everything.
func (l *Ledger) Forget() { l.made = false }

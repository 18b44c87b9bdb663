package reconcile

import (
	"context"
	"slices"

	"weir/sync/plan"
	"weir/sync/plan/guard"
	"weir/sync/resource"
)

// unreadableNote is said of a change whose calls nothing but the cloud can tell.
const unreadableNote = "which calls that takes depends on whether the stream is on air then"

// Declared is what one Fetch found: the resources in normal form, and of which
// revision they are.
type Declared struct {
	Revision string
	Set      resource.Set
}

// Declared returns what is in force.
func (r *Reconciler) Declared() Declared { return Declared{r.desired.revision, r.desired.set} }

// Since returns what the declarations in force change against base, as a plan
// for accounts that are exactly as base declares. Nothing is read or called.
func (r *Reconciler) Since(ctx context.Context, base Declared) *plan.Plan {
	m := memory{last: map[resource.ID]resource.Applied{}}
	for res := range base.Set.All() {
		m.last[res.ID] = resource.Applied{ID: res.ID, Spec: res.Spec, Origin: res.Origin, Revision: base.Revision}
	}
	p := &plan.Plan{Revision: r.desired.revision}
	for res := range r.desired.set.All() {
		if last, ok := m.last[res.ID]; !ok || !last.Spec.Equal(res.Spec) {
			p.Changes = append(p.Changes, r.edit(res.ID, last.Spec, res.Spec, res.Origin))
		}
	}
	for id, last := range m.last {
		if _, declared := r.desired.set.Get(id); !declared {
			p.Changes = append(p.Changes, r.edit(id, last.Spec, "", last.Origin))
		}
	}
	slices.SortFunc(p.Changes, func(a, b plan.Change) int { return resource.Compare(a.ID, b.ID) })
	r.trace(ctx, p, m)
	p.Declared = r.desired.sources
	p.Held = guard.Check(r.facts(p, m))
	p.Hash = p.Digest()
	return p
}

// edit is the change from one declaration to another.
func (r *Reconciler) edit(id resource.ID, before, after resource.Spec, origin resource.Origin) plan.Change {
	c := plan.Change{
		ID: id, Action: plan.Update, Reason: plan.Edited, State: plan.Pending, Before: before, After: after,
		Fields: resource.Fields(before, after), Origin: origin,
	}
	switch {
	case before == "":
		c.Action, c.Reason = plan.Create, plan.New
	case after == "":
		c.Action, c.Reason = plan.Delete, plan.Removed
	}
	if !r.kinds[id.Account][id.Kind].Readable {
		c.Note = unreadableNote
	}
	c.Withheld = r.opts.Policy.Withholds(c)
	c.Wide = r.wide(c)
	return c
}

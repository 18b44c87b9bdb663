package reconcile

import (
	"cmp"
	"context"
	"time"

	"weir/sync/call"
	"weir/sync/plan"
	"weir/sync/resource"
	"weir/sync/state"
)

// What becomes of a revision in accounts that other members of a cluster lead is known
// by the plan, which they make true, and by the journal.

// The bounds of what is asked of the journal for that.
const (
	othersEvery = 2 * time.Second
	othersMost  = 20 // changes: it is the first that is told
)

// others is what became of changes that other members make.
type others struct {
	asked  time.Time              // when the journal was last
	failed map[resource.ID]string // why their last call failed
	// due are those that were to be made, until they are seen to be: between the two
	// nothing is known of what was written.
	due map[resource.ID]plan.Change
}

// followOthers takes over what other members have made of the former plan, and, where
// this one tells of it, what of p they could not make.
func (r *Reconciler) followOthers(ctx context.Context, p *plan.Plan) {
	if !r.shared() {
		return
	}
	former := r.shown.Plan
	for c := range p.News(former) {
		if c.Action == plan.None && c.State == plan.InSync {
			r.tallyOther(c.ID, c.After)
		}
	}
	for id := range p.Gone(former) {
		r.tallyOther(id, "")
	}
	if r.others.due == nil {
		r.others.due = map[resource.ID]plan.Change{}
	}
	for c := range p.Due() {
		if !c.UnderWay && !r.leads(c.ID.Account) {
			r.others.due[c.ID] = c
		}
	}
	r.askOthers(ctx, p)
}

// tallyOther counts a change that was due and that another member has made: the resource
// is as it was to become.
func (r *Reconciler) tallyOther(id resource.ID, is resource.Spec) {
	c, ok := r.others.due[id]
	delete(r.others.due, id)
	if !ok || r.leads(id.Account) || c.After != is {
		return
	}
	name := c.Origin.Source
	of := r.made[name]
	if of.actions == nil || of.revision != r.forceOf(name) {
		of = made{r.forceOf(name), map[resource.ID]plan.Action{}, map[resource.ID]bool{}}
		r.made[name] = of
	}
	of.actions[id] = c.Action
	if editing(c) && !r.everLet(id) {
		of.edits[id] = true
	}
}

// unseenYet reports whether another member has written a resource, and nobody has seen
// yet what came of it.
func (r *Reconciler) unseenYet(id resource.ID, p *plan.Plan) bool {
	c, known := p.Find(id)
	return known && c.Action == plan.None && !r.leads(id.Account) &&
		(c.State == plan.Pending || c.State == plan.Unknown && c.Read.IsZero())
}

// everLet reports whether somebody has let a change of a resource through, be it made or
// not.
func (r *Reconciler) everLet(id resource.ID) bool {
	for _, l := range r.lettings {
		if _, ok := l.changes[id]; ok {
			return true
		}
	}
	return false
}

// askOthers asks the journal which of the changes that other members are to make could
// not be made.
func (r *Reconciler) askOthers(ctx context.Context, p *plan.Plan) {
	now := time.Now()
	if now.Sub(r.others.asked) < othersEvery {
		return
	}
	failed, n := map[resource.ID]string{}, 0
	for c := range p.Due() {
		if r.leads(c.ID.Account) {
			continue
		}
		if n++; n > othersMost {
			break
		}
		last, err := r.opts.Store.Journal(ctx, state.Query{Resource: c.ID.String(), Writes: true, Limit: 1})
		if err != nil {
			return
		}
		if why := failureOf(last, c); why != "" {
			failed[c.ID] = why
		}
	}
	r.others.asked, r.others.failed = now, failed
	if n > 0 {
		r.markSoon(othersEvery)
	}
}

// failureOf says why the last call that was made for c failed, "" where it did not, or
// nobody knows yet.
func failureOf(last []state.Entry, c plan.Change) string {
	if len(last) == 0 || last[0].Change == nil || last[0].Change.After != c.After {
		return ""
	}
	out := last[0].Outcome
	switch {
	case out.Closed.IsZero() || out.Code == string(call.OK) || out.Code == string(call.AlreadyDone):
		return ""
	}
	return cmp.Or(out.Message, out.CloudCode, out.Code)
}

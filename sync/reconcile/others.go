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
			r.tallyOther(former, c.ID)
		}
	}
	for id := range p.Gone(former) {
		r.tallyOther(former, id)
	}
	r.askOthers(ctx, p)
}

// tallyOther counts a change that was due and that another member has made.
func (r *Reconciler) tallyOther(former *plan.Plan, id resource.ID) {
	if former == nil || r.leads(id.Account) {
		return
	}
	c, ok := former.Find(id)
	if !ok || !c.Due() || c.UnderWay {
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
	r.others = others{asked: now, failed: failed}
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

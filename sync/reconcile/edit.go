package reconcile

import (
	"time"

	"weir/sync/plan"
	"weir/sync/resource"
)

// edit is what the revisions of a source have asked for since all was last as they
// say: one that comes while another is under way goes on with its time, so that no
// push hides how long the one before takes.
type edit struct {
	since time.Time // when the first of them arrived, zero for none
	last  time.Time // when a change of theirs was last applied, zero for never
	left  map[resource.ID]bool
}

// noteEdits begins to time what differs between the set in force and the next. What
// is in force when a process begins is no edit, and nothing is applied in a dry run.
func (r *Reconciler) noteEdits(next resource.Set) {
	if !r.resides || r.opts.DryRun || !r.desired.ready {
		return
	}
	feeds, came := map[string]*feed{}, map[string]time.Time{}
	for _, f := range r.feeds {
		feeds[f.Name], came[f.Name] = f, f.came
		if f.came = (time.Time{}); came[f.Name].IsZero() { // a former revision comes back into force
			came[f.Name] = time.Now()
		}
	}
	for before, now := range next.Since(r.desired.set) {
		of := now
		if of == nil {
			of = before
		}
		f, ours := feeds[of.Origin.Source]
		if ours && (before == nil || now == nil || !before.Spec.Equal(now.Spec)) {
			f.edited(of.ID, came[f.Name])
		}
	}
}

func (f *feed) edited(id resource.ID, at time.Time) {
	if f.edit.since.IsZero() {
		f.edit = edit{since: at, left: map[resource.ID]bool{}}
	}
	f.edit.left[id] = true
}

// noteApplied notes when a change that a source asked for was made.
func (r *Reconciler) noteApplied(c plan.Change, at time.Time) {
	for _, f := range r.feeds {
		if f.edit.left[c.ID] {
			f.edit.last = at
		}
	}
}

// timeEdits measures the edits of which nothing is left to do. Those that somebody
// has to look at take that person's time, and are not measured.
func (r *Reconciler) timeEdits(p *plan.Plan) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range r.feeds {
		switch {
		case f.edit.since.IsZero():
		case len(p.Held) > 0 || r.opts.ReadOnly() != "":
			f.edit = edit{}
		case r.all(f.edit.left, p):
			if m := r.opts.Metrics; m != nil && !f.edit.last.IsZero() { // else nothing was to be made
				m.applied.WithLabelValues(f.Name).Observe(f.edit.last.Sub(f.edit.since).Seconds())
			}
			f.edit = edit{}
		}
	}
}

// all reports whether nothing is left to do of what was edited. It ends at the first
// that is open, and looks at none twice that is not.
func (r *Reconciler) all(left map[resource.ID]bool, p *plan.Plan) bool {
	for id := range left {
		if r.owes(id, p) {
			return false
		}
		delete(left, id)
	}
	return true
}

// owes reports whether weir has still to make id as declared. What waits for its
// time, or is withheld, is not to be made now.
func (r *Reconciler) owes(id resource.ID, p *plan.Plan) bool {
	c, known := p.Find(id)
	switch {
	case r.under[id] != nil:
		return true
	case !known:
		return false
	case c.Action == plan.None:
		reading := c.Read.IsZero() && r.kinds[id.Account][id.Kind].Readable
		return reading || c.Unmade || c.Unread && !r.seen.of[id].Unfamiliar
	}
	return c.Due()
}

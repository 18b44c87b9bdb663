package reconcile

import (
	"context"
	"errors"
	"slices"
	"time"

	"weir/sync/cluster"
	"weir/sync/manifest"
	"weir/sync/plan"
	"weir/sync/source"
	"weir/sync/state"
)

// traceTime bounds the search for who asked for the changes of one plan. What
// is not found in time is journalled with its revision alone.
const traceTime = 5 * time.Second

// markTime bounds the reading and writing of a mark.
const markTime = 10 * time.Second

// trace says of each change in p that does something which commit asked for it:
// the one that last changed its document or, of a removal, that took it away.
func (r *Reconciler) trace(ctx context.Context, p *plan.Plan, m memory) {
	ctx, cancel := context.WithTimeout(ctx, traceTime)
	defer cancel()
	for _, f := range r.feeds {
		h, ok := f.Source.(source.History)
		if !ok || f.force.revision == "" {
			continue
		}
		r.traceFeed(ctx, h, f, p, m)
	}
}

func (r *Reconciler) traceFeed(ctx context.Context, h source.History, f *feed, p *plan.Plan, m memory) {
	var at []int
	var places []source.Place
	for i, c := range p.Changes {
		unknown := c.Adopt && c.Origin.Commit == ""
		if c.Origin.Source != f.Name || c.Origin.File == "" || c.Origin.Line == 0 || c.Action == plan.None && !unknown {
			continue
		}
		place := source.Place{File: c.Origin.File, Line: c.Origin.Line}
		if _, declared := r.desired.set.Get(c.ID); !declared {
			place.Since = m.last[c.ID].Revision
		}
		at, places = append(at, i), append(places, place)
	}
	if len(places) == 0 {
		return
	}
	who, err := h.Trace(ctx, f.force.revision, places)
	if err != nil {
		r.opts.Logger.Warn("cannot tell which commits asked for the changes", "source", f.Name, "error", err)
	}
	for i, n := range at {
		var c source.Change
		if i < len(who) {
			c = who[i]
		}
		p.Changes[n].Origin.Commit, p.Changes[n].Origin.Author = c.Commit, c.Author
	}
}

// recallAccepted puts the revision of f that was in force before this process
// began into its place, where the newest one is refused and there is no other.
func (r *Reconciler) recallAccepted(ctx context.Context, f *feed) bool {
	if f.loaded == nil || f.accepted.revision != "" || f.pin != nil {
		return false
	}
	e, ok := r.recall(ctx, f)
	f.accepted = e
	return ok
}

// recall returns the revision of f that was in force before this process began,
// if it can still be had. The caller holds r.mu, which is free while the store
// and the source are asked: they may be slow, and whoever wants to know how weir
// is must not wait for them.
func (r *Reconciler) recall(ctx context.Context, f *feed) (edition, bool) {
	h, ok := f.Source.(source.History)
	if !ok || f.Follows == "" || f.pin != nil {
		return f.accepted, f.pin != nil && f.accepted.revision != ""
	}
	r.mu.Unlock()
	defer r.mu.Lock()
	revision := r.markedInForce(ctx, f)
	switch revision {
	case "":
		return edition{}, false
	case f.accepted.revision:
		return f.accepted, true
	case f.loaded.Revision:
		return edition{}, false
	}
	return r.editionAt(ctx, h, f, revision)
}

// editionAt returns a former revision of f, if it can still be had and has no
// error.
func (r *Reconciler) editionAt(ctx context.Context, h source.History, f *feed, revision string) (edition, bool) {
	snap, err := h.At(ctx, revision)
	if err != nil {
		r.opts.Logger.Warn("the revision that was in force cannot be read", "source", f.Name, "revision", revision, "error", err)
		return edition{}, false
	}
	res := f.Loader.Load(snap)
	e, odd := r.edition(revision, res.Set, f.accepted)
	if manifest.Failed(append(res.Problems, odd...)) {
		return edition{}, false
	}
	r.opts.Logger.Warn("the revision that was in force before stays in force", "source", f.Name, "revision", revision)
	return e, true
}

// markedInForce returns the revision of f that the store says was in force.
func (r *Reconciler) markedInForce(ctx context.Context, f *feed) string {
	marks, err := r.readMarks(ctx)
	if err != nil {
		r.opts.Logger.Warn("cannot read which revision was in force", "source", f.Name, "error", err)
	}
	for _, m := range marks {
		if m.Source == f.Follows && m.Role == state.InForce {
			return m.Revision
		}
	}
	return ""
}

// mark writes which revision of each feed is in force, where that has changed.
func (r *Reconciler) mark(ctx context.Context) {
	if r.opts.DryRun {
		return
	}
	r.unmark(ctx)
	for _, f := range r.feeds {
		if f.Follows == "" || f.force.revision == "" || r.marked(f) || !r.mayMark(f) {
			continue
		}
		if err := r.markForce(ctx, f); err != nil {
			r.opts.Logger.Warn("cannot write which revision is in force", "source", f.Name, "error", err)
			continue
		}
		f.markedAs, f.accord.revision = f.force.revision, f.force.revision
	}
}

// marked reports whether the store says that what is in force of f is, as far as this
// process knows.
func (r *Reconciler) marked(f *feed) bool {
	if r.shared() {
		return f.accord.agrees(f)
	}
	return f.force.revision == f.markedAs
}

// markForce writes the revision of f that is in force and the one that was
// before, to which a rollback goes back. A pin does not outlive another revision.
func (r *Reconciler) markForce(ctx context.Context, f *feed) error {
	known := r.marks.of(f.Follows)
	was, now := known[state.InForce].Revision, f.force.revision
	var err error
	if pinned := known[state.Pinned].Revision; was != "" && was != now && f.pin == nil && was != pinned {
		err = r.setMark(ctx, state.Mark{Source: f.Follows, Role: state.Former, Revision: was, At: time.Now()})
	}
	if was != now {
		err = errors.Join(err, r.setMark(ctx, state.Mark{Source: f.Follows, Role: state.InForce, Revision: now, At: time.Now()}))
	}
	if pinned := known[state.Pinned].Revision; pinned != "" && pinned != now && f.pin == nil {
		err = errors.Join(err, r.removePin(ctx, f.Follows))
	}
	return err
}

// unmark removes, once something is in force, the marks of what no feed follows
// any more. Were it followed again one day, and its newest revision refused, its
// mark would bring back what others have long replaced.
func (r *Reconciler) unmark(ctx context.Context) {
	if r.unmarked || !r.desired.ready || r.shared() && !r.leads(cluster.Sources) {
		return
	}
	marks, err := r.readMarks(ctx)
	for _, m := range marks {
		follows := func(f *feed) bool { return f.Follows == m.Source }
		if (m.Role != state.InForce && m.Role != state.Former) || slices.ContainsFunc(r.feeds, follows) {
			continue
		}
		err = errors.Join(err, r.setMark(ctx, state.Mark{Source: m.Source, Role: m.Role, At: time.Now()}))
	}
	if err != nil {
		r.opts.Logger.Warn("cannot remove marks of former sources", "error", err)
		return
	}
	r.unmarked = true
}

func (r *Reconciler) readMarks(ctx context.Context) ([]state.Mark, error) {
	ctx, cancel := context.WithTimeout(ctx, markTime)
	defer cancel()
	return r.opts.Store.Marks(ctx)
}

func (r *Reconciler) setMark(ctx context.Context, m state.Mark) error {
	ctx, cancel := context.WithTimeout(ctx, markTime)
	defer cancel()
	return r.opts.Store.SetMark(ctx, m)
}

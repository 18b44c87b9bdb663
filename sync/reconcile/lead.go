package reconcile

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"weir/sync/cluster"
	"weir/sync/plan"
	"weir/sync/resource"
	"weir/sync/state"
)

// leading is which accounts this process leads, as one pass sees it: all its
// decisions rest on the same. It belongs to the goroutine that runs passes.
type leading struct {
	terms map[string]int64 // by account, cluster.Sources among them; without those that are not led
	// since is when each was taken over: a write rests on what was read after it.
	since map[string]time.Time
	taken map[string]bool // those that this pass takes over
	// doubts are resources of which a former leader may have changed something
	// without writing down how it ended: they are read before all else.
	doubts map[resource.ID]bool
}

// led returns the terms under which this process leads accounts now, cluster.Sources
// among them.
func (r *Reconciler) led() map[string]int64 {
	out := map[string]int64{}
	for account := range r.opts.Accounts {
		out[account] = r.opts.Cluster.Term(account)
	}
	out[cluster.Sources] = r.opts.Cluster.Term(cluster.Sources)
	maps.DeleteFunc(out, func(_ string, term int64) bool { return term == 0 })
	return out
}

// takeTerms takes over who leads what, for all that a pass or a command decides
// until it is called again. What is not led any more as it was is let go of.
func (r *Reconciler) takeTerms() {
	if r.opts.Cluster == nil {
		return
	}
	was, is := r.leading.terms, r.led()
	r.leading.terms, r.leading.taken = is, map[string]bool{}
	for account, term := range was {
		if is[account] != term {
			r.lose(account)
		}
	}
	for account, term := range is {
		if was[account] != term {
			r.takeOver(account)
		}
	}
}

// leads reports whether this process leads an account, or what is of no account with
// cluster.Sources, for the pass under way. Without a cluster it leads all.
func (r *Reconciler) leads(account string) bool {
	return r.opts.Cluster == nil || r.leading.terms[account] != 0
}

// leadsNow is leads for those who work beside the passes: as it is at this moment.
func (r *Reconciler) leadsNow(account string) bool {
	return r.opts.Cluster == nil || r.opts.Cluster.Term(account) != 0
}

// leadsAll reports whether nothing is left to others.
func (r *Reconciler) leadsAll() bool {
	return !slices.ContainsFunc(sortedKeys(r.opts.Accounts), func(account string) bool { return !r.leads(account) })
}

// mandated returns what says whether changes of an account may begin that the pass under
// way hands out: as long as this process leads it as it does now.
func (r *Reconciler) mandated(account string) func() bool {
	if r.opts.Cluster == nil {
		return nil
	}
	term := r.leading.terms[account]
	return func() bool { return r.opts.Cluster.Term(account) == term && r.opts.Cluster.Left(account) > 0 }
}

// lose ends what is under way of an account that another process leads from now on, or
// did meanwhile. What has not begun never does; of the rest each call ends, and what
// comes of it is written down where that is still this process's to do.
func (r *Reconciler) lose(account string) {
	for _, l := range r.lanes {
		if l.account != account {
			continue
		}
		for id := range l.changes {
			r.takeOut(l, id)
		}
		l.stop()
	}
	for _, j := range r.readers.jobs {
		if j.account == account {
			j.stop()
		}
	}
	delete(r.scan.left, account)
	delete(r.leading.since, account)
	r.forgetOwn(account)
	r.opts.Logger.Info("the account is led by another process now", "account", account, "leader", r.leaderOf(account))
}

// takeOver begins to lead an account. What this process knows of it from others counts
// for deciding, what it did itself before does not.
func (r *Reconciler) takeOver(account string) {
	if r.leading.since == nil {
		r.leading.since = map[string]time.Time{}
	}
	r.leading.since[account], r.leading.taken[account] = time.Now(), true
	r.forgetOwn(account)
	r.written.known = false // what was written without a record by whoever led it
	r.gone = gone{}
	r.poster.forget(account)
	r.sights.wake()
	r.opts.Logger.Info("leads the account", "account", account, "term", r.leading.terms[account])
}

// forgetOwn forgets what this process has done and tried in an account: what counts is
// what others will find, or have found.
func (r *Reconciler) forgetOwn(account string) {
	of := func(id resource.ID) bool { return id.Account == account }
	for id := range r.own.of {
		if of(id) {
			r.own.drop(id)
		}
	}
	forgetOf(r.failures, of)
	forgetOf(r.rests, of)
	forgetOf(r.wrote, of)
	forgetOf(r.unsure, of)
	forgetOf(r.aired, of)
	forgetOf(r.wake, of)
	forgetOf(r.leading.doubts, of)
	maps.DeleteFunc(r.unshown, func(k accountKind, _ map[resource.ID]bool) bool { return k.account == account })
}

func forgetOf[V any](m map[resource.ID]V, of func(resource.ID) bool) {
	maps.DeleteFunc(m, func(id resource.ID, _ V) bool { return of(id) })
}

// stillLed reports whether what was begun under a term is this process's to go on with.
func (r *Reconciler) stillLed(account string, term int64) bool {
	return r.opts.Cluster == nil || term != 0 && r.leading.terms[account] == term
}

// term returns the term under which this process leads an account, 0 without a cluster.
func (r *Reconciler) term(account string) int64 { return r.leading.terms[account] }

// read reports whether what was read at a time, of an account, was read by this process
// while it has led it.
func (r *Reconciler) readSince(account string, at time.Time) bool {
	return !at.Before(r.leading.since[account])
}

// doubt finds what is in doubt of the accounts that this pass takes over: acts that were
// begun and not settled, and calls of which nobody wrote down how they ended. What others
// saw of these resources says nothing.
func (r *Reconciler) doubt(m memory) {
	if len(r.leading.taken) == 0 {
		return
	}
	if r.leading.doubts == nil {
		r.leading.doubts = map[resource.ID]bool{}
	}
	now := time.Now()
	doubted := func(id resource.ID) {
		if r.leading.taken[id.Account] {
			r.leading.doubts[id] = true
			r.wrote[id] = now
			r.seen.drop(id)
			r.sights.lose(id, now)
		}
	}
	for id, acts := range m.acts {
		if slices.ContainsFunc(acts, resource.Act.InDoubt) {
			doubted(id)
		}
	}
	for id := range r.written.open {
		doubted(id)
	}
}

// openOf returns the resource that e may have changed without anybody having written
// down how it ended.
func openOf(e state.Entry) (resource.ID, bool) {
	if !e.Write || !e.Outcome.Closed.IsZero() {
		return resource.ID{}, false
	}
	id, err := resource.ParseID(e.Resource)
	return id, err == nil
}

// beginOfMany begins what a process does that is one of several, until ctx ends.
func (r *Reconciler) beginOfMany(ctx context.Context, wg *sync.WaitGroup) {
	wg.Go(func() { r.followCluster(ctx) })
	if w, ok := r.opts.Store.(state.Watcher); ok {
		wg.Go(func() { r.watchStore(ctx, w) })
	}
	if r.poster != nil {
		wg.Go(func() { r.poster.run(ctx) })
	}
}

// followCluster asks for a pass whenever who leads what has changed, until ctx ends.
func (r *Reconciler) followCluster(ctx context.Context) {
	for ctx.Err() == nil {
		changed := r.opts.Cluster.Changed()
		r.MarkDirty()
		select {
		case <-ctx.Done():
		case <-changed:
		}
	}
}

// tellLeaders tells which accounts this process leads at this moment.
func (r *Reconciler) tellLeaders(emit func(value float64, labels ...string)) {
	for account := range r.opts.Accounts {
		emit(oneIf(r.leadsNow(account)), account)
	}
	if r.opts.Cluster != nil {
		emit(oneIf(r.leadsNow(cluster.Sources)), cluster.Sources)
	}
}

// leaderOf names who leads an account, "" for nobody.
func (r *Reconciler) leaderOf(account string) string {
	return r.opts.Cluster.View().Leaders[account].Name
}

// noteLeaders says of what is due in accounts that others lead who makes it.
func (r *Reconciler) noteLeaders(p *plan.Plan) {
	if r.opts.Cluster == nil || r.leadsAll() {
		return
	}
	leaders := r.opts.Cluster.View().Leaders
	for i, c := range p.Changes {
		if !c.Due() || c.UnderWay || c.Note != "" || r.leads(c.ID.Account) {
			continue
		}
		p.Changes[i].Note = LeadNote(leaders[c.ID.Account].Name)
	}
}

package reconcile

import (
	"context"
	"maps"

	"weir/sync/cluster"
)

// leading is which accounts this process leads, as one pass sees it: all its
// decisions rest on the same. It belongs to the goroutine that runs passes.
type leading struct {
	terms map[string]int64 // by account, cluster.Sources among them; without those that are not led
}

// led reports the terms under which this process leads accounts now, cluster.Sources
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
// until it is called again.
func (r *Reconciler) takeTerms() {
	if r.opts.Cluster != nil {
		r.leading.terms = r.led()
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

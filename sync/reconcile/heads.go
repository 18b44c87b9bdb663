package reconcile

import (
	"context"
	"time"

	"weir/sync/cluster"
	"weir/sync/state"
)

// headsLogged is the time between two lines of the log that note the heads of
// the journal's chains, where a collector keeps them apart from the journal.
const headsLogged = time.Hour

// noteHeads publishes the heads of the journal, and logs them with the first
// pass and every hour: of a cluster one member does. What cannot be read is told by what needs it.
func (r *Reconciler) noteHeads(ctx context.Context, now time.Time) {
	heads, err := r.opts.Store.Heads(ctx)
	if err != nil {
		return
	}
	r.publish(func(s *Status) { s.Journal = heads })
	if !r.leads(cluster.Sources) || !r.headsTold.IsZero() && now.Sub(r.headsTold) < headsLogged {
		return
	}
	r.headsTold = now
	r.logHeads(heads)
}

func (r *Reconciler) logHeads(heads state.Heads) {
	r.opts.Logger.Info("journal head", "writes", heads.Writes.Hash.String(), "writes_links", heads.Writes.Seq,
		"reads", heads.Reads.Hash.String(), "reads_links", heads.Reads.Seq)
}

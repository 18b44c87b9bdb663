package reconcile

import (
	"context"
	"fmt"
	"time"

	"weir/sync/plan"
	"weir/sync/resource"
	"weir/sync/state"
)

// written is what weir wrote last of resources whose record is older: a crash or
// a full disk came between the call and its record.
type written struct {
	known bool // read from the journal since the last such trouble
	last  map[resource.ID]resource.Applied
	open  map[resource.ID]bool // of which a call's outcome was not written down
}

// recallWritten reads from the journal what no record tells. A process does so
// when it begins, and after it could not write something down.
func (r *Reconciler) recallWritten(ctx context.Context, m memory) error {
	if r.written.known {
		return nil
	}
	entries, err := r.opts.Store.Journal(ctx, state.Query{Since: time.Now().Add(-recentTime), Writes: true, Limit: recentMost})
	if err != nil {
		return fmt.Errorf("read what was written lately: %w", err)
	}
	r.ledger.Forget()
	r.written = written{known: true, last: map[resource.ID]resource.Applied{}, open: map[resource.ID]bool{}}
	met := map[string]bool{}
	for _, e := range entries { // the newest first
		if id, open := openOf(e); open {
			r.written.open[id] = true
		}
		if !met[e.Resource] {
			r.noteWritten(e, m)
		}
		met[e.Resource] = true
	}
	return nil
}

// noteWritten keeps what e wrote where it may have had its effect and no record
// was written after it.
func (r *Reconciler) noteWritten(e state.Entry, m memory) {
	id, err := resource.ParseID(e.Resource)
	last, applied := m.last[id]
	switch {
	case err != nil || !applied || !e.Opened.After(last.At) || !removed(e):
	case e.Change == nil || e.Change.After == "" || e.Change.Action == string(plan.Delete):
	default:
		r.written.last[id] = resource.Applied{
			ID: id, Spec: e.Change.After, Origin: e.Origin, Revision: e.Revision, At: e.Opened, Epoch: last.Epoch,
		}
	}
}

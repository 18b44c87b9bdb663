package reconcile

import (
	"context"
	"time"
)

// keepEvery is the time between two looks at whether a copy of the store is due.
const keepEvery = time.Hour

// keeper is a store that can keep copies of itself to go back to.
type keeper interface {
	Keep(ctx context.Context, now time.Time) error
}

// keepCopies lets the store keep copies until ctx ends. It is no part of a pass:
// an edit does not wait for it.
func (r *Reconciler) keepCopies(ctx context.Context, k keeper) {
	every := time.NewTicker(keepEvery)
	defer every.Stop()
	for {
		if err := k.Keep(ctx, time.Now()); err != nil && ctx.Err() == nil {
			r.opts.Logger.Error("cannot keep a copy of the state", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-every.C:
		}
	}
}

package reconcile

import (
	"context"
	"fmt"
	"time"

	"weir/sync/plan"
	"weir/sync/resource"
	"weir/sync/state"
)

// recentTime is how far back removals count as part of the next ones: a source
// that is lost in portions is lost all the same.
const recentTime = 24 * time.Hour

// goneFor is how long what the journal says of them is remembered, unless this
// process has changed something meanwhile.
const goneFor = time.Minute

// gone is what was removed lately, and what was put back.
type gone struct {
	at       time.Time // when the journal was read, zero for never
	removals []removal
	healsAt  time.Time // the same of heals
	heals    []removal
}

// removal is a removal, or a heal.
type removal struct {
	id           resource.ID
	source, plan string
}

// recentMost bounds the removals that are looked at. However much else weir has
// done within the day, they are all counted.
const recentMost = 20_000

// recent counts by source what was removed within the last day, has not come
// back, and was part of no plan that somebody consented to.
func (r *Reconciler) recent(ctx context.Context, m memory) (map[string]int, error) {
	now := time.Now()
	if r.gone.at.IsZero() || !now.Before(r.gone.at.Add(goneFor)) {
		removals, err := r.removals(ctx, now)
		if err != nil {
			return nil, err
		}
		r.gone.at, r.gone.removals = now, removals
	}
	consented := m.consented()
	n, met := map[string]int{}, map[resource.ID]bool{}
	for _, e := range r.gone.removals {
		if _, back := m.last[e.id]; back || met[e.id] || consented[e.plan] {
			continue
		}
		met[e.id] = true
		n[e.source]++
	}
	return n, nil
}

// removals returns what the journal says was removed within the last day.
func (r *Reconciler) removals(ctx context.Context, now time.Time) ([]removal, error) {
	entries, err := r.opts.Store.Journal(ctx, state.Query{
		Since: now.Add(-recentTime), Action: string(plan.Delete), Writes: true, Limit: recentMost,
	})
	if err != nil {
		return nil, fmt.Errorf("read what was removed lately: %w", err)
	}
	var out []removal
	for _, e := range entries {
		id, err := resource.ParseID(e.Resource)
		if err == nil && removed(e) {
			out = append(out, removal{id, e.Origin.Source, e.Plan})
		}
	}
	return out, nil
}

// removed reports whether a removal, or a heal, had its effect, or may have had it.
func removed(e state.Entry) bool {
	switch e.Outcome.Code {
	case "", "ok", "unknown":
		return true
	}
	return false
}

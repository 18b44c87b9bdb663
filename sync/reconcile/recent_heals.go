package reconcile

import (
	"context"
	"fmt"
	"time"

	"weir/sync/plan"
	"weir/sync/resource"
	"weir/sync/state"
)

// healsTime is how far back heals count as part of the next ones: the scrub finds
// what somebody changed at one time in portions, and it is one change all the same.
const healsTime = time.Hour

// recentHeals counts by source the resources that were updated within the last
// hour since somebody had changed them, by no plan that anybody consented to. What
// p would put back again is counted there. Where p puts nothing back that way, none
// are.
func (r *Reconciler) recentHeals(ctx context.Context, p *plan.Plan, m memory) (map[string]int, error) {
	met := map[resource.ID]bool{}
	for c := range p.Due() {
		if c.Action == plan.Update && c.Reason == plan.Drifted {
			met[c.ID] = true
		}
	}
	if len(met) == 0 {
		return nil, nil //nolint:nilnil // none are counted
	}
	if now := time.Now(); r.gone.healsAt.IsZero() || !now.Before(r.gone.healsAt.Add(goneFor)) {
		heals, err := r.heals(ctx, now)
		if err != nil {
			return nil, err
		}
		r.gone.healsAt, r.gone.heals = now, heals
	}
	consented := m.consented()
	n := map[string]int{}
	for _, h := range r.gone.heals {
		if !met[h.id] && !consented[h.plan] {
			met[h.id] = true
			n[h.source]++
		}
	}
	return n, nil
}

// heals returns what the journal says was updated within the last hour since it
// had drifted.
func (r *Reconciler) heals(ctx context.Context, now time.Time) ([]removal, error) {
	entries, err := r.opts.Store.Journal(ctx, state.Query{
		Since: now.Add(-healsTime), Action: string(plan.Update), Writes: true, Limit: recentMost,
	})
	if err != nil {
		return nil, fmt.Errorf("read what was put back lately: %w", err)
	}
	var out []removal
	for _, e := range entries {
		id, err := resource.ParseID(e.Resource)
		if err == nil && removed(e) && e.Change != nil && e.Change.Reason == string(plan.Drifted) {
			out = append(out, removal{id, e.Origin.Source, e.Plan})
		}
	}
	return out, nil
}

// consented holds the hashes of the plans that were let through by a consent.
func (t told) consented() map[string]bool {
	out := map[string]bool{}
	for _, c := range t.consents {
		out[c.Plan] = !c.Used.IsZero()
	}
	return out
}

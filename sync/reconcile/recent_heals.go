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
	again := map[resource.ID]bool{}
	for c := range p.Due() {
		if c.Action == plan.Update && c.Reason == plan.Drifted {
			again[c.ID] = true
		}
	}
	if len(again) == 0 {
		return nil, nil //nolint:nilnil // none are counted
	}
	err := r.recallLately(ctx, &r.gone.heals, healsTime, plan.Update, healed)
	if err != nil {
		return nil, fmt.Errorf("read what was put back lately: %w", err)
	}
	return r.gone.heals.bySource(m.consented(), func(id resource.ID) bool { return again[id] }), nil
}

// healed reports whether e put back what had drifted, or may have.
func healed(e state.Entry) bool {
	return removed(e) && e.Change != nil && e.Change.Reason == string(plan.Drifted)
}

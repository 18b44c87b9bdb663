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
type gone struct{ removals, heals lately }

// lately is what the journal says was made within some time, as it was last read.
type lately struct {
	at   time.Time // when that was, zero for never
	list []journalled
}

// journalled is a removal, or a heal.
type journalled struct {
	id           resource.ID
	source, plan string
}

// recentMost bounds the removals that are looked at. However much else weir has
// done within the day, they are all counted.
const recentMost = 20_000

// recent counts by source what was removed within the last day, has not come
// back, and was part of no plan that somebody consented to.
func (r *Reconciler) recent(ctx context.Context, m memory) (map[string]int, error) {
	err := r.recallLately(ctx, &r.gone.removals, recentTime, plan.Delete, removed)
	if err != nil {
		return nil, fmt.Errorf("read what was removed lately: %w", err)
	}
	return r.gone.removals.bySource(m.consented(), func(id resource.ID) bool { _, back := m.last[id]; return back }), nil
}

// recallLately brings l up to date where it was read too long ago: the calls of an
// action within some time that count.
func (r *Reconciler) recallLately(
	ctx context.Context, l *lately, within time.Duration, action plan.Action, counts func(state.Entry) bool,
) error {
	now := time.Now()
	if !l.at.IsZero() && now.Before(l.at.Add(goneFor)) {
		return nil
	}
	entries, err := r.opts.Store.Journal(ctx, state.Query{
		Since: now.Add(-within), Action: string(action), Writes: true, Limit: recentMost,
	})
	if err != nil {
		return err
	}
	*l = lately{at: now}
	for _, e := range entries {
		id, err := resource.ParseID(e.Resource)
		if err == nil && counts(e) {
			l.list = append(l.list, journalled{id, e.Origin.Source, e.Plan})
		}
	}
	return nil
}

// bySource counts the resources by source, without those that are left out and
// those that were part of a plan that somebody consented to.
func (l *lately) bySource(consented map[string]bool, out func(resource.ID) bool) map[string]int {
	n, met := map[string]int{}, map[resource.ID]bool{}
	for _, e := range l.list {
		if met[e.id] || consented[e.plan] || out(e.id) {
			continue
		}
		met[e.id] = true
		n[e.source]++
	}
	return n
}

// consented holds the hashes of the plans that were let through by a consent.
func (t told) consented() map[string]bool {
	out := map[string]bool{}
	for _, c := range t.consents {
		out[c.Plan] = !c.Used.IsZero()
	}
	return out
}

// removed reports whether a removal, or a heal, had its effect, or may have had it.
func removed(e state.Entry) bool {
	switch e.Outcome.Code {
	case "", "ok", "unknown":
		return true
	}
	return false
}

package reconcile

import (
	"context"
	"errors"
	"slices"
	"time"

	"weir/sync/apply"
	"weir/sync/plan"
	"weir/sync/resource"
)

// reread reads once more what p, on which a person may have thought for long,
// would do by reads that are too old by now. What has moved meanwhile is taken out
// and refused alone.
func (r *Reconciler) reread(ctx context.Context, p *plan.Plan) (*plan.Plan, []apply.Result, error) {
	var old []resource.Resource
	for c := range p.Due() {
		if r.outdated(c, time.Now()) {
			old = append(old, resource.Resource{ID: c.ID, Spec: orSpec(c.After, c.Before), Origin: c.Origin})
		}
	}
	if len(old) == 0 || len(p.Held) > 0 {
		return p, nil, nil
	}
	if err := r.observe(ctx, old); err != nil {
		return nil, nil, err
	}
	now := *p
	now.Changes = slices.Clone(p.Changes)
	var refused []apply.Result
	for i, c := range now.Changes {
		if err := r.stands(c); c.Due() && err != nil {
			refused = append(refused, refusal(c, err.Error()))
			now.Changes[i] = plan.Change{ID: c.ID, Action: plan.None, State: plan.Unknown, Unmade: c.Reason == plan.New}
		}
	}
	return &now, refused, nil
}

// Distrust has what was read until now read again before anything is written by it:
// another process could write meanwhile, and cannot from now on.
func (r *Reconciler) Distrust() { r.distrusted = time.Now() }

// outdated reports whether the read behind c is too old to write by. Where the
// plan was made just now only removals ask for another: of ten thousand creations
// the first was read long ago, and nothing is lost by them.
func (r *Reconciler) outdated(c plan.Change, now time.Time) bool {
	limit := now.Add(-fresh)
	if r.distrusted.After(limit) {
		limit = r.distrusted
	}
	return !r.seen.of[c.ID].At.After(limit) && (c.Action == plan.Delete || !r.planned.After(limit))
}

// stands reports as an error why c cannot be made: its resource is not as it was
// when it was planned.
func (r *Reconciler) stands(c plan.Change) error {
	seen, ok := r.seen.of[c.ID]
	switch {
	case !ok || seen.Unreadable != "":
		return errors.New("the resource cannot be read now: " + seen.Unreadable)
	case plan.Fingerprint(&seen) != c.Fingerprint:
		return errors.New("the resource has moved since the plan was made")
	}
	return nil
}

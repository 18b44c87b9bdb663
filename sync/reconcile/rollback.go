package reconcile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"weir/sync/apply"
	"weir/sync/plan"
	"weir/sync/state"
)

// Rollback carries out u. The revisions are pinned first, so that nobody applies
// them in between; settled is then called, to wait for others that share the
// store, and everything is looked at once more. Only where all of it was done
// does the revision before come into force.
func (r *Reconciler) Rollback(ctx context.Context, u *Undo, settled func(context.Context) error) (*apply.Report, error) {
	if r.opts.Policy.Mode == plan.Observe {
		return nil, errors.New("policy.mode is observe, which never calls: nothing can be rolled back")
	}
	if len(u.Plan.Held) > 0 {
		return r.applier.Apply(ctx, u.Plan)
	}
	back, err := r.beginPins(ctx, u)
	if err != nil {
		return nil, err
	}
	again, err := r.afresh(ctx, u, settled)
	if err != nil {
		return nil, errors.Join(err, back(context.WithoutCancel(ctx)))
	}
	rep, err := r.applier.Apply(ctx, again.Plan)
	r.tellApplied(again.Plan, rep, func(string) string { return "" }) // it is of no revision that is in force
	rep.Add(again.Left...)
	if err == nil && !rep.Failed() {
		err = r.endPins(ctx, u)
	}
	return rep, err
}

// afresh looks at everything once more after others have settled.
func (r *Reconciler) afresh(ctx context.Context, u *Undo, settled func(context.Context) error) (*Undo, error) {
	if err := settled(ctx); err != nil {
		return nil, err
	}
	again, err := r.Undo(ctx, u.Of.Plan, u.by)
	if err != nil {
		return nil, err
	}
	again.Plan.Consented = u.Plan.Consented // the consent to u has been used since
	again.Plan.Hash = again.Plan.Digest()
	if again.Plan.Hash != u.Plan.Hash {
		return nil, errors.New("something has changed since the plan was shown; look at it again")
	}
	for _, h := range again.held {
		if !slices.ContainsFunc(u.held, func(was plan.Hold) bool { return was.Guard == h.Guard }) {
			return nil, fmt.Errorf("held by guard %s meanwhile: %s", h.Guard, h.Message)
		}
	}
	again.Plan.Held = nil // who asked for u has let these through
	return again, nil
}

// beginPins pins the revisions of u and says that a rollback is under way. What
// it returns takes that back.
func (r *Reconciler) beginPins(ctx context.Context, u *Undo) (back func(context.Context) error, err error) {
	before := r.marks
	back = func(ctx context.Context) error {
		var errs []error
		for _, p := range u.Pins {
			was := before.of(p.follows)
			for _, role := range []state.Role{state.Pinned, state.Undone} {
				m := state.Mark{Source: p.follows, Role: role, Revision: was[role].Revision, At: cmp.Or(was[role].At, time.Now())}
				errs = append(errs, r.setMark(ctx, m))
			}
		}
		return errors.Join(errs...)
	}
	now := time.Now()
	for _, p := range u.Pins {
		err = errors.Join(err,
			r.setMark(ctx, state.Mark{Source: p.follows, Role: state.Undone, At: now}),
			r.setMark(ctx, state.Mark{Source: p.follows, Role: state.Pinned, Revision: p.Revision, At: now}))
	}
	if err == nil {
		err = r.stillInForce(ctx, u, before)
	}
	if err != nil {
		return nil, errors.Join(err, back(context.WithoutCancel(ctx)))
	}
	return back, nil
}

// stillInForce fails where another revision came into force while u was made.
func (r *Reconciler) stillInForce(ctx context.Context, u *Undo, before marks) error {
	if err := r.recallMarks(ctx); err != nil {
		return err
	}
	for _, p := range u.Pins {
		was, now := before.of(p.follows)[state.InForce].Revision, r.marks.of(p.follows)[state.InForce].Revision
		if was != now {
			return fmt.Errorf("revision %s of source %s came into force meanwhile; look again", short(now), p.Source)
		}
	}
	return nil
}

// endPins writes that u is done: what was rolled back stays pinned, what holds
// again is not.
func (r *Reconciler) endPins(ctx context.Context, u *Undo) error {
	var err error
	for _, p := range u.Pins {
		if u.Forward {
			err = errors.Join(err, r.removePin(ctx, p.follows))
			continue
		}
		done := state.Mark{Source: p.follows, Role: state.Undone, Revision: u.Of.Plan, At: time.Now()}
		err = errors.Join(err, r.setMark(ctx, done))
	}
	return err
}

// Unpin removes the pins of all sources and returns them: the revisions may be
// applied again.
func (r *Reconciler) Unpin(ctx context.Context) ([]Pinned, error) {
	if err := r.recallMarks(ctx); err != nil {
		return nil, err
	}
	var out []Pinned
	var err error
	for _, f := range r.feeds {
		if p := r.marks.pin(f.Follows); p != nil {
			out = append(out, Pinned{Source: f.Name, Revision: p.Revision, follows: f.Follows})
			err = errors.Join(err, r.removePin(ctx, f.Follows))
		}
	}
	return out, err
}

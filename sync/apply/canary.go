package apply

import (
	"context"
	"fmt"
	"time"

	"weir/sync/plan"
)

// canaryAbove is the number of updates of one account and kind above which the
// first is made and read back before the others begin.
const canaryAbove = 10

// canaryPatience is how long the first of many updates may take to show.
const canaryPatience = 30 * time.Second

// canary makes the first of many updates alone and returns what is still to be
// done. Where it fails, or the cloud does not show it, the other updates are
// refused: the mistake that it shows would be made in all of them.
func (r *run) canary(ctx context.Context, changes []plan.Change) []plan.Change {
	if len(changes) == 0 {
		return changes
	}
	many, stopped := r.many(changes)
	if many == 0 {
		return changes
	}
	tried := map[int]bool{}
	for i, c := range changes {
		if stopped != "" || !gated(c) || !c.Due() {
			continue
		}
		tried[i] = true
		res := r.change(ctx, c)
		r.add(res)
		if res.Outcome != Waiting { // which says nothing
			stopped = r.unconvincing(ctx, c, res)
			break
		}
	}
	return r.spare(changes, tried, stopped, many)
}

// many returns the number of updates due where they need a canary, 0 where they
// do not, and why none may be made now: the last one failed a moment ago, or
// does not show yet.
func (r *run) many(changes []plan.Change) (n int, stopped string) {
	for _, c := range changes {
		if gated(c) && c.Due() {
			n++
		}
		if gated(c) && c.Resting {
			stopped = c.ID.String() + " failed a moment ago"
		}
	}
	if n <= canaryAbove {
		return 0, ""
	}
	first := changes[0].ID
	for _, c := range r.plan.Changes {
		alike := c.ID.Account == first.Account && c.ID.Kind == first.Kind
		if alike && c.Action == plan.None && c.State == plan.Pending {
			stopped = c.ID.String() + " was written, and the cloud does not show it yet"
		}
	}
	return n, stopped
}

// gated reports whether c is an update that a mistake in a declaration could be
// behind, which routine is not.
func gated(c plan.Change) bool {
	return c.Action == plan.Update && c.Reason != plan.Expired && c.Reason != plan.Restart
}

// spare returns what is still to be done. Where the canary was stopped, the other
// updates are refused.
func (r *run) spare(changes []plan.Change, tried map[int]bool, stopped string, many int) []plan.Change {
	rest := make([]plan.Change, 0, len(changes))
	for i, c := range changes {
		switch {
		case tried[i]:
		case stopped != "" && gated(c) && c.Due():
			res := Result{ID: c.ID, Action: c.Action, Calls: []Call{}}
			r.add(res.end(Refused, fmt.Sprintf(
				"the first of %d updates of its kind has to succeed before the others: %s", many, stopped)))
		default:
			rest = append(rest, c)
		}
	}
	return rest
}

// unconvincing says why the outcome of the first update does not speak for the
// others, "" where it does.
func (r *run) unconvincing(ctx context.Context, c plan.Change, res Result) string {
	if res.Outcome != Done {
		return res.Error
	}
	return r.shows(ctx, c)
}

// shows reads a change back until the cloud shows it, and returns why it does
// not. What cannot be read back has only its answer.
func (r *run) shows(ctx context.Context, c plan.Change) string {
	target := r.opts.Accounts[c.ID.Account]
	one := &one{run: r, ctx: ctx, c: c, kind: target.Provider.Kinds()[c.ID.Kind], target: target}
	if !one.kind.Readable {
		return ""
	}
	until := time.Now().Add(canaryPatience)
	for pause := time.Second; ; pause = min(2*pause, 8*time.Second) {
		if seen, ok := one.read(); ok && c.Shows(one.kind.Judge, seen, time.Now()) {
			return ""
		}
		if !time.Now().Add(pause).Before(until) || !sleep(ctx, pause) {
			return c.ID.String() + " was written, and the cloud does not show it"
		}
	}
}

// sleep reports whether d passed before the end of ctx.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

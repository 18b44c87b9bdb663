package apply

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"time"

	"weir/sync/plan"
)

// canaryAbove is the number of updates of one account and kind above which the
// first is made and read back before the others begin, and then a tenth of them.
const canaryAbove = 10

// The tenth is no more than this: what a hundred do not show, others would not.
const tenthMost = 100

// canaryPatience is how long the first of many updates may take to show.
const canaryPatience = 30 * time.Second

// canary makes the first of many updates alone, then a tenth of them, and returns
// what is still to be done. Where the first fails, or half of the tenth, or the
// cloud does not show them, the other updates are refused: the mistake that it
// shows would be made in all of them.
func (r *run) canary(ctx context.Context, changes []plan.Change) []plan.Change {
	if len(changes) == 0 {
		return changes
	}
	many, stopped := many(r.plan, changes, r.aside.beside(changes[0].ID.Kind))
	if many == 0 {
		return changes
	}
	s := &sample{run: r, ctx: ctx, changes: changes, tried: map[int]bool{}}
	for _, size := range sampleSizes(many) {
		if stopped == "" {
			stopped = s.take(size)
		}
	}
	return r.spare(changes, s.tried, stopped, many)
}

// sampleSizes are those of the samples of so many updates, one after the other.
func sampleSizes(many int) [2]int { return [2]int{1, min(many/10, tenthMost)} }

// sample is what is made of many updates before the rest.
type sample struct {
	*run
	ctx     context.Context
	changes []plan.Change
	tried   map[int]bool // by their places
}

// take makes so many more of the updates and says why they do not speak for the
// others, "" where more than half of them do. One that waits says nothing, so
// that another is made in its place.
func (s *sample) take(size int) string {
	told, against, why := 0, 0, ""
	for told < size {
		picked := pick(s.changes, s.tried, size-told)
		if len(picked) == 0 {
			break
		}
		for _, v := range s.make(picked) {
			if v.waits {
				continue
			}
			if told++; v.why != "" {
				against++
				why = cmp.Or(why, v.why)
			}
		}
	}
	if 2*against < told {
		return ""
	}
	return why
}

// pick returns the places of the next updates that are due and not tried, and
// marks them as tried.
func pick(changes []plan.Change, tried map[int]bool, most int) []int {
	var out []int
	for i, c := range changes {
		if len(out) < most && !tried[i] && Gated(c) && c.Due() {
			tried[i] = true
			out = append(out, i)
		}
	}
	return out
}

// view is what one update of a sample says.
type view struct {
	waits bool
	why   string // it does not speak for the others, "" where it does
}

// make carries out the updates at some places side by side and reads them back.
func (s *sample) make(picked []int) []view {
	views := make([]view, len(picked))
	places := make(chan struct{}, s.opts.Parallel)
	var wg sync.WaitGroup
	for n, i := range picked {
		places <- struct{}{}
		wg.Go(func() {
			defer func() { <-places }()
			res := s.change(s.ctx, s.changes[i])
			s.add(res)
			views[n].waits = res.Outcome == Waiting || s.aside.out(res.ID)
			if !views[n].waits {
				views[n].why = s.unconvincing(s.ctx, s.changes[i], res)
			}
		})
	}
	wg.Wait()
	return views
}

// many returns the number of updates due where they need a canary, 0 where they
// do not, and why none may be made now: the last one failed a moment ago, or
// does not show yet.
func many(p *plan.Plan, changes []plan.Change, beside int) (n int, stopped string) {
	if n = updatesOf(changes) + beside; n <= canaryAbove || len(changes) == 0 {
		return 0, ""
	}
	first := changes[0].ID
	for _, c := range p.Changes {
		switch alike := c.ID.Account == first.Account && c.ID.Kind == first.Kind; {
		case !alike:
		case Gated(c) && c.Resting:
			stopped = c.ID.String() + " failed a moment ago"
		case lags(c):
			stopped = c.ID.String() + " was written, and the cloud does not show it yet"
		}
	}
	return n, stopped
}

// updatesOf counts the updates due for which a canary speaks.
func updatesOf(changes []plan.Change) int {
	n := 0
	for _, c := range changes {
		if Gated(c) && c.Due() {
			n++
		}
	}
	return n
}

// Gated reports whether c is an update that a mistake in a declaration could be
// behind, which routine is not.
func Gated(c plan.Change) bool {
	return c.Action == plan.Update && c.Reason != plan.Expired && c.Reason != plan.Restart
}

// spare returns what is still to be done. Where the canary was stopped, the other
// updates are refused.
func (r *run) spare(changes []plan.Change, tried map[int]bool, stopped string, many int) []plan.Change {
	for i, c := range changes {
		if !tried[i] && bars(stopped, c) {
			res := Result{ID: c.ID, Action: c.Action, Calls: []Call{}}
			r.add(res.end(Refused, fmt.Sprintf(
				"the first of %d updates of its kind have to succeed before the others: %s", many, stopped)))
		}
	}
	return spared(changes, tried, stopped)
}

// spared returns what is neither tried nor barred.
func spared(changes []plan.Change, tried map[int]bool, stopped string) []plan.Change {
	rest := make([]plan.Change, 0, len(changes))
	for i, c := range changes {
		if !tried[i] && !bars(stopped, c) {
			rest = append(rest, c)
		}
	}
	return rest
}

// bars reports whether c is not made since a canary was stopped.
func bars(stopped string, c plan.Change) bool { return stopped != "" && Gated(c) && c.Due() }

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

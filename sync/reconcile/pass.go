package reconcile

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"weir/sync/apply"
	"weir/sync/call"
	"weir/sync/plan"
	"weir/sync/resource"
)

// confirmAfter is when a write is read back to see that the cloud shows it.
const confirmAfter = time.Second

// readAgain is when a read that failed is made again.
const readAgain = 30 * time.Second

// The waits before a failed change is tried again: doubled each time.
const (
	retryFirst = 5 * time.Second
	retryMost  = 5 * time.Minute
)

// scan is a full read under way; it survives interruption by an edit.
type scan struct {
	since  time.Time // what was read before is to be read again; zero: none under way
	finish time.Time // when the last one was complete
}

// failure is what keeps a change from being tried at every pass.
type failure struct {
	spec  resource.Spec // what was to be applied; another spec is tried at once
	acts  []plan.Act    // what was to be done; another act does not wait for these
	count int
	until time.Time
	code  call.Code
	why   string
}

// step looks at what was touched: it reads it, plans everything, and applies
// what is due. With full it first reads all that the scan under way still lacks.
func (r *Reconciler) step(ctx context.Context, full bool) error {
	began := time.Now()
	r.empty()
	if err := r.recallMarks(ctx); err != nil {
		return err
	}
	r.load(ctx, r.announce, r.holdBack)
	r.mark(ctx)
	r.tellLoaded()
	if !r.desired.ready {
		r.publish(func(s *Status) { s.Ready = false })
		r.meterSources()
		return nil
	}
	m, err := r.remember(ctx)
	if err != nil {
		return err
	}
	interrupted := r.read(ctx, m, full)
	p := r.decide(m, time.Now())
	if stale := r.staleDue(p, m, time.Now()); len(stale) > 0 {
		if err := r.observe(ctx, stale); err != nil {
			return err
		}
		p = r.decide(m, time.Now())
	}
	r.trace(ctx, p, m)
	if err := r.guard(ctx, p, m); err != nil {
		return err
	}
	r.letThrough(ctx, p, m)
	r.markMode(ctx, p, m)
	rep, err := r.carryOut(ctx, p)
	if rep != nil && len(rep.Results) > 0 {
		r.gone = gone{}
	}
	r.settle(p, rep, began)
	r.finish(p, rep, m, passTimes{began: began, full: full && !interrupted}, errors.Join(err, r.unwritten()))
	return err
}

// read observes what the step needs and reports whether a full read was
// interrupted. What was edited is read alone, so that it is applied before
// anything else is read, and that read is not interrupted. News from a feed
// goes before all others, and what they lack the next pass reads.
func (r *Reconciler) read(ctx context.Context, m memory, full bool) bool {
	if len(r.desired.changed) > 0 {
		_ = r.observe(ctx, r.edited(m, time.Now())) // ended by ctx alone, which ends the rest too
		return full
	}
	ctx, stop := r.untilDirty(ctx)
	defer stop()
	if r.observe(ctx, r.due(m, time.Now())) != nil || !full {
		return full
	}
	if r.observe(ctx, r.unscanned(m)) != nil {
		return true
	}
	r.scan = scan{finish: time.Now()}
	return false
}

// untilDirty returns a context that ends when something marks r dirty; the
// token stays for the loop.
func (r *Reconciler) untilDirty(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-r.dirty:
			r.MarkDirty()
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(); <-ended }
}

// edited returns what the feeds have changed and no fresh read has shown. A call
// that failed may have had its effect after what was seen.
func (r *Reconciler) edited(m memory, now time.Time) []resource.Resource {
	var out []resource.Resource
	for id := range r.desired.changed {
		_, failed := r.failures[id]
		if res, ok := r.lookup(id, m); ok && (failed || r.seen[id].At.Before(now.Add(-fresh))) {
			out = append(out, res)
		}
	}
	return out
}

// due returns what is due to be looked at again.
func (r *Reconciler) due(m memory, now time.Time) []resource.Resource {
	var out []resource.Resource
	for id, at := range r.wake {
		if res, ok := r.lookup(id, m); ok && !at.After(now) && !r.desired.changed[id] {
			out = append(out, res)
		}
	}
	return out
}

// unscanned returns what the scan under way has not read yet.
func (r *Reconciler) unscanned(m memory) []resource.Resource {
	var out []resource.Resource
	for _, res := range r.everything(m) {
		if o, ok := r.seen[res.ID]; !ok || o.At.Before(r.scan.since) {
			out = append(out, res)
		}
	}
	return out
}

// carryOut applies p, withholding what failed a moment ago.
func (r *Reconciler) carryOut(ctx context.Context, p *plan.Plan) (*apply.Report, error) {
	if r.opts.DryRun {
		return nil, nil
	}
	if p.HasDue() && r.revocation(ctx, p.Revision) != "" {
		r.MarkDirty() // a look at what is in force instead
		return nil, nil
	}
	now := time.Now()
	trimmed := *p
	trimmed.Changes = make([]plan.Change, 0, len(p.Changes))
	for _, c := range p.Changes {
		if r.resting(c, now) {
			c.Resting = true
			c.Withheld = "failed a moment ago; tried again at " + r.failures[c.ID].until.UTC().Format(time.TimeOnly)
		}
		trimmed.Changes = append(trimmed.Changes, c)
	}
	return r.applier.Apply(ctx, &trimmed)
}

// resting reports whether c is due but failed so short a time ago that it is
// not tried again yet.
func (r *Reconciler) resting(c plan.Change, now time.Time) bool {
	f, failed := r.failures[c.ID]
	return failed && f.spec == c.After && f.until.After(now) && c.Due() && f.tried(c.Acts)
}

// tried reports whether all of acts were among those that failed.
func (f failure) tried(acts []plan.Act) bool {
	return !slices.ContainsFunc(acts, func(a plan.Act) bool { return !slices.Contains(f.acts, a) })
}

// unwritten returns why calls could not be made for want of a store that takes
// their intent, nil while it takes them. What was not tried again in its time,
// since a guard holds the plan, says nothing any more.
func (r *Reconciler) unwritten() error {
	now := time.Now()
	for id, f := range r.failures {
		if f.code == call.Internal && f.until.After(now) {
			return fmt.Errorf("%s: %s", id, f.why)
		}
	}
	return nil
}

// settle remembers when to look at each resource again. Wakes that were not
// due when the pass began stay, and those whose read was interrupted.
func (r *Reconciler) settle(p *plan.Plan, rep *apply.Report, began time.Time) {
	r.desired.changed = nil
	r.forget(p)
	maps.DeleteFunc(r.wake, func(id resource.ID, at time.Time) bool {
		return !at.After(began) && !r.seen[id].At.Before(began)
	})
	for c := range p.News(r.lastPlan) {
		if !c.Next.IsZero() {
			r.wake[c.ID] = c.Next
		}
		if !c.Due() {
			delete(r.failures, c.ID)
		}
	}
	for id, f := range r.failures {
		if f.until.After(began) {
			r.wakeBy(id, f.until)
		}
	}
	r.wakeUnreadable(time.Now())
	r.wakeUnsure(p)
	r.wakeOnAir(p)
	r.own.see(p, r.lastPlan)
	if rep == nil {
		return
	}
	for _, res := range rep.Results {
		c, _ := p.Find(res.ID)
		r.settleResult(res, c, time.Now())
	}
}

// wakeBy looks at a resource again at a time, or before where that is planned:
// the lease of one region does not wait until another is tried again.
func (r *Reconciler) wakeBy(id resource.ID, at time.Time) {
	if planned, ok := r.wake[id]; !ok || at.Before(planned) {
		r.wake[id] = at
	}
}

// wakeUnreadable looks again at what could not be read: so long after now that
// reads which take their time to fail do not follow each other.
func (r *Reconciler) wakeUnreadable(now time.Time) {
	again := now.Add(min(readAgain, r.opts.Interval))
	for id, o := range r.seen {
		if at, planned := r.wake[id]; o.Unreadable != "" && (!planned || at.After(again)) {
			r.wake[id] = again
		}
	}
}

// wakeUnsure looks again at what was removed and is declared once more, or was
// written without an answer, and shows as declared: that may be the cloud's lag.
func (r *Reconciler) wakeUnsure(p *plan.Plan) {
	now := time.Now()
	maps.DeleteFunc(r.unsure, func(_ resource.ID, at time.Time) bool { return !now.Before(at.Add(plan.Lag)) })
	for id, at := range r.unsure {
		if c, ok := p.Find(id); ok && c.State == plan.InSync {
			r.wake[id] = at.Add(plan.Lag)
		}
	}
}

// forget drops what is remembered of resources that p no longer speaks of.
func (r *Reconciler) forget(p *plan.Plan) {
	known := make(map[resource.ID]bool, p.Len()) // of a hundred thousand each is looked for twice
	for c := range p.All() {
		known[c.ID] = true
	}
	retain(r.seen, known)
	retain(r.wake, known)
	retain(r.failures, known)
	retain(r.drifted, known)
	retain(r.own, known)
	retain(r.odd, known)
	retain(r.refused, known)
	retain(r.aired, known)
}

// retain drops what m has of resources that are not known.
func retain[V any](m map[resource.ID]V, known map[resource.ID]bool) {
	maps.DeleteFunc(m, func(id resource.ID, _ V) bool { return !known[id] })
}

func (r *Reconciler) settleResult(res apply.Result, c plan.Change, now time.Time) {
	switch {
	case res.Outcome == apply.Done:
		delete(r.failures, res.ID)
		delete(r.seen, res.ID)
		r.sights.lose(res.ID, now)
		r.wake[res.ID] = now.Add(confirmAfter)
		r.own[res.ID] = c.After
		if res.Action == plan.Delete {
			r.unsure[res.ID] = now
		}
	case res.Outcome == apply.Failed || (res.Outcome == apply.Refused && res.Code == call.Stopped):
		f := r.failures[res.ID]
		if f.spec != c.After {
			f = failure{spec: c.After}
		}
		f.acts = c.Acts
		f.until = now.Add(min(retryFirst<<min(f.count, 10), retryMost))
		f.count++
		f.code, f.why = res.Code, res.Error
		if res.Code == call.Internal {
			r.written.known = false
		}
		if res.Code == call.Unknown {
			r.unsure[res.ID] = now
		}
		r.failures[res.ID] = f
		r.wakeBy(res.ID, f.until)
	}
}

// nextWake returns when the loop has to run again by itself.
func (r *Reconciler) nextWake(now time.Time) time.Time {
	next := now.Add(r.opts.Interval)
	if !r.scan.since.IsZero() || r.fullAsked() {
		next = now
	}
	for _, at := range r.wake {
		if at.Before(next) {
			next = at
		}
	}
	return next
}

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
	"weir/sync/trace"
)

// confirmAfter is when a write is read back to see that the cloud shows it.
const confirmAfter = time.Second

// readAgain is when a read that failed is made again.
const readAgain = 30 * time.Second

// refusedRest is how long a change is not handed out again that was refused for
// what was done, or not, before it.
const refusedRest = 2 * time.Second

// The waits before a failed change is tried again: doubled each time.
const (
	retryFirst = 5 * time.Second
	retryMost  = 5 * time.Minute
	retryLone  = 20 * time.Second // up to this nothing waits for others
)

// failure is what keeps a change from being tried at every pass.
type failure struct {
	spec  resource.Spec // what was to be applied; another spec is tried at once
	acts  []plan.Act    // what was to be done; another act does not wait for these
	count int
	until time.Time
	code  call.Code
	why   string
}

// step takes in what others have found and done since the last pass, plans
// everything by what is known, and hands out what is to be done and read. It waits
// for no cloud.
func (r *Reconciler) step(ctx context.Context) error {
	began := time.Now()
	r.takeTerms()
	r.empty()
	if err := r.recallMarks(ctx); err != nil {
		return err
	}
	r.compare(began)
	r.load(ctx, r.announce, r.holdBack)
	r.mark(ctx)
	r.settleAccords(ctx, began)
	r.tellLoaded()
	if !r.desired.ready {
		r.publish(func(s *Status) { s.Ready = false })
		r.meterSources()
		return nil
	}
	if err := r.readPosts(ctx); err != nil {
		return err
	}
	m, err := r.remember(ctx)
	if err != nil {
		return err
	}
	r.memory = m
	r.takePosts(m)
	r.doubt(m)
	p, err := r.judged(ctx, m, began)
	if err != nil {
		return err
	}
	consented := r.letThrough(ctx, p, m)
	r.settleLettings(ctx)
	r.followOthers(ctx, p)
	r.markMode(ctx, p, m)
	r.pace = r.inbox.keepPace(p) // before anything begins that asks for the next pass
	scans := r.scanJobs(m)
	r.look(ctx, p, m)
	r.beginScan(ctx, scans)
	err = r.handOut(ctx, p, consented)
	r.settle(p, began)
	r.finish(p, m, began, errors.Join(err, r.unwritten()))
	return err
}

// judged decides what is due by what is known, and whether that may be done.
func (r *Reconciler) judged(ctx context.Context, m memory, began time.Time) (*plan.Plan, error) {
	ctx, span := trace.Begin(ctx, "plan")
	p := r.decide(m, began)
	r.followUp(p)
	r.noteLeaders(p)
	r.distrust(p, m, began)
	r.trace(ctx, p, m)
	err := r.guard(ctx, p, m)
	tracePlan(span, p)
	span.End(err)
	return p, err
}

// distrust forgets what was read too long ago of what was edited since, where p
// would do nothing about it: it is read again. Where something is due, that is
// read again right before it is made.
func (r *Reconciler) distrust(p *plan.Plan, m memory, now time.Time) {
	for id := range r.desired.changed {
		c, ok := p.Find(id)
		if !ok || c.Due() || r.known(c, now) || r.under[id] != nil || !r.leads(id.Account) {
			continue
		}
		r.seen.drop(id)
		if c, ok := r.decideOne(id, m, now).Find(id); ok {
			p.Put(c)
		}
	}
}

// known reports whether what was read of the resource of c says what is there.
func (r *Reconciler) known(c plan.Change, now time.Time) bool {
	return c.Read.After(now.Add(-fresh)) && !c.Read.Before(r.wrote[c.ID]) && r.readSince(c.ID.Account, c.Read)
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

// settle remembers when to look at each resource again.
func (r *Reconciler) settle(p *plan.Plan, began time.Time) {
	r.desired.changed = nil
	r.forget(p)
	for c := range p.News(r.shown.Plan) {
		if !c.Next.IsZero() && (r.leads(c.ID.Account) || c.Next.After(began)) {
			r.wakeBy(c.ID, c.Next)
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
	r.wakeUnreadable(p, time.Now())
	r.wakeUnsure(p)
	r.wakeOnAir(p)
	r.ownUp(p, r.shown.Plan)
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
func (r *Reconciler) wakeUnreadable(p *plan.Plan, now time.Time) {
	again := now.Add(min(readAgain, r.opts.Interval))
	for _, c := range p.Changes {
		if at, planned := r.wake[c.ID]; c.Unread && r.leads(c.ID.Account) && (!planned || at.After(again)) {
			r.wake[c.ID] = again
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

// forget drops what is remembered of resources that p does not speak of, or no
// longer.
func (r *Reconciler) forget(p *plan.Plan) {
	gone := false
	for id := range p.Gone(r.shown.Plan) {
		r.drop(id)
		gone = true
	}
	for id := range r.met {
		if _, known := p.Find(id); !known {
			r.drop(id)
		}
	}
	clear(r.met)
	r.forgetForeign(p)
	for id := range r.failures {
		if _, known := p.Find(id); !known { // it was made while it left the source
			r.drop(id)
		}
	}
	if gone && len(r.readers.jobs) == 0 { // what was read before a write may still arrive
		maps.DeleteFunc(r.wrote, func(id resource.ID, _ time.Time) bool { _, known := p.Find(id); return !known })
	}
}

func (r *Reconciler) drop(id resource.ID) {
	r.overlook(id)
	r.own.drop(id)
	delete(r.wake, id)
	delete(r.failures, id)
	delete(r.drifted, id)
	delete(r.odd, id)
	delete(r.refused, id)
	delete(r.aired, id)
	delete(r.rests, id)
	delete(r.unshown[kindOf(id)], id)
}

// rest keeps a change that was refused from being handed out for a while: until
// the one of its kind is tried again that has failed, where there is one.
func (r *Reconciler) rest(id resource.ID, now time.Time) {
	until := time.Time{}
	for other, f := range r.failures {
		if other.Account == id.Account && other.Kind == id.Kind && f.until.After(now) {
			until = plan.Earliest(until, f.until)
		}
	}
	if until.IsZero() {
		until = now.Add(refusedRest)
	}
	r.rests[id] = until
	r.wakeBy(id, until)
}

// nextTry returns when what has failed count times before is tried again. What
// waits for long is tried together with others: each try needs a pass.
func nextTry(now time.Time, count int) time.Time {
	wait := min(retryFirst<<min(count, 10), retryMost)
	if wait <= retryLone {
		return now.Add(wait)
	}
	return now.Add(wait).Truncate(wait / 4)
}

func (r *Reconciler) settleResult(res apply.Result, c plan.Change, now time.Time) {
	delete(r.rests, res.ID)
	switch {
	case res.Moved:
	case res.Outcome == apply.Waiting, res.Outcome == apply.Withheld, res.Outcome == apply.Refused && res.Code != call.Stopped:
		r.rest(res.ID, now)
	case res.Outcome == apply.Done:
		delete(r.failures, res.ID)
		if res.Shown == nil {
			r.seen.drop(res.ID)
			r.wake[res.ID] = now.Add(confirmAfter)
		}
		r.own.put(res.ID, c.After)
		if res.Shown == nil && c.Reason == plan.New && r.kinds[res.ID.Account][res.ID.Kind].Readable {
			r.unshown.add(res.ID)
		}
		if res.Action == plan.Delete {
			r.unsure[res.ID] = now
		}
	case res.Outcome == apply.Failed || (res.Outcome == apply.Refused && res.Code == call.Stopped):
		f := r.failures[res.ID]
		if f.spec != c.After {
			f = failure{spec: c.After}
		}
		f.acts = c.Acts
		f.until = nextTry(now, f.count)
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
	if r.scan.since.IsZero() && r.fullAsked() {
		next = now
	}
	for _, at := range r.wake {
		if at.Before(next) {
			next = at
		}
	}
	return next
}

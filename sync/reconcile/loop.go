package reconcile

import (
	"context"
	"errors"
	"sync"
	"time"

	"weir/sync/source"
)

// pauseAfterError keeps a loop whose store fails from spinning, and is the
// least time between two wakes by time alone.
const (
	pauseAfterError = 2 * time.Second
	leastPause      = 50 * time.Millisecond
)

// Run watches the feeds and runs passes until ctx ends. Feeds, time, leases
// and MarkDirty only leave a token; this loop alone decides to run.
func (r *Reconciler) Run(ctx context.Context) error {
	r.resides = true
	if r.opts.Metrics != nil {
		r.opts.Metrics.lastSource.set(r.checkedAt)
		r.opts.Metrics.age.set(r.sights.oldest)
		r.opts.Metrics.scrubCycle.set(r.scrubStatus)
	}
	var wg sync.WaitGroup
	for _, f := range r.feeds {
		wg.Go(func() { r.watch(ctx, f) })
	}
	for _, s := range r.scrubs {
		wg.Go(func() { s.run(ctx) })
	}
	if k, ok := r.opts.Store.(keeper); ok {
		wg.Go(func() { r.keepCopies(ctx, k) })
	}
	defer wg.Wait()
	timer := time.NewTimer(r.opts.Interval)
	defer timer.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
			return nil
		case <-r.dirty:
		case <-timer.C:
		}
		timer.Reset(r.turn(ctx))
	}
	return nil
}

// turn runs one pass and returns how long to sleep. What was touched comes
// first, so that an edit never waits for a scan.
func (r *Reconciler) turn(ctx context.Context) time.Duration {
	full := r.fullDue(time.Now())
	defer r.noteHeads(ctx, time.Now())
	err := r.step(ctx, false)
	if full && err == nil {
		err = r.step(ctx, true)
	}
	if err != nil && ctx.Err() == nil {
		r.opts.Logger.Error("pass failed", "error", err)
		r.publish(func(s *Status) { s.Ready, s.Error = false, err.Error() })
		return pauseAfterError
	}
	if !r.desired.ready {
		return r.opts.Interval
	}
	return max(leastPause, time.Until(r.nextWake(time.Now())))
}

// fullDue reports whether the next pass reads everything, and begins a scan
// where none is under way: the first one, or one that is asked for; after that the
// scrub finds what drifts. One that is asked for meanwhile comes after it: a scan
// begun anew each time would never end for one who asks often.
func (r *Reconciler) fullDue(now time.Time) bool {
	if !r.scan.since.IsZero() {
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.full || r.scan.finish.IsZero() {
		r.full, r.scan.since = false, now
	}
	return !r.scan.since.IsZero()
}

func (r *Reconciler) fullAsked() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.full
}

// watch hands the revisions of one feed to the loop until ctx ends. A feed
// paces its own retries.
func (r *Reconciler) watch(ctx context.Context, f *feed) {
	for ctx.Err() == nil {
		snap, err := f.Source.Next(ctx, f.newest(&r.mu))
		if err != nil && errors.Is(err, ctx.Err()) {
			return
		}
		r.mu.Lock()
		if err != nil {
			f.err = err
		} else {
			f.arrive(snap, time.Now())
		}
		r.mu.Unlock()
		if err != nil {
			r.sourceFailed(f.Name, err)
			r.tellStopped(f, err)
			continue
		}
		r.MarkDirty()
	}
}

func (f *feed) newest(mu *sync.Mutex) *source.Snapshot {
	mu.Lock()
	defer mu.Unlock()
	return f.latest
}

func (r *Reconciler) sourceFailed(name string, err error) {
	r.opts.Logger.Error("source failed; the last good revision stays in force",
		"source", name, "code", sourceCode(err), "error", err)
	if r.opts.Metrics != nil {
		r.opts.Metrics.sourceErrors.WithLabelValues(name).Inc()
	}
}

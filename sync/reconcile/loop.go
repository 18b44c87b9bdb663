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

// gather is how long a pass waits after it was asked for, so that what comes at
// one time is looked at by one pass.
const gather = time.Millisecond

// Run watches the feeds and runs passes until ctx ends, and what they hand out has
// ended. Feeds, time, leases, MarkDirty and those who work beside the passes only
// leave a token; this loop alone decides to run.
func (r *Reconciler) Run(ctx context.Context) error {
	r.resides = true
	r.beginMetrics()
	if r.opts.Cluster != nil && r.recallMarks(ctx) == nil { // what a source shows from now on is newer
		r.compare(time.Now())
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
	if r.opts.Cluster != nil {
		r.beginOfMany(ctx, &wg)
	}
	defer wg.Wait()
	defer r.workers.Wait()
	timer := time.NewTimer(r.opts.Interval)
	defer timer.Stop()
	for ctx.Err() == nil {
		asked := false
		select {
		case <-ctx.Done():
			return nil
		case <-r.dirty:
			asked = true
		case <-timer.C:
		}
		time.Sleep(gather)
		select {
		case <-r.dirty:
			asked = true
		default:
		}
		timer.Reset(r.turn(ctx, asked))
	}
	return nil
}

// turn runs one pass and returns how long to sleep. Where nobody has asked for it
// what is due to be looked at again is read first, and asks for one then.
func (r *Reconciler) turn(ctx context.Context, asked bool) time.Duration {
	if !asked && r.waiting.IsZero() && r.wakeUp(ctx) {
		return r.sleep()
	}
	began := time.Now()
	defer r.noteHeads(ctx, began)
	if err := r.tracedStep(ctx); err != nil && ctx.Err() == nil {
		r.opts.Logger.Error("pass failed", "error", err)
		r.opts.Metrics.attempted(err)
		r.publish(func(s *Status) {
			r.timeline.add(failedPass(began, err))
			s.Ready = false
			s.fail(err.Error(), began)
		})
		return pauseAfterError
	}
	if !r.desired.ready {
		return r.opts.Interval
	}
	return r.sleep()
}

// sleep returns how long to wait for what time alone brings.
func (r *Reconciler) sleep() time.Duration {
	if !r.waiting.IsZero() {
		return max(leastPause, time.Until(r.waiting.Add(patience)))
	}
	return max(leastPause, r.pace, time.Until(r.nextWake(time.Now())))
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

func (r *Reconciler) fullAsked() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.full
}

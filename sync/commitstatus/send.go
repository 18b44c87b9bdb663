package commitstatus

import (
	"context"
	"errors"
	"time"

	"weir/sync/delivery"
)

// How long is tried, and how often.
const (
	firstPause   = 2 * time.Second // of a host that cannot answer; doubled each time
	mostPause    = 2 * time.Minute
	refusedPause = time.Minute // of a token that is refused; doubled each time
	refusedMost  = 5 * time.Minute
	patience     = 15 * time.Minute // with a host that cannot answer
	longPatience = 2 * time.Hour    // with a token that is refused
)

// pace is how the host has been of late.
type pace struct {
	until  time.Time // nothing is sent before
	fails  int       // in a row
	warned string    // what was warned of last, so that it is said once
}

// run is the sender. It ends when it is closing and nothing waits, or with the
// Reporter's context.
func (r *Reporter) run() {
	defer close(r.done)
	defer r.host.close()
	ended := delivery.Loop(r.ctx, r.wake, func() (func(), time.Duration) {
		j, wait := r.take()
		if j == nil {
			return nil, wait
		}
		return func() { r.settle(j, r.host.send(r.ctx, j.status)) }, 0
	})
	if !ended {
		r.abandon()
	}
}

// take returns the job to do now, or how long to wait for one: 0 without an end,
// -1 where there will be none.
func (r *Reporter) take() (*job, time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	j := r.queue.next()
	switch {
	case j == nil && r.closing:
		return nil, -1
	case j == nil:
		return nil, 0
	}
	now := time.Now()
	due := j.due
	if r.pace.until.After(due) {
		due = r.pace.until
	}
	if wait := due.Sub(now); wait > 0 && !r.closing {
		return nil, wait
	}
	if j.first.IsZero() {
		j.first = now
	}
	r.queue.take(j)
	return j, 0
}

// settle books what became of a try.
func (r *Reporter) settle(j *job, f *fault) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if f == nil {
		r.queue.finish(true)
		r.pace.until, r.pace.fails = time.Time{}, 0
		r.recovered()
		r.opt.Metrics.count(r.opt.Source, sent)
		return
	}
	j.tries++
	r.warn(j, f)
	if r.givesUp(j, f, now) {
		r.queue.finish(false)
		r.lose(j, f)
		return
	}
	r.plan(j, f, now)
	if r.queue.back() {
		r.lose(j, f)
	}
}

func (r *Reporter) givesUp(j *job, f *fault, now time.Time) bool {
	limit := patience
	if f.kind == refused {
		limit = longPatience
	}
	return r.closing || f.kind == final || now.Sub(j.first) >= limit
}

// plan says when a job is tried again. A fault of the host keeps all back, one
// of a commit only that.
func (r *Reporter) plan(j *job, f *fault, now time.Time) {
	n := j.tries
	if !f.ours {
		r.pace.fails++
		n = r.pace.fails
	}
	grow := delivery.Backoff{First: firstPause, Most: mostPause}
	if f.kind == refused {
		grow = delivery.Backoff{First: refusedPause, Most: refusedMost}
	}
	j.due = now.Add(grow.Pause(n, f.after, r.opt.random()))
	if !f.ours {
		r.pace.until = j.due
	}
}

// lose gives a status up.
func (r *Reporter) lose(j *job, f *fault) {
	r.opt.Metrics.count(r.opt.Source, failed)
	if r.closing {
		r.unsent++
	}
	r.log.Debug("a commit status is given up", "commit", j.status.Commit, "tries", j.tries, "error", f.err)
}

// abandon counts what still waits at the end.
func (r *Reporter) abandon() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for range r.queue.waiting {
		r.unsent++
		r.opt.Metrics.count(r.opt.Source, failed)
	}
	r.queue.waiting = nil
}

// warn says what is wrong, once until it is well again or something else is.
func (r *Reporter) warn(j *job, f *fault) {
	if f.err.Error() == r.pace.warned || errors.Is(f.err, context.Canceled) {
		return
	}
	r.pace.warned = f.err.Error()
	log := r.log.With("commit", j.status.Commit, "state", j.status.State.String(), "error", f.err)
	switch f.kind {
	case refused:
		log.Warn("the git host refuses commit statuses, they are tried again slowly")
	case final:
		log.Warn("the git host does not take a commit status")
	default:
		log.Warn("a commit status cannot be reported, it is tried again")
	}
}

func (r *Reporter) recovered() {
	if r.pace.warned != "" {
		r.log.Info("commit statuses are reported again")
	}
	r.pace.warned = ""
}

package reconcile

import (
	"slices"
	"sync/atomic"
	"time"

	"weir/sync/apply"
)

// Run is how far changes of an account are that are being made.
type Run struct {
	Account string
	Plan    string // hash of the plan that they are of
	Began   time.Time
	Total   int
	Done    int // ended, well or not
	Failed  int // of those that have ended
	// Foreseen is how it was to go when it began, nil where that is not known yet.
	Foreseen *apply.Forecast
}

// Left returns how much longer it takes, 0 where that cannot be said.
func (r Run) Left(now time.Time) time.Duration {
	if r.Foreseen == nil {
		return 0
	}
	return r.Foreseen.Left(now.Sub(r.Began), r.Done)
}

// progress is a Run as it goes on.
type progress struct {
	account, plan string
	began         time.Time
	total         atomic.Int64
	done, failed  atomic.Int64
	foreseen      atomic.Pointer[apply.Forecast]
}

func (p *progress) add(res apply.Result) {
	p.done.Add(1)
	if res.Outcome == apply.Failed {
		p.failed.Add(1)
	}
}

func (p *progress) run() Run {
	return Run{p.account, p.plan, p.began, int(p.total.Load()), int(p.done.Load()), int(p.failed.Load()), p.foreseen.Load()}
}

// follows shows how far a lane is until it has ended.
func (r *Reconciler) follows(l *lane, total int) {
	l.progress = &progress{account: l.account, plan: l.plan.Hash, began: time.Now()}
	l.progress.total.Store(int64(total))
	r.began = true
	r.mu.Lock()
	defer r.mu.Unlock()
	r.runs = append(r.runs, l.progress)
}

// followed puts a lane that has ended on the timeline.
func (r *Reconciler) followed(l *lane, rep *apply.Report) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.runs = slices.DeleteFunc(r.runs, func(p *progress) bool { return p == l.progress })
	r.timeline.add(runOf(l, rep))
	r.tellChanged()
}

// Runs returns how far is what is being made, in the order in which it began.
func (r *Reconciler) Runs() []Run {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make([]Run, 0, len(r.runs))
	for _, p := range r.runs {
		out = append(out, p.run())
	}
	return out
}

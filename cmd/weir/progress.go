package main

import (
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"weir/sync/apply"
)

// bar shows how far an apply is; the zero value shows nothing.
type bar struct {
	pool *mpb.Progress
	bar  *mpb.Bar
}

// progress shows on a terminal how far carrying out one's plan is, from when it
// begins until end is called, which may be before.
func (a *app) progress(one *oneShot) (end func()) {
	var shown atomic.Pointer[bar]
	one.begin = func(f apply.Forecast) { shown.Store(a.newBar(f)) }
	one.done = func(r apply.Result) { shown.Load().step(r) }
	return func() { shown.Swap(nil).end() }
}

// newBar begins a bar for what was foreseen, nil without a terminal.
func (a *app) newBar(f apply.Forecast) *bar {
	width := terminal(a.errs)
	if width == 0 || len(f.Ends) == 0 || a.output == "json" {
		return nil
	}
	pool := mpb.New(mpb.WithOutput(a.errs), mpb.WithWidth(min(width, 100)), mpb.WithAutoRefresh())
	began := time.Now()
	left := decor.Any(func(s decor.Statistics) string { return remaining(f, time.Since(began), s) })
	return &bar{pool, pool.AddBar(int64(len(f.Ends)),
		mpb.PrependDecorators(decor.Name("apply "), decor.CountersNoUnit("%d/%d")),
		mpb.AppendDecorators(left),
	)}
}

// remaining says how long the rest takes.
func remaining(f apply.Forecast, passed time.Duration, s decor.Statistics) string {
	if s.Completed {
		return " done"
	}
	return " " + about(f.Left(passed, int(s.Current)).Seconds()) + " left"
}

// step counts a change that was due, and so foreseen.
func (b *bar) step(r apply.Result) {
	idle := len(r.Calls) == 0 && (r.Outcome == apply.Waiting || r.Outcome == apply.Withheld)
	if b != nil && !idle {
		b.bar.Increment()
	}
}

// end leaves the bar as it is.
func (b *bar) end() {
	if b == nil {
		return
	}
	b.bar.Abort(false)
	b.pool.Wait()
}

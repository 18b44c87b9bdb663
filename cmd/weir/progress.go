package main

import (
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"weir/sync/apply"
)

// bar shows how far an apply is; without a terminal it shows nothing.
type bar struct {
	pool *mpb.Progress
	bar  *mpb.Bar
}

// progress begins a bar for n changes that the quotas allow in about price.
func (a *app) progress(n int, price time.Duration) *bar {
	width := terminal(a.errs)
	if width == 0 || n == 0 || a.output == "json" {
		return &bar{}
	}
	pool := mpb.New(mpb.WithOutput(a.errs), mpb.WithWidth(min(width, 100)), mpb.WithAutoRefresh())
	began := time.Now()
	left := decor.Any(func(s decor.Statistics) string { return remaining(s, time.Since(began), price) })
	return &bar{pool, pool.AddBar(int64(n),
		mpb.PrependDecorators(decor.Name("apply "), decor.CountersNoUnit("%d/%d")),
		mpb.AppendDecorators(left),
	)}
}

// remaining says how long the rest takes: by the price at first, by what was
// measured once there is something to measure.
func remaining(s decor.Statistics, passed, price time.Duration) string {
	if s.Completed {
		return " done"
	}
	left := price - passed
	if s.Current > 0 {
		left = max(left, time.Duration(float64(passed)/float64(s.Current)*float64(s.Total-s.Current)))
	}
	return " " + max(left, 0).Round(time.Second).String() + " left"
}

func (b *bar) step(apply.Result) {
	if b.bar != nil {
		b.bar.Increment()
	}
}

func (b *bar) end() {
	if b.bar == nil {
		return
	}
	b.bar.Abort(false)
	b.pool.Wait()
}

package reconcile

import (
	"fmt"
	"runtime"
	"testing"
	"time"
)

// BenchmarkQuietPass is what the loop does where nothing has changed: a look at
// what was touched, which is nothing, and a full pass with its one read.
func BenchmarkQuietPass(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		for _, full := range []bool{false, true} {
			b.Run(fmt.Sprintf("%d full %v", n, full), func(b *testing.B) { quietPass(b, n, full) })
		}
	}
}

func quietPass(b *testing.B, n int, full bool) {
	h := open(&testing.T{})
	h.seed(n)
	h.commit(many(n)...)
	h.rec.feeds[0].arrive(h.source.current, time.Now())
	h.rec.turn(b.Context(), true)
	h.rec.workers.Wait()
	h.rec.turn(b.Context(), true)
	if s := h.rec.Status(); s.Plan.Summary.Unchanged != n {
		b.Fatalf("plan %+v, unread %.300v", s.Plan, s.Unread)
	}
	for range 2 { // what was found as declared is written down, and read back
		if err := h.rec.step(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		if full {
			h.rec.full = true
			h.rec.turn(b.Context(), true)
			h.rec.workers.Wait()
		}
		if err := h.rec.step(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	runtime.GC()
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	b.ReportMetric(float64(mem.HeapInuse)/1e6, "MB-heap")
	runtime.KeepAlive(h)
}

package reconcile

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"weir/sync/plan"
)

// TestCountsGoBackToZero: a state that no resource is in any more, and a kind
// that no resource is of, are zero; what another configuration left is gone.
func TestCountsGoBackToZero(t *testing.T) {
	inTime(t, []change{loose}, func(h *house) {
		g := h.rec.opts.Metrics.resources
		h.stop()
		g.WithLabelValues("before", "K", "in-sync").Set(7)
		h.start()
		value := func(account, kind string, s plan.State) float64 {
			return testutil.ToFloat64(g.WithLabelValues(account, kind, string(s)))
		}
		h.commit("a.yaml", relay, "b.yaml", multiOn)
		h.wait(3 * time.Second)
		if n := value("volc", "RelaySource", plan.InSync); n != 1 {
			t.Errorf("in sync %v", n)
		}
		if n := value("before", "K", plan.InSync); n != 0 {
			t.Errorf("of another configuration %v", n)
		}
		h.commit("b.yaml", multiOn)
		h.wait(time.Minute)
		for _, s := range plan.States() {
			if n := value("volc", "RelaySource", s); n != 0 {
				t.Errorf("%s is %v after the last one left", s, n)
			}
		}
		if n := value("ali", "MultiStream", plan.InSync); n != 1 {
			t.Errorf("the other is %v", n)
		}
	})
}

// TestLeasesAreMetered: the first end of what nothing renews, until it is over or gone.
func TestLeasesAreMetered(t *testing.T) {
	inTime(t, []change{loose}, func(h *house) {
		h.onAir(true, "main")
		ends := func() float64 {
			return testutil.ToFloat64(h.rec.opts.Metrics.leases.WithLabelValues("ali", "RtcPrefetch"))
		}
		h.commit("a.yaml", prefetch)
		h.wait(time.Minute)
		if got := ends(); got != 0 {
			t.Errorf("what is renewed ends at %v", got)
		}
		began := time.Now()
		h.commit("a.yaml", prefetchOnce)
		h.wait(time.Minute)
		if left := ends() - float64(began.Unix()); left <= 0 || left > 601 {
			t.Errorf("what is not renewed ends in %v seconds", left)
		}
		h.wait(15 * time.Minute)
		if got := ends(); got != 0 {
			t.Errorf("what is over ends at %v", got)
		}
	})
}

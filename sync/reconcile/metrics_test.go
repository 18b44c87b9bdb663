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

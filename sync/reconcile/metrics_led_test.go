package reconcile

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"weir/sync/emulator"
)

// TestCluster_CountersAreOfWhoLeads: what happens to an account is counted by its leader
// alone, so that the sum over all members is right, also after another has taken over;
// how its resources are, all of them tell.
func TestCluster_CountersAreOfWhoLeads(t *testing.T) {
	inTown(t, 3, nil, func(t *testing.T, w *town) {
		w.commit("a.yaml", multiOn, "b.yaml", relay)
		w.wait(5 * time.Second)
		drifted := func() (sum float64, each []float64) {
			for _, h := range w.houses {
				n := testutil.ToFloat64(h.rec.opts.Metrics.drift.WithLabelValues("volc", "RelaySource"))
				sum, each = sum+n, append(each, n)
			}
			return sum, each
		}
		spoil := func() {
			w.houses[0].patch(emulator.World{RelaySources: []emulator.RelaySource{{Vhost: "push.example.com", App: "live", Deleted: true}}})
			w.wait(6 * time.Minute)
		}
		spoil()
		if sum, each := drifted(); sum != 1 || each[1] != 1 {
			t.Errorf("one drift of b's account is counted as %v", each)
		}
		w.lead("c", "volc")
		w.wait(time.Second)
		spoil()
		if sum, each := drifted(); sum != 2 || each[2] != 1 {
			t.Errorf("one more of c's is counted as %v", each)
		}
		for i, h := range w.houses {
			if n := testutil.ToFloat64(h.rec.opts.Metrics.resources.WithLabelValues("volc", "RelaySource", "in-sync")); n != 1 {
				t.Errorf("member %d tells of %v resources in sync", i, n)
			}
		}
	})
}

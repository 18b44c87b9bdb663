package reconcile

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"weir/sync/emulator"
	"weir/sync/resource"
)

// TestFailure_D01_EmptySourceIsHeld: a source that declares nothing removes
// nothing, until someone consents to exactly that plan.
func TestFailure_D01_EmptySourceIsHeld(t *testing.T) {
	inTime(t, nil, func(h *house) {
		h.commit("a.yaml", multiOn, "b.yaml", relay)
		h.wait(3 * time.Second)
		h.writes()
		h.commit()
		h.wait(20 * time.Minute)
		h.expectWrites()
		s := h.rec.Status()
		if len(s.Plan.Held) == 0 || s.Plan.Held[0].Guard != "empty-source" || s.Plan.Summary.Delete != 2 {
			t.Errorf("plan %+v", s.Plan)
		}
		if n := testutil.ToFloat64(h.rec.opts.Metrics.refused); n < 2 {
			t.Errorf("weir_removals_refused_total %v", n)
		}
		if n := strings.Count(h.log.String(), "run applied changes"); n == 0 {
			t.Errorf("%d runs say that they applied changes, want the first ones", n)
		}
	})
}

func TestRemovalsUndoWhatWasApplied(t *testing.T) {
	loose := func(_ *house, o *Options) { o.Policy.MaxRemovedPercent = 100 }
	inTime(t, []change{loose}, func(h *house) {
		h.onAir(true, "main")
		h.commit("all.yaml", strings.Join([]string{multiOn, forbid, record, prefetch, relay}, "---\n"))
		h.wait(3 * time.Second)
		h.writes()
		h.commit("other.yaml", strings.ReplaceAll(multiOff, "live.example.com", "live.other.example.com"))
		h.wait(3 * time.Second)
		h.expectWrites()
		h.consent("anna")
		h.wait(time.Minute)
		h.expectWrites("SetLiveDomainMultiStreamConfig off", "ResumeLiveStream bad", "RealTimeRecordCommand stop",
			"DeleteRelaySourceV3")
		h.expectStates(map[string]string{"MultiStream live.other.example.com": "in-sync"})
		h.wait(10 * time.Minute)
		h.expectWrites()
	})
}

// TestFailure_D08_ForeignIsNeverTouched: what the clouds hold and nobody
// declared stays, whatever happens to what is weir's.
func TestFailure_D08_ForeignIsNeverTouched(t *testing.T) {
	inTime(t, nil, func(h *house) {
		h.patch(emulator.World{
			RelaySources: []emulator.RelaySource{{Vhost: "push.example.com", App: "foreign", Groups: []emulator.RelayGroup{
				{Name: "g", Servers: []emulator.RelayServer{{Address: "x.example.org", Protocol: "rtmp"}}},
			}}},
			Blocked: []emulator.Block{{Domain: "push.example.com", App: "live", Stream: "foreign"}},
		})
		h.commit("a.yaml", multiOn, "b.yaml", relay)
		h.wait(3 * time.Second)
		h.commit("a.yaml", multiOn)
		h.wait(10 * time.Minute)
		h.expectWrites("SetLiveDomainMultiStreamConfig on", "UpdateRelaySourceV3",
			"DeleteRelaySourceV3")
		w := h.clouds.World()
		if len(w.RelaySources) != 1 || w.RelaySources[0].App != "foreign" || len(w.Blocked) != 1 {
			t.Errorf("relay sources %+v, blocked %+v", w.RelaySources, w.Blocked)
		}
	})
}

// TestFailure_D09_LostStateRemovesNothing: a daemon that starts without its
// memory owns nothing.
func TestFailure_D09_LostStateRemovesNothing(t *testing.T) {
	inTime(t, nil, func(h *house) {
		h.commit("a.yaml", multiOn, "b.yaml", relay)
		h.wait(3 * time.Second)
		h.writes()
		h.stop()
		if err := h.store.Forget(t.Context(), h.owned()...); err != nil {
			t.Fatal(err)
		}
		h.build()
		h.commit("a.yaml", multiOn)
		h.start()
		h.wait(10 * time.Minute)
		h.expectWrites()
	})
}

func (h *house) owned() []resource.ID {
	records, err := h.store.Applied(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	var ids []resource.ID
	for _, r := range records {
		ids = append(ids, r.ID)
	}
	return ids
}

// TestFailure_D10_EveryDeleteNamesItsApp: Volcengine reads a missing App as the
// whole domain name space.
func TestFailure_D10_EveryDeleteNamesItsApp(t *testing.T) {
	loose := func(_ *house, o *Options) { o.Policy.MaxRemovedPercent = 100 }
	inTime(t, []change{loose}, func(h *house) {
		h.commit("a.yaml", multiOn, "b.yaml", relay)
		h.wait(3 * time.Second)
		h.commit("a.yaml", multiOn)
		h.wait(time.Minute)
		deletes := 0
		for _, c := range h.clouds.Journal() {
			if c.Operation == "DeleteRelaySourceV3" {
				deletes++
				if c.Params["App"] != "live" {
					t.Errorf("delete with %v", c.Params)
				}
			}
		}
		if deletes != 1 {
			t.Errorf("%d deletes, want 1", deletes)
		}
	})
}

// TestFailure_D11_RemovalWaitsForARead: what cannot be read is not removed.
func TestFailure_D11_RemovalWaitsForARead(t *testing.T) {
	inTime(t, nil, func(h *house) {
		h.commit("a.yaml", multiOn, "b.yaml", relay)
		h.wait(3 * time.Second)
		h.writes()
		h.faults(emulator.Fault{Operation: "DescribeRelaySourceV3", Kind: "error", Code: "RequestForbidden", Status: 403})
		h.wait(6 * time.Minute)
		h.commit("a.yaml", multiOn)
		h.wait(6 * time.Minute)
		h.expectWrites()
		h.expectStates(map[string]string{"MultiStream live.example.com": "in-sync", "RelaySource push.example.com/live": "unknown"})
		h.faults()
		h.wait(6 * time.Minute)
		h.expectWrites("DeleteRelaySourceV3")
	})
}

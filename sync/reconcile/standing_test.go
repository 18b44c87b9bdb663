package reconcile

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"weir/sync/call"
	"weir/sync/emulator"
	"weir/sync/state"
)

// busyStore takes its time to say what was written, while it is told to: so long
// does a pass take.
type busyStore struct {
	state.Store
	busy atomic.Bool
}

func (s *busyStore) Changes(ctx context.Context, since state.Cursor) (state.Changes, error) {
	if s.busy.Load() {
		time.Sleep(5 * time.Second)
	}
	return s.Store.Changes(ctx, since)
}

// TestFailure_D12_NewsStopTheRemovalInTheQueue: a removal that waits for quota is not
// sent once its source has said something new, however long the pass takes that
// looks at it.
func TestFailure_D12_NewsStopTheRemovalInTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t)
		store := &busyStore{Store: h.store}
		h.store, h.share = store, 0.1
		h.limiters = call.Limiters{}
		h.build(func(_ *house, o *Options) { o.Policy.MaxRemoved, o.Policy.MaxRemovedPercent = 50, 100 })
		h.start()
		defer func() { h.stop() }()
		whole := relaysTo(10, "a.example.net")
		h.commit("a.yaml", whole)
		h.wait(time.Minute)
		h.writes()
		h.commit("a.yaml", strings.SplitN(whole, "---\n", 2)[0])
		for h.count("DeleteRelaySourceV3") == 0 {
			h.wait(50 * time.Millisecond)
		}
		store.busy.Store(true)
		h.commit("a.yaml", whole)
		h.wait(10 * time.Millisecond)
		before := h.count("DeleteRelaySourceV3")
		h.wait(4 * time.Second)
		if n := h.count("DeleteRelaySourceV3") - before; n > 0 {
			t.Errorf("%d more were removed after all were declared again", n)
		}
		store.busy.Store(false)
		h.wait(time.Minute)
		if n := len(h.clouds.World().RelaySources); n != 10 {
			t.Errorf("the cloud holds %d of 10", n)
		}
	})
}

// TestObservations_NotOfUnknownEnds: what was read before a call of which nobody knows
// what it did is offered to nobody.
func TestObservations_NotOfUnknownEnds(t *testing.T) {
	inTime(t, nil, func(h *house) {
		h.commit("a.yaml", multiOff)
		h.wait(time.Minute)
		h.commit("a.yaml", multiOn)
		h.wait(4 * time.Minute)
		slow := emulator.Fault{Operation: "SetLiveDomainMultiStreamConfig", Kind: "latency", Delay: emulator.Duration(time.Second)}
		lost := emulator.Fault{Operation: "SetLiveDomainMultiStreamConfig", Kind: "lost-response"}
		h.faults(slow, lost)
		h.commit("a.yaml", multiOff)
		h.wait(500 * time.Millisecond)
		h.faults(slow, lost, emulator.Fault{Operation: "DescribeLiveDomainMultiStreamConfig", Kind: "error"})
		for range 20 {
			h.wait(time.Second)
			for o := range h.rec.Observations("ali") {
				holds := map[string]string{"on": "true", "off": "false"}[h.switchNow("live.example.com")]
				if ended := len(h.rec.Status().UnderWay) == 0; ended && o.Unreadable == "" && !strings.Contains(string(o.Spec), holds) {
					t.Fatalf("the switch is %s, and %s is offered", holds, o.Spec)
				}
			}
		}
	})
}

// TestHeldPlanIsTheOneTold: what a guard stops before it has begun is part of the plan
// that people are asked to consent to from the beginning.
func TestHeldPlanIsTheOneTold(t *testing.T) {
	var told []string
	tight := func(h *house, o *Options) {
		h.share, o.Policy.MaxUpdated = 0.1, 7
		o.Held = func(p HeldPlan) { told = append(told, p.Hash) }
	}
	inTime(t, []change{tight}, func(h *house) {
		h.commit("a.yaml", relaysTo(10, "a.example.net"))
		h.wait(3 * time.Minute)
		six := relaysTo(6, "b.example.net")
		rest := strings.SplitN(relaysTo(10, "a.example.net"), "---\n", 7)[6]
		h.commit("a.yaml", six+"---\n"+rest)
		h.wait(2 * time.Second)
		h.commit("a.yaml", relaysTo(10, "b.example.net"))
		h.wait(time.Minute)
		h.expectHeld("updates")
		if now := h.rec.Status().Plan.Hash; len(told) != 1 || told[0] != now {
			t.Errorf("told of %v, and %s is held", told, now)
		}
	})
}

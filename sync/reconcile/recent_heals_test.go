package reconcile

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"weir/sync/emulator"
	"weir/sync/state"
)

// flipMany is what somebody makes of the switches from and to of switchesOff.
func flipMany(from, to int, multi string) emulator.World {
	var w emulator.World
	for i := from; i < to; i++ {
		name := fmt.Sprintf("live.c%04d.example.com", i)
		w.Domains = append(w.Domains, flip(name, multi).Domains...)
	}
	return w
}

// TestFailure_D03_DriftInPortions: what somebody changed in the console at one
// time, and the scrub finds one by one, is held as it would be if it were found at
// once. Who consents gets all of it, and what is found an hour later is another
// matter.
func TestFailure_D03_DriftInPortions(t *testing.T) {
	inTime(t, []change{loose}, func(h *house) {
		h.commit("a.yaml", switchesOff(400))
		h.wait(5 * time.Minute)
		h.writes()
		h.patch(flipMany(0, 200, "on"))
		h.wait(10 * time.Minute)
		if n := len(h.writes()); n != 50 {
			t.Errorf("%d switches were put back, want no more than policy.maxUpdates, 50", n)
		}
		h.expectHeld("updates")
		held := h.rec.Status().Plan
		if held.Summary.Update != 150 || !strings.Contains(held.Held[0].Message, "150 updates after 50 put back within the last hour") {
			t.Errorf("held %+v", held)
		}
		h.wait(10 * time.Minute)
		h.expectWrites() // time alone does not let it through
		h.consent("anna")
		h.wait(5 * time.Minute)
		if n := len(h.writes()); n != 150 {
			t.Errorf("%d switches were put back after the consent, want 150", n)
		}
		h.wait(time.Hour)
		h.patch(flipMany(300, 310, "on"))
		h.wait(10 * time.Minute)
		if n := len(h.writes()); n != 10 {
			t.Errorf("%d switches were put back an hour later, want 10", n)
		}
	})
}

// TestRecentHealsAreNoEdits: an edit is not held for what drifted before it.
func TestRecentHealsAreNoEdits(t *testing.T) {
	inTime(t, []change{loose}, func(h *house) {
		h.commit("a.yaml", switchesOff(100))
		h.wait(5 * time.Minute)
		h.patch(flipMany(0, 45, "on"))
		h.wait(10 * time.Minute)
		if n := len(h.writes()); n != 45 {
			t.Fatalf("%d switches were put back, want 45", n)
		}
		edited := switchesOff(100)
		for i := 50; i < 70; i++ {
			name := fmt.Sprintf("live.c%04d.example.com, enabled: ", i)
			edited = strings.Replace(edited, name+"false", name+"true", 1)
		}
		h.commit("a.yaml", edited)
		h.wait(time.Minute)
		if n := len(h.writes()); n != 20 {
			t.Errorf("%d switches were edited, want 20", n)
		}
		entries, err := h.store.Journal(context.Background(), state.Query{Writes: true, Action: "update"})
		if err != nil || len(entries) < 45 {
			t.Errorf("%d updates are in the journal, %v", len(entries), err)
		}
	})
}

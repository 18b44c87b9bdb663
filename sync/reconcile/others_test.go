package reconcile

import (
	"strings"
	"testing"
	"time"

	"weir/sync/cluster"
	"weir/sync/emulator"
)

// listen keeps the verdicts that a member finds, and those that it is the one to tell.
func listen(w *town, i int, found, told *[]Verdict) change {
	return func(_ *house, o *Options) {
		voice := cluster.NewVoice(w.seats[i], 10*time.Second)
		o.Verdict = func(v Verdict) {
			*found = append(*found, v)
			voice.Say(cluster.Sources, func() { *told = append(*told, v) }, func() {})
		}
	}
}

// TestCluster_AVerdictIsOfAllAccounts: who leads the sources alone tells what became of
// a revision, also in accounts that others lead: that it could not be made, and then
// that it was.
func TestCluster_AVerdictIsOfAllAccounts(t *testing.T) {
	inTown(t, 2, []change{loose}, func(t *testing.T, w *town) {
		var found, told [2][]Verdict
		for i, h := range w.houses {
			h.stop()
			h.build(loose, w.seats[i].into, listen(w, i, &found[i], &told[i]))
			h.start()
		}
		b := w.houses[1]
		w.commit("a.yaml", multiOn)
		w.wait(20 * time.Second)
		told = [2][]Verdict{}
		b.faults(emulator.Fault{Operation: "UpdateRelaySourceV3", Kind: "error", Code: "InvalidParameter", Status: 400})
		w.commit("a.yaml", multiOn, "b.yaml", relay)
		w.wait(20 * time.Second)
		if n := len(told[0]); n == 0 || told[0][n-1].Outcome != Unmade || !strings.Contains(told[0][n-1].Text, "RelaySource/push.example.com/live") {
			t.Fatalf("told %+v", told[0])
		}
		b.faults()
		w.wait(5 * time.Minute)
		last := told[0][len(told[0])-1]
		if last.Outcome != Applied || last.Done != 1 || last.Failed != 0 || last.Summary.Create != 1 {
			t.Errorf("told last %+v", last)
		}
		if len(told[1]) > 0 || len(found[1]) == 0 {
			t.Errorf("b has told %+v of %d that it found", told[1], len(found[1]))
		}
	})
}

// TestCluster_WhatAnotherToldIsNotToldAgain: after the one that told it has died, another
// tells what is new alone.
func TestCluster_WhatAnotherToldIsNotToldAgain(t *testing.T) {
	inTown(t, 2, []change{loose}, func(t *testing.T, w *town) {
		var found, told [2][]Verdict
		for i, h := range w.houses {
			h.stop()
			h.build(loose, w.seats[i].into, listen(w, i, &found[i], &told[i]))
			h.start()
		}
		a, b := w.houses[0], w.houses[1]
		w.commit("a.yaml", multiOn, "b.yaml", "kind: Nonsense\n")
		w.wait(2 * time.Minute)
		if len(told[0]) != 1 || told[0][0].Outcome != Rejected || len(told[1]) > 0 {
			t.Fatalf("told %+v and %+v", told[0], told[1])
		}
		a.stop()
		defer a.start()
		w.leave("a")
		w.lead("b", "ali", cluster.Sources)
		w.wait(2 * time.Minute)
		if len(told[1]) > 0 {
			t.Errorf("told again: %+v", told[1])
		}
		b.commit("a.yaml", multiOn)
		w.wait(time.Minute)
		if len(told[1]) != 1 || told[1][0].Outcome != Applied {
			t.Errorf("told %+v", told[1])
		}
	})
}

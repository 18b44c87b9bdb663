package reconcile

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"weir/sync/emulator"
)

const switchOf = "MultiStream live.example.com"

// switchNow returns what the cloud holds of the dual-stream switch of a domain.
func (h *house) switchNow(domain string) string {
	for _, d := range h.clouds.World().Domains {
		if d.Name == domain {
			return d.MultiStream
		}
	}
	return ""
}

// slowWrites lets the calls that set the dual-stream switch take their time.
func (h *house) slowWrites(d time.Duration) {
	h.t.Helper()
	h.faults(emulator.Fault{Operation: "SetLiveDomainMultiStreamConfig", Kind: "latency", Delay: emulator.Duration(d)})
}

// TestOvertaken_AppliedIsSaidWhenItIs: a revision that arrives while a write of the
// one before it is under way is not called applied before its own write is made.
func TestOvertaken_AppliedIsSaidWhenItIs(t *testing.T) {
	var early []string
	var h *house
	watch := func(in *house, o *Options) {
		h = in
		o.Verdict = func(v Verdict) {
			declared := "off"
			if set, ok := o.Feeds[0].Source.(*tree); ok && strings.Contains(string(set.current.Files[0].Data), "enabled: true") {
				declared = "on"
			}
			if cloud := h.switchNow("live.example.com"); v.Outcome == Applied && v.Revision == h.source.current.Revision && cloud != "" && cloud != declared {
				early = append(early, fmt.Sprintf("%s applied while the switch is %q, declared %q", v.Revision, cloud, declared))
			}
		}
	}
	inTime(t, []change{watch}, func(h *house) {
		h.commit("a.yaml", multiOn)
		h.wait(3 * time.Minute)
		h.commit("a.yaml", multiOff)
		h.wait(3 * time.Minute)
		h.slowWrites(2 * time.Second)
		h.commit("a.yaml", multiOn)
		h.wait(time.Second)
		h.commit("a.yaml", multiOff+"# back\n")
		h.wait(3 * time.Minute)
		if len(early) > 0 {
			t.Error(strings.Join(early, "\n"))
		}
		if got := h.switchNow("live.example.com"); got != "off" {
			t.Errorf("the switch is %q in the end", got)
		}
	})
}

// TestOvertaken_UnknownEnd: what a call may have done that has no answer is read
// again before the way back counts as made.
func TestOvertaken_UnknownEnd(t *testing.T) {
	reported := func(_ *house, o *Options) { o.Policy.HealDrift = false }
	inTime(t, []change{reported}, func(h *house) {
		h.commit("a.yaml", multiOff)
		h.wait(3 * time.Minute)
		h.faults(
			emulator.Fault{Operation: "SetLiveDomainMultiStreamConfig", Kind: "latency", Delay: emulator.Duration(2 * time.Second), Count: 1},
			emulator.Fault{Operation: "SetLiveDomainMultiStreamConfig", Kind: "lost-response"},
		)
		h.commit("a.yaml", multiOn)
		h.wait(time.Second)
		h.commit("a.yaml", multiOff+"# back\n")
		h.wait(500 * time.Millisecond)
		h.faults(
			emulator.Fault{Operation: "SetLiveDomainMultiStreamConfig", Kind: "latency", Delay: emulator.Duration(time.Second), Count: 1},
			emulator.Fault{Operation: "SetLiveDomainMultiStreamConfig", Kind: "lost-response"},
			emulator.Fault{Operation: "DescribeLiveDomainMultiStreamConfig", Kind: "error", Count: 6},
		)
		for range 30 {
			h.wait(time.Second)
			if cloud, state := h.switchNow("live.example.com"), h.states()[switchOf]; cloud == "on" && state == "in-sync" {
				t.Fatalf("the switch is %q and called %q", cloud, state)
			}
		}
	})
}

// TestFailure_D12_RenameInTwoRevisions: what is declared anew in one revision shows
// before what the next one leaves out is removed.
func TestFailure_D12_RenameInTwoRevisions(t *testing.T) {
	inTime(t, []change{crowd}, func(h *house) {
		h.commit("a.yaml", relayFor("old", "a.example.net"))
		h.wait(3 * time.Minute)
		h.faults(emulator.Fault{Operation: "DescribeRelaySourceV3", Kind: "stale-read", Delay: emulator.Duration(10 * time.Second)})
		h.writes()
		h.commit("a.yaml", relayFor("old", "a.example.net"), "b.yaml", relayFor("new", "a.example.net"))
		for h.count("UpdateRelaySourceV3") == 0 {
			h.wait(10 * time.Millisecond)
		}
		made := time.Now()
		h.commit("b.yaml", relayFor("new", "a.example.net"))
		for h.count("DeleteRelaySourceV3") == 0 && time.Since(made) < 3*time.Minute {
			h.wait(100 * time.Millisecond)
		}
		if after := time.Since(made); after < 10*time.Second || after > 2*time.Minute {
			t.Errorf("the old one was removed %s after the new one was made, which shows after 10s", after)
		}
	})
}

// TestFailure_D03_EditsInPortions: what one revision changes is one mass, though a
// process that begins reads one account long before the other.
func TestFailure_D03_EditsInPortions(t *testing.T) {
	few := func(_ *house, o *Options) { o.Policy.MaxUpdated = 5 }
	inTime(t, []change{few}, func(h *house) {
		h.commit("a.yaml", manySwitches(4, true), "b.yaml", relaysTo(4, "a.example.net"))
		h.wait(3 * time.Minute)
		h.stop()
		h.writes()
		h.commit("a.yaml", manySwitches(4, false), "b.yaml", relaysTo(4, "b.example.net"))
		h.faults(emulator.Fault{Operation: "DescribeRelaySourceV3", Kind: "latency", Delay: emulator.Duration(6 * time.Second)})
		h.build(few)
		h.start()
		h.wait(3 * time.Minute)
		if n := len(h.writes()); n > 5 {
			t.Errorf("%d updates of one revision were made, and five need no consent", n)
		}
		h.expectHeld("updates")
		h.consent("anna")
		h.wait(3 * time.Minute)
		if n := len(h.writes()); n != 4 {
			t.Errorf("%d updates were made after the consent, want 4", n)
		}
		h.commit("a.yaml", manySwitches(4, true), "b.yaml", relaysTo(4, "b.example.net"))
		h.wait(3 * time.Minute)
		if n := len(h.writes()); n != 4 {
			t.Errorf("%d updates of the next revision were made, want 4", n)
		}
	})
}

// TestScrubWaitsForNoOtherAccount: drift of an account is found and put back while
// the first scan of another one goes on.
func TestScrubWaitsForNoOtherAccount(t *testing.T) {
	inTime(t, []change{crowd, func(h *house, _ *Options) { h.share = 0.02 }}, func(h *house) {
		h.commit("a.yaml", switchesOff(2000), "b.yaml", relay)
		h.wait(2 * time.Minute)
		h.writes()
		h.patch(emulator.World{RelaySources: []emulator.RelaySource{{Vhost: "push.example.com", App: "live", Deleted: true}}})
		h.wait(6 * time.Minute)
		if h.rec.Status().Ready {
			t.Fatal("the first scan has ended")
		}
		if n := h.count("UpdateRelaySourceV3"); n == 0 {
			t.Error("the drift was not put back")
		}
	})
}

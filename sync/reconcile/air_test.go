package reconcile

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"weir/sync/emulator"
)

// TestFailure_D07_RelaySourceOnAir: a relay source from which a stream is pulled
// stays, whoever removed it, until it is off air or somebody consents; one that
// is off air goes without a word, and so does one whose streams are pushed.
func TestFailure_D07_RelaySourceOnAir(t *testing.T) {
	inTime(t, []change{loose}, func(h *house) {
		h.commit("a.yaml", multiOn, "live.yaml", relay, "idle.yaml", relayOf("idle"), "pushed.yaml", relayOf("pushed"))
		h.play(true, "live", "relay")
		h.play(true, "pushed", "push")
		h.wait(3 * time.Second)
		h.writes()
		h.commit("a.yaml", multiOn, "live.yaml", relay)
		h.wait(3 * time.Second)
		h.expectWrites("DeleteRelaySourceV3", "DeleteRelaySourceV3")
		h.commit("a.yaml", multiOn)
		h.wait(10 * time.Minute)
		h.expectWrites()
		h.expectHeld("on-air")
		h.play(false, "live", "relay")
		h.wait(time.Minute)
		h.expectWrites("DeleteRelaySourceV3")
		h.expectHeld()
	})
}

// TestFailure_D07_UnreadableCountsAsOnAir: nobody knows, so nothing is removed.
func TestFailure_D07_UnreadableCountsAsOnAir(t *testing.T) {
	inTime(t, []change{loose}, func(h *house) {
		h.commit("a.yaml", multiOn, "b.yaml", relay)
		h.wait(3 * time.Second)
		h.writes()
		h.faults(emulator.Fault{Operation: "DescribeLiveStreamInfoByPage", Kind: "error", Code: "RequestForbidden", Status: 403})
		h.commit("a.yaml", multiOn)
		h.wait(10 * time.Minute)
		h.expectWrites()
		h.expectHeld("on-air")
		if held := h.rec.Status().Plan.Held; !strings.Contains(held[0].Message, "cannot be read") {
			t.Errorf("held %+v", held)
		}
		h.faults()
		h.wait(2 * time.Minute)
		h.expectWrites("DeleteRelaySourceV3")
	})
}

// TestFailure_D07_OnlyInterruptionsAreAskedAbout: reading costs quota, so what
// takes nothing away leads to no question.
func TestFailure_D07_OnlyInterruptionsAreAskedAbout(t *testing.T) {
	inTime(t, []change{loose}, func(h *house) {
		h.commit("a.yaml", multiOn, "b.yaml", relay, "c.yaml", forbid)
		h.wait(3 * time.Second)
		h.commit("a.yaml", multiOn, "b.yaml", relayShort)
		h.wait(20 * time.Minute)
		for _, c := range h.clouds.Journal() {
			if c.Operation == "DescribeLiveStreamInfoByPage" || c.Operation == "DescribeLiveStreamsOnlineList" {
				t.Fatalf("%s was called at %s", c.Operation, c.Time)
			}
		}
		h.expectStates(map[string]string{"MultiStream live.example.com": "in-sync", "RelaySource push.example.com/live": "in-sync"})
	})
}

// TestFailure_D07_SwitchOffWhileOnAir: the dual-stream switch is turned off, by
// an edit too, only while nothing is pushed.
func TestFailure_D07_SwitchOffWhileOnAir(t *testing.T) {
	inTime(t, []change{loose}, func(h *house) {
		h.onAir(true, "main")
		h.commit("a.yaml", multiOn)
		h.wait(3 * time.Second)
		h.writes()
		h.commit("a.yaml", multiOff)
		h.wait(time.Minute)
		h.expectWrites()
		h.expectHeld("on-air")
		h.onAir(false, "main")
		h.wait(time.Minute)
		h.expectWrites("SetLiveDomainMultiStreamConfig off")
	})
}

// TestFailure_D07_OnAirWhileItQueues: what goes on air after the plan was made is
// not interrupted either.
func TestFailure_D07_OnAirWhileItQueues(t *testing.T) {
	inTime(t, []change{loose, func(_ *house, o *Options) { o.Policy.MaxRemoved = 1000 }}, func(h *house) {
		files := []string{"a.yaml", multiOn}
		for i := range 200 {
			files = append(files, fmt.Sprintf("r%d.yaml", i), relayOf(fmt.Sprint("app", i)))
		}
		h.commit(files...)
		h.wait(time.Minute)
		h.writes()
		h.commit("a.yaml", multiOn)
		h.wait(2 * time.Second) // nine a second are removed, by name
		h.play(true, "app99", "relay")
		h.wait(time.Minute)
		if left := h.clouds.World().RelaySources; len(left) != 1 || left[0].App != "app99" {
			t.Errorf("%d are left", len(left))
		}
		h.expectHeld("on-air")
	})
}

// TestFailure_D07_VeryManyAreAskedAboutLast: a plan that is held anyway and would
// interrupt very much does not take the quota of the account at each pass. Each
// removal asks before its call, whatever was consented to.
func TestFailure_D07_VeryManyAreAskedAboutLast(t *testing.T) {
	inTime(t, []change{loose}, func(h *house) {
		var files []string
		for i := range 210 {
			files = append(files, fmt.Sprintf("r%d.yaml", i), relayOf(fmt.Sprint("app", i)))
		}
		h.commit(files...)
		h.wait(time.Minute)
		h.clouds.ClearJournal()
		h.commit()
		h.wait(20 * time.Minute)
		for _, c := range h.clouds.Journal() {
			if c.Operation == "DescribeLiveStreamInfoByPage" {
				t.Fatal("a plan that is held anyway asked what is on air")
			}
		}
		h.expectHeld("empty-source", "removals")
		h.play(true, "app7", "relay")
		h.consent("anna")
		h.wait(2 * time.Minute)
		if left := h.clouds.World().RelaySources; len(left) != 1 || left[0].App != "app7" {
			t.Errorf("%d are left", len(left))
		}
		h.expectHeld("empty-source", "on-air")
	})
}

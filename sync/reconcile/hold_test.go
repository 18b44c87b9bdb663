package reconcile

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"weir/sync/emulator"
	"weir/sync/plan"
	"weir/sync/state"
)

// consent writes that somebody consents to the plan that is held, and has the
// loop look.
func (h *house) consent(by string) string {
	h.t.Helper()
	s := h.rec.Status()
	if len(s.Plan.Held) == 0 {
		h.t.Fatalf("no plan is held: %+v", s.Plan)
	}
	now := time.Now()
	c := state.Consent{Plan: s.Plan.Hash, Given: now, Expires: now.Add(15 * time.Minute), By: by}
	if err := h.store.Consent(h.t.Context(), c); err != nil {
		h.t.Fatal(err)
	}
	h.rec.MarkDirty()
	return s.Plan.Hash
}

// expectHeld fails unless exactly these guards hold the plan.
func (h *house) expectHeld(guards ...string) {
	h.t.Helper()
	var held []string
	for _, g := range h.rec.Status().Plan.Held {
		held = append(held, g.Guard)
	}
	if got, want := strings.Join(held, " "), strings.Join(guards, " "); got != want {
		h.t.Errorf("held by %q, want %q", got, want)
	}
}

// TestFailure_D13_PolicyChangedToSync: the first plan under sync that removes
// something is held whole, however little that is.
func TestFailure_D13_PolicyChangedToSync(t *testing.T) {
	upsert := func(_ *house, o *Options) { o.Policy.Mode = plan.Upsert }
	inTime(t, []change{upsert}, func(h *house) {
		h.commit("a.yaml", multiOn, "b.yaml", relay, "c.yaml", forbid)
		h.wait(3 * time.Second)
		h.commit("a.yaml", multiOn, "b.yaml", relay)
		h.wait(6 * time.Minute)
		h.expectHeld()
		h.stop()
		h.writes()
		h.build(loose)
		h.start()
		h.wait(20 * time.Minute)
		h.expectWrites()
		h.expectHeld("policy-to-sync")
		h.consent("anna")
		h.wait(3 * time.Second)
		h.expectWrites("ResumeLiveStream bad")
		h.commit("a.yaml", multiOn)
		h.wait(3 * time.Second)
		h.expectWrites("DeleteRelaySourceV3") // the second is like any other
	})
}

// TestFailure_P16_FirstPassAfterAnUpgrade: a state of a version that kept neither
// the mode nor the former revision is gone on with: nothing is called again, held
// or removed, and then what leaves the source goes as ever.
func TestFailure_P16_FirstPassAfterAnUpgrade(t *testing.T) {
	follows := func(_ *house, o *Options) { o.Feeds[0].Follows = "live" }
	inTime(t, []change{loose, follows}, func(h *house) {
		h.onAir(true, "main")
		h.commit("a.yaml", multiOn, "b.yaml", relay, "c.yaml", forbid, "d.yaml", record, "e.yaml", prefetch)
		h.wait(time.Minute)
		h.stop()
		h.writes()
		for source, role := range map[string]state.Role{state.PolicySource: state.Mode, "live": state.Former} {
			if err := h.store.SetMark(h.t.Context(), state.Mark{Source: source, Role: role}); err != nil {
				h.t.Fatal(err)
			}
		}
		h.build(loose, follows)
		h.start()
		h.wait(6 * time.Minute)
		h.expectWrites()
		h.expectHeld()
		h.commit("a.yaml", multiOn, "b.yaml", relay, "d.yaml", record, "e.yaml", prefetch)
		h.wait(3 * time.Second)
		h.expectWrites("ResumeLiveStream bad")
	})
}

// TestFailure_D13_NothingToRemoveSettlesIt: a mode of sync that finds nothing to
// remove is no news any more.
func TestFailure_D13_NothingToRemoveSettlesIt(t *testing.T) {
	upsert := func(_ *house, o *Options) { o.Policy.Mode = plan.Upsert }
	inTime(t, []change{upsert}, func(h *house) {
		h.commit("a.yaml", multiOn, "b.yaml", relay)
		h.wait(3 * time.Second)
		h.stop()
		h.writes()
		h.build(loose)
		h.start()
		h.wait(6 * time.Minute)
		h.commit("a.yaml", multiOn)
		h.wait(3 * time.Second)
		h.expectWrites("DeleteRelaySourceV3")
	})
}

// TestFailure_D13_OtherConsentSettlesNothing: who lets many updates through has not
// seen what could not be read, and is to be removed.
func TestFailure_D13_OtherConsentSettlesNothing(t *testing.T) {
	upsert := func(_ *house, o *Options) { o.Policy.Mode = plan.Upsert }
	strict := func(_ *house, o *Options) { o.Policy.MaxUpdated = 1 }
	edited := func(app string) string { return strings.Replace(relayOf(app), "a.example.org", "c.example.org", 1) }
	inTime(t, []change{upsert}, func(h *house) {
		h.commit("a.yaml", relayOf("one"), "b.yaml", relayOf("two"), "c.yaml", forbid)
		h.wait(3 * time.Second)
		h.stop()
		h.writes()
		h.faults(emulator.Fault{Operation: "DescribeLiveStreamsBlockList", Kind: "error", Code: "InternalError", Status: 500})
		h.build(loose, strict)
		h.start()
		h.commit("a.yaml", edited("one"), "b.yaml", edited("two"))
		h.wait(6 * time.Minute)
		h.expectHeld("updates")
		h.consent("anna")
		h.wait(3 * time.Second)
		h.expectWrites("UpdateRelaySourceV3", "UpdateRelaySourceV3")
		h.faults()
		h.wait(6 * time.Minute)
		h.expectWrites()
		h.expectHeld("policy-to-sync")
	})
}

// TestFailure_D15_ConsentIsForOnePlan: a new commit makes another plan, for which
// nobody has spoken.
func TestFailure_D15_ConsentIsForOnePlan(t *testing.T) {
	inTime(t, nil, func(h *house) {
		h.commit("a.yaml", multiOn, "b.yaml", relay, "c.yaml", forbid)
		h.wait(3 * time.Second)
		h.writes()
		h.commit()
		h.wait(3 * time.Second)
		given := h.rec.Status().Plan.Hash
		h.commit("a.yaml", multiOff)
		h.wait(3 * time.Second)
		if now := time.Now(); h.store.Consent(t.Context(), state.Consent{Plan: given, Given: now, Expires: now.Add(time.Hour)}) != nil {
			t.Fatal("no consent")
		}
		h.wait(20 * time.Minute)
		h.expectWrites()
		h.expectHeld("removals-percent")
	})
}

// TestConsentIsUsedOnce: the same changes coming again are another plan.
func TestConsentIsUsedOnce(t *testing.T) {
	inTime(t, nil, func(h *house) {
		h.commit("a.yaml", multiOn, "b.yaml", relay)
		h.wait(3 * time.Second)
		h.writes()
		h.commit()
		h.wait(3 * time.Second)
		first := h.consent("anna")
		h.wait(3 * time.Second)
		h.expectWrites("SetLiveDomainMultiStreamConfig off", "DeleteRelaySourceV3")
		if !strings.Contains(h.log.String(), "consent_of=anna") {
			t.Error("the log does not name who consented")
		}
		h.commit("a.yaml", multiOn, "b.yaml", relay)
		h.wait(2 * time.Minute)
		h.writes()
		h.commit()
		h.wait(10 * time.Minute)
		h.expectWrites()
		second := h.rec.Status().Plan.Hash
		if second == first {
			t.Errorf("the plan has hash %s twice", first)
		}
		now := time.Now()
		err := h.store.Consent(t.Context(), state.Consent{Plan: first, Given: now, Expires: now.Add(time.Hour)})
		if !errors.Is(err, state.ErrClaimed) {
			t.Errorf("a consent given again: %v", err)
		}
	})
}

// TestConsentRunsOut: fifteen minutes, and it was never given.
func TestConsentRunsOut(t *testing.T) {
	inTime(t, nil, func(h *house) {
		h.commit("a.yaml", multiOn, "b.yaml", relay)
		h.wait(3 * time.Second)
		h.writes()
		h.commit()
		h.wait(3 * time.Second)
		now := time.Now()
		c := state.Consent{Plan: h.rec.Status().Plan.Hash, Given: now.Add(-15 * time.Minute), Expires: now.Add(time.Minute), By: "anna"}
		if err := h.store.Consent(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		h.wait(2 * time.Minute) // no pass within
		h.rec.MarkFull()
		h.wait(10 * time.Minute)
		h.expectWrites()
		h.expectHeld("empty-source", "removals-percent")
	})
}

// TestHeldIsTold: a held plan is told once, is a metric until it is not held, and
// that it is not is told too.
func TestHeldIsTold(t *testing.T) {
	var told []HeldPlan
	tell := func(_ *house, o *Options) { o.Held = func(p HeldPlan) { told = append(told, p) } }
	inTime(t, []change{tell}, func(h *house) {
		held := func(guard string) float64 { return testutil.ToFloat64(h.rec.opts.Metrics.held.WithLabelValues(guard)) }
		h.commit("a.yaml", multiOn, "b.yaml", relay)
		h.wait(3 * time.Second)
		if n := testutil.CollectAndCount(h.rec.opts.Metrics.held); n < 8 {
			t.Errorf("weir_plan_held has %d guards before anything is held", n)
		}
		h.commit()
		h.wait(20 * time.Minute)
		if len(told) != 1 || told[0].Hash != h.rec.Status().Plan.Hash || told[0].Summary.Delete != 2 || told[0].Held[0].Guard != "empty-source" {
			t.Errorf("told %+v", told)
		}
		if held("empty-source") != 1 || held("on-air") != 0 {
			t.Errorf("metrics %v %v", held("empty-source"), held("on-air"))
		}
		h.consent("anna")
		h.wait(time.Minute)
		if held("empty-source") != 0 || len(told) != 2 || !told[1].Over {
			t.Errorf("after the consent: metric %v, told %+v", held("empty-source"), told)
		}
	})
}

// TestWildcardAppNeedsConsent: a stream is let in again in every app at once only
// where somebody has consented, and from then on as a routine.
func TestWildcardAppNeedsConsent(t *testing.T) {
	const every = "apiVersion: aliyun/v1\nkind: StreamIngest\nspec: {domain: push.example.com, app: '*', stream: bad, allowed: true}\n"
	blocked := func(h *house) {
		h.patch(emulator.World{Blocked: []emulator.Block{
			{Domain: "push.example.com", App: "live", Stream: "bad"}, {Domain: "push.example.com", App: "vod", Stream: "bad"},
		}})
	}
	inTime(t, nil, func(h *house) {
		blocked(h)
		h.commit("a.yaml", multiOn, "b.yaml", every)
		h.wait(10 * time.Minute)
		h.expectWrites()
		h.expectHeld("wildcard-app")
		h.consent("anna")
		h.wait(10 * time.Minute)
		h.expectWrites("SetLiveDomainMultiStreamConfig on", "ResumeLiveStream bad")
		blocked(h)
		h.wait(10 * time.Minute)
		h.expectWrites("ResumeLiveStream bad")
	})
	inTime(t, nil, func(h *house) { // what was found as declared is not what somebody consented to
		h.commit("a.yaml", multiOn, "b.yaml", every)
		h.wait(10 * time.Minute)
		h.expectWrites("SetLiveDomainMultiStreamConfig on")
		blocked(h)
		h.wait(10 * time.Minute)
		h.expectWrites()
		h.expectHeld("wildcard-app")
	})
}

// TestRoutineMakesNoOtherPlan: what has to be renewed or begun again while a plan
// is held does not change its hash; it waits like the rest.
func TestRoutineMakesNoOtherPlan(t *testing.T) {
	none := func(_ *house, o *Options) { o.Policy.MaxRemoved = 0 }
	inTime(t, []change{none}, func(h *house) {
		h.onAir(true, "main")
		h.commit("a.yaml", multiOn, "b.yaml", record, "c.yaml", prefetch, "d.yaml", relay)
		h.wait(time.Minute)
		h.writes()
		h.commit("a.yaml", multiOn, "b.yaml", record, "c.yaml", prefetch)
		h.wait(3 * time.Second)
		first := h.rec.Status().Plan.Hash
		h.expectHeld("removals")
		for range 6 {
			h.onAir(false, "main")
			h.wait(2 * time.Minute)
			h.onAir(true, "main")
			h.wait(3 * time.Minute)
			if hash := h.rec.Status().Plan.Hash; hash != first {
				t.Fatalf("hash %s, and %s before", hash, first)
			}
		}
		h.expectWrites()
		h.consent("anna")
		h.wait(time.Minute)
		h.expectWrites("DeleteRelaySourceV3", "RealTimeRecordCommand start",
			"HotLiveRtcStream NO", "HotLiveRtcStream SG")
	})
}

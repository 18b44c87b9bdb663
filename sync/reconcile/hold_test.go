package reconcile

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"weir/sync/emulator"
	"weir/sync/plan"
	"weir/sync/resource"
	"weir/sync/source"
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

// relayOf is a document for another app.
func relayOf(app string) string { return strings.Replace(relay, "app: live", "app: "+app, 1) }

// play puts streams of push.example.com on or off air at Volcengine.
func (h *house) play(online bool, app, source string) {
	h.t.Helper()
	err := h.clouds.SetStreams(emulator.Stream{
		Vhost: "push.example.com", App: app, Stream: "main", Online: online, Source: source,
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

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

// TestHeldIsTold: a held plan is told once, and is a metric until it is not held.
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
		if held("empty-source") != 0 || len(told) != 1 {
			t.Errorf("after the consent: metric %v, told %+v", held("empty-source"), told)
		}
	})
}

// TestFailure_D02_LostInPortions: a source that loses two at a time over an hour
// is stopped as one that loses all at once is.
func TestFailure_D02_LostInPortions(t *testing.T) {
	anyPart := func(_ *house, o *Options) { o.Policy.MaxRemovedPercent = 100 }
	inTime(t, []change{anyPart}, func(h *house) {
		files := func(from int) []string {
			out := []string{"a.yaml", multiOn}
			for i := from; i < 20; i++ {
				out = append(out, fmt.Sprintf("r%02d.yaml", i), relayOf(fmt.Sprint("app", i)))
			}
			return out
		}
		h.commit(files(0)...)
		h.wait(time.Minute)
		h.writes()
		for i := 2; i <= 10; i += 2 {
			h.commit(files(i)...)
			h.wait(10 * time.Minute)
		}
		h.expectWrites("DeleteRelaySourceV3", "DeleteRelaySourceV3", "DeleteRelaySourceV3", "DeleteRelaySourceV3")
		h.expectHeld("removals")
		h.consent("anna")
		h.wait(time.Minute)
		h.writes()
		h.commit(files(11)...) // what somebody consented to does not count
		h.wait(time.Minute)
		h.expectWrites("DeleteRelaySourceV3")
		h.commit(files(12)...)
		h.wait(time.Minute)
		h.expectWrites()
		h.wait(24 * time.Hour)
		h.expectWrites("DeleteRelaySourceV3")
	})
}

// TestFailure_D03_CanaryFails: of many updates the first is made, and where it
// fails none of the others.
func TestFailure_D03_CanaryFails(t *testing.T) {
	inTime(t, nil, func(h *house) {
		files := func(address string) []string {
			var out []string
			for i := range 12 {
				out = append(out, fmt.Sprintf("r%02d.yaml", i), strings.ReplaceAll(relayOf(fmt.Sprint("app", i)), "a.example.org", address))
			}
			return out
		}
		h.commit(files("a.example.org")...)
		h.wait(time.Minute)
		h.writes()
		h.faults(emulator.Fault{Operation: "UpdateRelaySourceV3", Kind: "error", Code: "InvalidParam", Status: 400})
		h.commit(files("b.example.org")...)
		h.wait(4 * time.Second)
		h.expectWrites("UpdateRelaySourceV3: InvalidParam")
		h.wait(10 * time.Minute)
		for _, w := range h.clouds.Journal() {
			if w.Operation == "UpdateRelaySourceV3" && w.Params["App"] != "app0" {
				t.Errorf("%v was updated too", w.Params["App"])
			}
		}
		h.writes()
		h.faults()
		h.wait(10 * time.Minute)
		if n := len(h.writes()); n != 12 {
			t.Errorf("%d updates, want 12", n)
		}
	})
}

// TestFailure_D03_CanaryMustShow: an update that the cloud takes and does not
// show is no reason to go on.
func TestFailure_D03_CanaryMustShow(t *testing.T) {
	inTime(t, nil, func(h *house) {
		files := func(address string) []string {
			var out []string
			for i := range 12 {
				out = append(out, fmt.Sprintf("r%02d.yaml", i), strings.ReplaceAll(relayOf(fmt.Sprint("app", i)), "a.example.org", address))
			}
			return out
		}
		h.commit(files("a.example.org")...)
		h.wait(time.Minute)
		h.writes()
		h.faults(emulator.Fault{Operation: "DescribeRelaySourceV3", Kind: "stale-read", Delay: emulator.Duration(50 * time.Second)})
		h.commit(files("b.example.org")...)
		h.wait(45 * time.Second)
		h.expectWrites("UpdateRelaySourceV3")
		h.faults()
		h.wait(10 * time.Minute)
		if n := len(h.writes()); n != 11 {
			t.Errorf("%d updates, want 11", n)
		}
	})
}

// TestFailure_D05_MovedFile: the same resource in another file is the same.
func TestFailure_D05_MovedFile(t *testing.T) {
	inTime(t, nil, func(h *house) {
		h.commit("a.yaml", multiOn, "b.yaml", relay)
		h.wait(3 * time.Second)
		h.writes()
		h.commit("team/switch.yaml", multiOn, "team/relay.yaml", relay)
		h.wait(20 * time.Minute)
		h.expectWrites()
		records, err := h.store.Applied(t.Context())
		if err != nil || len(records) != 2 || !strings.HasPrefix(records[0].Origin.File, "team/") {
			t.Errorf("records %+v, %v", records, err)
		}
	})
}

// TestFailure_D06_RenameMakesTheNewFirst: a renamed app has its new relay source
// before the old one goes, and keeps it where the new one cannot be made.
func TestFailure_D06_RenameMakesTheNewFirst(t *testing.T) {
	inTime(t, []change{loose}, func(h *house) {
		h.commit("a.yaml", multiOn, "b.yaml", relay)
		h.wait(3 * time.Second)
		h.clouds.ClearJournal()
		h.faults(emulator.Fault{Operation: "UpdateRelaySourceV3", Kind: "error", Code: "InternalError", Status: 500})
		h.commit("a.yaml", multiOn, "b.yaml", relayOf("renamed"))
		h.wait(10 * time.Minute)
		for _, c := range h.clouds.Journal() {
			if c.Operation == "DeleteRelaySourceV3" {
				t.Error("the old one is removed before the new one is made")
			}
		}
		h.faults()
		h.clouds.ClearJournal()
		h.wait(10 * time.Minute)
		var order []string
		for _, c := range h.clouds.Journal() {
			if !strings.HasPrefix(c.Operation, "Describe") {
				order = append(order, c.Operation)
			}
		}
		if got := strings.Join(order, " "); got != "UpdateRelaySourceV3 DeleteRelaySourceV3" {
			t.Errorf("calls %s", got)
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

// TestFailure_D04_OneTeamsSource: a team's source that loses its folder is held,
// though the others declare much more; and what the others change waits too.
func TestFailure_D04_OneTeamsSource(t *testing.T) {
	team := newTree()
	two := func(h *house, o *Options) {
		o.Policy.MaxRemovedPercent = 10
		o.Feeds = append(o.Feeds, Feed{Name: "team", Source: team, Loader: o.Feeds[0].Loader})
	}
	inTime(t, []change{two}, func(h *house) {
		var files []string
		for i := range 30 {
			files = append(files, fmt.Sprintf("r%02d.yaml", i), relayOf(fmt.Sprint("app", i)))
		}
		h.commit(files...)
		team.set(&source.Snapshot{Source: "team", Revision: "t1", Files: []source.File{
			{Path: "b.yaml", Data: []byte(forbid), Hash: "1"},
			{Path: "c.yaml", Data: []byte(multiOn), Hash: "2"},
			{Path: "d.yaml", Data: []byte(strings.ReplaceAll(forbid, "bad", "worse")), Hash: "3"},
		}}, nil)
		h.wait(time.Minute)
		h.writes()
		team.set(&source.Snapshot{Source: "team", Revision: "t2", Files: []source.File{
			{Path: "b.yaml", Data: []byte(forbid), Hash: "1"},
			{Path: "c.yaml", Data: []byte(multiOn), Hash: "2"},
		}}, nil)
		h.wait(10 * time.Minute)
		h.expectWrites()
		h.expectHeld("removals-percent")
		if held := h.rec.Status().Plan.Held; !strings.Contains(held[0].Message, "1 of 3 applied resources of source team") {
			t.Errorf("held %+v", held)
		}
		team.set(&source.Snapshot{Source: "team", Revision: "t3"}, nil)
		h.wait(10 * time.Minute)
		h.expectWrites()
		h.expectHeld("empty-source", "removals-percent")
	})
}

// TestPrefetchIsOnlyForgotten: what the cloud cannot undo is not undone, and the
// plan says so.
func TestPrefetchIsOnlyForgotten(t *testing.T) {
	inTime(t, []change{loose}, func(h *house) {
		h.commit("a.yaml", multiOn, "b.yaml", prefetchOnce)
		h.wait(3 * time.Second)
		h.stop()
		h.writes()
		h.build(loose)
		h.commit("a.yaml", multiOn)
		if _, err := h.rec.Fetch(h.t.Context()); err != nil {
			t.Fatal(err)
		}
		p, err := h.rec.Plan(h.t.Context())
		if err != nil {
			t.Fatal(err)
		}
		c, ok := changeOf(p, resource.ID{Account: "ali", Kind: "RtcPrefetch", Key: "live.example.com/live/main"})
		if !ok || c.Action != plan.Delete || !strings.Contains(c.Note, "cannot be undone in the cloud; only forgotten") {
			t.Errorf("change %+v", c)
		}
		h.start()
		h.wait(6 * time.Minute)
		h.expectWrites()
		if owned := h.owned(); len(owned) != 1 {
			t.Errorf("owned %v", owned)
		}
	})
}

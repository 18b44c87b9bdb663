package reconcile

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"weir/sync/emulator"
	"weir/sync/plan"
	"weir/sync/resource"
	"weir/sync/source"
)

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
		c, ok := p.Find(resource.ID{Account: "ali", Kind: "RtcPrefetch", Key: "live.example.com/live/main"})
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

// TestFailure_D01_WhateverIsLost: with the policy's defaults, a source that says
// nothing, something else, or everything otherwise changes nothing.
func TestFailure_D01_WhateverIsLost(t *testing.T) {
	defaults := func(_ *house, o *Options) {
		o.Policy.MaxRemoved, o.Policy.MaxRemovedPercent, o.Policy.MaxUpdatedPercent = 5, 10, 30
	}
	files := func(from, to int, edit func(string) string) []string {
		var out []string
		for i := from; i < to; i++ {
			out = append(out, fmt.Sprintf("r%02d.yaml", i), edit(relayOf(fmt.Sprint("app", i))))
		}
		return out
	}
	same := func(doc string) string { return doc }
	for name, tc := range map[string]struct {
		now   []string
		guard string
	}{
		"an empty repository":       {nil, "empty-source"},
		"another folder":            {[]string{"other.yaml", multiOn}, "removals"},
		"half of it":                {files(0, 10, same), "removals"},
		"a template that slipped":   {files(0, 20, func(d string) string { return strings.ReplaceAll(d, "a.example.org", "") }), ""},
		"a template that is wrong":  {files(0, 20, func(d string) string { return strings.ReplaceAll(d, "a.example.org", "b.example.org") }), "updates-percent"},
		"every vhost renamed":       {files(0, 20, func(d string) string { return strings.ReplaceAll(d, "push.example.com", "pull.example.com") }), "removals"},
		"a folder in another place": {append([]string{"a.yaml", multiOn}, files(0, 17, same)...), "removals-percent"},
	} {
		t.Run(name, func(t *testing.T) {
			inTime(t, []change{defaults}, func(h *house) {
				h.commit(files(0, 20, same)...)
				h.wait(time.Minute)
				h.writes()
				h.commit(tc.now...)
				h.wait(20 * time.Minute)
				h.expectWrites()
				held := h.rec.Status().Plan.Held
				if tc.guard != "" && !slices.ContainsFunc(held, func(g plan.Hold) bool { return g.Guard == tc.guard }) {
					t.Errorf("held by %+v, want %s", held, tc.guard)
				}
			})
		})
	}
}

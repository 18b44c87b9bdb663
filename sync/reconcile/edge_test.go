package reconcile

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"weir/sync/emulator"
	"weir/sync/plan"
	"weir/sync/resource"
	"weir/sync/source"
)

// loose lets every removal through.
func loose(_ *house, o *Options) { o.Policy.MaxRemovedPercent, o.Policy.MaxRemoved = 100, 100 }

// lag makes reads show what was five seconds ago.
func (h *house) lag() {
	h.t.Helper()
	err := h.clouds.SetSettings(emulator.Settings{Lag: emulator.Duration(5 * time.Second), AcceptExampleDomains: true})
	if err != nil {
		h.t.Fatal(err)
	}
}

// TestRenameKeepsTheOldWhileTheNewCannotBeRead: the old channel is what is on
// air, so it stays until the new one could be made.
func TestRenameKeepsTheOldWhileTheNewCannotBeRead(t *testing.T) {
	inTime(t, []change{loose}, func(h *house) {
		h.commit("a.yaml", relay)
		h.wait(3 * time.Second)
		h.writes()
		h.faults(emulator.Fault{Operation: "DescribeRelaySourceV3", Kind: "error", Code: "AccessDenied", Status: 403})
		h.commit("a.yaml", strings.Replace(relay, "push.example.com", "edge.example.com", 1))
		h.wait(time.Second)
		h.expectWrites()
		h.faults()
		h.wait(5 * time.Minute)
		h.expectWrites("UpdateRelaySourceV3", "DeleteRelaySourceV3")
	})
}

// two builds a house with a second source.
func two(t *testing.T, story func(h *house, other *tree)) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t)
		other := newTree()
		h.build(loose, func(_ *house, o *Options) {
			o.Feeds = append(o.Feeds, Feed{Name: "other", Source: other, Loader: o.Feeds[0].Loader})
		})
		h.start()
		defer func() { h.stop() }()
		story(h, other)
	})
}

// say makes text the second source's only file.
func say(other *tree, revision, text string) {
	snap := &source.Snapshot{Source: "other", Revision: revision}
	if text != "" {
		snap.Files = []source.File{{Path: "o.yaml", Data: []byte(text), Hash: revision}}
	}
	other.set(snap, nil)
}

// TestOneOfTwoSourcesEmpties: that the other declares something says nothing of
// a wrong path.
func TestOneOfTwoSourcesEmpties(t *testing.T) {
	two(t, func(h *house, other *tree) {
		h.commit("a.yaml", multiOn)
		say(other, "1", relay)
		h.wait(3 * time.Second)
		h.writes()
		say(other, "2", "")
		h.wait(10 * time.Minute)
		h.expectWrites()
		if held := h.rec.Status().Plan.Held; len(held) != 1 || held[0].Guard != "empty-source" {
			t.Errorf("held %+v", held)
		}
	})
}

// TestClashOfTwoSources: it is told at both, once, and ends at both.
func TestClashOfTwoSources(t *testing.T) {
	two(t, func(h *house, other *tree) {
		h.commit("a.yaml", multiOn)
		say(other, "1", relay)
		h.wait(3 * time.Second)
		inForce := h.rec.Status().Sources[0].InForce
		say(other, "2", relay+"---\n"+multiOff)
		h.wait(time.Second)
		for i := range 5 {
			h.commit("a.yaml", fmt.Sprintf("# %d\n", i)+multiOn)
			h.wait(3 * time.Second)
		}
		sources := h.rec.Status().Sources
		if len(sources[0].Problems) != 1 || len(sources[1].Problems) != 1 {
			t.Errorf("problems %v and %v", sources[0].Problems, sources[1].Problems)
		}
		if sources[0].InForce != inForce || sources[1].InForce != "1" {
			t.Errorf("in force %s and %s", sources[0].InForce, sources[1].InForce)
		}
		h.commit("b.yaml", forbid)
		h.wait(3 * time.Second)
		for _, s := range h.rec.Status().Sources {
			if len(s.Problems) != 0 || s.InForce != s.Revision {
				t.Errorf("source %+v", s)
			}
		}
		if n := testutil.ToFloat64(h.rec.opts.Metrics.problems.WithLabelValues("other")); n != 0 {
			t.Errorf("weir_manifest_problems %v", n)
		}
	})
}

// TestRefusedRemovalsAreCountedOnce: the loop looks every five seconds, and a
// removal that is refused is one removal.
func TestRefusedRemovalsAreCountedOnce(t *testing.T) {
	inTime(t, nil, func(h *house) {
		h.commit("a.yaml", multiOn, "b.yaml", relay, "c.yaml", record)
		h.wait(3 * time.Second)
		h.commit("c.yaml", record)
		h.wait(20 * time.Minute)
		if n := testutil.ToFloat64(h.rec.opts.Metrics.refused); n != 2 {
			t.Errorf("weir_removals_refused_total %v, want 2", n)
		}
		h.commit("a.yaml", multiOn, "b.yaml", relay, "c.yaml", record)
		h.wait(time.Minute)
		if len(h.rec.refused) != 0 {
			t.Errorf("remembered %v", h.rec.refused)
		}
	})
}

// TestDriftIsOneThroughAFailedRead: what could not be read meanwhile is no new
// drift, and what has left the source is forgotten.
func TestDriftIsOneThroughAFailedRead(t *testing.T) {
	report := func(_ *house, o *Options) { o.Policy.HealDrift = false }
	inTime(t, []change{report, loose}, func(h *house) {
		h.commit("a.yaml", relay, "b.yaml", multiOn)
		h.wait(3 * time.Second)
		h.patch(emulator.World{RelaySources: []emulator.RelaySource{{Vhost: "push.example.com", App: "live", Deleted: true}}})
		h.wait(6 * time.Minute)
		h.faults(emulator.Fault{Operation: "DescribeRelaySourceV3", Kind: "error", Code: "AccessDenied", Status: 403})
		h.wait(6 * time.Minute)
		h.expectStates(map[string]string{"RelaySource push.example.com/live": "unknown", "MultiStream live.example.com": "in-sync"})
		h.faults()
		h.wait(6 * time.Minute)
		h.expectStates(map[string]string{"RelaySource push.example.com/live": "drifted", "MultiStream live.example.com": "in-sync"})
		if n := testutil.ToFloat64(h.rec.opts.Metrics.drift.WithLabelValues("volc", "RelaySource")); n != 1 {
			t.Errorf("weir_drift_detected_total %v, want 1", n)
		}
		h.commit("b.yaml", multiOn)
		h.wait(time.Minute)
		if len(h.rec.drifted) != 0 {
			t.Errorf("remembered %v", h.rec.drifted)
		}
	})
}

// TestEditedBackAfterALostAnswer: what was seen before a call that failed says
// nothing of what it did.
func TestEditedBackAfterALostAnswer(t *testing.T) {
	inTime(t, nil, func(h *house) {
		h.commit("a.yaml", relay)
		h.wait(3 * time.Second)
		h.writes()
		h.faults(emulator.Fault{Operation: "UpdateRelaySourceV3", Kind: "lost-response"},
			emulator.Fault{Operation: "DescribeRelaySourceV3", Kind: "error", Code: "AccessDenied", Status: 403})
		h.commit("a.yaml", relayShort)
		h.until1(func() bool { return len(h.rec.Status().Failures) > 0 })
		h.faults()
		h.writes()
		h.commit("a.yaml", relay)
		h.wait(100 * time.Millisecond)
		h.expectWrites("UpdateRelaySourceV3")
		h.wait(2 * time.Second)
		h.expectStates(map[string]string{"RelaySource push.example.com/live": "in-sync"})
	})
}

// until1 lets virtual time pass until ok, at most five minutes.
func (h *house) until1(ok func() bool) {
	h.t.Helper()
	for range 3000 {
		if ok() {
			return
		}
		h.wait(100 * time.Millisecond)
	}
	h.t.Fatal("never came")
}

// TestEditedBackWithinTheLag: the old state that is seen is not the new one.
func TestEditedBackWithinTheLag(t *testing.T) {
	inTime(t, nil, func(h *house) {
		h.lag()
		h.commit("a.yaml", multiOn)
		h.wait(2 * time.Second)
		h.expectWrites("SetLiveDomainMultiStreamConfig on")
		h.commit("a.yaml", multiOff)
		h.wait(2 * time.Second)
		h.expectWrites("SetLiveDomainMultiStreamConfig off")
		h.wait(10 * time.Minute)
		h.expectWrites()
		h.expectStates(map[string]string{"MultiStream live.example.com": "in-sync"})
	})
}

// TestReturnedWithinTheLag: what was removed and still shows is looked at again
// once the lag is over.
func TestReturnedWithinTheLag(t *testing.T) {
	inTime(t, []change{loose}, func(h *house) {
		h.commit("a.yaml", relay, "b.yaml", multiOn)
		h.wait(time.Minute)
		h.lag()
		h.writes()
		h.commit("b.yaml", multiOn)
		h.wait(time.Second)
		h.expectWrites("DeleteRelaySourceV3")
		h.commit("a.yaml", relay, "b.yaml", multiOn)
		h.wait(70 * time.Second)
		h.expectWrites("UpdateRelaySourceV3")
		h.wait(2 * time.Minute)
		if len(h.rec.unsure) != 0 {
			t.Errorf("remembered %v", h.rec.unsure)
		}
	})
}

// TestAFullPassEndsForOneWhoAsksOften: asking again does not begin it anew.
func TestAFullPassEndsForOneWhoAsksOften(t *testing.T) {
	inTime(t, nil, func(h *house) {
		h.share = 0.1
		var docs []string
		for i := range 300 {
			docs = append(docs, strings.Replace(multiOff, "live.example.com", fmt.Sprintf("live.c%d.example.com", i), 1))
		}
		h.commit("all.yaml", strings.Join(docs, "---\n"))
		for range 300 {
			h.rec.MarkFull()
			h.wait(time.Second)
		}
		first := h.rec.Status().LastFull
		if first.IsZero() {
			t.Fatal("no full pass in five minutes")
		}
		h.wait(5 * time.Minute)
		if last := h.rec.Status().LastFull; !last.After(first) {
			t.Errorf("the one that was asked for last never came")
		}
	})
}

// TestUnreadableIsReadAgainAfterAPause: counted from when the read had failed.
func TestUnreadableIsReadAgainAfterAPause(t *testing.T) {
	h := open(t)
	now := time.Now()
	slow, planned, late := resource.ID{Account: "volc", Kind: "K", Key: "slow"},
		resource.ID{Account: "volc", Kind: "K", Key: "planned"}, resource.ID{Account: "volc", Kind: "K", Key: "late"}
	p := &plan.Plan{}
	for _, id := range []resource.ID{slow, planned, late} {
		p.Changes = append(p.Changes, plan.Change{ID: id, Unread: true})
	}
	h.rec.wake[planned], h.rec.wake[late] = now.Add(time.Second), now.Add(time.Hour)
	h.rec.wakeUnreadable(p, now)
	for id, want := range map[resource.ID]time.Duration{slow: readAgain, planned: time.Second, late: readAgain} {
		if got := h.rec.wake[id].Sub(now); got != want {
			t.Errorf("%s is read again after %v, want %v", id.Key, got, want)
		}
	}
}

// TestPortionsSplitNoVhost: one read serves a whole vhost, however many apps.
func TestPortionsSplitNoVhost(t *testing.T) {
	var list []resource.Resource
	for _, vhost := range []struct {
		name string
		apps int
	}{{"a", observeChunk - 1}, {"b", observeChunk + 5}, {"c", 3}, {"d", 1}} {
		for i := range vhost.apps {
			list = append(list, resource.Resource{ID: resource.ID{Kind: "RelaySource", Key: fmt.Sprint(vhost.name, "/", i)}})
		}
	}
	var sizes []int
	for p := range portions(list, observeChunk) {
		sizes = append(sizes, len(p))
	}
	if want := []int{2*observeChunk + 4, 4}; !slices.Equal(sizes, want) {
		t.Errorf("portions of %v, want %v", sizes, want)
	}
	for range portions(nil, observeChunk) {
		t.Error("a portion of nothing")
	}
}

// TestAnEditWaitsForNoConfirmation: reading back what was just written takes as
// long as the quota wants, and news goes first.
func TestAnEditWaitsForNoConfirmation(t *testing.T) {
	inTime(t, nil, func(h *house) {
		var docs []string
		for i := range 300 {
			docs = append(docs, strings.Replace(multiOn, "live.example.com", fmt.Sprintf("live.c%d.example.com", i), 1))
		}
		all := strings.Join(docs, "---\n")
		h.commit("all.yaml", all)
		written := 0
		h.until1(func() bool { written += len(h.writes()); return written == 300 })
		h.wait(2 * time.Second)
		h.commit("all.yaml", all, "b.yaml", relay)
		h.wait(time.Second)
		h.expectWrites("UpdateRelaySourceV3")
		h.wait(2 * time.Minute)
		h.expectWrites()
		records, _ := h.store.Applied(t.Context())
		for _, rec := range records {
			if !rec.Confirmed {
				t.Errorf("%s was never confirmed", rec.ID)
			}
		}
	})
}

package reconcile

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"weir/sync/apply"
	"weir/sync/emulator"
	"weir/sync/plan"
	"weir/sync/resource"
)

const shownID = "ali/MultiStream/live.example.com"

func (h *house) detail(id string) Detail {
	h.t.Helper()
	parsed, err := resource.ParseID(id)
	if err != nil {
		h.t.Fatal(err)
	}
	d, ok := h.rec.Detail(parsed)
	if !ok {
		h.t.Fatalf("nothing is known of %s", id)
	}
	return d
}

// TestTimelineSaysWhatWasDone: what was begun and made stands for itself, and what
// found nothing new is one, however long it goes on.
func TestTimelineSaysWhatWasDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t)
		h.start()
		defer h.stop()
		h.commit("a.yaml", multiOn)
		h.wait(time.Hour)
		h.commit("a.yaml", strings.Replace(multiOn, "true", "false", 1))
		h.wait(time.Hour)
		var kinds []string
		passes, number := 0, 0
		line := h.rec.Timeline()
		for _, p := range slices.Backward(line) {
			if len(kinds) == 0 || kinds[len(kinds)-1] != p.Kind {
				kinds = append(kinds, p.Kind)
			}
			if passes += p.Passes; p.Number <= number || p.Ended.Before(p.Started) {
				t.Errorf("after %d comes %+v", number, p)
			}
			if number = p.Number; p.Kind == KindRun && p.Results[apply.Done] != 1 {
				t.Errorf("run %+v", p)
			}
		}
		if runs := strings.Count(strings.Join(kinds, " "), KindRun); runs != 2 || kinds[len(kinds)-1] != KindQuiet || len(line) > 20 {
			t.Errorf("%d on the timeline: %v", len(line), kinds)
		}
		if n := h.rec.Status().Passes; passes != n {
			t.Errorf("%d passes on the timeline, %d were made", passes, n)
		}
	})
}

// TestTimelineIsBounded: what was long ago goes.
func TestTimelineIsBounded(t *testing.T) {
	var line timeline
	for i := range 3 * timelineKept {
		line.add(Pass{Kind: []string{KindPass, KindQuiet, KindQuiet}[i%3], Passes: 1})
	}
	if len(line.list) != timelineKept || line.list[0].Number < timelineKept {
		t.Errorf("%d are kept, from %d", len(line.list), line.list[0].Number)
	}
	if last := line.list[timelineKept-1]; last.Kind != KindQuiet || last.Passes != 2 {
		t.Errorf("quiet passes are not one: %+v", last)
	}
}

// TestFailuresAreCountedToTheLast: also those that a status does not list, until they
// succeed; and a change that is tried again has failed all the same.
func TestFailuresAreCountedToTheLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t)
		h.faults(emulator.Fault{Operation: "UpdateRelaySourceV3", Kind: "error", Code: "InvalidParameter", Status: 400})
		h.start()
		defer h.stop()
		const n = failuresShown + 10
		h.commit("a.yaml", relaysTo(n, "a.example.net"), "b.yaml", multiOn)
		h.wait(2 * time.Minute)
		s := h.rec.Shown()
		due := Group{"volc", "RelaySource", plan.Pending}
		if len(s.Failures) != n || s.Failing[due] != n || len(h.rec.Status().Failures) != failuresShown {
			t.Errorf("%d failures, %v, of which %d are listed", len(s.Failures), s.Failing, len(h.rec.Status().Failures))
		}
		for id, f := range s.Failures {
			d := h.detail(id.String())
			if d.Failure == nil || d.Failure.Attempts < 2 || f.Error == "" || d.Failure.Retries.IsZero() {
				t.Fatalf("%s: %+v", id, d.Failure)
			}
		}
		if h.detail(shownID).Failure != nil {
			t.Error("what was applied has failed")
		}
		h.faults()
		h.wait(10 * time.Minute)
		if s := h.rec.Shown(); len(s.Failures)+len(s.Failing) != 0 {
			t.Errorf("after all were made: %v", s.Failing)
		}
	})
}

// TestRunsTellHowFarTheyAre: how many changes are made, and how long the rest takes.
func TestRunsTellHowFarTheyAre(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t)
		h.start()
		defer h.stop()
		h.commit("a.yaml", relaysTo(100, "a.example.net"))
		h.wait(5 * time.Second)
		runs := h.rec.Runs()
		if len(runs) != 1 {
			t.Fatalf("runs %+v", runs)
		}
		r := runs[0]
		if r.Account != "volc" || r.Total != 100 || r.Done < 10 || r.Done > 90 || r.Foreseen == nil {
			t.Errorf("run %+v", r)
		}
		left := r.Left(time.Now())
		if left < time.Second || left > r.Foreseen.Took {
			t.Errorf("%v are left of %v", left, r.Foreseen.Took)
		}
		h.wait(left + 3*time.Second)
		if runs := h.rec.Runs(); len(runs) != 0 {
			t.Errorf("%v later %+v goes on", left, runs)
		}
	})
}

// TestDetailHasThreeSides: of what was declared, applied and read, and since when.
func TestDetailHasThreeSides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t)
		h.start()
		defer h.stop()
		h.commit("a.yaml", multiOn)
		begun := time.Now()
		h.wait(time.Minute)
		h.commit("a.yaml", multiOn+"# another revision\n")
		h.wait(time.Minute)
		d := h.detail(shownID)
		if d.Declared == nil || d.Change.Last == nil || !d.Known || !d.Seen.Exists || !d.Readable {
			t.Fatalf("detail %+v", d)
		}
		if d.Since.Sub(begun) > time.Second || d.Change.Last.At.Sub(begun) > 2*time.Second || d.Seen.At.Before(d.Change.Last.At) {
			t.Errorf("declared %v, applied %v, read %v", d.Since, d.Change.Last.At, d.Seen.At)
		}
		if d.Revision != h.rec.Status().Sources[0].InForce {
			t.Errorf("revision %q", d.Revision)
		}
		h.commit("a.yaml", strings.Replace(multiOn, "true", "false", 1))
		h.wait(time.Minute)
		if again := h.detail(shownID); !again.Since.After(d.Since) {
			t.Errorf("edited since %v", again.Since)
		}
		h.commit("a.yaml", multiOn)
		h.wait(time.Minute)
		h.faults(emulator.Fault{Operation: "SetLiveDomainMultiStreamConfig", Kind: "error", Code: "InvalidParameter", Status: 400})
		h.commit("a.yaml", "# nothing\n")
		h.wait(time.Minute)
		if d := h.detail(shownID); d.Declared != nil || d.Change.Last == nil {
			t.Errorf("of what has left the source %+v", d)
		}
		if _, ok := h.rec.Detail(resource.ID{Account: "ali", Kind: "MultiStream", Key: "no.example.com"}); ok {
			t.Error("something is known of what there is not")
		}
	})
}

// TestChangedIsToldOfEachPass: who waits for news misses none.
func TestChangedIsToldOfEachPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t)
		h.start()
		defer h.stop()
		h.commit("a.yaml", multiOn)
		h.wait(time.Minute)
		changed, plan := h.rec.Changed(), h.rec.Shown().Plan
		h.commit("a.yaml", strings.Replace(multiOn, "true", "false", 1))
		<-changed
		h.wait(time.Second)
		if h.rec.Shown().Plan == plan {
			t.Error("told of a change, and there is none")
		}
	})
}

package reconcile

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	dto "github.com/prometheus/client_model/go"

	"weir/sync/emulator"
	"weir/sync/plan"
)

// timed returns how many edits were timed and how long they took together, and
// how long the oldest one waits.
func (h *house) timed() (edits uint64, took, waits float64) {
	h.t.Helper()
	families, err := h.registry.Gather()
	if err != nil {
		h.t.Fatal(err)
	}
	found := map[string]*dto.Metric{}
	for _, f := range families {
		found[f.GetName()] = f.GetMetric()[0]
	}
	times := found["weir_source_apply_duration_seconds"].GetHistogram()
	return times.GetSampleCount(), times.GetSampleSum(), found["weir_source_unapplied_seconds"].GetGauge().GetValue()
}

// expectTimed checks what was timed; took is bounded on both sides.
func (h *house) expectTimed(edits uint64, least, most time.Duration) {
	h.t.Helper()
	n, took, waits := h.timed()
	if n != edits || took < least.Seconds() || took > most.Seconds() || waits != 0 {
		h.t.Errorf("%d edits in %vs, one waits for %vs; want %d in %v to %v", n, took, waits, edits, least, most)
	}
}

// TestEditsAreTimed: from the arrival of a revision to its last change, for all that
// an edit may be; what a process finds in force when it begins is none.
func TestEditsAreTimed(t *testing.T) {
	inTime(t, []change{loose}, func(h *house) {
		h.commit("all.yaml", strings.Join([]string{multiOn, forbid, record, prefetch, relay}, "---\n"))
		h.wait(time.Minute)
		h.expectTimed(0, 0, 0)
		for i, text := range []string{
			strings.Join([]string{multiOff, forbid, record, prefetch, relay}, "---\n"),   // an update
			strings.Join([]string{multiOff, forbid, stopped, prefetch, relay}, "---\n"),  // of what waits
			strings.Join([]string{multiOff, stopped, prefetch, relay}, "---\n"),          // a removal
			strings.Join([]string{multiOff, stopped, prefetch, relay, forbid}, "---\n"),  // something new
			strings.Join([]string{"# \n" + multiOff, stopped, prefetch, relay}, "---\n"), // a removal and a comment
		} {
			h.commit("all.yaml", text)
			h.wait(time.Minute)
			h.expectTimed(uint64(i)+1, time.Millisecond, time.Duration(i+1)*5*time.Second)
		}
		h.commit("all.yaml", "# nothing else\n"+strings.Join([]string{multiOff, stopped, prefetch, relay}, "---\n"))
		h.wait(time.Minute)
		h.expectTimed(5, time.Millisecond, 25*time.Second)
	})
}

// TestEditThatFailsWaits: while its calls fail it is seen to wait, a push of
// something else does not hide that, and its time is that of all its tries.
func TestEditThatFailsWaits(t *testing.T) {
	inTime(t, []change{loose}, func(h *house) {
		h.commit("a.yaml", multiOn, "b.yaml", forbid)
		h.wait(time.Minute)
		h.faults(emulator.Fault{Operation: "SetLiveDomainMultiStreamConfig", Kind: "error", Status: 503, Code: "ServiceUnavailable"})
		h.commit("a.yaml", multiOff, "b.yaml", forbid)
		h.wait(5 * time.Minute)
		h.commit("a.yaml", multiOff)
		h.wait(5 * time.Minute)
		if n, _, waits := h.timed(); n != 0 || waits < 590 || waits > 610 {
			t.Errorf("%d timed, waits for %vs", n, waits)
		}
		h.faults()
		h.wait(10 * time.Minute)
		h.expectTimed(1, 10*time.Minute, 16*time.Minute)
	})
}

// TestEditThatIsHeldIsNotTimed: a person's time is not weir's.
func TestEditThatIsHeldIsNotTimed(t *testing.T) {
	inTime(t, []change{func(_ *house, o *Options) { o.Policy.MaxRemoved = 0; o.Policy.MaxRemovedPercent = 0 }}, func(h *house) {
		h.commit("a.yaml", multiOn, "b.yaml", relay)
		h.wait(time.Minute)
		h.commit("a.yaml", multiOff)
		h.wait(10 * time.Minute)
		if len(h.rec.Status().Plan.Held) == 0 {
			t.Fatalf("not held: %+v", h.rec.Status().Plan)
		}
		h.expectTimed(0, 0, 0)
		h.consent(h.rec.Status().Plan.Hash)
		h.wait(time.Minute)
		h.expectTimed(0, 0, 0)
		h.commit("a.yaml", multiOn)
		h.wait(time.Minute)
		h.expectTimed(1, time.Millisecond, 5*time.Second)
	})
}

// TestNothingIsTimedWhereNothingIsApplied: not in a dry run, nor where the policy
// withholds it, nor of what is so already.
func TestNothingIsTimedWhereNothingIsApplied(t *testing.T) {
	for name, c := range map[string]change{
		"a dry run": func(_ *house, o *Options) { o.DryRun = true },
		"observe":   func(_ *house, o *Options) { o.Policy.Mode = plan.Observe },
		"so already": func(h *house, _ *Options) {
			h.patch(emulator.World{Domains: []emulator.Domain{{Name: "live.example.com", MultiStream: "off"}}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			inTime(t, []change{c}, func(h *house) {
				h.commit("a.yaml", forbid)
				h.wait(time.Minute)
				h.commit("a.yaml", forbid, "b.yaml", multiOff)
				h.wait(time.Minute)
				h.expectTimed(0, 0, 0)
			})
		})
	}
}

// TestWhatComesBackIsTimedFromNow: a former revision that comes into force again, as
// after a rollback, did not arrive when the one did that it takes the place of.
func TestWhatComesBackIsTimedFromNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t)
		f := h.rec.feeds[0]
		h.rec.resides = true
		load := func(text string) {
			h.commit("a.yaml", text)
			f.arrive(h.source.current, time.Now())
			time.Sleep(time.Second)
			h.rec.load(t.Context(), h.rec.announce, h.rec.holdBack)
		}
		load(multiOn)
		former := f.accepted
		load(multiOff)
		if waits := time.Since(f.edit.since); waits != time.Second {
			t.Errorf("an edit waits for %v", waits)
		}
		f.edit = edit{}
		time.Sleep(time.Hour)
		f.accepted = former
		h.rec.merge(t.Context())
		if waits := time.Since(f.edit.since); waits != 0 {
			t.Errorf("what came back waits for %v", waits)
		}
	})
}

package reconcile

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"weir/sync/manifest"
	"weir/sync/source"
	"weir/sync/state"
)

// dying is a store whose process is gone once it has begun to read a revision:
// nothing that comes after is written.
type dying struct {
	state.Store
	revision string
	dead     bool
}

func (d *dying) SetMark(ctx context.Context, m state.Mark) error {
	if d.dead {
		return errCrash
	}
	d.dead = m.Role == state.Loading && strings.HasPrefix(m.Revision, d.revision+" ")
	return d.Store.SetMark(ctx, m)
}

// TestFailure_P08_PoisonedRevision: a revision whose reading has ended the
// process twice is not read a third time; what was in force stays, and another
// revision goes on.
func TestFailure_P08_PoisonedRevision(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t)
		b := &book{tree: h.source, pages: map[string]*source.Snapshot{}}
		follow := func(_ *house, o *Options) { o.Feeds[0].Source, o.Feeds[0].Follows = b, "live here" }
		run := func(changes ...change) {
			h.build(append([]change{follow}, changes...)...)
			h.start()
			h.wait(3 * time.Second)
		}
		good := b.turn(h, "a.yaml", multiOn)
		run()
		h.expectWrites("SetLiveDomainMultiStreamConfig on")
		h.stop()
		bad := b.turn(h, "a.yaml", multiOff, "b.yaml", forbid)
		for range crashesToPoison {
			// That it goes on to apply is not of interest: a dead process would not.
			run(func(h *house, o *Options) {
				o.Store, o.DryRun = &dying{Store: h.store, revision: bad}, false
				o.ReadOnly = saying("dead")
			})
			h.stop()
			h.expectWrites()
		}
		for range 2 {
			run()
			src := h.rec.Status().Sources[0]
			if len(src.Problems) != 1 || src.Problems[0].Code != manifest.CodePoisonedRevision || src.InForce != good {
				t.Errorf("in force %s, problems %v", src.InForce, src.Problems)
			}
			h.wait(10 * time.Minute)
			h.expectWrites()
			if !h.rec.Status().Ready {
				t.Error("not ready with the last good revision")
			}
			h.stop()
		}
		next := b.turn(h, "a.yaml", multiOff)
		run()
		h.expectWrites("SetLiveDomainMultiStreamConfig off")
		if src := h.rec.Status().Sources[0]; src.InForce != next || len(src.Problems) != 0 {
			t.Errorf("source %+v", src)
		}
		h.stop()
		b.turn(h, "a.yaml", multiOff, "b.yaml", forbid)
		h.wait(poisonLasts)
		run()
		defer func() { h.stop() }()
		h.expectWrites("ForbidLiveStream bad")
		if m := h.marked("live here")[state.Loading]; m != "" {
			t.Errorf("%q is being read", m)
		}
	})
}

// TestFailure_P08_OneCrashIsNone: a process that dies once while it reads a
// revision reads it again, and then nothing is remembered of it.
func TestFailure_P08_OneCrashIsNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t)
		h.commit("a.yaml", multiOn)
		follow := func(_ *house, o *Options) { o.Feeds[0].Follows = "live: directory /live" }
		for range 3 {
			h.build(follow, func(h *house, o *Options) {
				o.Store, o.ReadOnly = &dying{Store: h.store, revision: h.source.current.Revision}, saying("dead")
			})
			h.start()
			h.wait(time.Second)
			h.stop()
			h.build(follow)
			h.start()
			h.wait(time.Minute)
			h.stop()
			known := h.marked("live: directory /live")
			if m := known[state.Loading] + known[state.Poisoned]; m != "" {
				t.Errorf("remembered %q", m)
			}
		}
		h.expectWrites("SetLiveDomainMultiStreamConfig on")
	})
}

// TestFailure_P09_ReadOnly: while weir is read-only nothing is called and nothing
// becomes weir's; when that ends, what is due is done.
func TestFailure_P09_ReadOnly(t *testing.T) {
	const why = "weir has crashed"
	var over atomic.Bool
	readOnly := func() string { return map[bool]string{false: why}[over.Load()] }
	var told []Verdict
	inTime(t, []change{func(_ *house, o *Options) {
		o.ReadOnly, o.Verdict = readOnly, func(v Verdict) { told = append(told, v) }
	}}, func(h *house) {
		if got := h.gauge("weir_read_only"); got != 1 {
			t.Errorf("weir_read_only %v before the first pass", got)
		}
		h.onAir(true, "main")
		h.commit("all.yaml", strings.Join([]string{multiOn, forbid, record, prefetch, relay}, "---\n"))
		h.wait(20 * time.Minute)
		h.expectWrites()
		if owned := h.owned(); len(owned) != 0 {
			t.Errorf("owned %v", owned)
		}
		s := h.rec.Status()
		if s.ReadOnly != why || s.Mode != "sync" || s.Plan.Summary.Withheld != 5 {
			t.Errorf("status %+v", s)
		}
		if got := h.gauge("weir_read_only"); got != 1 {
			t.Errorf("weir_read_only %v", got)
		}
		if len(told) != 1 || told[0].Outcome != Stopped || told[0].By != byReadOnly {
			t.Errorf("told %+v", told)
		}
		over.Store(true)
		h.rec.MarkFull()
		h.wait(3 * time.Second)
		h.expectWrites("SetLiveDomainMultiStreamConfig on", "ForbidLiveStream bad", "RealTimeRecordCommand start",
			"HotLiveRtcStream SG", "HotLiveRtcStream NO", "UpdateRelaySourceV3")
		if len(told) != 2 || told[1].Outcome != Applied {
			t.Errorf("told %+v", told)
		}
		if got := h.gauge("weir_read_only"); got != 0 {
			t.Errorf("weir_read_only %v", got)
		}
	})
}

func saying(why string) func() string { return func() string { return why } }

// gauge returns the value of a metric without labels.
func (h *house) gauge(name string) float64 {
	h.t.Helper()
	families, err := h.registry.Gather()
	if err != nil {
		h.t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	h.t.Fatalf("no metric %s", name)
	return 0
}

package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"weir/sync/emulator"
	"weir/sync/plan"
	"weir/sync/resource"
	"weir/sync/state"
)

// TestFailure_P01_P02_CrashBeforeTheCall: the act was written, the call never
// made. A start is made harmless by the cloud and done again; a prefetch is not.
func TestFailure_P01_P02_CrashBeforeTheCall(t *testing.T) {
	inTime(t, nil, func(h *house) {
		h.onAir(true, "main")
		h.stop()
		crash := &crashing{Store: h.store, after: "Begin", left: 3}
		h.build(func(_ *house, o *Options) { o.Store = crash })
		h.commit("a.yaml", record, "b.yaml", prefetchOnce)
		h.start()
		h.wait(time.Second)
		h.expectWrites()
		h.stop()
		h.build()
		h.start()
		h.wait(10 * time.Minute)
		h.expectWrites("RealTimeRecordCommand start")
		if n := len(h.inDoubt()); n != 2 {
			t.Errorf("%d acts in doubt, want the two prefetches", n)
		}
	})
}

// TestFailure_P03_CrashAfterTheCall: the cloud did it, the result was never
// written. Nothing is lost and nothing is doubled.
func TestFailure_P03_CrashAfterTheCall(t *testing.T) {
	inTime(t, nil, func(h *house) {
		h.onAir(true, "main")
		h.stop()
		crash := &crashing{Store: h.store, after: "Settle", left: 0}
		h.build(func(_ *house, o *Options) { o.Store = crash })
		h.commit("a.yaml", record, "b.yaml", prefetchOnce, "c.yaml", relay)
		h.start()
		h.wait(time.Second)
		h.expectWrites("RealTimeRecordCommand start", "HotLiveRtcStream NO", "HotLiveRtcStream SG", "UpdateRelaySourceV3")
		h.stop()
		h.build()
		h.start()
		h.wait(10 * time.Minute)
		h.expectWrites("RealTimeRecordCommand start: TaskAlreadyStarted")
		h.expectStates(map[string]string{
			"Recording live.example.com/live/main": "unknown", "RtcPrefetch live.example.com/live/main": "unknown",
			"RelaySource push.example.com/live": "in-sync",
		})
	})
}

func (h *house) inDoubt() []resource.Act {
	acts, err := h.store.Acts(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	return slices.DeleteFunc(acts, func(a resource.Act) bool { return !a.InDoubt() })
}

var errCrash = errors.New("the process is dead")

// crashing is a store whose process dies: with after "Begin", when a number of
// acts were written and before any call; with "Settle", when the calls were
// made and before any of their results was written.
type crashing struct {
	state.Store
	after string
	mu    sync.Mutex // guards what follows
	left  int
	dead  bool
}

func (c *crashing) write(name string) error {
	if c.after == "Settle" && name == "Begin" {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dead || (name == c.after && c.left == 0) {
		c.dead = true
		return errCrash
	}
	return nil
}

func (c *crashing) Begin(ctx context.Context, a resource.Act) error {
	if err := c.write("Begin"); err != nil {
		return err
	}
	err := c.Store.Begin(ctx, a)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.after == "Begin" && err == nil {
		if c.left--; c.left >= 0 {
			return errCrash // dies between the write and the call
		}
	}
	return err
}

func (c *crashing) Settle(ctx context.Context, a resource.Act) error {
	if err := c.write("Settle"); err != nil {
		return err
	}
	return c.Store.Settle(ctx, a)
}

func (c *crashing) Save(ctx context.Context, r ...resource.Applied) error {
	if err := c.write("Save"); err != nil {
		return err
	}
	return c.Store.Save(ctx, r...)
}

// TestFailure_P05_StopLetsCallsEnd: what is under way when weir is told to stop
// ends and is written down; nothing new begins.
func TestFailure_P05_StopLetsCallsEnd(t *testing.T) {
	inTime(t, nil, func(h *house) {
		var docs []string
		for i := range 50 {
			docs = append(docs, strings.Replace(relay, "app: live", fmt.Sprintf("app: live%d", i), 1))
		}
		h.faults(emulator.Fault{Operation: "UpdateRelaySourceV3", Kind: "latency", Delay: emulator.Duration(4 * time.Second)})
		h.commit("a.yaml", strings.Join(docs, "---\n"))
		h.wait(2 * time.Second)
		began := time.Now()
		h.stop()
		if took := time.Since(began); took > 9*time.Second {
			t.Errorf("stopping took %v", took)
		}
		made, recorded := len(h.writes()), len(h.owned())
		if made == 0 || made != recorded {
			t.Errorf("%d calls made, %d written down", made, recorded)
		}
		h.build()
		h.faults()
		h.start()
		h.wait(time.Minute)
		if n := len(h.writes()); n != 50-made {
			t.Errorf("%d calls after the restart, want the other %d", n, 50-made)
		}
	})
}

// TestFailure_S33_NoIntentNoCall: while the store cannot be written nothing is
// applied; when it can again, all is, by itself.
func TestFailure_S33_NoIntentNoCall(t *testing.T) {
	t.Run("of a write", func(t *testing.T) { noIntentNoCall(t, false) })
	t.Run("of any call", func(t *testing.T) { noIntentNoCall(t, true) })
}

func noIntentNoCall(t *testing.T, reads bool) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t)
		full := &fullDisk{Store: h.store, reads: reads}
		h.store = full
		h.build()
		full.full.Store(true)
		h.commit("a.yaml", multiOn, "b.yaml", relay)
		h.start()
		defer func() { h.stop() }()
		h.wait(10 * time.Minute)
		h.expectWrites()
		if s := h.rec.Status(); s.Ready || !strings.Contains(s.Error, "no space left") {
			t.Errorf("ready %t, error %q while nothing can be written", s.Ready, s.Error)
		}
		full.full.Store(false)
		h.wait(10 * time.Minute)
		h.expectWrites("SetLiveDomainMultiStreamConfig on", "UpdateRelaySourceV3")
		if s := h.rec.Status(); !s.Ready || s.Error != "" {
			t.Errorf("ready %t, error %q after it healed", s.Ready, s.Error)
		}
	})
}

// TestFailure_S33_HeldAfterTheDiskWasFull: a plan that a guard holds keeps the
// failures before it from being tried again; the disk that has space again is
// not called full for ever.
func TestFailure_S33_HeldAfterTheDiskWasFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t)
		full := &fullDisk{Store: h.store}
		h.store = full
		h.build()
		h.commit("a.yaml", multiOn, "b.yaml", relay)
		h.start()
		defer func() { h.stop() }()
		h.wait(time.Minute)
		full.full.Store(true)
		h.commit("a.yaml", multiOn, "b.yaml", relayShort)
		h.wait(time.Second)
		if s := h.rec.Status(); s.Error == "" {
			t.Error("nothing is told of the full disk")
		}
		h.commit("a.yaml", "# nothing\n")
		h.wait(time.Second)
		full.full.Store(false)
		h.wait(10 * time.Minute)
		if s := h.rec.Status(); len(s.Plan.Held) == 0 || !s.Ready || s.Error != "" {
			t.Errorf("held %v, ready %t, error %q", s.Plan.Held, s.Ready, s.Error)
		}
	})
}

// fullDisk is a store on a disk that has no space for a while.
type fullDisk struct {
	state.Store
	full  atomic.Bool
	reads bool // are not written down either
}

var errFull = errors.New("no space left on device")

func (f *fullDisk) Open(ctx context.Context, e state.Entry) (int64, error) {
	if f.full.Load() && (e.Write || f.reads) {
		return 0, errFull
	}
	return f.Store.Open(ctx, e)
}

func (f *fullDisk) Save(ctx context.Context, r ...resource.Applied) error {
	if f.full.Load() {
		return errFull
	}
	return f.Store.Save(ctx, r...)
}

// TestFailure_P03_RemovedAfterACutUpdate: a process died in the middle of an
// update, and the document left the source before the next one began. Whether the
// call had its effect or not, nothing that weir made stays.
func TestFailure_P03_RemovedAfterACutUpdate(t *testing.T) {
	for name, tc := range map[string]struct {
		recorded, cut string // documents
		id            resource.ID
		sent          bool // the cut call had its effect
		want          []string
	}{
		"turned on, and not written down": {
			multiOff, multiOn,
			resource.ID{Account: "ali", Kind: "MultiStream", Key: "live.example.com"},
			true,
			[]string{"SetLiveDomainMultiStreamConfig off"},
		},
		"let in, which was never sent": {
			forbid, strings.Replace(forbid, "false", "true", 1),
			resource.ID{Account: "ali", Kind: "StreamIngest", Key: "push.example.com/live/bad"},
			false,
			[]string{"ResumeLiveStream bad"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			inTime(t, []change{loose}, func(h *house) {
				h.commit("a.yaml", tc.recorded, "b.yaml", relay)
				h.wait(time.Minute)
				record, ok := h.record(tc.id)
				if !ok {
					t.Fatal("nothing was applied")
				}
				h.commit("a.yaml", tc.cut, "b.yaml", relay)
				h.wait(time.Minute)
				if !tc.sent {
					h.commit("a.yaml", tc.recorded, "b.yaml", relay)
					h.wait(time.Minute)
				}
				h.stop()
				h.writes()
				after := resource.Spec(strings.Replace(string(record.Spec), "false", "true", 1))
				record.At = time.Now().UTC()
				if err := h.store.Save(h.t.Context(), record); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Second)
				_, err := h.store.Open(h.t.Context(), state.Entry{
					Opened: time.Now(), Account: "ali", Operation: "Cut", Resource: tc.id.String(), Write: true, Origin: record.Origin,
					Change: &state.Change{Action: string(plan.Update), Reason: string(plan.Edited), Before: record.Spec, After: after},
				})
				if err != nil {
					t.Fatal(err)
				}
				h.commit("b.yaml", relay)
				h.build(loose)
				h.start()
				h.wait(2 * time.Minute)
				h.expectWrites(tc.want...)
			})
		})
	}
}

// record returns the record of a resource.
func (h *house) record(id resource.ID) (resource.Applied, bool) {
	records, err := h.store.Applied(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	for _, r := range records {
		if r.ID == id {
			return r, true
		}
	}
	return resource.Applied{}, false
}

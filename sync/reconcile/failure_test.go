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

	"github.com/prometheus/client_golang/prometheus/testutil"

	"weir/sync/apply"
	"weir/sync/call"
	"weir/sync/emulator"
	"weir/sync/plan"
	"weir/sync/resource"
	"weir/sync/source"
	"weir/sync/state"
)

// TestFailure_D01_EmptySourceIsHeld: a source that declares nothing removes
// nothing, until someone consents to exactly that plan.
func TestFailure_D01_EmptySourceIsHeld(t *testing.T) {
	inTime(t, nil, func(h *house) {
		h.commit("a.yaml", multiOn, "b.yaml", relay)
		h.wait(3 * time.Second)
		h.writes()
		h.commit()
		h.wait(20 * time.Minute)
		h.expectWrites()
		s := h.rec.Status()
		if len(s.Plan.Held) == 0 || s.Plan.Held[0].Guard != "empty-source" || s.Plan.Summary.Delete != 2 {
			t.Errorf("plan %+v", s.Plan)
		}
		if n := testutil.ToFloat64(h.rec.opts.Metrics.refused); n < 2 {
			t.Errorf("weir_removals_refused_total %v", n)
		}
	})
}

func TestRemovalsUndoWhatWasApplied(t *testing.T) {
	loose := func(_ *house, o *Options) { o.Policy.MaxRemovedPercent = 100 }
	inTime(t, []change{loose}, func(h *house) {
		h.onAir(true, "main")
		h.commit("all.yaml", strings.Join([]string{multiOn, forbid, record, prefetch, relay}, "---\n"))
		h.wait(3 * time.Second)
		h.writes()
		h.commit("other.yaml", strings.ReplaceAll(multiOff, "live.example.com", "live.other.example.com"))
		h.wait(3 * time.Second)
		h.expectWrites("SetLiveDomainMultiStreamConfig off", "ResumeLiveStream bad", "RealTimeRecordCommand stop",
			"DeleteRelaySourceV3")
		h.expectStates(map[string]string{"MultiStream live.other.example.com": "in-sync"})
		h.wait(10 * time.Minute)
		h.expectWrites()
	})
}

// TestFailure_D08_ForeignIsNeverTouched: what the clouds hold and nobody
// declared stays, whatever happens to what is weir's.
func TestFailure_D08_ForeignIsNeverTouched(t *testing.T) {
	inTime(t, nil, func(h *house) {
		h.patch(emulator.World{
			RelaySources: []emulator.RelaySource{{Vhost: "push.example.com", App: "foreign", Groups: []emulator.RelayGroup{
				{Name: "g", Servers: []emulator.RelayServer{{Address: "x.example.org", Protocol: "rtmp"}}},
			}}},
			Blocked: []emulator.Block{{Domain: "push.example.com", App: "live", Stream: "foreign"}},
		})
		h.commit("a.yaml", multiOn, "b.yaml", relay)
		h.wait(3 * time.Second)
		h.commit("a.yaml", multiOn)
		h.wait(10 * time.Minute)
		h.expectWrites("SetLiveDomainMultiStreamConfig on", "UpdateRelaySourceV3",
			"DeleteRelaySourceV3")
		w := h.clouds.World()
		if len(w.RelaySources) != 1 || w.RelaySources[0].App != "foreign" || len(w.Blocked) != 1 {
			t.Errorf("relay sources %+v, blocked %+v", w.RelaySources, w.Blocked)
		}
	})
}

// TestFailure_D09_LostStateRemovesNothing: a daemon that starts without its
// memory owns nothing.
func TestFailure_D09_LostStateRemovesNothing(t *testing.T) {
	inTime(t, nil, func(h *house) {
		h.commit("a.yaml", multiOn, "b.yaml", relay)
		h.wait(3 * time.Second)
		h.writes()
		h.stop()
		if err := h.store.Forget(t.Context(), h.owned()...); err != nil {
			t.Fatal(err)
		}
		h.build()
		h.commit("a.yaml", multiOn)
		h.start()
		h.wait(10 * time.Minute)
		h.expectWrites()
	})
}

func (h *house) owned() []resource.ID {
	records, err := h.store.Applied(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	var ids []resource.ID
	for _, r := range records {
		ids = append(ids, r.ID)
	}
	return ids
}

// TestFailure_D10_EveryDeleteNamesItsApp: Volcengine reads a missing App as the
// whole domain name space.
func TestFailure_D10_EveryDeleteNamesItsApp(t *testing.T) {
	loose := func(_ *house, o *Options) { o.Policy.MaxRemovedPercent = 100 }
	inTime(t, []change{loose}, func(h *house) {
		h.commit("a.yaml", multiOn, "b.yaml", relay)
		h.wait(3 * time.Second)
		h.commit("a.yaml", multiOn)
		h.wait(time.Minute)
		deletes := 0
		for _, c := range h.clouds.Journal() {
			if c.Operation == "DeleteRelaySourceV3" {
				deletes++
				if c.Params["App"] != "live" {
					t.Errorf("delete with %v", c.Params)
				}
			}
		}
		if deletes != 1 {
			t.Errorf("%d deletes, want 1", deletes)
		}
	})
}

// TestFailure_D11_RemovalWaitsForARead: what cannot be read is not removed.
func TestFailure_D11_RemovalWaitsForARead(t *testing.T) {
	inTime(t, nil, func(h *house) {
		h.commit("a.yaml", multiOn, "b.yaml", relay)
		h.wait(3 * time.Second)
		h.writes()
		h.faults(emulator.Fault{Operation: "DescribeRelaySourceV3", Kind: "error", Code: "RequestForbidden", Status: 403})
		h.wait(6 * time.Minute)
		h.commit("a.yaml", multiOn)
		h.wait(6 * time.Minute)
		h.expectWrites()
		h.expectStates(map[string]string{"MultiStream live.example.com": "in-sync", "RelaySource push.example.com/live": "unknown"})
		h.faults()
		h.wait(6 * time.Minute)
		h.expectWrites("DeleteRelaySourceV3")
	})
}

// TestFailure_A05_to_A13_WritesEndRight plays every way in which a call can go
// wrong, on the way there and on the way back. Whatever it is, the cloud ends
// as declared, and says so.
func TestFailure_A05_to_A13_WritesEndRight(t *testing.T) {
	tests := map[string]emulator.Fault{
		"A05 500":                 {Kind: "error", Code: "InternalError", Status: 500, Count: 3},
		"A05 503":                 {Kind: "error", Code: "ServiceUnavailable", Status: 503, Count: 3},
		"A07 throttled":           {Kind: "throttle", Count: 3},
		"A09 200 with an error":   {Kind: "error", Code: "CommonErr", Status: 200, Count: 2},
		"A11 garbage":             {Kind: "garbage", Count: 2},
		"A12 reset before":        {Kind: "reset", Count: 2},
		"A12 answer lost":         {Kind: "lost-response", Count: 2},
		"A13 slower than allowed": {Kind: "latency", Delay: emulator.Duration(time.Minute), Count: 2},
	}
	for name, fault := range tests {
		for _, operation := range []string{"UpdateRelaySourceV3", "DescribeRelaySourceV3"} {
			t.Run(name+" "+operation, func(t *testing.T) {
				inTime(t, nil, func(h *house) {
					fault.Operation = operation
					h.faults(fault)
					h.commit("a.yaml", relay)
					h.wait(10 * time.Minute)
					h.expectStates(map[string]string{"RelaySource push.example.com/live": "in-sync"})
					if n := len(h.clouds.World().RelaySources); n != 1 {
						t.Errorf("%d relay sources", n)
					}
				})
			})
		}
	}
}

// TestFailure_A06_NoRetryStorm: with the operation down and 2,000 resources to
// write, calls stay few, and all is well soon after it is back.
func TestFailure_A06_NoRetryStorm(t *testing.T) {
	inTime(t, nil, func(h *house) {
		var docs []string
		for i := range 2000 {
			docs = append(docs, strings.Replace(multiOn, "live.example.com", fmt.Sprintf("live.c%d.example.com", i), 1))
		}
		h.faults(emulator.Fault{Operation: "SetLiveDomainMultiStreamConfig", Kind: "error", Code: "InternalError", Status: 500})
		h.commit("all.yaml", strings.Join(docs, "---\n"))
		h.wait(30 * time.Minute)
		if n := len(h.writes()); n > 200 {
			t.Errorf("%d writes while the operation was down", n)
		}
		h.faults()
		h.wait(20 * time.Minute)
		for id, s := range h.states() {
			if s != "in-sync" {
				t.Fatalf("%s is %s", id, s)
			}
		}
	})
}

// TestFailure_A08_ExistIsNoThrottle: 429 with the code for "exists already" is
// neither backed off from nor counted as a throttle.
func TestFailure_A08_ExistIsNoThrottle(t *testing.T) {
	inTime(t, nil, func(h *house) {
		h.faults(emulator.Fault{Operation: "UpdateRelaySourceV3", Kind: "error", Code: "RequestLimitExceeded.Exist", Status: 429, Count: 1})
		h.commit("a.yaml", relay)
		h.wait(time.Second)
		h.expectWrites("UpdateRelaySourceV3: RequestLimitExceeded.Exist")
		if w := h.limiters.Windows("volc", "UpdateRelaySourceV3"); w[0].Limit != 9 {
			t.Errorf("windows %v: taken for a throttle", w)
		}
		h.wait(time.Minute)
		h.expectWrites("UpdateRelaySourceV3")
	})
}

// TestFailure_A10_NotFound: a delete of what is gone is done; one read that
// finds nothing is not believed.
func TestFailure_A10_NotFound(t *testing.T) {
	loose := func(_ *house, o *Options) { o.Policy.MaxRemovedPercent = 100 }
	inTime(t, []change{loose}, func(h *house) {
		h.commit("a.yaml", multiOn, "b.yaml", relay)
		h.wait(3 * time.Second)
		h.writes()
		h.faults(emulator.Fault{Operation: "DescribeRelaySourceV3", Kind: "error", Code: "ResourceNotFound", Status: 404, Count: 1})
		h.rec.MarkFull()
		h.wait(time.Minute)
		h.expectWrites()
		h.faults(emulator.Fault{Operation: "DeleteRelaySourceV3", Kind: "error", Code: "ResourceNotFound", Status: 404})
		h.commit("a.yaml", multiOn)
		h.wait(time.Minute)
		h.expectStates(map[string]string{"MultiStream live.example.com": "in-sync"})
	})
}

// TestFailure_A03_LostPrefetchIsNotRepeated: a call that cannot be read back and
// must not happen twice is left in doubt, and said to be.
func TestFailure_A03_LostPrefetchIsNotRepeated(t *testing.T) {
	for _, kind := range []string{"lost-response", "reset", "garbage"} {
		t.Run(kind, func(t *testing.T) {
			inTime(t, nil, func(h *house) {
				h.faults(emulator.Fault{Operation: "HotLiveRtcStream", Kind: kind, Count: 1})
				h.commit("a.yaml", prefetchOnce)
				h.wait(time.Hour)
				if n := len(h.writes()); n != 2 {
					t.Errorf("%d calls for two regions", n)
				}
				var doubt []resource.Act
				acts, _ := h.store.Acts(t.Context())
				for _, a := range acts {
					if a.InDoubt() {
						doubt = append(doubt, a)
					}
				}
				if len(doubt) != 1 {
					t.Fatalf("acts %+v", acts)
				}
				if s := h.rec.Status(); len(s.Unread) != 1 || !strings.Contains(s.Unread[0].Why, "weir settle") || s.Passes > 60 {
					t.Errorf("%d passes, doubt told as %+v", s.Passes, s.Unread)
				}
				if err := h.store.Settle(t.Context(), doubt[0]); err != nil { // a person says: again
					t.Fatal(err)
				}
				h.rec.MarkDirty()
				h.wait(time.Minute)
				if n := len(h.writes()); n != 1 {
					t.Errorf("%d calls after it was settled", n)
				}
			})
		})
	}
}

// TestFailure_V22_RefusedByTheCloudBlocksNobody: one permanent failure is said,
// tried rarely, and the rest goes on.
func TestFailure_V22_RefusedByTheCloudBlocksNobody(t *testing.T) {
	inTime(t, nil, func(h *house) {
		unmapped := strings.ReplaceAll(prefetchOnce, "[SG, NO]", "[PG]")
		if err := h.clouds.SetSettings(emulator.Settings{RegionsWithoutNode: []string{"PG"}, AcceptExampleDomains: true}); err != nil {
			t.Fatal(err)
		}
		h.commit("a.yaml", unmapped, "b.yaml", relay, "c.yaml", multiOn)
		h.wait(3 * time.Second)
		h.expectWrites("HotLiveRtcStream PG: CodeRegionHasNoNode", "SetLiveDomainMultiStreamConfig on", "UpdateRelaySourceV3")
		f := h.rec.Status().Failures
		if len(f) != 1 || f[0].Code != call.Invalid || !strings.Contains(f[0].Error, "CodeRegionHasNoNode") {
			t.Errorf("failures %+v", f)
		}
		h.wait(time.Hour)
		if n := len(h.writes()); n > 20 {
			t.Errorf("%d tries in an hour", n)
		}
		h.commit("a.yaml", prefetchOnce, "b.yaml", relay, "c.yaml", multiOn) // another declaration is tried at once
		h.wait(time.Second)
		h.expectWrites("HotLiveRtcStream NO", "HotLiveRtcStream SG")
		h.wait(10 * time.Second)
		if f := h.rec.Status().Failures; len(f) != 0 {
			t.Errorf("failures %+v", f)
		}
	})
}

// TestFailure_A22_DeadKeyStopsItsAccountOnly: no retry loop against a lockout.
func TestFailure_A22_DeadKeyStopsItsAccountOnly(t *testing.T) {
	inTime(t, nil, func(h *house) {
		h.patch(emulator.World{Credentials: []emulator.Credential{{Cloud: "aliyun", AccessKeyID: "weir-emulator", Deleted: true}}})
		h.commit("a.yaml", multiOn, "b.yaml", relay)
		h.wait(time.Minute)
		h.expectWrites("UpdateRelaySourceV3")
		refused := 0
		for _, e := range h.journal() {
			if e.Account == "ali" {
				refused++
			}
		}
		if refused == 0 || refused > 5 {
			t.Errorf("%d calls with a dead key in a minute", refused)
		}
	})
}

func (h *house) journal() []state.Entry {
	list, err := h.store.Journal(h.t.Context(), state.Query{Limit: 100_000})
	if err != nil {
		h.t.Fatal(err)
	}
	return list
}

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
	synctest.Test(t, func(t *testing.T) {
		h := open(t)
		full := &fullDisk{Store: h.store}
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

// fullDisk is a store on a disk that has no space for a while.
type fullDisk struct {
	state.Store
	full atomic.Bool
}

var errFull = errors.New("no space left on device")

func (f *fullDisk) Open(ctx context.Context, e state.Entry) (int64, error) {
	if f.full.Load() && e.Write {
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

// TestFailure_S25_SourceMissing: a source that is gone declares nothing new and
// removes nothing.
func TestFailure_S25_SourceMissing(t *testing.T) {
	inTime(t, nil, func(h *house) {
		h.commit("a.yaml", multiOn)
		h.wait(3 * time.Second)
		h.writes()
		h.source.set(nil, &source.Error{Code: "source-missing", Err: errors.New("no such directory")})
		h.wait(time.Second)
		s := h.rec.Status()
		if s.Ready || !strings.Contains(s.Sources[0].Error, "[source-missing]") {
			t.Errorf("status %+v", s)
		}
		if n := testutil.ToFloat64(h.rec.opts.Metrics.sourceErrors.WithLabelValues("live")); n != 1 {
			t.Errorf("weir_source_sync_errors_total %v", n)
		}
		h.wait(10 * time.Minute)
		h.expectWrites()
		h.commit("a.yaml", multiOff)
		h.wait(time.Second)
		h.expectWrites("SetLiveDomainMultiStreamConfig off")
		if !h.rec.Status().Ready {
			t.Error("not ready after the source is back")
		}
	})
}

// TestEveryWriteSaysWhoAskedForIt reads the journal as an operator would.
func TestEveryWriteSaysWhoAskedForIt(t *testing.T) {
	inTime(t, nil, func(h *house) {
		h.commit("a.yaml", multiOn+"---\n"+forbid)
		h.wait(3 * time.Second)
		var got []string
		for _, e := range h.journal() {
			if e.Write {
				got = append(got, fmt.Sprintf("%s %s %s %s %v", e.Operation, e.Resource, e.Origin, e.Outcome.Code,
					e.Revision != "" && e.Plan != "" && e.Outcome.RequestID != "" && e.Process != ""))
			}
		}
		slices.Sort(got)
		want := []string{
			"ForbidLiveStream ali/StreamIngest/push.example.com/live/bad a.yaml:5 ok true",
			"SetLiveDomainMultiStreamConfig ali/MultiStream/live.example.com a.yaml:1 ok true",
		}
		if !slices.Equal(got, want) {
			t.Errorf("journal %v, want %v", got, want)
		}
	})
}

// TestOneResourceTwice: two sources that declare one resource are refused, and
// what was in force stays.
func TestOneResourceTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t)
		other := newTree()
		h.build(func(h *house, o *Options) {
			o.Feeds = append(o.Feeds, Feed{"other", other, o.Feeds[0].Loader})
		})
		h.commit("a.yaml", multiOn)
		h.start()
		defer h.stop()
		h.wait(time.Minute)
		h.expectWrites() // the other source has not spoken yet
		other.set(h.source.current, nil)
		h.wait(time.Minute)
		h.expectWrites()
		if got := h.rec.Status().Sources[1].Problems; len(got) == 0 {
			t.Error("no problem is told")
		}
	})
}

// TestOnceIsWhatTheCommandsDo: fetch, plan and apply without the loop.
func TestOnceIsWhatTheCommandsDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t)
		h.commit("a.yaml", multiOn, "b.yaml", relay)
		if _, err := h.rec.Plan(t.Context()); err == nil {
			t.Error("a plan without a revision")
		}
		if _, err := h.rec.Fetch(t.Context()); err != nil {
			t.Fatal(err)
		}
		p, err := h.rec.Plan(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		doc, err := h.rec.Document(p, false)
		if err != nil || len(doc.Changes) != 2 || doc.Cost.Seconds != 0 || len(doc.Cost.Calls) != 3 {
			t.Errorf("document %+v, %v", doc, err)
		}
		h.expectWrites()
		rep, err := h.rec.Apply(t.Context(), p)
		if err != nil || rep.Failed() || rep.Summary[apply.Done] != 2 {
			t.Errorf("report %+v, %v", rep, err)
		}
		h.expectWrites("SetLiveDomainMultiStreamConfig on", "UpdateRelaySourceV3")
		p.Held = []plan.Hold{{Guard: "removals", Message: "too many"}}
		rep, err = h.rec.Apply(t.Context(), p)
		if err != nil || rep.Summary[apply.Refused] != 2 || !rep.Failed() {
			t.Errorf("a held plan gave %+v, %v", rep, err)
		}
		h.expectWrites()
	})
}

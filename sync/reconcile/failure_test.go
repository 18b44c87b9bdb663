package reconcile

import (
	"errors"
	"fmt"
	"slices"
	"strings"
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

// TestFailure_A06_NoRetryStorm: with the operation down and 150 resources to
// write, calls stay few, and all is well soon after it is back.
func TestFailure_A06_NoRetryStorm(t *testing.T) {
	inTime(t, nil, func(h *house) {
		var docs []string
		for i := range 150 {
			docs = append(docs, strings.Replace(multiOn, "live.example.com", fmt.Sprintf("live.c%d.example.com", i), 1))
		}
		h.faults(emulator.Fault{Operation: "SetLiveDomainMultiStreamConfig", Kind: "error", Code: "InternalError", Status: 500})
		h.commit("all.yaml", strings.Join(docs, "---\n"))
		h.wait(30 * time.Minute)
		if n := len(h.writes()); n > 200 {
			t.Errorf("%d writes while the operation was down", n)
		}
		h.faults()
		// Read, written and read back 150 times each at nine a second, after a pause
		// of up to five minutes: 7 minutes at most.
		h.wait(30 * time.Minute)
		for id, s := range h.states() {
			if s != "in-sync" {
				t.Errorf("%s is %s", id, s)
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
			o.Feeds = append(o.Feeds, Feed{Name: "other", Source: other, Loader: o.Feeds[0].Loader})
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
		if err != nil || len(doc.Changes) != 2 || doc.Cost.Seconds > 0.2 || len(doc.Cost.Calls) != 3 {
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

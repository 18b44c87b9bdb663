package reconcile

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"weir/sync/emulator"
	"weir/sync/plan"
	"weir/sync/resource"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAllKindsAreAppliedAndStay(t *testing.T) {
	inTime(t, nil, func(h *house) {
		h.onAir(true, "main")
		h.commit("all.yaml", strings.Join([]string{multiOn, forbid, record, prefetch, relay}, "---\n"))
		h.wait(3 * time.Second)
		h.expectWrites("SetLiveDomainMultiStreamConfig on", "ForbidLiveStream bad", "RealTimeRecordCommand start",
			"HotLiveRtcStream SG", "HotLiveRtcStream NO", "UpdateRelaySourceV3")
		h.expectStates(map[string]string{
			"MultiStream live.example.com": "in-sync", "StreamIngest push.example.com/live/bad": "in-sync",
			"Recording live.example.com/live/main": "unknown", "RtcPrefetch live.example.com/live/main": "unknown",
			"RelaySource push.example.com/live": "in-sync",
		})
		if s := h.rec.Status(); !s.Ready || s.LastFull.IsZero() {
			t.Errorf("status %+v", s)
		}
		h.wait(6 * time.Minute)
		h.expectWrites() // a full pass later nothing was called again
	})
}

func TestEditIsAppliedAlone(t *testing.T) {
	inTime(t, nil, func(h *house) {
		h.commit("a.yaml", multiOn, "b.yaml", relay)
		h.wait(3 * time.Second)
		h.clouds.ClearJournal()
		h.commit("a.yaml", multiOff, "b.yaml", relay)
		h.wait(10 * time.Millisecond)
		var operations []string
		for _, c := range h.clouds.Journal() {
			operations = append(operations, c.Operation)
		}
		// The switch was seen three seconds ago: fresh enough to write by. Turning it
		// off asks who is on air.
		want := []string{"DescribeLiveStreamsOnlineList", "SetLiveDomainMultiStreamConfig"}
		if !slices.Equal(operations, want) {
			t.Errorf("calls %v, want %v", operations, want)
		}
		h.wait(time.Minute)
		h.commit("a.yaml", multiOn, "b.yaml", relay)
		h.wait(10 * time.Millisecond)
		h.expectWrites("SetLiveDomainMultiStreamConfig off", "SetLiveDomainMultiStreamConfig on")
	})
}

func TestMovedDocumentIsNoChange(t *testing.T) {
	inTime(t, nil, func(h *house) {
		h.commit("a.yaml", multiOn)
		h.wait(3 * time.Second)
		h.writes()
		h.commit("folder/b.yaml", "# moved\n"+multiOn)
		h.wait(3 * time.Second)
		h.expectWrites()
		records, _ := h.store.Applied(t.Context())
		if len(records) != 1 || records[0].Origin.String() != "folder/b.yaml:2" {
			t.Errorf("records %+v", records)
		}
	})
}

func TestBrokenRevisionLeavesTheOldInForce(t *testing.T) {
	inTime(t, nil, func(h *house) {
		h.commit("a.yaml", multiOn)
		h.wait(3 * time.Second)
		h.writes()
		h.commit("a.yaml", strings.Replace(multiOff, "enabled: false", "enabled: off", 1), "b.yaml", relay)
		h.wait(3 * time.Second)
		h.expectWrites() // not even the good half
		src := h.rec.Status().Sources[0]
		if src.Revision == src.InForce || len(src.Problems) != 1 {
			t.Fatalf("source %+v", src)
		}
		if p := src.Problems[0].String(); !strings.HasPrefix(p, "a.yaml:3:43: spec.enabled:") {
			t.Errorf("problem %q", p)
		}
		// What is in force is still kept true.
		h.patch(emulator.World{Domains: []emulator.Domain{}})
		h.commit("a.yaml", multiOff, "b.yaml", relay)
		h.wait(3 * time.Second)
		h.expectWrites("SetLiveDomainMultiStreamConfig off", "UpdateRelaySourceV3")
		if n := testutil.ToFloat64(h.rec.opts.Metrics.problems.WithLabelValues("live")); n != 0 {
			t.Errorf("weir_manifest_problems %v after healing", n)
		}
	})
}

// TestFailure_P21_BrokenFromTheStart: without a last good revision nothing is
// declared, and nothing is taken for removed.
func TestFailure_P21_BrokenFromTheStart(t *testing.T) {
	inTime(t, nil, func(h *house) {
		err := h.store.Save(t.Context(), resource.Applied{
			ID: resource.ID{Account: "ali", Kind: "MultiStream", Key: "live.example.com"}, Spec: `{"domain":"live.example.com","enabled":true}`,
		})
		if err != nil {
			t.Fatal(err)
		}
		h.commit("a.yaml", "kind: Nonsense\n")
		h.wait(10 * time.Minute)
		if calls := h.clouds.Journal(); len(calls) != 0 {
			t.Errorf("calls %v", calls)
		}
		if h.rec.Status().Ready {
			t.Error("ready without a revision in force")
		}
	})
}

func TestDriftIsHealedAndCounted(t *testing.T) {
	inTime(t, nil, func(h *house) {
		h.commit("a.yaml", relay)
		h.wait(3 * time.Second)
		h.writes()
		h.patch(emulator.World{RelaySources: []emulator.RelaySource{{Vhost: "push.example.com", App: "live", Deleted: true}}})
		h.wait(6 * time.Minute)
		h.expectWrites("UpdateRelaySourceV3")
		h.expectStates(map[string]string{"RelaySource push.example.com/live": "in-sync"})
		if n := testutil.ToFloat64(h.rec.opts.Metrics.drift.WithLabelValues("volc", "RelaySource")); n != 1 {
			t.Errorf("weir_drift_detected_total %v, want 1", n)
		}
	})
}

func TestDriftIsOnlyReported(t *testing.T) {
	report := func(_ *house, o *Options) { o.Policy.HealDrift = false }
	inTime(t, []change{report}, func(h *house) {
		h.commit("a.yaml", relay)
		h.wait(3 * time.Second)
		h.writes()
		h.patch(emulator.World{RelaySources: []emulator.RelaySource{{Vhost: "push.example.com", App: "live", Deleted: true}}})
		h.wait(11 * time.Minute)
		h.expectWrites()
		h.expectStates(map[string]string{"RelaySource push.example.com/live": "drifted"})
	})
}

func TestRecordingFollowsTheStream(t *testing.T) {
	inTime(t, nil, func(h *house) {
		h.commit("a.yaml", record)
		h.wait(3 * time.Second)
		h.expectWrites()
		h.expectStates(map[string]string{"Recording live.example.com/live/main": "waiting"})
		h.onAir(true, "main")
		h.wait(6 * time.Second)
		h.expectWrites("RealTimeRecordCommand start")
		h.expectStates(map[string]string{"Recording live.example.com/live/main": "unknown"})
		h.wait(time.Hour)
		h.expectWrites()
		h.onAir(false, "main") // the cloud ends a manual recording with its ingest
		h.wait(time.Minute)
		h.expectWrites()
		h.expectStates(map[string]string{"Recording live.example.com/live/main": "waiting"})
		h.onAir(true, "main")
		h.wait(time.Minute)
		h.expectWrites("RealTimeRecordCommand start")
	})
}

func TestRecordingCommands(t *testing.T) {
	inTime(t, nil, func(h *house) {
		h.onAir(true, "main")
		for _, step := range []struct {
			name, document string
			want           []string
		}{
			{"started", record, []string{"RealTimeRecordCommand start"}},
			{"restarted once", restart, []string{"RealTimeRecordCommand restart"}},
			{"the same token again", "# touched\n" + restart, nil},
			{"finished at once", finish, []string{"RealTimeRecordCommand stop", "RealTimeRecordCommand cancel_delay"}},
			{"started again, the token is the baseline", restart, []string{"RealTimeRecordCommand start"}},
			{"stopped", stopped, []string{"RealTimeRecordCommand stop"}},
			{"the file wanted at once", finish, []string{"RealTimeRecordCommand cancel_delay"}},
		} {
			h.commit("a.yaml", step.document)
			h.wait(30 * time.Second)
			want := slices.Sorted(slices.Values(step.want))
			if got := h.writes(); !slices.Equal(got, want) {
				t.Errorf("%s: writes %v, want %v", step.name, got, want)
			}
		}
	})
}

// TestFailure_A16_AlreadyStartedIsDone: somebody else records it already.
func TestFailure_A16_AlreadyStartedIsDone(t *testing.T) {
	inTime(t, nil, func(h *house) {
		h.onAir(true, "main")
		h.patch(emulator.World{Recordings: []emulator.Recording{
			{Domain: "live.example.com", App: "live", Stream: "main", State: "recording"},
		}})
		h.commit("a.yaml", record)
		h.wait(10 * time.Minute)
		h.expectWrites("RealTimeRecordCommand start: TaskAlreadyStarted")
		if f := h.rec.Status().Failures; len(f) != 0 {
			t.Errorf("failures %+v", f)
		}
	})
}

// TestFailure_A17_A18_StreamGoesBetweenCheckAndCall: NotLive is waiting, no
// failure, and the recording starts when the stream is back.
func TestFailure_A17_A18_StreamGoesBetweenCheckAndCall(t *testing.T) {
	inTime(t, nil, func(h *house) {
		h.onAir(true, "main")
		h.faults(emulator.Fault{Operation: "RealTimeRecordCommand", Kind: "error", Code: "StreamNotFound", Status: 409, Count: 1})
		h.commit("a.yaml", record)
		h.wait(time.Second)
		h.expectWrites("RealTimeRecordCommand start: StreamNotFound")
		if f := h.rec.Status().Failures; len(f) != 0 {
			t.Errorf("failures %+v", f)
		}
		h.wait(20 * time.Second)
		h.expectWrites("RealTimeRecordCommand start")
	})
}

func TestPrefetchOnceARegion(t *testing.T) {
	inTime(t, nil, func(h *house) {
		h.commit("a.yaml", prefetchOnce)
		h.wait(time.Hour)
		h.expectWrites("HotLiveRtcStream NO", "HotLiveRtcStream SG")
		h.commit("a.yaml", strings.Replace(prefetchOnce, "[SG, NO]", "[SG, NO, ZHJ]", 1))
		h.wait(time.Hour)
		h.expectWrites("HotLiveRtcStream ZHJ")
		h.expectStates(map[string]string{"RtcPrefetch live.example.com/live/main": "unknown"})
		h.commit("a.yaml", "# nothing\n", "b.yaml", multiOff)
		h.wait(time.Hour)
		h.expectWrites() // forgotten, nothing to call
	})
}

func TestPrefetchIsRenewedBeforeItEnds(t *testing.T) {
	inTime(t, nil, func(h *house) {
		h.commit("a.yaml", prefetch)
		h.wait(9 * time.Minute)
		h.expectWrites("HotLiveRtcStream NO", "HotLiveRtcStream SG")
		h.wait(time.Minute)
		h.expectWrites("HotLiveRtcStream NO", "HotLiveRtcStream SG")
		h.wait(time.Hour)
		if n := len(h.writes()); n != 12 {
			t.Errorf("%d calls in an hour, want 12: two regions, each nine and a half minutes", n)
		}
	})
}

func TestRelayEndsRightWhetherTheCloudReplacesOrMerges(t *testing.T) {
	for _, mode := range []string{"replace", "merge"} {
		t.Run(mode, func(t *testing.T) {
			inTime(t, nil, func(h *house) {
				if err := h.clouds.SetSettings(emulator.Settings{RelayUpdate: mode, AcceptExampleDomains: true}); err != nil {
					t.Fatal(err)
				}
				h.commit("a.yaml", relay)
				h.wait(3 * time.Second)
				h.writes()
				h.commit("a.yaml", relayShort)
				h.wait(10 * time.Minute)
				want := []string{"UpdateRelaySourceV3"}
				if mode == "merge" {
					want = []string{"UpdateRelaySourceV3", "DeleteRelaySourceV3 b"}
				}
				h.expectWrites(want...)
				h.expectStates(map[string]string{"RelaySource push.example.com/live": "in-sync"})
			})
		})
	}
}

// TestFailure_A14_LagIsNotDrift: reads that are five seconds behind lead to no
// second write.
func TestFailure_A14_LagIsNotDrift(t *testing.T) {
	inTime(t, nil, func(h *house) {
		err := h.clouds.SetSettings(emulator.Settings{Lag: emulator.Duration(5 * time.Second), AcceptExampleDomains: true})
		if err != nil {
			t.Fatal(err)
		}
		h.commit("a.yaml", multiOn, "b.yaml", forbid, "c.yaml", relay)
		h.wait(10 * time.Minute)
		h.expectWrites("SetLiveDomainMultiStreamConfig on", "ForbidLiveStream bad", "UpdateRelaySourceV3")
		for id, state := range h.states() {
			if state != "in-sync" {
				t.Errorf("%s is %s", id, state)
			}
		}
	})
}

func TestUntilEndsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t)
		h.start()
		defer h.stop()
		until := time.Now().Add(20 * time.Minute).UTC().Format(time.RFC3339)
		h.commit("a.yaml", strings.Replace(forbid, "allowed: false", "allowed: false, until: "+until, 1))
		h.wait(10 * time.Minute)
		h.expectWrites("ForbidLiveStream bad")
		h.wait(time.Hour)
		h.expectWrites()
		h.expectStates(map[string]string{"StreamIngest push.example.com/live/bad": "in-sync"})
	})
}

func (h *house) patch(w emulator.World) {
	h.t.Helper()
	if err := h.clouds.Patch(w); err != nil {
		h.t.Fatal(err)
	}
}

func TestModeObserveNeverWrites(t *testing.T) {
	observe := func(_ *house, o *Options) { o.Policy.Mode = plan.Observe }
	inTime(t, []change{observe}, func(h *house) {
		h.onAir(true, "main")
		h.commit("all.yaml", strings.Join([]string{multiOn, forbid, record, prefetch, relay}, "---\n"))
		h.wait(11 * time.Minute)
		h.expectWrites()
		if records, _ := h.store.Applied(t.Context()); len(records) != 0 {
			t.Errorf("mode observe owns %v", records)
		}
	})
}

package reconcile

import (
	"slices"
	"strings"
	"testing"
	"time"

	"weir/sync/emulator"
)

// turns is for each kind that can be read what brings it about and what takes
// it away, with the write of each.
var turns = map[string]struct{ document, write, removal string }{
	"MultiStream":  {multiOn, "SetLiveDomainMultiStreamConfig on", "SetLiveDomainMultiStreamConfig off"},
	"StreamIngest": {forbid, "ForbidLiveStream bad", "ResumeLiveStream bad"},
	"RelaySource":  {relay, "UpdateRelaySourceV3", "DeleteRelaySourceV3"},
}

// eachTurn commits a document of each kind and takes it away again, with the
// fault on the write both times.
func eachTurn(t *testing.T, fault emulator.Fault, check func(h *house, write string)) {
	for kind, turn := range turns {
		t.Run(kind, func(t *testing.T) {
			inTime(t, []change{loose}, func(h *house) {
				rest := []string{"z.yaml", strings.ReplaceAll(multiOff, "live.example", "other.example")}
				h.commit(rest...)
				h.wait(3 * time.Second)
				h.writes()
				for _, write := range []string{turn.write, turn.removal} {
					fault.Operation, _, _ = strings.Cut(write, " ")
					h.faults(fault)
					if write == turn.write {
						h.commit(append([]string{"a.yaml", turn.document}, rest...)...)
					} else {
						h.commit(rest...)
					}
					check(h, write)
				}
			})
		})
	}
}

// TestFailure_A01_NoAnswerBeforeTheEffect: what is read back is not as wanted,
// so the call is made once more, which has the one effect.
func TestFailure_A01_NoAnswerBeforeTheEffect(t *testing.T) {
	for _, kind := range []string{"reset", "garbage"} {
		t.Run(kind, func(t *testing.T) {
			eachTurn(t, emulator.Fault{Kind: kind, Count: 1}, func(h *house, write string) {
				h.wait(20 * time.Second)
				h.expectWrites(write+": fault."+kind, write)
				if f := h.rec.Status().Failures; len(f) != 0 {
					t.Errorf("failures %+v", f)
				}
				h.wait(10 * time.Minute)
				h.expectWrites()
			})
		})
	}
}

// TestFailure_A02_NoAnswerAfterTheEffect: what is read back is as wanted, so
// nothing is called again.
func TestFailure_A02_NoAnswerAfterTheEffect(t *testing.T) {
	for name, fault := range map[string]emulator.Fault{
		"lost":      {Kind: "lost-response", Count: 1},
		"timed out": {Kind: "latency", Delay: emulator.Duration(time.Minute), Count: 1},
	} {
		t.Run(name, func(t *testing.T) {
			eachTurn(t, fault, func(h *house, write string) {
				h.wait(20 * time.Second)
				h.expectWrites(write)
				if f := h.rec.Status().Failures; len(f) != 0 {
					t.Errorf("failures %+v", f)
				}
				h.wait(10 * time.Minute)
				h.expectWrites()
			})
		})
	}
}

// TestFailure_A02_ReadBackComesFirst: before anything else is done about a
// write without an answer it is read back, and the record says that it was seen.
func TestFailure_A02_ReadBackComesFirst(t *testing.T) {
	inTime(t, nil, func(h *house) {
		h.faults(emulator.Fault{Operation: "UpdateRelaySourceV3", Kind: "lost-response", Count: 1})
		h.commit("a.yaml", relay)
		h.wait(500 * time.Millisecond)
		var got []string
		for _, c := range h.clouds.Journal() {
			got = append(got, c.Operation)
		}
		if want := []string{"DescribeRelaySourceV3", "UpdateRelaySourceV3", "DescribeRelaySourceV3"}; !slices.Equal(got, want) {
			t.Errorf("calls %v, want %v", got, want)
		}
		records, err := h.store.Applied(t.Context())
		if err != nil || len(records) != 1 || !records[0].Confirmed {
			t.Errorf("records %+v, %v", records, err)
		}
	})
}

// TestFailure_A14_ReadBackWithinTheLag: the old value that is read back says
// nothing. The second call is no failure, and neither is it when both answers
// are lost and a later read shows what was written.
func TestFailure_A14_ReadBackWithinTheLag(t *testing.T) {
	for kind, turn := range turns {
		for lost := range 2 {
			t.Run(kind, func(t *testing.T) {
				inTime(t, nil, func(h *house) {
					h.lag()
					operation, _, _ := strings.Cut(turn.write, " ")
					h.faults(emulator.Fault{Operation: operation, Kind: "lost-response", Count: 1 + lost})
					h.commit("a.yaml", turn.document)
					h.wait(4 * time.Second)
					h.expectWrites(turn.write, turn.write)
					h.wait(20 * time.Minute)
					h.expectWrites()
					if f := h.rec.Status().Failures; len(f) != 0 {
						t.Errorf("failures %+v", f)
					}
					for id, s := range h.states() {
						if s != "in-sync" {
							t.Errorf("%s is %s", id, s)
						}
					}
				})
			})
		}
	}
}

// TestFailure_A14_EditedBackWithinTheLagOfADoubt: what was written without an
// answer shows after the edit that took it back.
func TestFailure_A14_EditedBackWithinTheLagOfADoubt(t *testing.T) {
	inTime(t, nil, func(h *house) {
		h.commit("a.yaml", multiOff)
		h.wait(time.Minute)
		h.lag()
		h.faults(emulator.Fault{Operation: "SetLiveDomainMultiStreamConfig", Kind: "lost-response"})
		h.commit("a.yaml", multiOn)
		h.wait(time.Second)
		h.expectWrites("SetLiveDomainMultiStreamConfig on", "SetLiveDomainMultiStreamConfig on")
		h.faults()
		h.commit("a.yaml", multiOff) // still seen off
		h.wait(70 * time.Second)
		h.expectWrites("SetLiveDomainMultiStreamConfig off")
		h.wait(time.Minute)
		h.expectStates(map[string]string{"MultiStream live.example.com": "in-sync"})
	})
}

// TestFailure_A01_EndOfABlockIsNotSeen: no read shows until when a stream is
// blocked, so one that shows the block does not show an edit of its end.
func TestFailure_A01_EndOfABlockIsNotSeen(t *testing.T) {
	inTime(t, nil, func(h *house) {
		until := time.Now().Add(2 * time.Hour).UTC().Format(time.RFC3339)
		blocked := strings.Replace(forbid, "allowed: false", "allowed: false, until: "+until, 1)
		for _, document := range []string{blocked, forbid, blocked} {
			h.faults(emulator.Fault{Operation: "ForbidLiveStream", Kind: "reset", Count: 1})
			h.commit("a.yaml", document)
			h.wait(20 * time.Second)
			h.expectWrites("ForbidLiveStream bad: fault.reset", "ForbidLiveStream bad")
		}
		h.expectStates(map[string]string{"StreamIngest push.example.com/live/bad": "in-sync"})
	})
}

// TestFailure_A02_RepairIsReadBack: removing what a merging cloud leaves over is
// read back like any write.
func TestFailure_A02_RepairIsReadBack(t *testing.T) {
	for kind, want := range map[string][]string{
		"lost-response": {"UpdateRelaySourceV3", "DeleteRelaySourceV3 b"},
		"reset":         {"UpdateRelaySourceV3", "DeleteRelaySourceV3 b: fault.reset", "DeleteRelaySourceV3 b"},
	} {
		t.Run(kind, func(t *testing.T) {
			inTime(t, nil, func(h *house) {
				err := h.clouds.SetSettings(emulator.Settings{RelayUpdate: "merge", AcceptExampleDomains: true})
				if err != nil {
					t.Fatal(err)
				}
				h.commit("a.yaml", relay)
				h.wait(3 * time.Second)
				h.writes()
				h.faults(emulator.Fault{Operation: "DeleteRelaySourceV3", Kind: kind, Count: 1})
				h.commit("a.yaml", relayShort)
				h.wait(5 * time.Second)
				h.expectWrites(want...)
				h.wait(10 * time.Minute)
				h.expectWrites()
				h.expectStates(map[string]string{"RelaySource push.example.com/live": "in-sync"})
			})
		})
	}
}

// TestFailure_A03_StartIsMadeOnceMore: no read shows a recording, and the cloud
// makes a second start harmless.
func TestFailure_A03_StartIsMadeOnceMore(t *testing.T) {
	for kind, want := range map[string][]string{
		"lost-response": {"RealTimeRecordCommand start", "RealTimeRecordCommand start: TaskAlreadyStarted"},
		"reset":         {"RealTimeRecordCommand start: fault.reset", "RealTimeRecordCommand start"},
	} {
		t.Run(kind, func(t *testing.T) {
			inTime(t, nil, func(h *house) {
				h.onAir(true, "main")
				h.faults(emulator.Fault{Operation: "RealTimeRecordCommand", Kind: kind, Count: 1})
				h.commit("a.yaml", record)
				h.wait(10 * time.Minute)
				h.expectWrites(want...)
				if doubt := h.inDoubt(); len(doubt) != 0 {
					t.Errorf("in doubt %+v", doubt)
				}
			})
		})
	}
}

// TestFailure_A04_RestartOnceInDoubt: a restart whose answer is lost, whether it
// happened or not, is not made again until a person has looked; "done" makes
// none, "again" exactly one.
func TestFailure_A04_RestartOnceInDoubt(t *testing.T) {
	for _, kind := range []string{"lost-response", "reset", "garbage"} {
		for _, how := range []string{"done", "again"} {
			t.Run(kind+" "+how, func(t *testing.T) {
				inTime(t, nil, func(h *house) {
					h.onAir(true, "main")
					h.commit("a.yaml", record)
					h.wait(10 * time.Second)
					h.writes()
					h.faults(emulator.Fault{Operation: "RealTimeRecordCommand", Kind: kind, Count: 1})
					h.commit("a.yaml", restart)
					h.wait(30 * time.Minute)
					if n := len(h.writes()); n != 1 {
						t.Errorf("%d calls for one restart", n)
					}
					h.expectStates(map[string]string{"Recording live.example.com/live/main": "unknown"})
					if u := h.rec.Status().Unread; len(u) != 1 || !strings.Contains(u[0].Why, "weir settle") {
						t.Errorf("told as %+v", u)
					}
					h.settle(how)
					h.wait(10 * time.Second)
					if how == "again" {
						h.expectWrites("RealTimeRecordCommand restart")
					}
					h.wait(30 * time.Minute)
					h.expectWrites()
				})
			})
		}
	}
}

// settle says of every act in doubt how it ended, as `weir settle` does.
func (h *house) settle(how string) {
	h.t.Helper()
	for _, act := range h.inDoubt() {
		if how == "done" {
			act.Done = time.Now()
		}
		if err := h.store.Settle(h.t.Context(), act); err != nil {
			h.t.Fatal(err)
		}
	}
}

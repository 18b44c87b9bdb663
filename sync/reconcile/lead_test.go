package reconcile

import (
	"context"
	"fmt"
	"maps"
	"testing"
	"time"

	"weir/sync/emulator"
	"weir/sync/plan"
	"weir/sync/resource"
	"weir/sync/state"
)

func idOf(text string) resource.ID {
	id, err := resource.ParseID(text)
	if err != nil {
		panic(err)
	}
	return id
}

// TestCluster_WhoDoesNotLeadShowsTheSame: it calls nothing, and is ready once it knows
// all that others have seen.
func TestCluster_WhoDoesNotLeadShowsTheSame(t *testing.T) {
	inTown(t, 3, nil, func(t *testing.T, w *town) {
		c := w.houses[2]
		w.wait(time.Second)
		if c.rec.Status().Ready {
			t.Error("it is ready, and knows nothing")
		}
		w.commit("a.yaml", multiOn, "b.yaml", relay)
		w.wait(5 * time.Second)
		want := map[string]string{"MultiStream live.example.com": "in-sync", "RelaySource push.example.com/live": "in-sync"}
		for _, h := range w.houses {
			h.expectStates(want)
			if !h.rec.Status().Ready {
				t.Errorf("%s is not ready: %s", h.rec.leaderOf("ali"), h.rec.Status().Error)
			}
		}
		c.patch(emulator.World{RelaySources: []emulator.RelaySource{{Vhost: "push.example.com", App: "live", Deleted: true}}})
		w.wait(6 * time.Minute)
		c.expectStates(want)
		if n := w.seats[2].calls.Load(); n != 0 {
			t.Errorf("it has made %d calls", n)
		}
		c.expectWrites("SetLiveDomainMultiStreamConfig on", "UpdateRelaySourceV3", "UpdateRelaySourceV3")
	})
}

// TestCluster_WhatOthersMakeIsPending: what is due where another leads is shown as due,
// and says who makes it.
func TestCluster_WhatOthersMakeIsPending(t *testing.T) {
	inTown(t, 2, nil, func(t *testing.T, w *town) {
		w.commit("a.yaml", multiOn)
		w.wait(5 * time.Second)
		w.houses[0].stop() // and its lease goes on
		w.houses[1].commit("a.yaml", multiOff)
		w.wait(3 * time.Second)
		c, _ := w.houses[1].rec.Shown().Plan.Find(idOf("ali/MultiStream/live.example.com"))
		if c.State != plan.Pending || !c.Due() || c.Note != "a leads the account, and makes it" {
			t.Errorf("it is %s, due %t: %q", c.State, c.Due(), c.Note)
		}
		w.lead("", "ali")
		w.wait(time.Second)
		c, _ = w.houses[1].rec.Shown().Plan.Find(idOf("ali/MultiStream/live.example.com"))
		if c.Note != "nobody leads the account now; who takes it over makes it" {
			t.Errorf("it says %q", c.Note)
		}
		w.houses[0].start()
	})
}

// TestCluster_TakenOverWithoutReadingAll: what the former leader saw counts, a write
// rests on a read of its own.
func TestCluster_TakenOverWithoutReadingAll(t *testing.T) {
	inTown(t, 2, []change{crowd}, func(t *testing.T, w *town) {
		a, b := w.houses[0], w.houses[1]
		w.commit("a.yaml", relaysTo(100, "a.example.net"))
		w.wait(2 * time.Minute)
		if n := a.count("UpdateRelaySourceV3"); n != 100 {
			t.Fatalf("%d were written", n)
		}
		b.stop()
		defer b.start()
		before := w.seats[0].calls.Load()
		w.lead("a", "volc")
		w.wait(3 * time.Second)
		if n := w.seats[0].calls.Load() - before; n > 3 { // what the search for drift looks at
			t.Errorf("%d calls were made to take 100 resources over", n)
		}
		a.clouds.ClearJournal()
		a.commit("a.yaml", relaysTo(100, "a.example.net")+"---\n"+relayFor("another", "a.example.net"))
		w.wait(3 * time.Second)
		if n := a.count("UpdateRelaySourceV3"); n != 1 {
			t.Errorf("%d were written of one edit", n)
		}
		if n := a.rec.Status().Counts; len(n) != 1 || n[0].Count != 101 || n[0].State != plan.InSync {
			t.Errorf("it knows %v", n)
		}
	})
}

// slowly is a cloud that answers after two seconds.
func slowly(h *house, _ *Options) { h.away = &far{rtt: 2 * time.Second, gate: make(chan struct{}, 1)} }

// TestFailure_P12_LostInTheMiddle: what has not begun never does, what is under way the
// next leader finds out, and nothing is made twice or not at all. Nobody is alarmed.
func TestFailure_P12_LostInTheMiddle(t *testing.T) {
	for _, back := range []bool{false, true} {
		t.Run(fmt.Sprint("and back ", back), func(t *testing.T) {
			inTown(t, 2, []change{crowd, slowly}, func(t *testing.T, w *town) {
				a, b := w.houses[0], w.houses[1]
				w.commit("a.yaml", relaysTo(100, "a.example.net"))
				w.wait(10 * time.Second)
				w.lead("a", "volc")
				w.wait(5 * time.Second)
				n := b.count("UpdateRelaySourceV3")
				if n == 0 || n > 95 {
					t.Fatalf("%d were written when the account was lost", n)
				}
				if back {
					w.lead("b", "volc")
				}
				w.wait(4 * time.Minute)
				if n, owned := a.count("UpdateRelaySourceV3"), len(a.owned()); n != 100 || owned != 100 {
					t.Errorf("%d were written, %d are recorded", n, owned)
				}
				for _, h := range w.houses {
					s := h.rec.Status()
					if len(s.Failures) > 0 || s.Error != "" || !s.Ready || len(s.Unread) > 0 {
						t.Errorf("failures %v, unread %v, error %q", s.Failures, s.Unread, s.Error)
					}
				}
				if x, y := a.states(), b.states(); !maps.Equal(x, y) {
					maps.DeleteFunc(x, func(k, v string) bool { return y[k] == v })
					t.Errorf("the two show something else: %v", x)
				}
			})
		})
	}
}

// TestFailure_P12_ActIsNotDoubled: an act that was begun when the account was lost is in
// doubt, and no one's to begin again.
func TestFailure_P12_ActIsNotDoubled(t *testing.T) {
	inTown(t, 2, []change{slowly}, func(t *testing.T, w *town) {
		a := w.houses[0]
		a.onAir(true, "main")
		w.commit("a.yaml", record)
		w.wait(30 * time.Second)
		a.clouds.ClearJournal()
		w.commit("a.yaml", restart)
		for a.count("RealTimeRecordCommand") == 0 {
			w.wait(100 * time.Millisecond)
		}
		w.lead("b", "ali")
		w.wait(10 * time.Minute)
		if n := a.count("RealTimeRecordCommand"); n != 1 {
			t.Errorf("it was begun %d times", n)
		}
		c, _ := w.houses[1].rec.Shown().Plan.Find(idOf("ali/Recording/live.example.com/live/main"))
		if !c.InDoubt {
			t.Errorf("it is not in doubt: %s, %s", c.State, c.Note)
		}
	})
}

// TestFailure_P12_RemovedOnce: removals go on where they were.
func TestFailure_P12_RemovedOnce(t *testing.T) {
	loose := func(_ *house, o *Options) { o.Policy.MaxRemoved, o.Policy.MaxRemovedPercent = 100, 100 }
	inTown(t, 2, []change{crowd, loose}, func(t *testing.T, w *town) {
		w.commit("a.yaml", relaysTo(30, "a.example.net"))
		w.wait(2 * time.Minute)
		w.commit("a.yaml", relaysTo(1, "a.example.net"))
		for w.houses[0].count("DeleteRelaySourceV3") < 5 {
			w.wait(100 * time.Millisecond)
		}
		w.lead("a", "volc")
		w.wait(2 * time.Second)
		w.lead("b", "volc")
		w.wait(3 * time.Minute)
		if n, owned := w.houses[0].count("DeleteRelaySourceV3"), len(w.houses[0].owned()); n != 29 || owned != 1 {
			t.Errorf("%d were removed, %d are recorded", n, owned)
		}
	})
}

// TestCluster_EditWhileItMoves: an edit that comes while the account moves is applied once.
func TestCluster_EditWhileItMoves(t *testing.T) {
	for _, after := range []time.Duration{0, 300 * time.Millisecond, 700 * time.Millisecond, 1500 * time.Millisecond} {
		t.Run(fmt.Sprint(after), func(t *testing.T) {
			inTown(t, 2, []change{crowd}, func(t *testing.T, w *town) {
				w.commit("a.yaml", relaysTo(10, "a.example.net"))
				w.wait(time.Minute)
				w.houses[0].clouds.ClearJournal()
				to := "a"
				for i := range 6 {
					w.commit("a.yaml", relaysTo(10, fmt.Sprintf("e%d.example.net", i)))
					w.wait(after)
					w.lead(to, "volc")
					w.wait(30 * time.Second)
					if to = "b"; i%2 == 1 {
						to = "a"
					}
				}
				if n := w.houses[0].count("UpdateRelaySourceV3"); n != 60 {
					t.Errorf("%d were written of 60", n)
				}
			})
		})
	}
}

// TestFailure_P14_NoProofNoCall: while the lease cannot be proven nothing is called, and
// that is nobody's failure.
func TestFailure_P14_NoProofNoCall(t *testing.T) {
	inTown(t, 2, nil, func(t *testing.T, w *town) {
		b := w.houses[1]
		w.commit("a.yaml", relay)
		w.wait(10 * time.Second)
		b.clouds.ClearJournal()
		sent, passes := w.seats[1].calls.Load(), b.rec.Status().Passes
		w.mu.Lock()
		w.seats[1].left = time.Second
		w.mu.Unlock()
		w.commit("a.yaml", relayShort)
		w.wait(10 * time.Minute)
		if n := w.seats[1].calls.Load() - sent; n != 0 {
			t.Errorf("%d calls were sent", n)
		}
		s := b.rec.Status()
		if len(s.Failures) > 0 || len(s.Unread) > 0 || s.Error != "" {
			t.Errorf("failures %v, unread %v, error %q", s.Failures, s.Unread, s.Error)
		}
		if n := s.Passes - passes; n > 1300 {
			t.Errorf("%d passes", n)
		}
		w.mu.Lock()
		w.seats[1].left = 0
		w.mu.Unlock()
		w.wait(10 * time.Second)
		b.expectWrites("UpdateRelaySourceV3")
	})
}

// TestCluster_IdleWaitsForCalls: an account is given up when no call of it is under way.
func TestCluster_IdleWaitsForCalls(t *testing.T) {
	inTown(t, 2, []change{crowd, slowly}, func(t *testing.T, w *town) {
		b := w.houses[1]
		w.commit("a.yaml", relaysTo(100, "a.example.net"))
		w.wait(10 * time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for n := b.count("UpdateRelaySourceV3"); b.count("UpdateRelaySourceV3") == n; { // one is on its way back
			w.wait(10 * time.Millisecond)
		}
		w.lead("", "volc")
		began, n := time.Now(), w.seats[1].calls.Load()
		b.rec.Idle(ctx, "volc")
		if took := time.Since(began); took > 3*time.Second || took < time.Second/2 {
			t.Errorf("it was idle after %v", took)
		}
		if more := w.seats[1].calls.Load() - n; more != 0 {
			t.Errorf("%d calls began after the account was lost", more)
		}
	})
}

// TestCluster_ClocksApart: times of others that are later than here are no later than
// now, and count all the same.
func TestCluster_ClocksApart(t *testing.T) {
	inTown(t, 2, nil, func(t *testing.T, w *town) {
		w.commit("b.yaml", relay)
		w.wait(5 * time.Second)
		a := w.houses[0]
		id := idOf("volc/RelaySource/push.example.com/live")
		o := a.rec.seen.of[id]
		o.At = time.Now().Add(time.Hour)
		if err := w.houses[1].store.(state.Board).Post(t.Context(), "volc", []resource.Observation{o}, nil); err != nil {
			t.Fatal(err)
		}
		w.wait(time.Second)
		if got := a.rec.seen.of[id]; got.At.After(time.Now()) || got.At.IsZero() || !alike(got, o) {
			t.Errorf("it was seen at %v", got.At)
		}
		a.expectStates(map[string]string{"RelaySource push.example.com/live": "in-sync"})
	})
}

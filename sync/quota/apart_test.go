package quota_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"weir/sync/call"
	"weir/sync/quota"
)

// TestFailure_P06_StoppedWithoutTheBudget: a process that was stopped with a slot of
// its own part in its hand does not send on it when the others have the budget again.
func TestFailure_P06_StoppedWithoutTheBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 4
		server, desk := newCloud(1e6, 1e6, 0, 1), newMemory()
		desk.set(true)
		stopped, other := newProcess(t, desk, server, 1, second(limit)), newProcess(t, desk, server, 2, second(limit))
		slots := 0
		send := call.WhenReady(server)
		stopped.caller = call.Limit(call.Func(func(ctx context.Context, req *call.Request) (*call.Response, error) {
			if slots++; slots == 1 {
				time.Sleep(3 * time.Minute)
			}
			return send.Call(ctx, req)
		}), call.Limiters{stopped.name: stopped.limiter}, nil)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if failed := stopped.calls(t.Context(), 1); failed != 0 {
				t.Error("its call failed")
			}
		})
		time.Sleep(time.Minute)
		desk.set(false)
		wg.Go(func() { other.calls(ctx, 2000) })
		time.Sleep(3 * time.Minute)
		cancel()
		wg.Wait()
		if slots != 2 || server.by["p1"] != 1 {
			t.Errorf("it made %d calls with %d slots, want one with the second", server.by["p1"], slots)
		}
		if got := server.most(time.Second); got > limit {
			t.Errorf("%d calls in one second, limit %d", got, limit)
		}
	})
}

// TestShare_TriesTheBudgetAlthoughItsPartIsUsedUp: a process that waits for a slot of
// its own part goes back to the budget when that can be used again.
func TestShare_TriesTheBudgetAlthoughItsPartIsUsedUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		desk := newMemory()
		desk.set(true)
		hour := call.Window{Limit: 4, Per: time.Hour}
		p := newProcess(t, desk, newCloud(1e6, 1e6, 0, 1), 1, hour)
		p.calls(t.Context(), 1) // all of its part
		begin := time.Now()
		var wg sync.WaitGroup
		wg.Go(func() { p.calls(t.Context(), 1) })
		time.Sleep(10 * time.Minute)
		desk.set(false)
		var quiet time.Duration
		time.Sleep(10 * time.Second)
		_ = desk.Update(t.Context(), "Op", func(b *quota.Book, now quota.Instant) { quiet = now.Until(b.Quiet) })
		if quiet < hour.Hold() {
			t.Errorf("it keeps the others quiet for %v, want until its own calls do not count any more", quiet)
		}
		wg.Wait()
		if took, most := time.Since(begin), 10*time.Minute+10*time.Second+call.Lease+hour.Hold(); took > most {
			t.Errorf("its call took %v, want at most %v", took, most)
		}
		if len(p.told) != 2 || p.told[1] != nil {
			t.Errorf("it was told %v, want an error and its end", p.told)
		}
	})
}

// TestLimiter_SetHoldsForWhoAsks: a call that waits for the budget by the windows of
// before asks by those that are set.
func TestLimiter_SetHoldsForWhoAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		minute, desk, server := call.Window{Limit: 1, Per: time.Minute}, newMemory(), newCloud(1e6, 1e6, 0, 1)
		newProcess(t, desk, server, 1, minute).calls(t.Context(), 1)
		p := newProcess(t, desk, server, 2, minute)
		var wg sync.WaitGroup
		wg.Go(func() { p.calls(t.Context(), 1) })
		time.Sleep(2 * time.Second)
		begin := time.Now()
		if err := p.limiter.Set(call.LimiterOptions{Limits: map[string][]call.Window{"Op": {second(1)}}}); err != nil {
			t.Fatal(err)
		}
		wg.Wait()
		if took := time.Since(begin); took > 10*time.Millisecond {
			t.Errorf("it took %v", took)
		}
	})
}

// TestLimiter_SetHoldsWithoutTheBudget: a reload changes also the part of a process
// that cannot use the budget.
func TestLimiter_SetHoldsWithoutTheBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		desk, server := newMemory(), newCloud(1e6, 1e6, 0, 1)
		desk.set(true)
		p := newProcess(t, desk, server, 1, second(100))
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { p.calls(ctx, 2000) })
		time.Sleep(call.Lease + 5*time.Second)
		if got := server.most(time.Second); got != 25 {
			t.Errorf("%d calls in one second, want a quarter of 100", got)
		}
		if err := p.limiter.Set(call.LimiterOptions{Limits: map[string][]call.Window{"Op": {second(8)}}}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		server.forget()
		time.Sleep(10 * time.Second)
		if got := server.most(time.Second); got != 2 {
			t.Errorf("%d calls in one second, want a quarter of 8", got)
		}
		cancel()
		wg.Wait()
	})
}

// TestBook_EndOfACallItDoesNotKnow: a call of before a book was lost ends no other
// call's slot, however late it ends.
func TestBook_EndOfACallItDoesNotKnow(t *testing.T) {
	want := call.Want{Windows: []call.Window{second(1)}}
	now := quota.Instant(time.Hour)
	var lost, b quota.Book
	number, _, _ := lost.Take(now, 1, want)
	b.Silence(now)
	now = now.After(time.Minute)
	if other, _, _ := b.Take(now, 2, want); other == 0 {
		t.Fatal("no slot a minute later")
	}
	b.Give(now, number, call.End{})
	if b.Slots[0].Done != 0 {
		t.Errorf("the other's call is said to have ended: %+v", b.Slots[0])
	}
}

// TestShare_WhoComesBackFirstWaitsForTheOthers: when the budget can be used again, who
// tries it first waits until those that went on without it know.
func TestShare_WhoComesBackFirstWaitsForTheOthers(t *testing.T) {
	for first := 55 * time.Second; first < time.Minute; first += 500 * time.Millisecond {
		synctest.Test(t, func(t *testing.T) {
			const limit = 8
			server, desk := newCloud(1e6, 1e6, 0, 1), newMemory()
			desk.set(true)
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
			defer cancel()
			var wg sync.WaitGroup
			for i, begin := range []time.Duration{0, first} {
				p := newProcess(t, desk, server, i+1, second(limit))
				wg.Go(func() {
					time.Sleep(begin)
					p.calls(ctx, 1000)
				})
			}
			time.Sleep(time.Minute)
			desk.set(false)
			wg.Wait()
			if got := server.most(time.Second); got > limit {
				t.Errorf("%d calls in one second, limit %d", got, limit)
			}
			if got := server.count(); got < 60*limit {
				t.Errorf("%d calls within two minutes after it was back", got)
			}
		})
	}
}

// TestShare_EachTimeApartBeginsWithAWait: a process that had no call to make since it
// could not use the budget waits anew when it cannot the next time.
func TestShare_EachTimeApartBeginsWithAWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 8
		server, desk := newCloud(1e6, 1e6, 0, 1), newMemory()
		rare, busy := newProcess(t, desk, server, 1, second(limit)), newProcess(t, desk, server, 2, second(limit))
		desk.set(true)
		rare.calls(t.Context(), 1)
		desk.set(false)
		time.Sleep(time.Minute)
		busy.calls(t.Context(), 20*limit)
		desk.set(true)
		rare.calls(t.Context(), 1)
		if got := server.most(time.Second); got > limit {
			t.Errorf("%d calls in one second, limit %d", got, limit)
		}
	})
}

// TestShare_SilenceInWhichTheBudgetWentAwayAgain: one that ended while the budget could
// not be used tells nothing of those that went on without it.
func TestShare_SilenceInWhichTheBudgetWentAwayAgain(t *testing.T) {
	for first := 62 * time.Second; first < 68*time.Second; first += 500 * time.Millisecond {
		synctest.Test(t, func(t *testing.T) {
			const limit = 8
			server, desk := newCloud(1e6, 1e6, 0, 1), newMemory()
			desk.set(true)
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
			defer cancel()
			var wg sync.WaitGroup
			for i, begin := range []time.Duration{0, first} {
				p := newProcess(t, desk, server, i+1, second(limit))
				wg.Go(func() {
					time.Sleep(begin)
					p.calls(ctx, 1000)
				})
			}
			time.Sleep(30 * time.Second)
			desk.set(false)
			time.Sleep(6 * time.Second)
			desk.set(true)
			time.Sleep(33 * time.Second)
			desk.set(false)
			wg.Wait()
			if got := server.most(time.Second); got > limit {
				t.Errorf("%d calls in one second, limit %d", got, limit)
			}
		})
	}
}

// TestShare_TriesTheBudgetBeforeTheFirstCallWithoutIt: the budget came back right before
// a process goes on without it, or is there for a moment only.
func TestShare_TriesTheBudgetBeforeTheFirstCallWithoutIt(t *testing.T) {
	for back := 18 * time.Second; back < 23*time.Second; back += 500 * time.Millisecond {
		synctest.Test(t, func(t *testing.T) {
			const limit = 8
			server, desk := newCloud(1e6, 1e6, 0, 1), newMemory()
			desk.set(true)
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			var wg sync.WaitGroup
			for i, begin := range []time.Duration{0, back} {
				p := newProcess(t, desk, server, i+1, second(limit))
				wg.Go(func() {
					time.Sleep(begin)
					p.calls(ctx, 1000)
				})
			}
			time.Sleep(back)
			desk.set(false)
			time.Sleep(7 * time.Second)
			desk.set(true)
			wg.Wait()
			if got := server.most(time.Second); got > limit {
				t.Errorf("back after %v: %d calls in one second, limit %d", back, got, limit)
			}
		})
	}
}

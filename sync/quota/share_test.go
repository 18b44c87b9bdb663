package quota_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"weir/sync/call"
	"weir/sync/quota"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func second(n int) call.Window { return call.Window{Limit: n, Per: time.Second} }

// process is a limiter of its own that draws on a desk.
type process struct {
	name    string
	limiter *call.Limiter
	caller  call.Caller
	died    atomic.Bool
	late    time.Duration // it does everything so much later than it means to
	told    []error
}

func newProcess(t *testing.T, desk *memory, server call.Caller, number int, windows ...call.Window) *process {
	t.Helper()
	l, err := call.NewLimiter(call.LimiterOptions{Limits: map[string][]call.Window{"Op": windows}})
	if err != nil {
		t.Fatal(err)
	}
	p := &process{name: fmt.Sprint("p", number), limiter: l}
	l.Share(quota.Share(mortal{desk, p}, int64(number)), func(err error) { p.told = append(p.told, err) })
	p.caller = call.Limit(call.WhenReady(server), call.Limiters{p.name: l}, nil)
	return p
}

// calls makes n calls at once and returns how many failed.
func (p *process) calls(ctx context.Context, n int) (failed int64) {
	var wg sync.WaitGroup
	var bad atomic.Int64
	for range n {
		wg.Go(func() {
			if _, err := p.caller.Call(ctx, &call.Request{Account: p.name, Operation: "Op"}); err != nil {
				bad.Add(1)
			}
		})
	}
	wg.Wait()
	return bad.Load()
}

// together lets n processes make calls each, and returns how long it took.
func together(t *testing.T, server *cloud, n, calls int, windows ...call.Window) time.Duration {
	t.Helper()
	desk := newMemory()
	begin := time.Now()
	var wg sync.WaitGroup
	for i := range n {
		p := newProcess(t, desk, server, i+1, windows...)
		wg.Go(func() {
			if failed := p.calls(t.Context(), calls); failed != 0 {
				t.Errorf("%s: %d calls failed", p.name, failed)
			}
		})
	}
	wg.Wait()
	return time.Since(begin)
}

func TestShare_TurnsAreFair(t *testing.T) {
	for _, n := range []int{2, 3} {
		synctest.Test(t, func(t *testing.T) {
			server, desk := newCloud(1e6, 1e6, 0, 1), newMemory()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			var wg sync.WaitGroup
			for i := range n {
				p := newProcess(t, desk, server, i+1, second(9))
				wg.Go(func() {
					time.Sleep(time.Duration(i) * 10 * time.Second)
					p.calls(ctx, 1000)
				})
				if i == 0 {
					synctest.Wait()
				}
			}
			time.Sleep(30 * time.Second)
			before := clone(server)
			time.Sleep(29 * time.Second)
			after := clone(server)
			wg.Wait()
			for name := range after {
				part := float64(after[name]-before[name]) * float64(n) / (29 * 9)
				if part < 0.85 || part > 1.15 {
					t.Errorf("%d processes: %s has %.2f of its part", n, name, part)
				}
			}
		})
	}
}

func clone(c *cloud) map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.by)
}

// TestShare_OneTakesWhatTheOthersLeave: a process that calls now and then gets
// its slot at once, and takes nothing from the other meanwhile.
func TestShare_OneTakesWhatTheOthersLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, desk := newCloud(1e6, 1e6, 0, 1), newMemory()
		busy := newProcess(t, desk, server, 1, second(10))
		rare := newProcess(t, desk, server, 2, second(10))
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		var wg sync.WaitGroup
		wg.Go(func() { busy.calls(ctx, 1000) })
		for range 9 {
			time.Sleep(3 * time.Second)
			begin := time.Now()
			rare.calls(ctx, 1)
			if waited := time.Since(begin); waited > 1200*time.Millisecond {
				t.Errorf("the rare call took %v", waited)
			}
		}
		wg.Wait()
		if got := server.most(time.Second); got > 10 {
			t.Errorf("%d calls in one second, limit 10", got)
		}
		if total := server.count(); total < 295 {
			t.Errorf("%d calls in 30 s at 10 a second", total)
		}
	})
}

// TestFailure_P06_DeadProcessGivesItsSlotsBack: the slots of a process that died
// with calls under way are free after the longest call and a window.
func TestFailure_P06_DeadProcessGivesItsSlotsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, desk := newCloud(1e6, 1e9, 0, 1), newMemory()
		dying := newProcess(t, desk, server, 1, second(10))
		other := newProcess(t, desk, server, 2, second(10))
		ctx, kill := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { dying.calls(ctx, 10) })
		time.Sleep(10 * time.Millisecond)
		dying.died.Store(true)
		kill()
		wg.Wait()
		begin := time.Now()
		if failed := other.calls(t.Context(), 10); failed != 0 {
			t.Errorf("%d calls failed", failed)
		}
		if took, most := time.Since(begin), call.Lease+second(10).Hold()+2*time.Second; took > most {
			t.Errorf("the slots were free after %v, want at most %v", took, most)
		}
	})
}

// TestFailure_A07_ThrottleIsLearntByAll: what one process was told, the other
// obeys, and throttles of calls that were under way together count once.
func TestFailure_A07_ThrottleIsLearntByAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, desk := newCloud(1e6, 1e6, 0, 1), newMemory()
		first := newProcess(t, desk, server, 1, second(10))
		other := newProcess(t, desk, server, 2, second(10))
		server.throttle = func() bool { return true }
		first.calls(t.Context(), 10)
		server.throttle = func() bool { return false }
		time.Sleep(2 * time.Second)
		server.forget()
		other.calls(t.Context(), 20)
		if got := server.most(time.Second); got != 5 {
			t.Errorf("the other made %d calls a second after a throttle, want 5", got)
		}
		if got := other.limiter.Windows("Op")[0].Limit; got != 5 {
			t.Errorf("the other tells a limit of %d, want 5", got)
		}
		time.Sleep(3 * time.Minute)
		server.forget()
		other.calls(t.Context(), 20)
		if got := server.most(time.Second); got != 10 {
			t.Errorf("%d calls a second three minutes later, want 10", got)
		}
	})
}

// TestFailure_A07_SharedPartComesBackInTime: what a throttle took of a shared quota is
// given back as fast as where nobody shares it.
func TestFailure_A07_SharedPartComesBackInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newCloud(1e6, 1e6, 0, 1)
		p := newProcess(t, newMemory(), server, 1, second(10))
		server.throttle = func() bool { return true }
		p.calls(t.Context(), 1)
		server.throttle = func() bool { return false }
		for i := range 5 {
			for range 30 {
				p.calls(t.Context(), 1)
				time.Sleep(time.Second)
			}
			if got := p.limiter.Windows("Op")[0].Limit; got != 6+i {
				t.Errorf("%d s after a throttle the limit is %d, want %d", 30*(i+1), got, 6+i)
			}
		}
	})
}

// TestShare_WithoutTheBudgetAPartIsUsed: a desk that cannot be used stops calls
// until nothing others sent counts; then four processes keep below the limit
// together, and when it is back all of it is used again.
func TestShare_WithoutTheBudgetAPartIsUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 12
		server, desk := newCloud(1e6, 1e6, 0, 1), newMemory()
		ctx, cancel := context.WithTimeout(t.Context(), 150*time.Second)
		defer cancel()
		var wg sync.WaitGroup
		var processes []*process
		for i := range 4 {
			p := newProcess(t, desk, server, i+1, second(limit))
			processes = append(processes, p)
			wg.Go(func() { p.calls(ctx, 500) })
		}
		time.Sleep(10 * time.Second)
		desk.set(true)
		time.Sleep(call.Lease)
		quiet := server.count()
		time.Sleep(40 * time.Second)
		apart := server.count() - quiet
		if _, usable := processes[0].limiter.Sharing(); usable {
			t.Error("it says that its quota is shared")
		}
		desk.set(false)
		time.Sleep(40 * time.Second)
		back := server.count()
		time.Sleep(20 * time.Second)
		again := server.count() - back
		cancel()
		wg.Wait()
		if got := server.most(time.Second); got > limit {
			t.Errorf("%d calls in one second, limit %d", got, limit)
		}
		if apart < 35*limit {
			t.Errorf("%d calls in 40 s without the desk", apart)
		}
		if again < 19*limit {
			t.Errorf("%d calls in 20 s with the desk again", again)
		}
		for _, p := range processes {
			if len(p.told) != 2 || p.told[0] == nil || p.told[1] != nil {
				t.Errorf("%s was told %v, want an error and its end", p.name, p.told)
			}
		}
	})
}

// TestShare_NeverAboveTheQuota draws loads, lines, deaths and windows.
func TestShare_NeverAboveTheQuota(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		ms := func(name string, most int) time.Duration {
			return time.Duration(rapid.IntRange(0, most).Draw(rt, name)) * time.Millisecond
		}
		windows := []call.Window{{
			Limit: rapid.IntRange(1, 12).Draw(rt, "limit"),
			Per:   rapid.SampledFrom([]time.Duration{100e6, time.Second, 3 * time.Second}).Draw(rt, "per"),
		}}
		if rapid.Bool().Draw(rt, "two windows") {
			windows = append(windows, call.Window{Limit: rapid.IntRange(10, 60).Draw(rt, "a minute"), Per: time.Minute})
		}
		forth, back := ms("forth", 400), ms("back", 400)
		jitter := rapid.SampledFrom([]time.Duration{0, 1e6, 20e6, 200e6}).Draw(rt, "jitter")
		processes, calls := rapid.IntRange(1, 4).Draw(rt, "processes"), rapid.IntRange(1, 25).Draw(rt, "calls")
		seed := rapid.Uint64().Draw(rt, "seed")
		var server *cloud
		synctest.Test(t, func(t *testing.T) {
			server = newCloud(forth, back, jitter, seed)
			desk, random := newMemory(), rand.New(rand.NewPCG(seed, 2))
			var wg sync.WaitGroup
			for i := range processes {
				p := newProcess(t, desk, server, i+1, windows...)
				ctx, kill := context.WithCancel(t.Context())
				if random.Float64() < 0.3 {
					time.AfterFunc(time.Duration(random.Int64N(20e9)+1), func() { p.died.Store(true); kill() })
				}
				priority := call.Scrub + call.Priority(random.IntN(5))
				wg.Go(func() {
					defer kill()
					time.Sleep(time.Duration(random.Int64N(5e9)) + 1)
					p.calls(call.WithPriority(ctx, priority), calls)
				})
				synctest.Wait()
			}
			wg.Wait()
			time.Sleep(time.Minute)
		})
		for _, w := range windows {
			if got := server.most(w.Per); got > w.Limit {
				rt.Fatalf("%d calls within %v, limit %d", got, w.Per, w.Limit)
			}
		}
	})
}

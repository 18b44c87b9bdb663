package quota_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"pgregory.net/rapid"

	"weir/sync/call"
	"weir/sync/quota"
)

// flood makes more calls of a priority than any quota lets through, until ctx ends.
func (p *process) flood(ctx context.Context, priority call.Priority) {
	p.calls(call.WithPriority(ctx, priority), 400)
}

// TestShare_PersonGoesBeforeOtherProcesses: a process that works for a person has
// nineteen slots of twenty beside two that flood the operation with less.
func TestShare_PersonGoesBeforeOtherProcesses(t *testing.T) {
	for _, rtt := range []time.Duration{2e6, 100e6, 500e6} {
		synctest.Test(t, func(t *testing.T) {
			server, desk := newCloud(rtt/2, rtt/2, 0, 1), newMemory()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			var wg sync.WaitGroup
			for i, priority := range []call.Priority{call.Scrub, call.Planning, call.Person} {
				p := newProcess(t, desk, server, i+1, second(10))
				wg.Go(func() {
					time.Sleep(time.Duration(i) * 5 * time.Second)
					p.flood(ctx, priority)
				})
			}
			time.Sleep(15 * time.Second)
			before := clone(server)
			time.Sleep(30 * time.Second)
			after := clone(server)
			cancel()
			wg.Wait()
			total := 0
			for name := range after {
				total += after[name] - before[name]
			}
			persons := after["p3"] - before["p3"]
			t.Logf("round trip %v: %d of %d calls were the person's", rtt, persons, total)
			if persons*10 < total*9 {
				t.Errorf("round trip %v: %d of %d calls were the person's, want 90 %%", rtt, persons, total)
			}
			if lowest := after["p1"] - before["p1"]; lowest == 0 {
				t.Errorf("round trip %v: the scrub was starved", rtt)
			}
			if got := server.most(time.Second); got > 10 {
				t.Errorf("%d calls in one second, limit 10", got)
			}
		})
	}
}

// TestShare_NobodyIsStarved: beside processes that flood an operation with every
// higher priority, the lowest has its part of one slot of twenty, and no call waits
// for longer than those before it need for that.
func TestShare_NobodyIsStarved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const each, limit, span = 10, 10, 15 * time.Minute
		server, desk := newCloud(1e6, 1e6, 0, 1), newMemory()
		ctx, cancel := context.WithTimeout(t.Context(), span)
		defer cancel()
		var wg sync.WaitGroup
		var mu sync.Mutex
		longest := map[call.Priority]time.Duration{}
		priorities := []call.Priority{call.Scrub, call.Planning, call.Routine, call.Person, call.Urgent}
		for i, priority := range priorities {
			p := newProcess(t, desk, server, i+1, second(limit))
			for range each {
				wg.Go(func() {
					for ctx.Err() == nil {
						begin := time.Now()
						p.calls(call.WithPriority(ctx, priority), 1)
						mu.Lock()
						longest[priority] = max(longest[priority], time.Since(begin))
						mu.Unlock()
					}
				})
			}
		}
		wg.Wait()
		server.mu.Lock()
		defer server.mu.Unlock()
		urgent := float64(server.by["p5"]) / float64(len(server.arrivals))
		t.Logf("%.3f of the slots were urgent; by process %v; the longest waits %v", urgent, server.by, longest)
		if urgent < 0.94 || urgent > 0.96 {
			t.Errorf("%.3f of the slots were urgent, want nineteen of twenty", urgent)
		}
		slot := second(limit).Hold() / limit
		for _, priority := range priorities {
			if most := time.Duration(len(priorities)*each*call.LongestEvery) * slot; longest[priority] > most+time.Second {
				t.Errorf("a call of priority %v waited %v, want at most %v", priority, longest[priority], most)
			}
		}
	})
}

// TestShare_SlowProcessIsNotPassedBy: a process that gets the processor 100 ms later
// than it wants to has the next slot for an urgent call, and its twentieth for a scrub,
// beside one that floods the operation and is never late.
func TestShare_SlowProcessIsNotPassedBy(t *testing.T) {
	for _, late := range []time.Duration{45 * time.Millisecond, 100 * time.Millisecond} {
		for _, limit := range []int{1, 10} {
			for slow, busy := range map[call.Priority]call.Priority{call.Urgent: call.Scrub, call.Scrub: call.Person} {
				synctest.Test(t, func(t *testing.T) {
					server, desk := newCloud(1e6, 1e6, 0, 1), newMemory()
					ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
					var wg sync.WaitGroup
					quick, p := newProcess(t, desk, server, 1, second(limit)), newProcess(t, desk, server, 2, second(limit))
					p.late = late
					wg.Go(func() {
						for ctx.Err() == nil {
							quick.calls(call.WithPriority(ctx, busy), limit)
						}
					})
					most := second(limit).Hold() + 2*late + call.Early
					if slow < busy {
						most *= time.Duration(1 + 2*call.LongestEvery/limit)
					}
					for range 10 {
						time.Sleep(1370 * time.Millisecond)
						begin := time.Now()
						p.calls(call.WithPriority(ctx, slow), 1)
						if took := time.Since(begin); took > most {
							t.Errorf("%v late at %d a second: a call of priority %v took %v, want at most %v", late, limit, slow, took, most)
						}
					}
					cancel()
					wg.Wait()
				})
			}
		}
	}
}

// TestShare_GivingUpCostsOthersNoSlot: processes of a high priority that give up
// while they wait cost the others next to nothing.
func TestShare_GivingUpCostsOthersNoSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, desk := newCloud(1e6, 1e6, 0, 1), newMemory()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		busy, giving := newProcess(t, desk, server, 1, second(10)), newProcess(t, desk, server, 2, second(10))
		var wg sync.WaitGroup
		wg.Go(func() { busy.calls(call.WithPriority(ctx, call.Routine), 700) })
		for range 10 {
			time.Sleep(5*time.Second + 300*time.Millisecond)
			hasty, stop := context.WithTimeout(call.WithPriority(ctx, call.Urgent), 100*time.Millisecond)
			giving.calls(hasty, 5)
			stop()
		}
		wg.Wait()
		if got := server.count(); got < 590 {
			t.Errorf("%d calls in a minute at 10 a second, want 590", got)
		}
	})
}

// TestShare_GivingUpWhileAsking: calls that give up, the one among them that asks
// for all, hold up no other and lose no slot.
func TestShare_GivingUpWhileAsking(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		seed, limit := rapid.Uint64().Draw(rt, "seed"), rapid.IntRange(1, 4).Draw(rt, "limit")
		gone := rapid.SampledFrom([]time.Duration{0, 0, 3 * time.Second, 40 * time.Second}).Draw(rt, "without the desk")
		var missing, above int
		synctest.Test(t, func(t *testing.T) {
			server, desk, random := newCloud(1e6, 20e6, 5e6, seed), newMemory(), rand.New(rand.NewPCG(seed, 3))
			var wg sync.WaitGroup
			all := []*process{newProcess(t, desk, server, 1, second(limit)), newProcess(t, desk, server, 2, second(limit))}
			for range 150 {
				p, priority := all[random.IntN(2)], call.Scrub+call.Priority(random.IntN(5))
				begin, patience := time.Duration(random.Int64N(20e9)), time.Duration(random.Int64N(4e9)+1)
				wg.Go(func() {
					time.Sleep(begin)
					ctx, cancel := context.WithTimeout(call.WithPriority(t.Context(), priority), patience)
					defer cancel()
					p.calls(ctx, 1)
				})
			}
			time.Sleep(5 * time.Second)
			desk.set(gone > 0)
			time.Sleep(gone)
			desk.set(false)
			wg.Wait()
			time.Sleep(2 * time.Minute)
			for _, p := range all {
				p.calls(t.Context(), 1) // ends the time apart
				time.Sleep(2 * time.Minute)
				ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
				missing += int(p.calls(ctx, limit))
				cancel()
				time.Sleep(time.Minute)
			}
			above = server.above(second(limit))
		})
		if missing > 0 || above > 0 {
			rt.Fatalf("%d slots are lost, %d windows were above the limit", missing, above)
		}
	})
}

// TestShare_UrgentPassesWhoAsks: an urgent call of a process whose other calls wait
// for the book has the next slot, or the one after the twentieth.
func TestShare_UrgentPassesWhoAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, desk := newCloud(1e6, 1e6, 0, 1), newMemory()
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		var all []*process
		for i := range 2 {
			p := newProcess(t, desk, server, i+1, second(2))
			all = append(all, p)
			wg.Go(func() { p.flood(ctx, call.Planning) })
		}
		for i := range 30 {
			time.Sleep(2700 * time.Millisecond)
			begin := time.Now()
			urgent := call.WithPriority(ctx, call.Urgent)
			if failed := all[i%2].calls(urgent, 1); failed != 0 {
				t.Error("an urgent call failed")
			}
			// Both slots of a second may be free at once, and one be the twentieth.
			if waited := time.Since(begin); waited > 2*second(2).Hold()+call.Early {
				t.Errorf("urgent call %d took %v", i, waited)
			}
		}
		cancel()
		wg.Wait()
	})
}

// TestShare_PrioritiesHoldWithoutTheBudget: a process that goes on with its part of
// the quota has one queue as before.
func TestShare_PrioritiesHoldWithoutTheBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, desk := newCloud(1e6, 1e6, 0, 1), newMemory()
		desk.set(true)
		p := newProcess(t, desk, server, 1, second(4))
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { p.flood(ctx, call.Scrub) })
		time.Sleep(call.Lease + 5*time.Second)
		for range 20 {
			begin := time.Now()
			p.calls(call.WithPriority(ctx, call.Urgent), 1)
			if waited := time.Since(begin); waited > 2*second(1).Hold()+call.Early {
				t.Errorf("an urgent call took %v with one slot a second", waited)
			}
			time.Sleep(2500 * time.Millisecond)
		}
		cancel()
		wg.Wait()
	})
}

// TestShare_Rivals: a process knows how many others wait with its priority or a
// higher one, and how many with a lower, and forgets those that do not any more.
func TestShare_Rivals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, desk := newCloud(1e6, 1e6, 0, 1), newMemory()
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for i, priority := range []call.Priority{call.Planning, call.Person} {
			p := newProcess(t, desk, server, i+1, second(5))
			wg.Go(func() { p.flood(ctx, priority) })
		}
		me := newProcess(t, desk, server, 3, second(5)).limiter
		rivals := func() string {
			var all []call.Rivals
			for _, p := range []call.Priority{call.Scrub, call.Routine, call.Urgent} {
				all = append(all, me.Outlook("Op", p).Rivals)
			}
			return fmt.Sprint(append(all, me.Outlook("Other", call.Scrub).Rivals))
		}
		time.Sleep(3 * time.Second)
		if got, want := rivals(), "[{[0 0] 0} {[0] 1} {[] 2} {[] 0}]"; got != want {
			t.Errorf("rivals %s, want %s", got, want)
		}
		cancel()
		wg.Wait()
		time.Sleep(5 * time.Second)
		if got, want := rivals(), "[{[] 0} {[] 0} {[] 0} {[] 0}]"; got != want {
			t.Errorf("rivals %s when all have ended, want %s", got, want)
		}
		desk.set(true)
		if got := me.Outlook("Op", call.Scrub).Rivals; len(got.Equal)+got.Lower != 0 {
			t.Errorf("rivals %v without a desk", got)
		}
	})
}

// TestFailure_A07_ForeignIsWhatNoneOfUsDid: calls of another process count for
// whether a throttle is somebody else's doing.
func TestFailure_A07_ForeignIsWhatNoneOfUsDid(t *testing.T) {
	for calls, want := range map[int]float64{4: 1, 10: 0} {
		synctest.Test(t, func(t *testing.T) {
			server, desk := newCloud(1e6, 1e6, 0, 1), newMemory()
			registry := prometheus.NewRegistry()
			metrics, err := call.NewMetrics(registry)
			if err != nil {
				t.Fatal(err)
			}
			for i, n := range []int{calls, 1} {
				l, err := call.NewLimiter(call.LimiterOptions{
					Limits: map[string][]call.Window{"Op": {second(10)}}, Overrides: map[string]call.Window{"Op": second(50)},
				})
				if err != nil {
					t.Fatal(err)
				}
				l.Share(quota.Share(desk, int64(i+1)), func(err error) { t.Error(err) })
				p := &process{name: "a", limiter: l, caller: call.Limit(call.WhenReady(server), call.Limiters{"a": l}, metrics)}
				server.throttle = func() bool { return i == 1 }
				p.calls(t.Context(), n)
			}
			metrics.Preset("a", []string{"Op"})
			problem := testutil.GatherAndCompare(registry, strings.NewReader(fmt.Sprintf(`
				# HELP weir_throttled_foreign_total API calls the cloud refused as above a quota though all that is known of was within what is documented.
				# TYPE weir_throttled_foreign_total counter
				weir_throttled_foreign_total{account="a",operation="Op"} %v
			`, want)), "weir_throttled_foreign_total")
			if problem != nil {
				t.Errorf("after %d calls of another process: %v", calls, problem)
			}
		})
	}
}

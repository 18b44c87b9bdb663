package quota_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

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

// TestShare_Rivals: a process knows how many others wait with its priority or a
// higher one, and forgets those that do not any more.
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
			return fmt.Sprint(me.Rivals("Op", call.Scrub), me.Rivals("Op", call.Routine), me.Rivals("Op", call.Urgent), me.Rivals("Other", call.Scrub))
		}
		time.Sleep(3 * time.Second)
		if got, want := rivals(), "2 1 0 0"; got != want {
			t.Errorf("rivals %s, want %s", got, want)
		}
		cancel()
		wg.Wait()
		time.Sleep(5 * time.Second)
		if got, want := rivals(), "0 0 0 0"; got != want {
			t.Errorf("rivals %s when all have ended, want %s", got, want)
		}
		desk.mu.Lock()
		desk.gone = true
		desk.mu.Unlock()
		if got := me.Rivals("Op", call.Scrub); got != 0 {
			t.Errorf("%d rivals without a desk", got)
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

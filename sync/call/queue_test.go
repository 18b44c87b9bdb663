package call_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"weir/sync/call"
)

// queued is a call that waited, and when.
type queued struct {
	priority call.Priority
	came     time.Duration
	went     time.Duration
}

// turns makes a write of each priority at its time and returns them in the order
// in which they went out.
func turns(t *testing.T, load []queued, windows ...call.Window) []queued {
	t.Helper()
	begin := time.Now()
	var mu sync.Mutex
	var order []queued
	client := call.Func(func(_ context.Context, req *call.Request) (*call.Response, error) {
		mu.Lock()
		defer mu.Unlock()
		q := load[req.Params["n"].(int)]
		q.went = time.Since(begin)
		order = append(order, q)
		return &call.Response{}, nil
	})
	c, _ := limitedBy(t, client, 1, windows...)
	var wg sync.WaitGroup
	for n, q := range load {
		wg.Go(func() {
			time.Sleep(q.came)
			ctx := call.WithPriority(t.Context(), q.priority)
			c.Call(ctx, &call.Request{Account: "a", Operation: "Op", Params: map[string]any{"n": n}})
		})
	}
	wg.Wait()
	return order
}

func priorities() []call.Priority {
	return []call.Priority{call.Scrub, call.Planning, call.Routine, call.Person, call.Urgent}
}

func TestLimiter_HigherPriorityGoesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		load := []queued{{priority: call.Scrub}} // takes the slot that is free
		for i, p := range slices.Concat(priorities(), priorities()) {
			load = append(load, queued{priority: p, came: time.Duration(i+1) * time.Millisecond})
		}
		order := turns(t, load, second(1))
		for i, q := range order[1:] {
			if want := call.Urgent - call.Priority(i/2); q.priority != want {
				t.Errorf("call %d has priority %d, want %d", i, q.priority, want)
			}
		}
		if !slices.IsSortedFunc(order[1:], func(a, b queued) int {
			if a.priority != b.priority {
				return 0
			}
			return int(a.came - b.came)
		}) {
			t.Errorf("within a priority the first does not go first: %v", order)
		}
	})
}

// TestLimiter_UrgentWaitsForOneSlot: whatever waits, an urgent call has the next
// slot, or where that is the twentieth the one after it.
func TestLimiter_UrgentWaitsForOneSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var load []queued
		for range 1000 {
			load = append(load, queued{priority: call.Person})
		}
		for i := range 60 {
			load = append(load, queued{priority: call.Urgent, came: time.Duration(i)*1700*time.Millisecond + 1})
		}
		passed := 0
		for _, q := range turns(t, load, second(1)) {
			if q.priority != call.Urgent {
				continue
			}
			if waited := q.went - q.came; waited > 2*second(1).Hold() {
				t.Errorf("an urgent call waited %v", waited)
			} else if waited > second(1).Hold() {
				passed++
			}
		}
		if passed == 0 || passed > 8 {
			t.Errorf("%d urgent calls of 60 were passed over, want some 5", passed)
		}
	})
}

// TestLimiter_LowestGetsItsTwentieth: beside more of every higher priority than
// the quota lets through, each call of the lowest goes when those that came before
// it had their turn.
func TestLimiter_LowestGetsItsTwentieth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var load []queued
		for i := range 4000 {
			came := time.Duration(i) * 25 * time.Millisecond // 40 a second for 100 s
			load = append(load, queued{priority: priorities()[1+i%4], came: came + 1})
		}
		for i := range 10 {
			load = append(load, queued{priority: call.Scrub, came: time.Duration(i+1) * 5 * time.Millisecond})
		}
		order := turns(t, load, second(10))
		for i, q := range order[:1000] {
			if q.priority == call.Scrub && i > 15*call.LongestEvery {
				t.Errorf("a call of the lowest priority was slot %d", i)
			}
		}
		served := slices.IndexFunc(order, func(q queued) bool { return q.priority == call.Scrub })
		if served < 0 || served >= 1000 {
			t.Errorf("the first of the lowest priority was slot %d", served)
		}
	})
}

// TestLimiter_OneSlotOfTwenty holds the rule for any load: a slot goes to the best
// or to the one that has waited longest, and of any twenty that pass a lower one by
// there is one of the latter kind.
func TestLimiter_OneSlotOfTwenty(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n, spread := rapid.IntRange(1, 200).Draw(rt, "calls"), rapid.IntRange(1, 20000).Draw(rt, "spread")
		window := call.Window{Limit: rapid.IntRange(1, 5).Draw(rt, "limit"), Per: 100 * time.Millisecond}
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 1))
		load := make([]queued, n)
		for i := range load {
			came := time.Duration(random.IntN(spread))*time.Millisecond + time.Duration(i+1) // no two at once
			load[i] = queued{priority: priorities()[random.IntN(5)], came: came}
		}
		var order []queued
		synctest.Test(t, func(t *testing.T) { order = turns(t, load, window) })
		if len(order) != n {
			rt.Fatalf("%d of %d calls went out", len(order), n)
		}
		passing := 0 // slots in a row that passed a lower one by and went to none that had waited longest
		for i, q := range order {
			best, longest, lower := true, true, false
			for _, other := range order[i+1:] {
				if other.came > q.went {
					continue
				}
				best = best && (other.priority < q.priority || (other.priority == q.priority && other.came > q.came))
				longest = longest && other.came > q.came
				lower = lower || other.priority < q.priority
			}
			switch {
			case !best && !longest:
				rt.Fatalf("slot %d went to %+v, which is neither the best nor has waited longest", i, q)
			case longest || !lower:
				passing = 0
			default:
				passing++
			}
			if passing >= call.LongestEvery {
				rt.Fatalf("slots %d to %d passed by one that waited", i-passing+1, i)
			}
		}
	})
}

// TestLimiter_RetryQueuesWithItsPriority: a try after a throttle passes what waits
// with a lower priority, as the first one does.
func TestLimiter_RetryQueuesWithItsPriority(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := &script{outcomes: fails(1, call.Throttled)}
		c := call.Stack(client, call.StackOptions{Limiters: limiters(t, second(2), "a"), Jitter: half})
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		urgent := request()
		urgent.Priority = call.Urgent
		wg.Go(func() {
			begin := time.Now()
			if _, err := c.Call(ctx, urgent); err != nil {
				t.Error(err)
			}
			if took := time.Since(begin); took > 1250*time.Millisecond+2*second(1).Hold() {
				t.Errorf("it took %v beside others that wait, want about the pause after a throttle and one slot", took)
			}
		})
		synctest.Wait()
		for range 100 {
			wg.Go(func() { c.Call(ctx, &call.Request{Account: "a", Operation: "Op"}) })
		}
		time.Sleep(20 * time.Second)
		cancel()
		wg.Wait()
	})
}

package call_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"weir/sync/call"
)

// line is how the way to a simulated cloud is. All times are virtual.
type line struct {
	forth, back time.Duration // one-way delays
	jitter      time.Duration // up to this is added to each of them
	work        time.Duration // up to this passes at the cloud after arrival
	lost        float64       // part of the answers that never come
	reset       float64       // part of the connections that break while the answer is awaited
	throttled   float64       // part of the calls that are one too many because of somebody else
	patience    time.Duration // the client's own time-out
}

// cloud notes when each call arrives, as a real one does to count them.
type cloud struct {
	line
	quota    call.Window // what it refuses calls above; zero for none
	mu       sync.Mutex
	random   *rand.Rand
	arrivals map[string][]time.Time
	refused  int // calls above the quota
}

func newCloud(l line, seed uint64) *cloud {
	if l.patience == 0 {
		l.patience = 15 * time.Second
	}
	return &cloud{line: l, random: rand.New(rand.NewPCG(seed, 1)), arrivals: map[string][]time.Time{}}
}

// fate is what will happen to one call.
type fate struct {
	forth, back            time.Duration // back includes the cloud's work
	lost, reset, throttled bool
}

func (c *cloud) fate() fate {
	c.mu.Lock()
	defer c.mu.Unlock()
	up := func(d time.Duration) time.Duration { return time.Duration(c.random.Int64N(int64(d) + 1)) }
	return fate{
		forth: c.forth + up(c.jitter), back: c.back + up(c.jitter) + up(c.work),
		lost: c.random.Float64() < c.lost, reset: c.random.Float64() < c.reset,
		throttled: c.random.Float64() < c.throttled,
	}
}

// soon keeps timers from firing within their own making: in a synctest bubble
// under the race detector that crashes the Go runtime (golang/go#78156).
func soon(d time.Duration) time.Duration { return max(d, 1) }

// Call sends a request on its way, which it goes on even if the caller gives up.
func (c *cloud) Call(ctx context.Context, req *call.Request) (*call.Response, error) {
	f := c.fate()
	time.AfterFunc(soon(f.forth), func() { c.arrive(req.Operation, &f) })
	rtt := f.forth + f.back
	ctx, cancel := context.WithTimeout(ctx, c.patience)
	defer cancel()
	switch {
	case f.lost:
		<-ctx.Done()
		return nil, &call.Error{Code: call.Unknown, Operation: req.Operation, Err: ctx.Err()}
	case f.reset:
		rtt /= 2
	}
	select {
	case <-time.After(soon(rtt)):
	case <-ctx.Done():
		return nil, &call.Error{Code: call.Unknown, Operation: req.Operation, Err: ctx.Err()}
	}
	if f.reset {
		return nil, &call.Error{Code: call.Unknown, Operation: req.Operation, Message: "reset"}
	}
	if c.throttles(&f) {
		return nil, &call.Error{Code: call.Throttled, Operation: req.Operation, Status: 400, RTT: rtt}
	}
	return &call.Response{Status: 200, RTT: rtt}, nil
}

func (c *cloud) arrive(operation string, f *fate) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	before := c.arrivals[operation]
	c.arrivals[operation] = append(before, now)
	if n := c.quota.Limit; n > 0 && len(before) >= n && now.Sub(before[len(before)-n]) <= c.quota.Per {
		f.throttled = true
		c.refused++
	}
}

// throttles reports whether a call was one too many.
func (c *cloud) throttles(f *fate) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return f.throttled
}

// seen returns the arrivals in order, when all that is under way has arrived.
func (c *cloud) seen(operation string) []time.Time {
	time.Sleep(time.Minute)
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.SortedFunc(slices.Values(c.arrivals[operation]), time.Time.Compare)
}

// most counts the most arrivals in any sliding window, both ends included, by
// looking from each arrival.
func most(arrivals []time.Time, per time.Duration) int {
	best := 0
	for i, first := range arrivals {
		n := 0
		for _, later := range arrivals[i:] {
			if later.Sub(first) > per {
				break
			}
			n++
		}
		best = max(best, n)
	}
	return best
}

// over counts the windows that begin with an arrival and have more than the limit.
func over(arrivals []time.Time, w call.Window) int {
	n := 0
	for i, at := range arrivals {
		if i+w.Limit < len(arrivals) && arrivals[i+w.Limit].Sub(at) <= w.Per {
			n++
		}
	}
	return n
}

// all makes n calls at once through c and waits for their end.
func all(ctx context.Context, c call.Caller, n int, operation string) (failed int) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	for range n {
		wg.Go(func() {
			if _, err := c.Call(ctx, &call.Request{Account: "a", Operation: operation}); err != nil {
				mu.Lock()
				defer mu.Unlock()
				failed++
			}
		})
	}
	wg.Wait()
	return failed
}

// limitedBy returns client behind a limiter for "Op" of account "a".
func limitedBy(t testing.TB, client call.Caller, share float64, windows ...call.Window) (call.Caller, *call.Limiter) {
	t.Helper()
	l, err := call.NewLimiter(call.LimiterOptions{Limits: map[string][]call.Window{"Op": windows}, Share: share})
	if err != nil {
		t.Fatal(err)
	}
	return call.Limit(client, call.Limiters{"a": l}, nil), l
}

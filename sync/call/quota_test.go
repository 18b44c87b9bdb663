package call_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"weir/sync/call"
)

// used returns the part of the quota that arrivals used: the window by the mean
// time in which as many calls arrived as it lets through.
func used(arrivals []time.Time, w call.Window) float64 {
	var sum time.Duration
	for i, last := range arrivals[w.Limit:] {
		sum += last.Sub(arrivals[i])
	}
	return float64(w.Per) * float64(len(arrivals)-w.Limit) / float64(sum)
}

// load is a line, and the part of the quota that must be used on it.
type load struct {
	rtt, jitter time.Duration // of both ways, and of each
	atLeast     float64
}

// loads are what the limiter is held to. Until there are a hundred answers or so
// it uses less; that is not counted here.
func loads() []load {
	const ms = time.Millisecond
	loads := []load{
		{2000 * ms, 0, 0.49}, // ten calls without an answer is all that an exact limiter can have
		{50 * ms, 200 * ms, 0.79},
		{200 * ms, 200 * ms, 0.73},
		{2000 * ms, 200 * ms, 0.44},
	}
	for _, rtt := range []time.Duration{0, 5 * ms, 50 * ms, 200 * ms, 500 * ms} {
		loads = append(loads, load{rtt, 0, 0.99}, load{rtt, 5 * ms, 0.98}, load{rtt, 20 * ms, 0.95})
	}
	return loads
}

// use makes calls on a line and returns the part of the quota they used, how many
// windows were above the limit, and how many calls the cloud throttled.
func (l load) use(t testing.TB, calls, first int, w call.Window) (part float64, above, throttled int) {
	t.Helper()
	server := newCloud(line{forth: l.rtt / 2, back: l.rtt / 2, jitter: l.jitter}, 1)
	server.quota = w
	c, _ := limitedBy(t, server, 1, w)
	all(t.Context(), c, calls, "Op")
	arrivals := server.seen("Op")
	return used(arrivals[first:], w), over(arrivals, w), server.refused
}

func TestLimiter_UseOfTheQuota(t *testing.T) {
	for _, l := range loads() {
		t.Run(fmt.Sprintf("rtt %v jitter %v", l.rtt, l.jitter), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				part, above, throttled := l.use(t, 2000, 300, second(10))
				t.Logf("%.1f %% of the quota used", 100*part)
				if above > 0 || throttled > 0 {
					t.Errorf("%d windows above the limit, %d calls throttled", above, throttled)
				}
				if part < l.atLeast {
					t.Errorf("%.3f of the quota used, want at least %.3f", part, l.atLeast)
				}
			})
		})
	}
}

// virtually runs f in virtual time, for benchmarks: synctest has tests only.
func virtually(b *testing.B, f func(t *testing.T)) {
	b.Helper()
	test := testing.InternalTest{Name: b.Name(), F: func(t *testing.T) { synctest.Test(t, f) }}
	if !testing.RunTests(func(string, string) (bool, error) { return true, nil }, []testing.InternalTest{test}) {
		b.Fatal("it failed")
	}
}

// BenchmarkLimiter_Use tells which part of a quota is used in virtual time, and what
// the server saw that was above it.
func BenchmarkLimiter_Use(b *testing.B) {
	for _, l := range loads() {
		b.Run(fmt.Sprintf("rtt=%v/jitter=%v", l.rtt, l.jitter), func(b *testing.B) {
			var part float64
			var above, throttled int
			for b.Loop() {
				virtually(b, func(t *testing.T) { part, above, throttled = l.use(t, 2000, 300, second(10)) })
			}
			b.ReportMetric(100*part, "%-used")
			b.ReportMetric(float64(above), "windows-above")
			b.ReportMetric(float64(throttled), "throttled")
		})
	}
}

func TestLimiter_TwoHundredChangesInTwentyRuns(t *testing.T) {
	w := call.Window{Limit: 10, Per: time.Second}
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			server := newCloud(line{forth: 25e6, back: 25e6, jitter: 200 * time.Millisecond}, seed)
			c, _ := limitedBy(t, server, 1, w)
			if failed := all(t.Context(), c, 200, "Op"); failed != 0 {
				t.Errorf("seed %d: %d calls failed", seed, failed)
			}
			if got := most(server.seen("Op"), w.Per); got > w.Limit {
				t.Errorf("seed %d: %d calls in one window, limit %d", seed, got, w.Limit)
			}
		})
	}
}

// scenario is a drawn load on a drawn line.
type scenario struct {
	windows    []call.Window
	share      float64
	line       line
	calls      int
	spread     time.Duration // calls begin within this time
	givingUp   float64       // part of the callers that do not wait for the end
	impatience time.Duration
	seed       uint64
}

func drawScenario(t *rapid.T) scenario {
	ms := func(name string, atMost int) time.Duration {
		return time.Duration(rapid.IntRange(0, atMost).Draw(t, name)) * time.Millisecond
	}
	part := func(name string) float64 { return rapid.SampledFrom([]float64{0, 0, 0.02, 0.3}).Draw(t, name) }
	s := scenario{
		windows: []call.Window{{
			Limit: rapid.IntRange(1, 20).Draw(t, "limit"),
			Per:   rapid.SampledFrom([]time.Duration{100 * time.Millisecond, time.Second, 7 * time.Second}).Draw(t, "per"),
		}},
		share: rapid.SampledFrom([]float64{1, 0.9, 0.5, 0.01}).Draw(t, "share"),
		line: line{
			forth: ms("forth", 400), back: ms("back", 400), work: ms("work", 300),
			jitter: rapid.SampledFrom([]time.Duration{0, time.Millisecond, 20e6, 200e6}).Draw(t, "jitter"),
			lost:   part("lost"), reset: part("reset"), throttled: part("throttled"), patience: 3 * time.Second,
		},
		calls: rapid.IntRange(1, 300).Draw(t, "calls"), spread: ms("spread", 20000),
		givingUp: part("givingUp"), impatience: ms("impatience", 3000), seed: rapid.Uint64().Draw(t, "seed"),
	}
	if rapid.Bool().Draw(t, "minute window") {
		s.windows = append(s.windows, call.Window{Limit: rapid.IntRange(1, 100).Draw(t, "a minute"), Per: time.Minute})
	}
	return s
}

// run plays the scenario and returns the arrivals and the effective windows.
func (s scenario) run(t *testing.T) (arrivals []time.Time, leaked int) {
	server := newCloud(s.line, s.seed)
	c, l := limitedBy(t, server, s.share, s.windows...)
	random := rand.New(rand.NewPCG(s.seed, 2))
	var wg sync.WaitGroup
	for range s.calls {
		begin := time.Duration(random.Int64N(int64(s.spread) + 1))
		priority := call.Scrub + call.Priority(random.IntN(5))
		ctx, cancel := context.WithCancel(call.WithPriority(t.Context(), priority))
		if random.Float64() < s.givingUp {
			time.AfterFunc(begin+time.Duration(random.Int64N(int64(s.impatience)+1)), cancel)
		}
		wg.Go(func() {
			defer cancel()
			time.Sleep(begin)
			c.Call(ctx, &call.Request{Account: "a", Operation: "Op"})
		})
	}
	wg.Wait()
	arrivals = server.seen("Op")
	time.Sleep(time.Hour) // what throttles took comes back
	return arrivals, s.leaked(t, server, l)
}

// leaked fills every slot at once, and returns how many are missing.
func (s scenario) leaked(t *testing.T, server *cloud, l *call.Limiter) int {
	want := l.Windows("Op")[0].Limit
	for _, w := range l.Windows("Op") {
		want = min(want, w.Limit)
	}
	server.line = line{patience: time.Minute}
	server.arrivals = map[string][]time.Time{}
	c := call.Limit(server, call.Limiters{"a": l}, nil)
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	failed := all(ctx, c, want+5, "Op")
	return failed - 5
}

func TestLimiter_NeverAboveTheQuota(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := drawScenario(rt)
		var arrivals []time.Time
		var leaked int
		synctest.Test(t, func(t *testing.T) { arrivals, leaked = s.run(t) })
		for _, w := range s.windows {
			limit := max(1, int(float64(w.Limit)*s.share+1e-9))
			if got := most(arrivals, w.Per); got > limit {
				rt.Fatalf("%d calls within %v, limit %d", got, w.Per, limit)
			}
		}
		if leaked != 0 {
			rt.Fatalf("%d slots leaked", leaked)
		}
	})
}

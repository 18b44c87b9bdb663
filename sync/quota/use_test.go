package quota_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"weir/sync/call"
)

// load is a number of processes on a line, and the part of the quota that they must
// use together.
type load struct {
	processes   int
	rtt, jitter time.Duration // of both ways, and of each
	atLeast     float64
}

func loads() []load {
	const ms = time.Millisecond
	var loads []load
	for _, rtt := range []time.Duration{2 * ms, 50 * ms, 500 * ms} {
		for _, processes := range []int{1, 4} {
			loads = append(loads, load{processes, rtt, 0, 0.99}, load{processes, rtt, 5 * ms, 0.98}, load{processes, rtt, 20 * ms, 0.95})
		}
	}
	return loads
}

// use lets the processes make calls and returns the part of the quota that they
// used once they had measured the line, how many windows were above the limit, and how
// many calls the cloud throttled.
func (l load) use(t *testing.T, calls int, w call.Window) (part float64, above, throttled int) {
	t.Helper()
	server := newCloud(l.rtt/2, l.rtt/2, l.jitter, 1)
	server.quota = w
	together(t, server, l.processes, calls/l.processes, w)
	return used(server.arrivals[calls/5:len(server.arrivals)-calls/10], w), server.above(w), server.refused
}

// used returns the part of the quota that arrivals used: the window by the mean
// time in which as many calls arrived as it lets through.
func used(arrivals []time.Time, w call.Window) float64 {
	var sum time.Duration
	for i, last := range arrivals[w.Limit:] {
		sum += last.Sub(arrivals[i])
	}
	return float64(w.Per) * float64(len(arrivals)-w.Limit) / float64(sum)
}

// TestFailure_A26_ProcessesShareTheQuota: no window has more than the limit, and as
// much of it is used as by one process alone.
func TestFailure_A26_ProcessesShareTheQuota(t *testing.T) {
	for _, l := range loads() {
		t.Run(fmt.Sprintf("%d, rtt %v jitter %v", l.processes, l.rtt, l.jitter), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				part, above, throttled := l.use(t, 4000, second(10))
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

// TestFailure_A27_EveryWindowHoldsForAll: with a quota by the second and one by the
// minute, processes together keep both.
func TestFailure_A27_EveryWindowHoldsForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, minute := newCloud(10e6, 10e6, 5e6, 1), call.Window{Limit: 100, Per: time.Minute}
		took := together(t, server, 3, 150, second(10), minute)
		if a, b := server.most(time.Second), server.most(time.Minute); a != 10 || b != 100 {
			t.Errorf("at most %d a second and %d a minute, want 10 and 100", a, b)
		}
		if most := 5 * time.Minute; took > most {
			t.Errorf("450 calls at 100 a minute took %v", took)
		}
	})
}

// virtually runs f in virtual time, for benchmarks: synctest has tests only.
func virtually(b *testing.B, f func(t *testing.T)) {
	b.Helper()
	test := testing.InternalTest{Name: b.Name(), F: func(t *testing.T) { synctest.Test(t, f) }}
	if !testing.RunTests(func(string, string) (bool, error) { return true, nil }, []testing.InternalTest{test}) {
		b.Fatal("it failed")
	}
}

// BenchmarkShare_Use tells what processes make of a quota together: the part they
// use in virtual time, and what the server saw that was above it.
func BenchmarkShare_Use(b *testing.B) {
	for _, l := range loads() {
		b.Run(fmt.Sprintf("processes=%d/rtt=%v/jitter=%v", l.processes, l.rtt, l.jitter), func(b *testing.B) {
			var part float64
			var above, throttled int
			for b.Loop() {
				virtually(b, func(t *testing.T) { part, above, throttled = l.use(t, 4000, second(10)) })
			}
			b.ReportMetric(100*part, "%-used")
			b.ReportMetric(float64(above), "windows-above")
			b.ReportMetric(float64(throttled), "throttled")
		})
	}
}

package reconcile

import (
	"context"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"weir/sync/call"
)

// TestPace_SpendsItsShare: while there is a backlog, the share of the quota is
// spent, within five percent over each minute and without bursts, whatever an
// operation's windows are, at any latency, and also where calls are tried again.
func TestPace_SpendsItsShare(t *testing.T) {
	second := func(n int) []call.Window { return []call.Window{{Limit: n, Per: time.Second}} }
	tests := map[string]struct {
		windows  []call.Window
		share    float64
		latency  time.Duration
		attempts int
		want     float64 // calls a second
	}{
		"ten a second":        {second(10), 0.2, 0, 1, 2},
		"nine, far away":      {second(9), 0.2, 2 * time.Second, 1, 1.8},
		"fifty":               {second(50), 0.2, 300 * time.Millisecond, 1, 10},
		"a minute's window":   {[]call.Window{{Limit: 500, Per: time.Minute}}, 0.2, 50 * time.Millisecond, 1, 500.0 / 60 * 0.2},
		"two windows":         {[]call.Window{{Limit: 100, Per: time.Second}, {Limit: 600, Per: time.Minute}}, 0.5, 0, 1, 5},
		"one a second":        {second(1), 0.2, 0, 1, 0.2},
		"all of it":           {second(10), 1, 500 * time.Millisecond, 1, 10},
		"each is tried twice": {second(10), 0.2, 0, 2, 2},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &paces{share: tc.share, outlook: lookingAt(tc.windows...)}
				made := spend(p, 5*time.Minute, tc.latency, tc.attempts)
				for minute := range 5 {
					from := time.Duration(minute) * time.Minute
					n := float64(within(made, from, from+time.Minute) * tc.attempts)
					if want := 60 * tc.want; math.Abs(n-want) > max(0.05*want, 1) {
						t.Errorf("minute %d: %v calls, want %v", minute, n, want)
					}
				}
				burst := 0
				for _, at := range made {
					burst = max(burst, within(made, at, at+time.Second)*tc.attempts)
				}
				if most := int(math.Ceil(tc.want*1.1)) + tc.attempts; burst > most {
					t.Errorf("%d calls in a second, want at most %d", burst, most)
				}
			})
		})
	}
}

// TestPace_FollowsTheQuota: what a throttle takes for a while the pace gives up at
// once, and takes again when it is given back.
func TestPace_FollowsTheQuota(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		limit := func(string) call.Outlook {
			if since := time.Since(began); since >= time.Minute && since < 2*time.Minute {
				return lookingAt(call.Window{Limit: 5, Per: time.Second})("Read")
			}
			return lookingAt(call.Window{Limit: 10, Per: time.Second})("Read")
		}
		made := spend(&paces{share: 0.2, outlook: limit}, 3*time.Minute, 0, 1)
		for minute, want := range []int{120, 60, 120} {
			from := time.Duration(minute) * time.Minute
			if n := within(made, from, from+time.Minute); n < want-6 || n > want+6 {
				t.Errorf("minute %d: %d calls, want %d", minute, n, want)
			}
		}
	})
}

// TestPace_DoesNotSave: what was not used is not used later.
func TestPace_DoesNotSave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &paces{share: 0.2, outlook: lookingAt(call.Window{Limit: 10, Per: time.Second})}
		_ = p.get("Read").wait(t.Context())
		time.Sleep(time.Hour)
		made := spend(p, 10*time.Second, 0, 1)
		if n := within(made, 0, time.Second-1); n > 3 {
			t.Errorf("%d calls in the first second after a pause", n)
		}
	})
}

// spend makes calls as fast as p lets them for a time, and returns when, since it
// began.
func spend(p *paces, d, latency time.Duration, attempts int) []time.Duration {
	began := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	var mu sync.Mutex
	var made []time.Duration
	c := p.paced(call.Func(func(context.Context, *call.Request) (*call.Response, error) {
		mu.Lock()
		made = append(made, time.Since(began))
		mu.Unlock()
		time.Sleep(latency)
		return &call.Response{Attempts: attempts}, nil
	}), &fare{})
	var wg sync.WaitGroup
	// As many as keep the pace: each more has its turn before what others' calls really
	// took is known.
	callers := 2 + int(p.share*p.quota("Read")*latency.Seconds())
	for range callers {
		wg.Go(func() {
			for ctx.Err() == nil {
				_, _ = c.Call(ctx, &call.Request{Operation: "Read"})
			}
		})
	}
	wg.Wait()
	return made
}

// within counts the times from from and before to.
func within(times []time.Duration, from, to time.Duration) int {
	n := 0
	for _, at := range times {
		if at >= from && at < to {
			n++
		}
	}
	return n
}

// lookingAt is an outlook at windows of which nothing is used.
func lookingAt(windows ...call.Window) func(string) call.Outlook {
	return func(string) call.Outlook {
		var out call.Outlook
		for _, w := range windows {
			out.Windows = append(out.Windows, call.Allowance{Window: w})
		}
		return out
	}
}

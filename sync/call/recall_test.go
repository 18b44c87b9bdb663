package call_test

import (
	"testing"
	"testing/synctest"
	"time"

	"weir/sync/call"
)

// TestLimiter_RecallCountsThePast holds when the first call may go out after
// calls that another process made.
func TestLimiter_RecallCountsThePast(t *testing.T) {
	const ms = time.Millisecond
	tests := map[string]struct {
		opened, closed time.Duration // before now; closed < 0 for an open end
		want           time.Duration
	}{
		"just ended":         {500 * ms, 0, 1001 * ms},
		"ended a while ago":  {900 * ms, 400 * ms, 601 * ms},
		"ended long ago":     {9000 * ms, 1100 * ms, 0},
		"end not known":      {400 * ms, -1, 2601 * ms},
		"clock was set back": {-time.Hour, -time.Hour, 1001 * ms},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				now := time.Now()
				past := call.Past{Operation: "Op", Opened: now.Add(-tc.opened)}
				if tc.closed != -1 {
					past.Closed = now.Add(-tc.closed)
				}
				all := limiters(t, second(1), "a")
				all["a"].Recall(past, call.Past{Operation: "Else", Opened: now})
				call.Limit(&script{}, all, nil).Call(t.Context(), request())
				if got := time.Since(now); got != tc.want {
					t.Errorf("went out after %v, want %v", got, tc.want)
				}
			})
		})
	}
}

// TestLimiter_RecallKeepsTheOrder holds that calls of the past may be told in
// any order, as the journal tells the newest first.
func TestLimiter_RecallKeepsTheOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		ago := func(d time.Duration) call.Past {
			return call.Past{Operation: "Op", Opened: now.Add(-d), Closed: now.Add(-d)}
		}
		all := limiters(t, second(2), "a")
		all["a"].Recall(ago(0), ago(500*time.Millisecond), ago(5*time.Second))
		call.Limit(&script{}, all, nil).Call(t.Context(), request())
		if got, want := time.Since(now), 501*time.Millisecond; got != want {
			t.Errorf("went out after %v, want %v", got, want)
		}
	})
}

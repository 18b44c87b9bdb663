package call_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"weir/sync/call"
)

func TestFailure_A07_ThrottleHalvesTheRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newCloud(line{forth: time.Millisecond, throttled: 1}, 1)
		c, l := limitedBy(t, server, 1, second(10))
		all(t.Context(), c, 10, "Op")
		slots := func() int { return l.Windows("Op")[0].Limit }
		if slots() != 5 {
			t.Errorf("%d slots after ten throttles of one burst, want 5", slots())
		}
		time.Sleep(2 * time.Second)
		c.Call(t.Context(), request())
		got := []int{slots()}
		time.Sleep(45 * time.Second) // reading in between does not delay the next step
		got = append(got, slots())
		time.Sleep(15 * time.Second)
		got = append(got, slots())
		for range 8 {
			time.Sleep(30 * time.Second)
			got = append(got, slots())
		}
		want := []int{2, 3, 4, 5, 6, 7, 8, 9, 10, 10, 10}
		if !slices.Equal(got, want) {
			t.Errorf("slots every 30 s: %v, want %v", got, want)
		}
	})
}

// TestFailure_A07_ThrottleLowersEveryWindow: at once, and each comes back by tenths
// of its own limit; what an outage takes besides does not change what is learnt.
func TestFailure_A07_ThrottleLowersEveryWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := &script{outcomes: fails(1, call.Throttled)}
		c, l := limitedBy(t, client, 1, second(10), call.Window{Limit: 300, Per: time.Minute})
		c.Call(t.Context(), request())
		l.Ramp("Op")
		var ceilings, limits []int
		for range 7 {
			for _, w := range l.Ceilings()["Op"] {
				ceilings = append(ceilings, w.Limit)
			}
			for _, w := range l.Windows("Op") {
				limits = append(limits, w.Limit)
			}
			time.Sleep(30 * time.Second)
		}
		want := []int{5, 150, 6, 180, 7, 210, 8, 240, 9, 270, 10, 300, 10, 300}
		if !slices.Equal(ceilings, want) {
			t.Errorf("ceilings every 30 s: %v, want %v", ceilings, want)
		}
		copy(want, []int{1, 30, 5, 165})
		if !slices.Equal(limits, want) {
			t.Errorf("limits every 30 s: %v, want %v", limits, want)
		}
	})
}

// TestFailure_A26_OneCallAWindowIsLeft: in each of several windows, however often
// somebody else's use throttles.
func TestFailure_A26_OneCallAWindowIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, l := limitedBy(t, &script{outcomes: fails(1000, call.Throttled)}, 1, second(10), call.Window{Limit: 40, Per: time.Minute})
		minute := call.Window{Limit: 1, Per: time.Minute}
		for range 20 {
			start := time.Now()
			c.Call(t.Context(), request())
			if waited := time.Since(start); waited > minute.Hold() {
				t.Errorf("a call waited %v, want at most %v", waited, minute.Hold())
			}
		}
		if got := l.Windows("Op")[0].Limit; got != 1 {
			t.Errorf("%d calls a second are left, want 1", got)
		}
	})
}

func TestFailure_A08_ExistsWith429IsNoThrottle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := &script{outcomes: []error{&call.Error{Code: call.Exists, Status: 429}}}
		all := limiters(t, second(10), "a")
		c := call.Stack(client, call.StackOptions{Limiters: all})
		start := time.Now()
		_, err := c.Call(t.Context(), request())
		if call.CodeOf(err) != call.Exists || time.Since(start) != 0 || len(client.sent) != 1 {
			t.Errorf("%v after %v and %d tries, want exists at once", err, time.Since(start), len(client.sent))
		}
		if got := all.Windows("a", "Op")[0].Limit; got != 10 {
			t.Errorf("%d slots left, want 10", got)
		}
	})
}

func TestFailure_A26_SharedQuotaNeverStarves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := &script{outcomes: fails(1000, call.Throttled)}
		c, l := limitedBy(t, client, 0.1, second(10))
		start := time.Now()
		all(t.Context(), c, 20, "Op")
		if got := l.Windows("Op")[0].Limit; got != 1 {
			t.Errorf("%d slots, want 1", got)
		}
		if got, want := time.Since(start), 19*1001*time.Millisecond; got != want {
			t.Errorf("20 calls took %v, want one a window: %v", got, want)
		}
	})
}

func TestFailure_A27_EveryWindowHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newCloud(line{}, 1)
		minute := call.Window{Limit: 25, Per: time.Minute}
		c, _ := limitedBy(t, server, 1, second(10), minute)
		start := time.Now()
		all(t.Context(), c, 60, "Op")
		took := time.Since(start)
		arrivals := server.seen("Op")
		if a, b := most(arrivals, time.Second), most(arrivals, time.Minute); a != 10 || b != 25 {
			t.Errorf("at most %d a second and %d a minute, want 10 and 25", a, b)
		}
		// The third minute begins with the calls of 2 x (60 s + 60 ms), ten of them at once.
		if want := 2 * (time.Minute + 60*time.Millisecond); took < want || took > want+time.Second {
			t.Errorf("took %v, want %v", took, want)
		}
	})
}

func TestFailure_A28_LimitChangedWhileRunning(t *testing.T) {
	tests := []struct {
		name  string
		after []call.Window
		want  time.Duration // until the next call
	}{
		{"raised", []call.Window{second(20)}, 0},
		{"lowered", []call.Window{second(2)}, 1001 * time.Millisecond},
		{"same", []call.Window{second(10)}, 1001 * time.Millisecond},
		{"a minute window is new", []call.Window{second(20), {Limit: 10, Per: time.Minute}}, 60060 * time.Millisecond},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, l := limitedBy(t, &script{}, 1, second(10))
				all(t.Context(), c, 10, "Op")
				if err := l.Set(call.LimiterOptions{Limits: map[string][]call.Window{"Op": tt.after}}); err != nil {
					t.Fatal(err)
				}
				start := time.Now()
				c.Call(t.Context(), request())
				if got := time.Since(start); got != tt.want {
					t.Errorf("next call after %v, want %v", got, tt.want)
				}
			})
		})
	}
}

func TestFailure_A28_NewWindowCountsWhatTheLongestKnows(t *testing.T) {
	tests := []struct {
		name  string
		after call.Window
		want  time.Duration // until the next call, 30 s after nine and just after one
	}{
		{"same length", call.Window{Limit: 10, Per: time.Minute}, 30060 * time.Millisecond},
		{"longer than any", call.Window{Limit: 10, Per: 10 * time.Minute}, 570600 * time.Millisecond},
		{"shorter and over", second(10), 0},
	}
	for _, tt := range tests {
		for _, before := range [][]call.Window{
			{second(10), {Limit: 100, Per: time.Minute}}, {{Limit: 100, Per: time.Minute}, second(10)},
		} {
			t.Run(tt.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c, l := limitedBy(t, &script{}, 1, before...)
					all(t.Context(), c, 9, "Op")
					time.Sleep(30 * time.Second)
					c.Call(t.Context(), request()) // the short window forgets the nine
					if err := l.Set(call.LimiterOptions{Limits: map[string][]call.Window{"Op": {tt.after}}}); err != nil {
						t.Fatal(err)
					}
					start := time.Now()
					c.Call(t.Context(), request())
					if got := time.Since(start); got != tt.want {
						t.Errorf("next call after %v, want %v", got, tt.want)
					}
				})
			})
		}
	}
}

func TestLimiter_SetKeepsWhatThrottlesTook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, l := limitedBy(t, &script{outcomes: fails(1, call.Throttled)}, 1, second(10))
		c.Call(t.Context(), request())
		options := call.LimiterOptions{Limits: map[string][]call.Window{"Op": {second(20)}, "New": {second(7)}}}
		if err := l.Set(options); err != nil {
			t.Fatal(err)
		}
		want := map[string][]call.Window{"Op": {second(10)}, "New": {second(7)}}
		l.Windows("New")
		if got := l.Limits(); !maps.EqualFunc(got, want, slices.Equal) {
			t.Errorf("limits %v, want %v", got, want)
		}
		err := l.Set(call.LimiterOptions{Share: 2})
		if err == nil || !strings.Contains(err.Error(), "share: 2") {
			t.Errorf("error %v, want one about the share", err)
		}
		if got := l.Limits(); !maps.EqualFunc(got, want, slices.Equal) {
			t.Errorf("limits %v after a refused set, want %v", got, want)
		}
	})
}

func TestFailure_A36_ReturnWithoutBurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newCloud(line{}, 1)
		c, l := limitedBy(t, server, 1, second(20))
		l.Ramp("Op")
		got := []int{}
		for range 7 {
			got = append(got, l.Windows("Op")[0].Limit)
			time.Sleep(10 * time.Second)
		}
		if want := []int{2, 5, 8, 11, 14, 17, 20}; !slices.Equal(got, want) {
			t.Errorf("slots every 10 s: %v, want %v", got, want)
		}
		l.Ramp("Op")
		start := time.Now()
		all(t.Context(), c, 600, "Op")
		if took := time.Since(start); took < 45*time.Second || took > 60*time.Second {
			t.Errorf("600 calls took %v, want about the minute of the ramp", took)
		}
	})
}

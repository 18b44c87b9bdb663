package call_test

import (
	"context"
	"fmt"
	"maps"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"weir/sync/call"
)

// second is n calls a second.
func second(n int) call.Window { return call.Window{Limit: n, Per: time.Second} }

func TestNewLimiter_Options(t *testing.T) {
	tests := []struct {
		name    string
		options call.LimiterOptions
		want    string // error, or the windows of "Op"
	}{
		{"nothing known", call.LimiterOptions{}, "[{5 1s}]"},
		{"documented", call.LimiterOptions{Limits: map[string][]call.Window{"Op": {second(50)}}}, "[{50 1s}]"},
		{"share", call.LimiterOptions{Limits: map[string][]call.Window{"Op": {second(10)}}, Share: 0.9}, "[{9 1s}]"},
		{"share rounds down", call.LimiterOptions{
			Limits: map[string][]call.Window{"Op": {second(15)}}, Share: 0.9}, "[{13 1s}]"},
		{"share without binary fraction", call.LimiterOptions{
			Limits: map[string][]call.Window{"Op": {second(100)}}, Share: 0.29}, "[{29 1s}]"},
		{"never below one", call.LimiterOptions{
			Limits: map[string][]call.Window{"Op": {second(10)}}, Share: 0.01}, "[{1 1s}]"},
		{"override before the share", call.LimiterOptions{
			Limits:    map[string][]call.Window{"Op": {second(10), {Limit: 500, Per: time.Minute}}},
			Overrides: map[string]call.Window{"Op": second(20)}, Share: 0.5}, "[{10 1s}]"},
		{"share of an unknown operation", call.LimiterOptions{Share: 0.5}, "[{2 1s}]"},
		{"share above one", call.LimiterOptions{Share: 1.1},
			"limiter options: share: 1.1 is not above 0 and at most 1"},
		{"share that is no number", call.LimiterOptions{Share: math.NaN()},
			"limiter options: share: NaN is not above 0 and at most 1"},
		{"negative share", call.LimiterOptions{Share: -0.1},
			"limiter options: share: -0.1 is not above 0 and at most 1"},
		{"no calls", call.LimiterOptions{Limits: map[string][]call.Window{"Op": {{Limit: 0, Per: time.Second}}}},
			"limiter options: limits: Op: 0 calls in 1s is not a quota"},
		{"override without time", call.LimiterOptions{Overrides: map[string]call.Window{"Op": {Limit: 1}}},
			"limiter options: overrides: Op: 1 calls in 0s is not a quota"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l, err := call.NewLimiter(tt.options)
			got := ""
			if err != nil {
				got = err.Error()
			} else {
				got = fmt.Sprint(l.Windows("Op"))
			}
			if got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestLimit_AccountWithoutLimiterIsNotCalled(t *testing.T) {
	client := &script{}
	_, err := call.Limit(client, nil, nil).Call(t.Context(), request())
	if got, want := fmt.Sprint(err), `Op: internal: account "a" has no limiter`; got != want {
		t.Errorf("error %q, want %q", got, want)
	}
	if len(client.sent) != 0 {
		t.Error("it was sent")
	}
}

func TestLimiter_FirstComeFirstServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var order []int
		client := call.Func(func(_ context.Context, req *call.Request) (*call.Response, error) {
			mu.Lock()
			defer mu.Unlock()
			order = append(order, req.Params["n"].(int))
			return &call.Response{}, nil
		})
		c, _ := limitedBy(t, client, 1, second(1))
		var wg sync.WaitGroup
		for n := range 50 {
			wg.Go(func() {
				c.Call(t.Context(), &call.Request{Account: "a", Operation: "Op", Params: map[string]any{"n": n}})
			})
			synctest.Wait()
		}
		wg.Wait()
		if !slices.IsSorted(order) || len(order) != 50 {
			t.Errorf("order %v, want 0 to 49", order)
		}
	})
}

func TestLimiter_GivingUpFreesThePlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := &script{}
		c, _ := limitedBy(t, client, 1, second(1))
		start := time.Now()
		c.Call(t.Context(), request())
		impatient, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				_, err := c.Call(impatient, request())
				if got, want := fmt.Sprint(err), "Op: canceled: gave up while waiting for quota"; got != want {
					t.Errorf("error %q, want %q", got, want)
				}
				if waited := time.Since(start); waited != 100*time.Millisecond {
					t.Errorf("gave up after %v, want 100ms", waited)
				}
			})
		}
		synctest.Wait()
		c.Call(t.Context(), request())
		wg.Wait()
		if got, want := time.Since(start), 1001*time.Millisecond; got != want {
			t.Errorf("the next call went out after %v, want %v", got, want)
		}
	})
}

func TestLimiter_EndedContextTakesNoSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := &script{}
		c, _ := limitedBy(t, client, 1, second(1))
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := c.Call(ended, request()); call.CodeOf(err) != call.Canceled {
			t.Errorf("code %q, want canceled", call.CodeOf(err))
		}
		start := time.Now()
		c.Call(t.Context(), request())
		if time.Since(start) != 0 || len(client.sent) != 1 {
			t.Errorf("waited %v with %d sent, want 0s and 1", time.Since(start), len(client.sent))
		}
	})
}

// TestLimiter_SlotTimes holds how long a slot is kept after each kind of end.
func TestLimiter_SlotTimes(t *testing.T) {
	answer := func(rtt time.Duration) func() (*call.Response, error) {
		return func() (*call.Response, error) { return &call.Response{RTT: rtt}, nil }
	}
	fail := func(e call.Error) func() (*call.Response, error) {
		return func() (*call.Response, error) { return nil, &e }
	}
	const ms = time.Millisecond
	tests := []struct {
		name string
		end  func() (*call.Response, error)
		want time.Duration
	}{
		{"answer with a credit of nine tenths", answer(100 * ms), 911 * ms},
		{"answer without a round trip has no credit", answer(0), 1001 * ms},
		{"refusal counts as an answer", fail(call.Error{Code: call.Invalid, RTT: 100 * ms}), 911 * ms},
		{"refusal without a round trip", fail(call.Error{Code: call.Denied}), 1001 * ms},
		{"server error with an answer", fail(call.Error{Code: call.Unavailable, Status: 503, RTT: 100 * ms}), 911 * ms},
		{"garbage is an answer", fail(call.Error{Code: call.Unknown, Status: 200}), 1001 * ms},
		{"no answer may still be under way", fail(call.Error{Code: call.Unknown}), 3001 * ms},
		{"no connection", fail(call.Error{Code: call.Unavailable}), 3001 * ms},
		{"a client that says canceled", fail(call.Error{Code: call.Canceled}), 3001 * ms},
		{"an error that no caller made", func() (*call.Response, error) { return nil, context.Canceled }, 3001 * ms},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				end := answer(100 * ms)
				client := call.Func(func(context.Context, *call.Request) (*call.Response, error) { return end() })
				c, _ := limitedBy(t, client, 1, second(1))
				all(t.Context(), c, 20, "Op") // enough measurements for credit
				time.Sleep(5 * time.Second)
				end = tt.end
				c.Call(t.Context(), request())
				end = answer(100 * ms)
				start := time.Now()
				c.Call(t.Context(), request())
				if got := time.Since(start); got != tt.want {
					t.Errorf("the slot was free after %v, want %v", got, tt.want)
				}
			})
		})
	}
}

func TestLimiter_PanicBelowLosesNoSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := limitedBy(t, call.Func(func(context.Context, *call.Request) (*call.Response, error) {
			panic("a fault in the client")
		}), 1, second(1))
		attempt := func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic was swallowed")
				}
			}()
			c.Call(t.Context(), request())
		}
		start := time.Now()
		attempt()
		attempt()
		if got, want := time.Since(start), 3001*time.Millisecond; got != want {
			t.Errorf("second call after %v, want %v", got, want)
		}
	})
}

func TestLimiter_OperationsAndAccountsAreApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		both := limiters(t, second(1), "a", "b")
		client := &script{}
		c := call.Limit(client, both, nil)
		start := time.Now()
		for _, account := range []string{"a", "b"} {
			for _, operation := range []string{"Op", "Other"} {
				c.Call(t.Context(), &call.Request{Account: account, Operation: operation})
			}
		}
		if got := time.Since(start); got != 0 {
			t.Errorf("they waited %v for each other", got)
		}
	})
}

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
		for range 10 {
			time.Sleep(30 * time.Second)
			got = append(got, slots())
		}
		want := []int{2, 3, 4, 5, 6, 7, 8, 9, 10, 10, 10}
		if !slices.Equal(got, want) {
			t.Errorf("slots every 30 s: %v, want %v", got, want)
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

func TestLimiter_SetKeepsWhatThrottlesTook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, l := limitedBy(t, &script{outcomes: fails(1, call.Throttled)}, 1, second(10))
		c.Call(t.Context(), request())
		options := call.LimiterOptions{Limits: map[string][]call.Window{"Op": {second(20)}, "New": {second(7)}}}
		if err := l.Set(options); err != nil {
			t.Fatal(err)
		}
		want := map[string][]call.Window{"Op": {second(5)}, "New": {second(7)}}
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

func TestLimiter_ThousandsOfWaitersAreCheap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := limitedBy(t, &script{}, 1, call.Window{Limit: 1, Per: time.Hour})
		c.Call(t.Context(), request())
		ctx, cancel := context.WithCancel(t.Context())
		const waiters = 5000 // the race detector allows 8,128 goroutines
		before := runtime.NumGoroutine()
		var wg sync.WaitGroup
		for range waiters {
			wg.Go(func() { c.Call(ctx, request()) })
		}
		synctest.Wait()
		if more := runtime.NumGoroutine() - before - waiters; more > 0 {
			t.Errorf("the limiter itself started %d goroutines", more)
		}
		start := time.Now()
		cancel()
		wg.Wait()
		if time.Since(start) != 0 {
			t.Errorf("giving up took %v", time.Since(start))
		}
	})
}

func BenchmarkLimiter_Free(b *testing.B) {
	l, err := call.NewLimiter(call.LimiterOptions{
		Limits: map[string][]call.Window{"Op": {{Limit: math.MaxInt32, Per: time.Microsecond}}},
	})
	if err != nil {
		b.Fatal(err)
	}
	client := call.Func(func(context.Context, *call.Request) (*call.Response, error) {
		return &call.Response{RTT: time.Millisecond}, nil
	})
	c := call.Limit(client, call.Limiters{"a": l}, nil)
	req := request()
	b.ReportAllocs()
	for b.Loop() {
		c.Call(b.Context(), req)
	}
}

func BenchmarkLimiter_Waiters(b *testing.B) {
	for _, waiters := range []int{1000, 10000} {
		b.Run(fmt.Sprint(waiters), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c, _ := limitedBy(b, &script{}, 1, call.Window{Limit: 1, Per: time.Hour})
				c.Call(b.Context(), request())
				ctx, cancel := context.WithCancel(b.Context())
				time.AfterFunc(20*time.Millisecond, cancel)
				all(ctx, c, waiters, "Op")
				cancel()
			}
		})
	}
}

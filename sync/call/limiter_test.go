package call_test

import (
	"context"
	"fmt"
	"math"
	"slices"
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
			Limits: map[string][]call.Window{"Op": {second(15)}}, Share: 0.9,
		}, "[{13 1s}]"},
		{"share without binary fraction", call.LimiterOptions{
			Limits: map[string][]call.Window{"Op": {second(100)}}, Share: 0.29,
		}, "[{29 1s}]"},
		{"never below one", call.LimiterOptions{
			Limits: map[string][]call.Window{"Op": {second(10)}}, Share: 0.01,
		}, "[{1 1s}]"},
		{"override before the share", call.LimiterOptions{
			Limits:    map[string][]call.Window{"Op": {second(10), {Limit: 500, Per: time.Minute}}},
			Overrides: map[string]call.Window{"Op": second(20)}, Share: 0.5,
		}, "[{10 1s}]"},
		{"share of an unknown operation", call.LimiterOptions{Share: 0.5}, "[{2 1s}]"},
		{
			"share above one",
			call.LimiterOptions{Share: 1.1},
			"limiter options: share: 1.1 is not above 0 and at most 1",
		},
		{
			"share that is no number",
			call.LimiterOptions{Share: math.NaN()},
			"limiter options: share: NaN is not above 0 and at most 1",
		},
		{
			"negative share",
			call.LimiterOptions{Share: -0.1},
			"limiter options: share: -0.1 is not above 0 and at most 1",
		},
		{
			"no calls",
			call.LimiterOptions{Limits: map[string][]call.Window{"Op": {{Limit: 0, Per: time.Second}}}},
			"limiter options: limits: Op: 0 calls in 1s is not a quota",
		},
		{
			"override without time",
			call.LimiterOptions{Overrides: map[string]call.Window{"Op": {Limit: 1}}},
			"limiter options: overrides: Op: 1 calls in 0s is not a quota",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l, err := call.NewLimiter(tt.options)
			var got string
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
		{"answer with a credit of 98.5 %", answer(100 * ms), 902500 * time.Microsecond},
		{"answer without a round trip has no credit", answer(0), 1001 * ms},
		{"refusal counts as an answer", fail(call.Error{Code: call.Invalid, RTT: 100 * ms}), 902500 * time.Microsecond},
		{"refusal without a round trip", fail(call.Error{Code: call.Denied}), 1001 * ms},
		{"server error with an answer", fail(call.Error{Code: call.Unavailable, Status: 503, RTT: 100 * ms}), 902500 * time.Microsecond},
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
				all(t.Context(), c, 120, "Op") // enough measurements for full credit
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

func TestLimiter_ShortWindowHasAMarginToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := limitedBy(t, &script{}, 1, call.Window{Limit: 1, Per: 100 * time.Millisecond})
		start := time.Now()
		c.Call(t.Context(), request())
		c.Call(t.Context(), request())
		if got, want := time.Since(start), 101*time.Millisecond; got != want {
			t.Errorf("second call after %v, want %v", got, want)
		}
	})
}

// TestLimiter_GivingUpWhenTheSlotComes lets a slot and the end of patience come
// together: a slot lost in any round would stop the last call for ever.
func TestLimiter_GivingUpWhenTheSlotComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := limitedBy(t, &script{}, 1, second(1))
		for range 200 {
			c.Call(t.Context(), request())
			ctx, cancel := context.WithTimeout(t.Context(), 1001*time.Millisecond)
			all(ctx, c, 3, "Op")
			cancel()
		}
		last, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := c.Call(last, request()); err != nil {
			t.Error(err)
		}
	})
}

// TestLimiter_NewcomersDoNotOvertake lets calls come at the very moment at
// which the slot becomes free that another one waits for.
func TestLimiter_NewcomersDoNotOvertake(t *testing.T) {
	for range 100 {
		synctest.Test(t, func(t *testing.T) {
			c, _ := limitedBy(t, &script{}, 1, second(1))
			start := time.Now()
			var wg sync.WaitGroup
			for range 5 {
				wg.Go(func() {
					time.Sleep(1001 * time.Millisecond)
					c.Call(t.Context(), request())
				})
			}
			synctest.Wait()
			c.Call(t.Context(), request())
			c.Call(t.Context(), request())
			if got, want := time.Since(start), 1001*time.Millisecond; got != want {
				t.Errorf("served after %v, want %v", got, want)
			}
			wg.Wait()
		})
	}
}

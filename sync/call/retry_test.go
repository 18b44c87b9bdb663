package call_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"weir/sync/call"
)

// pauses returns the times between the tries.
func (s *script) pauses() []time.Duration {
	var pauses []time.Duration
	for i := 1; i < len(s.sent); i++ {
		pauses = append(pauses, s.sent[i].Sub(s.sent[i-1]))
	}
	return pauses
}

// errorOf returns an outcome.
func errorOf(code call.Code, after time.Duration) error {
	return &call.Error{Code: code, Operation: "Op", After: after}
}

func TestRetry_DecidesByCode(t *testing.T) {
	const s, ms = time.Second, time.Millisecond
	many := func(code call.Code) []error { return fails(20, code) }
	read := call.Request{Account: "a", Operation: "Op"}
	write := call.Request{Account: "a", Operation: "Op", Write: true}
	repeatable := call.Request{Account: "a", Operation: "Op", Write: true, Repeatable: true}
	tests := []struct {
		name     string
		req      call.Request
		outcomes []error
		code     call.Code
		pauses   []time.Duration // between the tries; jitter is one half
	}{
		{"success", write, nil, call.OK, nil},
		{
			"throttled waits a window and a quarter", write, many(call.Throttled)[:2], call.OK,
			[]time.Duration{1250 * ms, 1250 * ms},
		},
		{
			"throttled waits as long as the cloud asks", write,
			[]error{errorOf(call.Throttled, 20*s)},
			call.OK,
			[]time.Duration{25 * s},
		},
		{"throttled does not wait for ever", write, []error{errorOf(call.Throttled, time.Hour)}, call.Throttled, nil},
		{"throttled eight times", write, many(call.Throttled), call.Throttled, slices.Repeat([]time.Duration{1250 * ms}, 7)},
		{
			"unavailable backs off", write, many(call.Unavailable), call.Unavailable,
			[]time.Duration{100 * ms, 200 * ms, 400 * ms, 800 * ms},
		},
		{
			"unavailable waits as long as the cloud asks", write,
			[]error{errorOf(call.Unavailable, 3*s)},
			call.OK,
			[]time.Duration{3 * s},
		},
		{"unknown outcome of a write is final", write, many(call.Unknown), call.Unknown, nil},
		{"of a repeatable write too: it is read back first", repeatable, many(call.Unknown), call.Unknown, nil},
		{"unknown outcome of a read", read, many(call.Unknown)[:1], call.OK, []time.Duration{100 * ms}},
		{"clock once", write, many(call.Clock)[:1], call.OK, []time.Duration{0}},
		{"clock not twice", write, many(call.Clock), call.Clock, []time.Duration{0}},
		{
			"tries of all kinds are bounded together", write,
			slices.Concat(many(call.Throttled)[:4], many(call.Unavailable)), call.Unavailable,
			[]time.Duration{1250 * ms, 1250 * ms, 1250 * ms, 1250 * ms},
		},
		{
			"unavailable and then unknown is unknown", repeatable,
			slices.Concat(many(call.Unavailable)[:1], many(call.Unknown)), call.Unknown,
			[]time.Duration{100 * ms},
		},
		{
			"unknown read and then unavailable", read, slices.Concat(many(call.Unknown)[:1], many(call.Unavailable)),
			call.Unavailable,
			[]time.Duration{100 * ms, 200 * ms, 400 * ms, 800 * ms},
		},
		{"error that no caller made", write, []error{context.DeadlineExceeded}, call.Internal, nil},
	}
	for _, code := range call.Codes() {
		switch code {
		case call.OK, call.Throttled, call.Unavailable, call.Unknown, call.Clock:
			continue
		}
		tests = append(tests, struct {
			name     string
			req      call.Request
			outcomes []error
			code     call.Code
			pauses   []time.Duration
		}{string(code) + " is final", repeatable, many(code), code, nil})
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client := &script{outcomes: tt.outcomes}
				resp, err := call.Retry(client, call.RetryOptions{Jitter: half}).Call(t.Context(), &tt.req)
				if got := call.CodeOf(err); got != tt.code {
					t.Errorf("code %q, want %q", got, tt.code)
				}
				if got := client.pauses(); !slices.Equal(got, tt.pauses) {
					t.Errorf("pauses %v, want %v", got, tt.pauses)
				}
				if got := attempts(resp, err); got != client.tries() {
					t.Errorf("%d attempts reported, want %d", got, client.tries())
				}
			})
		})
	}
}

// attempts returns what an outcome says of its tries.
func attempts(resp *call.Response, err error) int {
	if err == nil {
		return resp.Attempts
	}
	return err.(*call.Error).Attempts
}

func TestFailure_A05_ServerErrorsFiveTriesFullJitter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		longest := func(*call.Request, int) float64 { return 0.999999 }
		client := &script{outcomes: fails(20, call.Unavailable)}
		call.Retry(client, call.RetryOptions{Jitter: longest}).Call(t.Context(), request())
		if client.tries() != 5 {
			t.Errorf("%d tries, want 5", client.tries())
		}
		for i, interval := range []time.Duration{200e6, 400e6, 800e6, 1600e6} {
			if got := client.pauses()[i]; got > interval || got < interval*99/100 {
				t.Errorf("pause %d is %v, want just below %v", i+1, got, interval)
			}
		}
	})
}

func TestFailure_A06_BudgetEndsTheStorm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := &script{outcomes: fails(100000, call.Unavailable)}
		c := call.Retry(client, call.RetryOptions{Jitter: half})
		for range 10 { // the race detector allows 8,128 goroutines
			all(t.Context(), c, 1000, "Op")
		}
		if got := client.tries() - 10000; got != 100 {
			t.Errorf("%d retries of 10,000 failing calls, want the budget's 100", got)
		}
		client.outcomes = nil
		all(t.Context(), c, 50, "Op") // give back what ten retries cost
		client.sent, client.outcomes = nil, fails(100000, call.Unavailable)
		all(t.Context(), c, 100, "Op")
		if got := client.tries() - 100; got != 10 {
			t.Errorf("%d retries after 50 successes, want 10", got)
		}
	})
}

func TestRetry_UnknownCostsTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := &script{outcomes: fails(100000, call.Unknown)}
		all(t.Context(), call.Retry(client, call.RetryOptions{Jitter: half}), 1000, "Op")
		if got := client.tries() - 1000; got != 50 {
			t.Errorf("%d retries, want 50", got)
		}
	})
}

func TestRetry_BudgetsAreByAccount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := &script{outcomes: fails(100000, call.Unavailable)}
		c := call.Retry(client, call.RetryOptions{Jitter: half})
		all(t.Context(), c, 1000, "Op")
		client.sent = nil
		c.Call(t.Context(), &call.Request{Account: "b", Operation: "Op"})
		if client.tries() != 5 {
			t.Errorf("%d tries for the other account, want 5", client.tries())
		}
	})
}

func TestFailure_A09_StatusOf200WithAnErrorIsAnError(t *testing.T) {
	client := &script{outcomes: []error{&call.Error{Code: call.Invalid, Status: 200, CloudCode: "CommonErr"}}}
	_, err := call.Retry(client, call.RetryOptions{}).Call(t.Context(), request())
	if call.CodeOf(err) != call.Invalid || client.tries() != 1 {
		t.Errorf("code %q after %d tries, want invalid after 1", call.CodeOf(err), client.tries())
	}
}

func TestFailure_A11_GarbageIsNotRepeated(t *testing.T) {
	garbage := &call.Error{Code: call.Unknown, Status: 200, Message: "not JSON", RTT: time.Millisecond}
	client := &script{outcomes: []error{garbage}}
	_, err := call.Retry(client, call.RetryOptions{}).Call(t.Context(), request())
	if call.CodeOf(err) != call.Unknown || client.tries() != 1 {
		t.Errorf("code %q after %d tries, want unknown after 1", call.CodeOf(err), client.tries())
	}
}

func TestFailure_A12_ResetAfterTheHeaderIsReadAgainButNotWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, write := range []bool{false, true} {
			client := &script{outcomes: []error{&call.Error{Code: call.Unknown, Status: 200}}}
			req := &call.Request{Account: "a", Operation: "Op", Write: write}
			_, err := call.Retry(client, call.RetryOptions{Jitter: half}).Call(t.Context(), req)
			if again := client.tries() == 2; again == write || (err == nil) == write {
				t.Errorf("write %v: %v after %d tries", write, err, client.tries())
			}
		}
	})
}

func TestFailure_A13_DeadlineEndsTheTries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tests := []struct {
			name  string
			slow  time.Duration
			code  call.Code
			tries int
			took  time.Duration
		}{
			{"no pause that ends too late is begun", 0, call.Throttled, 2, 1250 * time.Millisecond},
			{"an answer that never comes", time.Hour, call.Unknown, 1, 2 * time.Second},
		}
		for _, tt := range tests {
			tries := 0
			client := call.Func(func(ctx context.Context, req *call.Request) (*call.Response, error) {
				tries++
				select {
				case <-ctx.Done():
					return nil, &call.Error{Code: call.Unknown, Err: ctx.Err()}
				case <-time.After(tt.slow):
					return nil, &call.Error{Code: call.Throttled}
				}
			})
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			start := time.Now()
			req := &call.Request{Account: "a", Operation: "Op"}
			_, err := call.Retry(client, call.RetryOptions{Jitter: half}).Call(ctx, req)
			cancel()
			if call.CodeOf(err) != tt.code || tries != tt.tries || time.Since(start) != tt.took {
				t.Errorf("%s: %v after %d tries and %v", tt.name, err, tries, time.Since(start))
			}
		}
	})
}

func TestRetry_CancelledWhileItWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := &script{outcomes: fails(9, call.Throttled)}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(300*time.Millisecond, cancel)
		start := time.Now()
		_, err := call.Retry(client, call.RetryOptions{Jitter: half}).Call(ctx, request())
		if call.CodeOf(err) != call.Throttled || attempts(nil, err) != 1 || time.Since(start) != 300*time.Millisecond {
			t.Errorf("%v after %v: want the outcome of what was sent, at once", err, time.Since(start))
		}
	})
}

func TestRetry_ThrottledWaitsForTheLongestWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := &script{outcomes: fails(1, call.Throttled)}
		c := call.Retry(client, call.RetryOptions{Jitter: half, Windows: func(account, operation string) []call.Window {
			if account != "a" || operation != "Op" {
				t.Errorf("asked for %s/%s", account, operation)
			}
			return []call.Window{second(10), {Limit: 500, Per: time.Minute}}
		}})
		c.Call(t.Context(), request())
		if got, want := client.pauses(), []time.Duration{75 * time.Second}; !slices.Equal(got, want) {
			t.Errorf("pauses %v, want %v", got, want)
		}
	})
}

// TestRetry_SameSeedSamePauses makes calls that fail in a changing order.
func TestRetry_SameSeedSamePauses(t *testing.T) {
	run := func(seed uint64, order []string) map[string][]time.Duration {
		pauses := map[string][]time.Duration{}
		synctest.Test(t, func(t *testing.T) {
			var mu sync.Mutex
			sent := map[string][]time.Time{}
			client := call.Func(func(_ context.Context, req *call.Request) (*call.Response, error) {
				mu.Lock()
				defer mu.Unlock()
				sent[req.Cause.Resource] = append(sent[req.Cause.Resource], time.Now())
				return nil, &call.Error{Code: call.Unavailable}
			})
			c := call.Retry(client, call.RetryOptions{Jitter: call.SeededJitter(seed)})
			var wg sync.WaitGroup
			for _, id := range order {
				wg.Go(func() {
					c.Call(t.Context(), &call.Request{Account: "a", Operation: "Op", Cause: call.Cause{Resource: id}})
				})
			}
			wg.Wait()
			for id, times := range sent {
				pauses[id] = (&script{sent: times}).pauses()
			}
		})
		return pauses
	}
	first, again := run(1, []string{"x", "y", "z"}), run(1, []string{"z", "x", "y"})
	if fmt.Sprint(first) != fmt.Sprint(again) {
		t.Errorf("same seed: %v and %v", first, again)
	}
	if fmt.Sprint(first["x"]) == fmt.Sprint(first["y"]) {
		t.Errorf("two resources come back together: %v", first["x"])
	}
	if other := run(2, []string{"x", "y", "z"}); fmt.Sprint(first) == fmt.Sprint(other) {
		t.Errorf("another seed, the same pauses: %v", other)
	}
}

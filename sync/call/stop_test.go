package call_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"weir/sync/call"
)

func TestStack_StoppedCallsDoNotWaitForQuota(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := call.Stack(&script{outcomes: fails(1, call.Billing)}, call.StackOptions{
			Limiters: limiters(t, call.Window{Limit: 1, Per: time.Minute}, "a"),
		})
		c.Call(t.Context(), request())
		start := time.Now()
		_, err := c.Call(t.Context(), request())
		if call.CodeOf(err) != call.Stopped || time.Since(start) != 0 {
			t.Errorf("%v after %v, want stopped at once", err, time.Since(start))
		}
	})
}

func TestFailure_A22_RefusedKeyStopsItsAccountOnly(t *testing.T) {
	for _, code := range []call.Code{call.Unauthentic, call.Billing} {
		t.Run(string(code), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client := &script{outcomes: fails(1, code)}
				circuit := call.NewCircuit(nil)
				c := call.Stack(client, call.StackOptions{Limiters: limiters(t, second(10), "a", "b"), Circuit: circuit})
				if _, err := c.Call(t.Context(), request()); call.CodeOf(err) != code || attempts(nil, err) != 1 {
					t.Fatalf("first outcome %v after %d tries, want %s after 1", err, attempts(nil, err), code)
				}
				start := time.Now()
				for _, operation := range []string{"Op", "Other"} {
					_, err := c.Call(t.Context(), &call.Request{Account: "a", Operation: operation})
					want := fmt.Sprintf("%s: Cloud.%s: not sent, stopped for 1m0s more after: Op: Cloud.%[2]s: said no",
						operation, code)
					if err.Error() != want || call.CodeOf(err) != call.Stopped || attempts(nil, err) != 0 {
						t.Errorf("outcome %q, want %q", err, want)
					}
				}
				if _, err := c.Call(t.Context(), &call.Request{Account: "b", Operation: "Op"}); err != nil {
					t.Errorf("the other account: %v", err)
				}
				if time.Since(start) != 0 || client.tries() != 2 {
					t.Errorf("took %v, %d sent; want at once and 2", time.Since(start), client.tries())
				}
				circuit.Reset("a")
				if _, err := c.Call(t.Context(), request()); err != nil {
					t.Errorf("after the keys were read anew: %v", err)
				}
			})
		})
	}
}

func TestCircuit_StopGrowsFromOneToTenMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFence(fails(6, call.Unauthentic)...)
		var shut []time.Duration
		for range 6 {
			f.code(t, "a", "Op")
			shut = append(shut, f.shut(t))
		}
		want := []time.Duration{
			1 * time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 10 * time.Minute,
			10 * time.Minute,
		}
		if !slices.Equal(shut, want) {
			t.Errorf("shut for %v, want %v", shut, want)
		}
		if got := f.code(t, "a", "Op"); got != call.OK {
			t.Errorf("probe %q, want ok", got)
		}
		if got := f.circuit.Stops(); len(got) != 0 {
			t.Errorf("stops %v after a good probe", got)
		}
	})
}

func TestCircuit_AnswersToTheOldKeyAfterReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFence()
		old := f.circuit.Wrap(call.Func(func(context.Context, *call.Request) (*call.Response, error) {
			time.Sleep(time.Second)
			return nil, &call.Error{Code: call.Unauthentic}
		}))
		done := make(chan struct{})
		go func() { defer close(done); old.Call(t.Context(), request()) }()
		synctest.Wait()
		f.circuit.Reset("a")
		<-done
		if got := f.code(t, "a", "Op"); got != call.OK {
			t.Errorf("code %q, want ok: that was the old key", got)
		}
	})
}

func TestFailure_A23_DenialIsOfOneResource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFence(fails(20, call.Denied)...)
		for range 20 {
			f.code(t, "a", "Op")
		}
		if got := f.code(t, "a", "Op"); got != call.OK {
			t.Errorf("code %q, want ok", got)
		}
	})
}

func TestFailure_A24_ClockIsCorrectedOnceThenStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		skewed := newCloud(line{forth: 1e6, back: 1e6}, 1)
		var wrong atomic.Int64 // calls whose signature is refused
		wrong.Store(10)        // all that are under way at once
		client := call.Func(func(ctx context.Context, req *call.Request) (*call.Response, error) {
			off := wrong.Add(-1) >= 0
			resp, err := skewed.Call(ctx, req)
			if off {
				return nil, &call.Error{Code: call.Clock, CloudCode: "InvalidTimeStamp.Expired"}
			}
			return resp, err
		})
		f := newFence()
		retrying := call.Retry(f.circuit.Wrap(client), call.RetryOptions{Jitter: half})
		if failed := all(t.Context(), retrying, 10, "Op"); failed != 0 {
			t.Errorf("%d of 10 failed although the second signature was right", failed)
		}
		wrong.Store(100)
		if _, err := retrying.Call(t.Context(), request()); call.CodeOf(err) != call.Clock || attempts(nil, err) != 2 {
			t.Errorf("outcome %v after %d tries, want clock after 2", err, attempts(nil, err))
		}
		if got := f.code(t, "a", "Other"); got != call.Stopped {
			t.Errorf("code %q, want the account stopped", got)
		}
	})
}

func TestCircuit_UnsupportedStopsItsOperation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFence(fails(1, call.Unsupported)...)
		f.code(t, "a", "Op")
		if got := f.code(t, "a", "Other"); got != call.OK {
			t.Errorf("another operation: %q", got)
		}
		if got := f.shut(t); got != time.Minute {
			t.Errorf("shut for %v, want 1m0s", got)
		}
	})
}

func TestCircuit_StopsAreListed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFence(append(fails(5, call.Unavailable), fails(1, call.Billing)...)...)
		for range 5 {
			f.code(t, "b", "Op")
		}
		f.code(t, "a", "Op")
		var got []string
		for _, s := range f.circuit.Stops() {
			got = append(got, fmt.Sprintf("%s/%s %v %s", s.Account, s.Operation, time.Until(s.Until), s.Cause.Code))
		}
		if want := []string{"a/ 1m0s billing", "b/Op 5s unavailable"}; !slices.Equal(got, want) {
			t.Errorf("stops %q, want %q", got, want)
		}
	})
}

func TestCircuit_RefusalNamesTheFirstError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := &call.Error{Code: call.Unauthentic, Operation: "Op", CloudCode: "InvalidAccessKeyId"}
		f := newFence(first)
		f.code(t, "a", "Op")
		_, err := f.caller.Call(t.Context(), request())
		var stopped *call.Error
		if !errors.As(err, &stopped) || !errors.Is(err, first) || stopped.After != time.Minute {
			t.Errorf("%#v does not lead to the first error", err)
		}
	})
}

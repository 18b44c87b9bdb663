package call_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"weir/sync/call"
)

// fence is a circuit round a script, and what its calls come to.
type fence struct {
	*script
	circuit *call.Circuit
	caller  call.Caller
	back    []string // operations that recovered
}

func newFence(outcomes ...error) *fence {
	f := &fence{script: &script{outcomes: outcomes}}
	f.circuit = call.NewCircuit(func(account, operation string) { f.back = append(f.back, account+"/"+operation) })
	f.caller = f.circuit.Wrap(f.script)
	return f
}

// code calls an operation of an account and returns the outcome's code.
func (f *fence) code(t *testing.T, account, operation string) call.Code {
	t.Helper()
	_, err := f.caller.Call(t.Context(), &call.Request{Account: account, Operation: operation})
	return call.CodeOf(err)
}

// shut returns for how long "a"/"Op" refuses calls from now on.
func (f *fence) shut(t *testing.T) time.Duration {
	t.Helper()
	nothing := call.Func(func(context.Context, *call.Request) (*call.Response, error) { return nil, nil })
	start := time.Now()
	for {
		if _, err := f.circuit.Refuse(nothing).Call(t.Context(), request()); err == nil {
			return time.Since(start)
		}
		time.Sleep(time.Second)
	}
}

func TestCircuit_OpensAfterFiveFailuresInARow(t *testing.T) {
	tests := []struct {
		name     string
		outcomes []error
		stopped  bool
	}{
		{"four", fails(4, call.Unavailable), false},
		{"five", fails(5, call.Unavailable), true},
		{"five without an answer", fails(5, call.Unknown), true},
		{"four of one and one of the other", append(fails(4, call.Unknown), fails(1, call.Unavailable)...), true},
		{"a success in between", append(append(fails(4, call.Unavailable), nil), fails(4, call.Unavailable)...), false},
		{"a refusal in between", slices.Concat(fails(4, call.Unavailable), fails(1, call.Invalid),
			fails(4, call.Unavailable)), false},
		{"our own fault in between says nothing", slices.Concat(fails(4, call.Unavailable), fails(1, call.Internal),
			fails(1, call.Unavailable)), true},
		{"throttles are answers", fails(50, call.Throttled), false},
		{"refusals are answers", fails(50, call.Denied), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFence(tt.outcomes...)
				for range tt.outcomes {
					f.code(t, "a", "Op")
				}
				if got := f.code(t, "a", "Op") == call.Stopped; got != tt.stopped {
					t.Errorf("stopped %v, want %v", got, tt.stopped)
				}
			})
		})
	}
}

func TestCircuit_OutageGrowsFrom5To60SecondsWithOneProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFence(fails(5+6, call.Unavailable)...)
		for range 5 {
			f.code(t, "a", "Op")
		}
		var shut []time.Duration
		for range 6 {
			shut = append(shut, f.shut(t))
			if got := f.code(t, "a", "Op"); got != call.Unavailable {
				t.Fatalf("the probe came to %q", got)
			}
		}
		want := []time.Duration{5e9, 10e9, 20e9, 40e9, 60e9, 60e9}
		if !slices.Equal(shut, want) {
			t.Errorf("shut for %v, want %v", shut, want)
		}
		f.shut(t)
		if got := f.code(t, "a", "Op"); got != call.OK || !slices.Equal(f.back, []string{"a/Op"}) {
			t.Errorf("probe %q, recovered %v", got, f.back)
		}
		f.outcomes = fails(10, call.Unavailable)
		for range 5 {
			f.code(t, "a", "Op")
		}
		if got := f.shut(t); got != time.Minute {
			t.Errorf("shut for %v soon after an outage, want 1m0s", got)
		}
		f.outcomes = nil
		f.code(t, "a", "Op")
		time.Sleep(time.Minute)
		f.outcomes = fails(5, call.Unavailable)
		for range 5 {
			f.code(t, "a", "Op")
		}
		if got := f.shut(t); got != 5*time.Second {
			t.Errorf("shut for %v long after an outage, want 5s", got)
		}
	})
}

func TestCircuit_ProbeIsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFence(fails(5, call.Unavailable)...)
		for range 5 {
			f.code(t, "a", "Op")
		}
		f.shut(t)
		f.caller = f.circuit.Wrap(call.Func(func(context.Context, *call.Request) (*call.Response, error) {
			time.Sleep(3 * time.Second)
			return &call.Response{}, nil
		}))
		if failed := all(t.Context(), f.caller, 10, "Op"); failed != 9 {
			t.Errorf("%d refused beside the probe, want 9", failed)
		}
		if failed := all(t.Context(), f.caller, 10, "Op"); failed != 0 {
			t.Errorf("%d refused after it, want none", failed)
		}
	})
}

func TestCircuit_ProbeThatWasNotSentDecidesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFence(slices.Concat(fails(5, call.Unavailable), fails(1, call.Internal))...)
		for range 5 {
			f.code(t, "a", "Op")
		}
		f.shut(t)
		if got := f.code(t, "a", "Op"); got != call.Internal {
			t.Fatalf("probe %q, want internal", got)
		}
		if got := f.code(t, "a", "Op"); got != call.OK {
			t.Errorf("next %q, want another probe at once", got)
		}
	})
}

func TestCircuit_PanickingProbeIsNotForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFence(fails(5, call.Unavailable)...)
		for range 5 {
			f.code(t, "a", "Op")
		}
		f.shut(t)
		func() {
			defer func() { recover() }()
			f.circuit.Wrap(call.Func(func(context.Context, *call.Request) (*call.Response, error) {
				panic("a fault in the client")
			})).Call(t.Context(), request())
		}()
		if got := f.code(t, "a", "Op"); got != call.OK {
			t.Errorf("next %q, want ok", got)
		}
	})
}

func TestCircuit_LateOutcomesOfBeforeDoNotCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFence()
		late := f.circuit.Wrap(call.Func(func(context.Context, *call.Request) (*call.Response, error) {
			time.Sleep(2 * time.Second)
			return &call.Response{}, nil
		}))
		done := make(chan struct{})
		go func() { defer close(done); late.Call(t.Context(), request()) }()
		synctest.Wait()
		f.outcomes = fails(5, call.Unavailable)
		for range 5 {
			f.code(t, "a", "Op")
		}
		<-done
		if got := f.code(t, "a", "Op"); got != call.Stopped {
			t.Errorf("code %q after a late success, want stopped", got)
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
		want := []time.Duration{1 * time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 10 * time.Minute,
			10 * time.Minute}
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

// TestFailure_A06_OutageUnderLoad plays two minutes of an outage under a large
// backlog, and the return after it.
func TestFailure_A06_OutageUnderLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		const outage, limit = 2 * time.Minute, 20
		var mu sync.Mutex
		during, after := 0, make([]int, 12) // after: calls in each 10 s
		client := call.Func(func(ctx context.Context, _ *call.Request) (*call.Response, error) {
			mu.Lock()
			defer mu.Unlock()
			age := time.Since(start)
			if age < outage {
				during++
				return nil, &call.Error{Code: call.Unavailable, Message: "down"}
			}
			if slot := int((age - outage) / (10 * time.Second)); slot < len(after) {
				after[slot]++
			}
			return &call.Response{}, nil
		})
		c := call.Stack(client, call.StackOptions{Limiters: limiters(t, second(limit), "a"), Jitter: half})
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
		defer cancel()
		worker := func() {
			for ctx.Err() == nil {
				if _, err := c.Call(ctx, request()); err != nil {
					time.Sleep(time.Second) // its next resource
				}
			}
		}
		done := make(chan struct{})
		for range 200 {
			go func() { worker(); done <- struct{}{} }()
		}
		for range 200 {
			<-done
		}
		if during > 20 {
			t.Errorf("%d calls during the outage, want the first %d and a few probes", during, limit)
		}
		t.Logf("%d calls during the outage, then every 10 s: %v", during, after)
		full := 10 * limit
		if first := slices.IndexFunc(after, func(n int) bool { return n > 0 }); after[first] > full/2 {
			t.Errorf("%d calls in the first 10 s after the outage, want a slow return", after[first])
		}
		if last := after[len(after)-1]; last < full*9/10 {
			t.Errorf("%d calls in the last 10 s, want the whole quota of %d", last, full)
		}
	})
}

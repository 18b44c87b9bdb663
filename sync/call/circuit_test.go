package call_test

import (
	"context"
	"slices"
	"sync"
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

func TestCircuit_FailuresOfOneBurstCountOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFence()
		down := f.circuit.Wrap(call.Func(func(context.Context, *call.Request) (*call.Response, error) {
			time.Sleep(time.Second)
			return nil, &call.Error{Code: call.Unavailable}
		}))
		all(t.Context(), down, 50, "Op")
		if got := f.shut(t); got != 5*time.Second {
			t.Errorf("shut for %v, want 5s", got)
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
		first := slices.IndexFunc(after, func(n int) bool { return n > 0 })
		if n := after[first] + after[first+1] + after[first+2]; n > full {
			t.Errorf("%d calls in the first 30 s after the outage, want at most a third of the quota", n)
		}
		if last := after[len(after)-1]; last < full*9/10 {
			t.Errorf("%d calls in the last 10 s, want the whole quota of %d", last, full)
		}
	})
}

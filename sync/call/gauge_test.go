package call_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"weir/sync/call"
)

// TestGauges: how much of a quota is in use, who waits for it, and how often the
// cloud found it too much.
func TestGauges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limiter, err := call.NewLimiter(call.LimiterOptions{Limits: map[string][]call.Window{"Op": {second(10)}, "Idle": {second(5)}}})
		if err != nil {
			t.Fatal(err)
		}
		answer := make(chan error)
		send := call.Func(func(context.Context, *call.Request) (*call.Response, error) {
			if err := <-answer; err != nil {
				return nil, err
			}
			return &call.Response{Status: 200}, nil
		})
		caller := call.Limit(send, call.Limiters{"a": limiter}, nil)
		var wg sync.WaitGroup
		for range 15 {
			wg.Go(func() { _, _ = caller.Call(t.Context(), &call.Request{Account: "a", Operation: "Op"}) })
		}
		synctest.Wait()
		if g := limiter.Gauges()["Op"]; g.Used != 1 || g.Waiting != 5 || g.PerSecond != 10 || g.Throttled != 0 {
			t.Errorf("while ten are under way: %+v", g)
		}
		if g := limiter.Gauges()["Idle"]; g.Used != 0 || g.Waiting != 0 || g.PerSecond != 5 {
			t.Errorf("what is not called: %+v", g)
		}
		answer <- &call.Error{Code: call.Throttled}
		answer <- &call.Error{Code: call.Throttled}
		for range 13 {
			answer <- nil
		}
		wg.Wait()
		if g := limiter.Gauges()["Op"]; g.Throttled != 2 || g.Waiting != 0 || g.PerSecond >= 10 {
			t.Errorf("after two throttles: %+v", g)
		}
		time.Sleep(time.Minute)
		if g := limiter.Gauges()["Op"]; g.Used != 0 {
			t.Errorf("a minute later: %+v", g)
		}
	})
}

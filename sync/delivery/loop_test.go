package delivery

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// TestLoop: what is due is done, a wait ends by time or by a token, and the loop
// where there is no more.
func TestLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun, wake := time.Now(), make(chan struct{}, 1)
		var done []time.Duration
		do := func() { done = append(done, time.Since(begun)) }
		answers := []struct {
			do   func()
			wait time.Duration
		}{{do, 0}, {nil, time.Minute}, {do, 0}, {nil, 0}, {do, 0}, {nil, -1}}
		time.AfterFunc(time.Hour, func() { wake <- struct{}{} })
		ended := Loop(t.Context(), wake, func() (func(), time.Duration) {
			a := answers[0]
			answers = answers[1:]
			return a.do, a.wait
		})
		if !ended || len(done) != 3 || done[0] != 0 || done[1] != time.Minute || done[2] != time.Hour {
			t.Errorf("ended %v, done after %v", ended, done)
		}
	})
}

// TestLoopEndsWithItsContext, also while it waits without an end.
func TestLoopEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if Loop(ctx, nil, func() (func(), time.Duration) { return nil, 0 }) {
			t.Error("ended as if there was no more")
		}
	})
}

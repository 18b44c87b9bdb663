package call_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"weir/sync/call"
)

// TestBegin_ComesAfterTheWaitForQuota holds that a call is begun when it goes
// out, and that what cannot begin is neither sent nor counted.
func TestBegin_ComesAfterTheWaitForQuota(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, book := &script{}, &ledger{}
		c := call.Stack(client, call.StackOptions{Limiters: limiters(t, second(1), "a"), Recorder: book})
		start := time.Now()
		refused := request()
		refused.Begin = func(context.Context) error { return errors.New("done before") }
		if _, err := c.Call(t.Context(), refused); call.CodeOf(err) != call.Internal {
			t.Errorf("code %q, want internal", call.CodeOf(err))
		}
		if _, err := c.Call(t.Context(), request()); err != nil || time.Since(start) != 0 {
			t.Errorf("after a refused one: %v, %v", err, time.Since(start))
		}
		var begun time.Duration
		queued := request()
		queued.Begin = func(context.Context) error { begun = time.Since(start); return nil }
		if _, err := c.Call(t.Context(), queued); err != nil || begun != 1001*time.Millisecond {
			t.Errorf("begun after %v, want 1.001s; %v", begun, err)
		}
		if len(client.sent) != 2 || len(book.opened) != 2 {
			t.Errorf("%d sent, %d written, want 2 and 2", len(client.sent), len(book.opened))
		}
	})
}

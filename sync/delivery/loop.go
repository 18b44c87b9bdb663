package delivery

import (
	"context"
	"time"
)

// Loop does what next gives it, one after the other, and waits where there is
// nothing to do now: for as long as next says (0 for no end), until a token is in
// wake, or until ctx ends. It returns true where next says by a wait below 0 that
// there will be no more, false where ctx has ended.
func Loop(ctx context.Context, wake <-chan struct{}, next func() (do func(), wait time.Duration)) bool {
	for {
		do, wait := next()
		switch {
		case do != nil:
			do()
		case wait < 0:
			return true
		case !sleep(ctx, wake, wait):
			return false
		}
	}
}

// sleep returns false where ctx has ended.
func sleep(ctx context.Context, wake <-chan struct{}, wait time.Duration) bool {
	var due <-chan time.Time
	if wait > 0 {
		t := time.NewTimer(wait)
		defer t.Stop()
		due = t.C
	}
	select {
	case <-ctx.Done():
		return false
	case <-wake:
	case <-due:
	}
	return ctx.Err() == nil
}

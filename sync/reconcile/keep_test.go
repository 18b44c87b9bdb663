package reconcile

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"weir/sync/state"
)

// kept is a store that notes when it was asked for a copy.
type kept struct {
	state.Store
	mu sync.Mutex
	at []time.Duration
	t0 time.Time
}

func (k *kept) Keep(_ context.Context, now time.Time) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.at = append(k.at, now.Sub(k.t0))
	if len(k.at) == 2 {
		return errors.New("the disk is full")
	}
	return nil
}

// TestCopiesAreKept: the store is asked at the start and every hour; that one
// fails is told and stops nothing.
func TestCopiesAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t)
		k := &kept{Store: h.store, t0: time.Now()}
		h.store = k
		h.build()
		h.commit("a.yaml", multiOn)
		h.start()
		h.wait(2*time.Hour + time.Minute)
		h.stop()
		if want := []time.Duration{0, time.Hour, 2 * time.Hour}; !slices.Equal(k.at, want) {
			t.Errorf("asked at %v, want %v", k.at, want)
		}
		if !strings.Contains(h.log.String(), `msg="cannot keep a copy of the state" error="the disk is full"`) {
			t.Error("the failure is not told")
		}
	})
}

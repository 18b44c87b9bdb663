package simulation

import (
	"sync"
	"testing"
)

// TestSeedsRepeat: I16, a seed run again leaves the same history to the
// nanosecond, in another order and beside others.
func TestSeedsRepeat(t *testing.T) {
	n := uint64(max(*seeds/20, 20))
	hashes := make([]uint64, n)
	for i := range n {
		hashes[i] = judge(t, *first+i, newTally()).hash()
	}
	if t.Failed() {
		return
	}
	var wg sync.WaitGroup // in the other direction, on two processors
	for part := range uint64(2) {
		wg.Go(func() {
			for i := n; i > 0; i-- {
				if (i-1)%2 != part {
					continue
				}
				if r := judge(t, *first+i-1, newTally()); r.hash() != hashes[i-1] {
					t.Errorf("seed %d is not the same twice; %s", *first+i-1, again(*first+i-1))
				}
			}
		})
	}
	wg.Wait()
}

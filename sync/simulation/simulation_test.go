package simulation

import (
	"flag"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
)

var (
	seeds = flag.Int("seeds", defaultSeeds, "how many seeds are run")
	first = flag.Uint64("first", 1, "the first of them")
	alone = flag.Uint64("seed", 0, "run this seed alone, and print what happened")
)

// TestSimulation runs the seeds, beside each other on every processor.
func TestSimulation(t *testing.T) {
	if *alone > 0 {
		r := simulate(t, *alone, true, newTally(), story)
		t.Logf("\n%s\nhash %x", r.history(), r.hash())
		for _, v := range r.violations {
			t.Error(v)
		}
		return
	}
	counts := newTally()
	t.Run("seeds", func(t *testing.T) {
		workers := runtime.GOMAXPROCS(0)
		var failed atomic.Bool
		for w := range workers {
			t.Run(fmt.Sprint("part ", w), func(t *testing.T) {
				t.Parallel()
				for i := w; i < *seeds && !failed.Load(); i += workers {
					if r := judge(t, *first+uint64(i), counts); len(r.violations) > 0 {
						failed.Store(true)
					}
				}
			})
		}
	})
	t.Log(counts)
	if !t.Failed() {
		counts.expect(t, *seeds)
	}
}

// judge runs a seed; one that fails is told with all that happened.
func judge(t *testing.T, seed uint64, counts *tally) *run {
	defer func() {
		if problem := recover(); problem != nil {
			t.Errorf("seed %d: %v; %s", seed, problem, again(seed))
			panic(problem)
		}
	}()
	r := simulate(t, seed, false, counts, story)
	if len(r.violations) > 0 {
		t.Errorf("seed %d: %s\n%s\n%s", seed, r.violations[0], r.history(), again(seed))
	}
	return r
}

func again(seed uint64) string {
	return fmt.Sprintf("to repeat: go test ./sync/simulation -run 'Simulation$' -v -seed %d", seed)
}

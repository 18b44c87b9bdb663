package simulation

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
)

// tally counts over all runs what struck and what was looked at, so that
// nothing is tested in vain.
type tally struct {
	mu      sync.Mutex
	strikes map[string]int
	checks  map[string]int
	used    map[string]int
}

func newTally() *tally {
	return &tally{strikes: map[string]int{}, checks: map[string]int{}, used: map[string]int{}}
}

func (t *tally) strike(kind string)     { t.count(t.strikes, kind) }
func (t *tally) check(invariant string) { t.count(t.checks, invariant) }
func (t *tally) use(kind string)        { t.count(t.used, kind) }

func (t *tally) count(m map[string]int, key string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	m[key]++
}

// String is a table of all counts.
func (t *tally) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var b strings.Builder
	for _, m := range []map[string]int{t.checks, t.strikes} {
		for _, k := range slices.Sorted(maps.Keys(m)) {
			fmt.Fprintf(&b, "%s %d, ", k, m[k])
		}
		b.WriteString("\n")
	}
	return b.String()
}

// expectFrom is the number of runs from which on the counts say something.
const expectFrom = 2000

// expect fails the test where a kind of fault or an invariant was idle: among
// two hundred runs at least one must have met it.
func (t *tally) expect(tt *testing.T, n int) {
	tt.Helper()
	t.mu.Lock()
	defer t.mu.Unlock()
	least := n / 200
	if n < expectFrom {
		return
	}
	for _, k := range faultKinds() {
		if t.strikes[k.name] < least {
			tt.Errorf("fault %s struck %d times in %d runs", k.name, t.strikes[k.name], n)
		}
	}
	for _, s := range steps() {
		if t.strikes[s.name] < least {
			tt.Errorf("step %s happened %d times in %d runs", s.name, t.strikes[s.name], n)
		}
	}
	for i := 1; i <= 13; i++ {
		name := fmt.Sprintf("I%d", i)
		if t.checks[name] < least {
			tt.Errorf("%s was looked at %d times in %d runs", name, t.checks[name], n)
		}
	}
}

package emulator

import (
	"iter"
	"slices"
	"time"
)

// horizon is how far back a read may look: the most that lag and the delay of
// a stale-read may be.
const horizon = time.Hour

// maxVersions bounds what one row remembers when it changes without rest.
const maxVersions = 4096

// table holds rows with their past, so that a read can be answered with the
// state of a moment ago without copying the whole state at every write. A nil
// table is empty.
type table[K comparable, V any] struct {
	rows  map[K][]version[V]
	drops int // since the last sweep
}

type version[V any] struct {
	from    time.Time // zero: since ever
	value   V
	present bool
}

// get returns the value of k as it was at the moment given.
func (t *table[K, V]) get(k K, at time.Time) (V, bool) {
	var none V
	if t == nil {
		return none, false
	}
	return valueAt(t.rows[k], at)
}

// put sets k from the moment given on.
func (t *table[K, V]) put(k K, v V, at time.Time) {
	t.add(k, version[V]{from: at, value: v, present: true})
}

// drop removes k from the moment given on.
func (t *table[K, V]) drop(k K, at time.Time) {
	if _, held := t.get(k, at); held {
		t.add(k, version[V]{from: at})
		t.drops++
		t.sweep(at)
	}
}

func (t *table[K, V]) add(k K, v version[V]) {
	if t.rows == nil {
		t.rows = map[K][]version[V]{}
	}
	t.rows[k] = append(pruned(t.rows[k], v.from), v)
}

// each yields the rows present at the moment given, in no order.
func (t *table[K, V]) each(at time.Time) iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		if t == nil {
			return
		}
		for k, versions := range t.rows {
			if v, held := valueAt(versions, at); held && !yield(k, v) {
				return
			}
		}
	}
}

// size counts the rows kept, those removed not long ago among them.
func (t *table[K, V]) size() int {
	if t == nil {
		return 0
	}
	return len(t.rows)
}

// sweepAfter is after how many removals the table is swept.
const sweepAfter = 1000

// sweep forgets, now and then, the rows that were removed before the horizon.
func (t *table[K, V]) sweep(now time.Time) {
	if t.drops < max(sweepAfter, len(t.rows)/2) {
		return
	}
	t.drops = 0
	for k, versions := range t.rows {
		last := versions[len(versions)-1]
		if !last.present && now.Sub(last.from) > horizon {
			delete(t.rows, k)
		}
	}
}

func valueAt[V any](versions []version[V], at time.Time) (V, bool) {
	for _, version := range slices.Backward(versions) {
		if !version.from.After(at) {
			return version.value, version.present
		}
	}
	var none V
	return none, false
}

// pruned drops the versions that nobody can ask for any more.
func pruned[V any](versions []version[V], now time.Time) []version[V] {
	old := max(len(versions)-maxVersions, 0)
	for old+1 < len(versions) && now.Sub(versions[old+1].from) > horizon {
		old++
	}
	return versions[old:]
}

// shelf is a table for each group, so that one group is listed without a look
// at the others.
type shelf[G, K comparable, V any] map[G]*table[K, V]

// in returns the table of a group for writing.
func (s shelf[G, K, V]) in(g G) *table[K, V] {
	t := s[g]
	if t == nil {
		t = &table[K, V]{}
		s[g] = t
	}
	return t
}

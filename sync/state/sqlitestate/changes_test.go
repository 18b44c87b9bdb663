package sqlitestate

import (
	"maps"
	"reflect"
	"slices"
	"testing"

	"weir/sync/resource"
	"weir/sync/state"
)

// follower is a reader of a store's changes.
type follower struct {
	known map[resource.ID]state.Known
	next  state.Cursor
}

// follow takes over what has changed and reports whether that was read whole.
func (f *follower) follow(t testing.TB, s *Store) bool {
	t.Helper()
	c, err := s.Changes(t.Context(), f.next)
	must(t, err)
	if c.Whole {
		f.known = map[resource.ID]state.Known{}
	}
	for _, k := range c.Known {
		if f.known[k.ID] = k; k.Applied == nil && len(k.Acts) == 0 {
			delete(f.known, k.ID)
		}
	}
	f.next = c.Next
	return c.Whole
}

// same fails unless f knows what s holds.
func (f *follower) same(t testing.TB, s *Store) {
	t.Helper()
	acts, err := s.Acts(t.Context())
	must(t, err)
	got := slices.SortedFunc(maps.Values(f.known), func(a, b state.Known) int { return resource.Compare(a.ID, b.ID) })
	if want := state.KnownOf(records(t, s), acts); len(got)+len(want) > 0 && !reflect.DeepEqual(got, want) {
		t.Errorf("known are %d, of %d", len(got), len(want))
	}
}

// TestChangesFarBehind: who is further behind than the changes go back reads
// everything, who is not reads the changes, and the file holds a bounded number.
func TestChangesFarBehind(t *testing.T) {
	s := openAt(t, newPath(t), Options{})
	var far, near follower
	must(t, s.Save(t.Context(), benchRecord(0)))
	far.follow(t, s)
	for i := range 3 * changesKept / 1000 {
		batch := make([]resource.Applied, 1000)
		for j := range batch {
			batch[j] = benchRecord((i*1000 + j) % 5000)
		}
		must(t, s.Save(t.Context(), batch...))
		if i == 0 {
			must(t, s.Forget(t.Context(), benchRecord(17).ID))
		}
		if whole := near.follow(t, s); whole && i > 0 {
			t.Fatalf("%d changes behind, and everything is read", 1000)
		}
	}
	if !far.follow(t, s) {
		t.Error("changes that are gone were read")
	}
	near.same(t, s)
	far.same(t, s)
	if n := count(t, raw(t, s.Path()), "SELECT count(*) FROM changes"); n < changesKept || n > changesKept+2*changesStep {
		t.Errorf("%d changes are kept", n)
	}
}

// TestChangesOfAnotherFile: a cursor beyond the last change is of a file that is
// not there any more.
func TestChangesOfAnotherFile(t *testing.T) {
	s := openAt(t, newPath(t), Options{})
	must(t, s.Save(t.Context(), benchRecord(1)))
	if c, err := s.Changes(t.Context(), 4711); err != nil || !c.Whole || len(c.Known) != 1 {
		t.Errorf("changes %+v, %v", c, err)
	}
}

// TestFailure_P04_ReaderOfAKilledWriter: a process that follows what another
// writes, which is killed, knows what is in the store, no more and no less.
func TestFailure_P04_ReaderOfAKilledWriter(t *testing.T) {
	path := newPath(t)
	s := openAt(t, path, Options{})
	var f follower
	for range 5 {
		p := start(t, "write", path)
		p.next()
		for i := range 200 {
			p.line()
			if i%20 == 0 {
				f.follow(t, s)
			}
		}
		p.kill()
		f.follow(t, s)
		f.same(t, s)
	}
	if len(f.known) == 0 {
		t.Error("nothing was written")
	}
}

// BenchmarkChanges is what a pass reads of 100,000 records: nothing new, or one.
func BenchmarkChanges(b *testing.B) {
	for name, edits := range map[string]int{"none": 0, "one": 1} {
		b.Run(name, func(b *testing.B) {
			s := openAt(b, filled(b, 100_000), Options{})
			c, err := s.Changes(b.Context(), 0)
			must(b, err)
			for b.Loop() {
				b.StopTimer()
				must(b, s.Save(b.Context(), slices.Repeat([]resource.Applied{benchRecord(7)}, edits)...))
				b.StartTimer()
				if c, err = s.Changes(b.Context(), c.Next); err != nil || c.Whole || len(c.Known) != edits {
					b.Fatal(len(c.Known), c.Whole, err)
				}
			}
		})
	}
}

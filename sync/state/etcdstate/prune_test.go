package etcdstate

import (
	"fmt"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"weir/sync/state"
)

// fill writes n entries from several goroutines, each closed at once or by a later word;
// of every tenth nobody writes how it ended.
func fill(t testing.TB, s *Store, n int, name func(i int) string) {
	t.Helper()
	var wg sync.WaitGroup
	const writers = 32
	for w := range writers {
		wg.Go(func() {
			for i := w; i < n; i += writers {
				e := state.Entry{
					Opened: time.Unix(int64(1000+i), 0), Account: "a", Operation: "Op", Write: i%2 == 0, Resource: name(i),
				}
				o := state.Outcome{Closed: time.Now(), Code: "ok"}
				if i%3 == 0 {
					e.Outcome = o
				}
				number, err := s.Open(t.Context(), e)
				if err == nil && i%3 != 0 && i%10 != 1 {
					err = s.Close(t.Context(), number, o)
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func count(t testing.TB, s *Store, prefix string) int64 {
	t.Helper()
	resp, err := s.conn.Get(t.Context(), s.key(prefix), clientv3.WithPrefix(), clientv3.WithCountOnly())
	must(t, err)
	return resp.Count
}

// TestFailure_P20_Prune: a journal beyond its bounds loses its oldest entries, and its
// chains still hold.
func TestFailure_P20_Prune(t *testing.T) {
	t.Parallel()
	s := openAt(t, "", Options{MaxEntries: 300, MaxReads: 200})
	fill(t, s, 4000, func(i int) string { return fmt.Sprint("a/K/", i%50) })
	for _, chain := range []state.Chain{state.Writes, state.Reads} {
		for count(t, s, entriesAt(chain)) > s.most(chain)+400 { // and those that are open, of every tenth
			must(t, s.prune(t.Context(), chain)) // beside the one that runs by itself
		}
	}
	p, err := s.Verify(t.Context())
	if err != nil || !p.Sound() || p.Heads.Writes.Seq == 0 {
		t.Fatalf("%+v, %v", p, err)
	}
	if p.Entries == 0 || p.Entries+p.Unchained != count(t, s, entriesAt(state.Writes))+count(t, s, entriesAt(state.Reads)) {
		t.Errorf("%+v", p)
	}
	entries, err := s.Journal(t.Context(), state.Query{Limit: 10, Links: true})
	if err != nil || len(entries) != 10 || entries[0].Number != 4000 || len(entries[0].Links) == 0 {
		t.Errorf("%d entries, %v", len(entries), err)
	}
	all, err := s.Journal(t.Context(), state.Query{Limit: 10_000, Oldest: true})
	if err != nil || int64(len(all)) != p.Entries+p.Unchained {
		t.Errorf("%d entries of %+v, %v", len(all), p, err)
	}
	for i := range all[1:] {
		if all[i].Number >= all[i+1].Number {
			t.Fatalf("entry %d comes before %d", all[i].Number, all[i+1].Number)
		}
	}
	first, err := s.Journal(t.Context(), state.Query{Code: state.CodeOpen, Limit: 1, Oldest: true})
	must(t, err)
	must(t, s.Close(t.Context(), first[0].Number, state.Outcome{Closed: time.Now(), Code: "ok"}))
	if p, err := s.Verify(t.Context()); err != nil || !p.Sound() {
		t.Errorf("after one that was left was closed: %+v, %v", p, err)
	}
}

// TestPrune_Age: what is too old goes, whether or not it was closed.
func TestPrune_Age(t *testing.T) {
	s := openAt(t, "", Options{MaxAge: time.Hour})
	fill(t, s, 300, func(int) string { return "a/K/x" }) // in 1970
	n, err := s.Open(t.Context(), state.Entry{Opened: time.Now(), Account: "a", Write: true})
	must(t, err)
	must(t, s.prune(t.Context(), state.Writes))
	if got := count(t, s, entriesAt(state.Writes)); got != 1 {
		t.Errorf("%d are left", got)
	}
	p, err := s.Verify(t.Context())
	if err != nil || !p.Sound() || p.Last != n {
		t.Errorf("%+v, %v", p, err)
	}
}

// TestQuery_LeavesBlocksOut: a query by what an entry is about reads the blocks that hold
// such entries, and finds what reading everything finds.
func TestQuery_LeavesBlocksOut(t *testing.T) {
	t.Parallel()
	s := openAt(t, "", Options{})
	fill(t, s, 2*blockNumbers+500, func(i int) string {
		if i == blockNumbers+7 {
			return "a/K/rare"
		}
		return fmt.Sprint("a/K/", i%50)
	})
	for _, chain := range []state.Chain{state.Writes, state.Reads} {
		must(t, s.sumUp(t.Context(), chain, 2*blockNumbers+500))
		if n := count(t, s, blocksOf(chain)); n != 2 {
			t.Fatalf("%d blocks of %s", n, chain)
		}
	}
	rare, err := s.Journal(t.Context(), state.Query{Resource: "a/K/rare"})
	if err != nil || len(rare) != 1 || rare[0].Resource != "a/K/rare" {
		t.Errorf("%+v, %v", rare, err)
	}
	m := newSums(s, state.Query{Resource: "a/K/rare"}, []state.Chain{state.Writes, state.Reads}, 0)
	empty := 0
	for n := range int64(3) {
		is, err := m.empty(t.Context(), n)
		must(t, err)
		if is {
			empty++
		}
	}
	if empty != 1 { // the block under way is read, and the one that has it
		t.Errorf("%d blocks are left out", empty)
	}
	for name, q := range map[string]state.Query{
		"resource": {Resource: "a/K/7"}, "oldest": {Resource: "a/K/7", Oldest: true}, "since": {Since: time.Unix(1000+1*blockNumbers, 0)},
		"none": {Plan: "none"}, "writes": {Writes: true, Resource: "a/K/8", Below: 2 * blockNumbers, Above: 20},
	} {
		q.Limit = 20_000
		got, err := s.Journal(t.Context(), q)
		must(t, err)
		all, err := s.Journal(t.Context(), state.Query{Limit: 20_000, Oldest: q.Oldest})
		must(t, err)
		want := 0
		for _, e := range all {
			if matches(q, &e) && e.Number > q.Above && (q.Below == 0 || e.Number < q.Below) {
				if want < len(got) && got[want].Number != e.Number {
					t.Errorf("%s: entry %d, want %d", name, got[want].Number, e.Number)
				}
				want++
			}
		}
		if want != len(got) {
			t.Errorf("%s: %d entries, want %d", name, len(got), want)
		}
	}
}

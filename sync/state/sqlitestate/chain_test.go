package sqlitestate

import (
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"weir/sync/state"
)

// call writes a call that was answered.
func call(t testing.TB, s *Store, write bool) int64 {
	t.Helper()
	e := benchEntry()
	e.Write = write
	n, err := s.Open(t.Context(), e)
	must(t, err, s.Close(t.Context(), n, state.Outcome{Closed: time.Now(), Code: "ok", Status: 200, RequestID: "r"}))
	return n
}

func prove(t testing.TB, s *Store, noted ...state.Hash) state.Proof {
	t.Helper()
	p, err := s.Verify(t.Context(), noted...)
	must(t, err)
	return p
}

func flaws(p state.Proof) (out []string) {
	for _, f := range p.Flaws {
		out = append(out, f.String())
	}
	return out
}

// TestVerify_Forged changes the journal behind the store's back, as somebody
// would who wants to hide what was done, and expects to be told where.
func TestVerify_Forged(t *testing.T) {
	cases := map[string]struct {
		statement string
		want      []string
	}{
		"nothing":         {"SELECT 1", nil},
		"author":          {"UPDATE journal SET author = 'Bob' WHERE number = 3", []string{"entry 3: it is not as it was written"}},
		"field change":    {"UPDATE journal SET after_spec = '{}', action = 'update' WHERE number = 3", []string{"entry 3: it is not"}},
		"time":            {"UPDATE journal SET opened = opened + 1 WHERE number = 3", []string{"entry 3: it is not"}},
		"outcome":         {"UPDATE journal SET code = 'denied' WHERE number = 3", []string{"entry 3: its outcome is not as it was written"}},
		"request id":      {"UPDATE journal SET request_id = 'x' WHERE number = 3", []string{"entry 3: its outcome is not"}},
		"outcome removed": {"UPDATE journal SET closed = NULL WHERE number = 3", []string{"entry 3: its outcome is not"}},
		"outcome put in":  {"UPDATE journal SET closed = 1 WHERE number = 7", []string{"entry 7: its outcome is in no link"}},
		"entry removed":   {"DELETE FROM journal WHERE number = 3", []string{"entry 3: it is gone, and was not pruned"}},
		"write to read": {
			"UPDATE journal SET is_write = 0 WHERE number = 3",
			[]string{"entry 3: it is gone, and was not pruned", "entry 3: it is in no link"},
		},
		"entry put in": {
			"INSERT INTO journal (number, " + entryColumns + ") SELECT 99, " + entryColumns + " FROM journal WHERE number = 3",
			[]string{"entry 99: it is in no link: it was put in beside weir", "it ends with entry 7, but entries up to 99"},
		},
		"entries swapped": {
			"UPDATE journal SET operation = CASE number WHEN 2 THEN 'A' ELSE 'B' END WHERE number IN (2, 3)",
			[]string{"entry 2: it is not", "entry 3: it is not"},
		},
		"link removed": {
			"DELETE FROM links WHERE is_write = 1 AND seq = 5",
			[]string{"chain of writes: links 5 to 5 are missing", "entry 3: it is in no link"},
		},
		"link changed":   {"UPDATE links SET digest = zeroblob(32) WHERE is_write = 1 AND seq = 4", []string{"entry 2: link 4 (outcome) does not follow", "entry 2: its outcome"}},
		"hash changed":   {"UPDATE links SET hash = zeroblob(32) WHERE is_write = 1 AND seq = 4", []string{"entry 2: link 4", "entry 3: link 5"}},
		"link moved":     {"UPDATE links SET number = 2 WHERE is_write = 1 AND seq = 6", []string{"entry 2: link 6 (outcome) does not follow", "entry 2: its outcome", "entry 3: its outcome"}},
		"anchor changed": {"UPDATE anchors SET hash = zeroblob(32) WHERE is_write = 1", []string{"entry 1: link 1 (intent) does not follow"}},
		"end cut off": {
			"DELETE FROM links WHERE is_write = 1 AND seq > 10; DELETE FROM journal WHERE number > 5",
			[]string{"it ends with entry 5, but entries up to 7 were written: its end was cut off"},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := openAt(t, newPath(t), Options{})
			for range 6 {
				call(t, s, true)
			}
			_, err := s.Open(t.Context(), benchEntry())
			must(t, err)
			for statement := range strings.SplitSeq(c.statement, ";") {
				forge(t, s, statement)
			}
			got := flaws(prove(t, s))
			if len(got) != len(c.want) {
				t.Fatalf("got  %q\nwant %q", got, c.want)
			}
			for i := range got {
				if !strings.Contains(got[i], c.want[i]) {
					t.Errorf("got %q, want %q", got[i], c.want[i])
				}
			}
		})
	}
}

// TestVerify_WrittenAnew has somebody drop the last entries and write others in
// their place, with a chain that holds: only a head noted elsewhere tells.
func TestVerify_WrittenAnew(t *testing.T) {
	s := openAt(t, newPath(t), Options{})
	early := call(t, s, true)
	kept, err := s.Heads(t.Context())
	must(t, err)
	call(t, s, true)
	noted, err := s.Heads(t.Context())
	must(t, err)
	forge(t, s, fmt.Sprintf("DELETE FROM journal WHERE number > %d", early))
	forge(t, s, "DELETE FROM links WHERE is_write = 1 AND seq > 2")
	shut(t, s)
	s = openAt(t, s.Path(), Options{})
	call(t, s, true)
	if got := flaws(prove(t, s)); got != nil {
		t.Fatalf("the new chain does not hold: %q", got)
	}
	p := prove(t, s, kept.Writes.Hash, noted.Writes.Hash)
	if p.Sound() || p.Noted[0].Chain != state.Writes || p.Noted[1].Chain != "" {
		t.Errorf("noted %+v", p.Noted)
	}
}

// TestVerify_CutBehindARunningStore: the process that writes knows how long its
// chains are, and goes on where they ended.
func TestVerify_CutBehindARunningStore(t *testing.T) {
	s := openAt(t, newPath(t), Options{})
	call(t, s, true)
	call(t, s, true)
	forge(t, s, "DELETE FROM journal WHERE number = 2")
	forge(t, s, "DELETE FROM links WHERE is_write = 1 AND seq > 2")
	call(t, s, true)
	if got := flaws(prove(t, s)); len(got) == 0 || got[0] != "chain of writes: links 3 to 4 are missing" {
		t.Errorf("flaws %q", got)
	}
}

// TestVerify_Pruned: what is pruned in whatever order leaves chains that hold,
// and no more links than entries need.
func TestVerify_Pruned(t *testing.T) {
	s := openAt(t, newPath(t), Options{MaxEntries: 100, MaxReads: 20})
	var noted state.Heads
	for i := range 4 * pruneEvery {
		call(t, s, i%10 == 0)
		if i%50 == 0 { // nobody closes it
			_, err := s.Open(t.Context(), benchEntry())
			must(t, err)
		}
		if i == 4*pruneEvery-2 {
			var err error
			noted, err = s.Heads(t.Context())
			must(t, err)
		}
	}
	p := prove(t, s, noted.Writes.Hash, noted.Reads.Hash)
	if !p.Sound() {
		t.Fatalf("flaws %q, noted %+v", flaws(p), p.Noted)
	}
	entries, links := count(t, s.read, "SELECT count(*) FROM journal"), count(t, s.read, "SELECT count(*) FROM links")
	if int64(entries) != p.Entries+p.Unchained || links > 2*entries+pruneEvery {
		t.Errorf("%d entries and %d links are left, proof %+v", entries, links, p)
	}
	all, err := s.Journal(t.Context(), state.Query{Oldest: true, Links: true, Limit: 10_000})
	must(t, err)
	for _, e := range all {
		for _, l := range e.Links {
			if l.Sum() != l.Hash {
				t.Fatalf("entry %d: link %+v does not hold", e.Number, l)
			}
		}
	}
}

// TestFailure_P20_PrunedByAge: entries beyond the age go, those that nobody
// closed too, and a wrong clock lets younger ones stay.
func TestFailure_P20_PrunedByAge(t *testing.T) {
	s := openAt(t, newPath(t), Options{MaxAge: time.Hour})
	at := func(age time.Duration, closed bool) {
		e := benchEntry()
		e.Opened = time.Now().Add(-age)
		if closed {
			e.Outcome = state.Outcome{Closed: e.Opened, Code: "ok"}
		}
		_, err := s.Open(t.Context(), e)
		must(t, err)
	}
	for i := range 100 {
		at(3*time.Hour, i%10 != 0)
	}
	at(time.Minute, true)  // 101
	at(3*time.Hour, true)  // 102, by a clock that was wrong
	at(-3*time.Hour, true) // 103, too
	for range pruneEvery - 103 {
		at(0, true)
	}
	left, err := s.Journal(t.Context(), state.Query{Oldest: true, Limit: 2})
	must(t, err)
	if got := []int64{left[0].Number, left[1].Number}; !reflect.DeepEqual(got, []int64{101, 102}) {
		t.Errorf("entries %v are the oldest left, want 101 and 102", got)
	}
	if p := prove(t, s); !p.Sound() || p.First != 101 || p.Entries != pruneEvery-100 {
		t.Errorf("proof %+v", p)
	}
}

// TestFailure_P20_JournalHasABound writes many times what may stay: neither
// entries nor links nor the file go on growing.
func TestFailure_P20_JournalHasABound(t *testing.T) {
	s := openAt(t, newPath(t), Options{MaxEntries: 300, MaxReads: 300})
	size := func() int {
		return count(t, s.read, "SELECT page_count FROM pragma_page_count")
	}
	var early int
	for i := range 12 * pruneEvery {
		e := benchEntry()
		e.Write, e.Outcome = i%2 == 0, state.Outcome{Closed: time.Now(), Code: "ok"}
		_, err := s.Open(t.Context(), e)
		must(t, err)
		if i == 6*pruneEvery {
			early = size()
		}
	}
	if late := size(); late > early*11/10 {
		t.Errorf("the file grew from %d to %d pages", early, late)
	}
	if n := count(t, s.read, "SELECT count(*) FROM links"); n > 2*(600+pruneEvery) {
		t.Errorf("%d links are left", n)
	}
}

// TestVerify_SeveralProcesses: handles that write in turn continue one chain.
func TestVerify_SeveralProcesses(t *testing.T) {
	path := newPath(t)
	stores := []*Store{openAt(t, path, Options{}), openAt(t, path, Options{}), openAt(t, path, Options{})}
	var wait sync.WaitGroup
	for _, s := range stores {
		wait.Go(func() {
			for i := range 40 {
				call(t, s, i%2 == 0)
			}
		})
	}
	wait.Wait()
	for _, s := range stores {
		if p := prove(t, s); !p.Sound() || p.Entries != 120 || p.Heads.Writes.Seq != 120 {
			t.Errorf("proof %+v", p)
		}
	}
}

// TestVerify_WhileWriting sees the journal as it was when it began.
func TestVerify_WhileWriting(t *testing.T) {
	s := openAt(t, newPath(t), Options{MaxEntries: 50, MaxReads: 50})
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				call(t, s, i%2 == 0)
			}
		}
	}()
	for range 30 {
		if p := prove(t, s); !p.Sound() {
			t.Fatalf("flaws %q", flaws(p))
		}
	}
	close(stop)
	<-done
}

// TestChainOfDamage: a chain that cannot be continued stops writing, since what
// is written could not be proved.
func TestChainOfDamage(t *testing.T) {
	for _, statement := range []string{"UPDATE links SET hash = x'00'", "DELETE FROM links; DELETE FROM anchors"} {
		s := openAt(t, newPath(t), Options{})
		call(t, s, true)
		for part := range strings.SplitSeq(statement, ";") {
			forge(t, s, part)
		}
		shut(t, s)
		s = openAt(t, s.Path(), Options{})
		_, err := s.Open(t.Context(), benchEntry())
		if state.FaultOf(err) != state.Damaged {
			t.Errorf("%s: open: %v", statement, err)
		}
		if _, err := s.Verify(t.Context()); state.FaultOf(err) != state.Damaged {
			t.Errorf("%s: verify: %v", statement, err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	s := openAt(b, newPath(b), Options{})
	for range 5000 {
		e := benchEntry()
		e.Outcome = state.Outcome{Closed: time.Now(), Code: "ok"}
		_, err := s.Open(b.Context(), e)
		must(b, err)
	}
	for b.Loop() {
		if p := prove(b, s); !p.Sound() {
			b.Fatal(p)
		}
	}
	b.ReportMetric(float64(b.N*5000)/b.Elapsed().Seconds(), "entries/s")
}

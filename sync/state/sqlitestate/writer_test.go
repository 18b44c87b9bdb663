package sqlitestate

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"weir/sync/resource"
	"weir/sync/state"
)

// hold keeps the writer of s busy until the function it returns is called.
func hold(t *testing.T, s *Store) (release func()) {
	t.Helper()
	began, end, done := make(chan struct{}), make(chan struct{}), make(chan error)
	go func() {
		done <- s.write.submit(context.Background(), func(*tx) error {
			close(began)
			<-end
			return nil
		})
	}()
	<-began
	return func() {
		close(end)
		must(t, <-done)
	}
}

// TestGroupCommit hands writes to the writer as one batch and counts the
// transactions it makes of them by SQLite's own counter.
func TestGroupCommit(t *testing.T) {
	s := openAt(t, newPath(t), Options{})
	batch := func(does ...func(*tx) error) []error {
		var ops []*write
		for _, do := range does {
			ops = append(ops, &write{do: do, done: make(chan error, 1)})
		}
		s.write.commit(ops)
		var errs []error
		for _, op := range ops {
			errs = append(errs, <-op.done)
		}
		return errs
	}
	save := func(i int) func(*tx) error {
		return func(t *tx) error { _, err := t.exec(saveApplied, appliedRow(benchRecord(i))...); return err }
	}
	spoil := errors.New("spoiled")

	before := commits(t, s)
	if errs := batch(save(0), save(1), save(2)); errors.Join(errs...) != nil {
		t.Fatal(errs)
	}
	if n := commits(t, s) - before; n != 1 {
		t.Errorf("three writes took %d transactions, want 1", n)
	}
	errs := batch(save(3), func(t *tx) error { return errors.Join(save(4)(t), spoil) }, save(5))
	if want := []error{nil, errors.Join(nil, spoil), nil}; !reflect.DeepEqual(errs, want) {
		t.Errorf("got %v", errs)
	}
	var got []int
	for i, r := range records(t, s) {
		got = append(got, int(r.At.UnixNano()))
		if !reflect.DeepEqual(r, benchRecord(got[i])) {
			t.Errorf("record %+v", r)
		}
	}
	if want := []int{0, 1, 2, 3, 5}; !reflect.DeepEqual(got, want) {
		t.Errorf("saved %v, want %v: who spoils a transaction stands alone", got, want)
	}

	// An answer of the store spoils nothing.
	var first, again error
	act := newWorld().acts[0]
	before = commits(t, s)
	errs = batch(
		func(t *tx) (err error) { first, err = begin(t, act); return err },
		func(t *tx) (err error) { again, err = begin(t, act); return err },
		save(6))
	if errors.Join(errs...) != nil || first != nil || !errors.Is(again, state.ErrInDoubt) {
		t.Errorf("errors %v, answers %v and %v", errs, first, again)
	}
	if n := commits(t, s) - before; n != 1 {
		t.Errorf("a refused act took %d transactions, want 1", n)
	}
}

// commits counts the transactions in the write-ahead log: each ends with a
// frame that says how many pages the database has after it.
func commits(t *testing.T, s *Store) (n int) {
	t.Helper()
	log, err := os.ReadFile(s.Path() + "-wal")
	must(t, err)
	const header, frameHeader = 32, 24
	for at := header; at+frameHeader <= len(log); at += frameHeader + pageSize {
		if binary.BigEndian.Uint32(log[at+4:]) != 0 {
			n++
		}
	}
	return n
}

// TestWaitingWriteCanBeGivenUp ends a context while the writer is busy: the
// write has no effect.
func TestWaitingWriteCanBeGivenUp(t *testing.T) {
	s := openAt(t, newPath(t), Options{})
	release := hold(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error)
	go func() { result <- s.Save(ctx, benchRecord(1)) }()
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) || state.FaultOf(err) != "" {
		t.Errorf("got %v", err)
	}
	release()
	must(t, s.Save(t.Context(), benchRecord(2)))
	if got := records(t, s); !reflect.DeepEqual(got, []resource.Applied{benchRecord(2)}) {
		t.Errorf("records %v", got)
	}
}

func TestShut(t *testing.T) {
	s := openAt(t, newPath(t), Options{})
	release := hold(t, s)
	ended := make(chan error)
	go func() { ended <- s.Shut() }()
	release() // what was on its way is done first
	must(t, <-ended, s.Shut())
	err := s.Save(t.Context(), benchRecord(1))
	says(t, err, s.Path())
	if state.FaultOf(err) != state.Closed {
		t.Errorf("save: %v", err)
	}
	if err := s.Begin(t.Context(), newWorld().acts[0]); state.FaultOf(err) != state.Closed {
		t.Errorf("begin: %v", err)
	}
	if _, err := s.Applied(t.Context()); err == nil {
		t.Error("a store that is shut was read")
	}
}

// TestBusy lets another connection hold the file for longer than a write waits.
func TestBusy(t *testing.T) {
	s := openAt(t, newPath(t), Options{BusyTimeout: 20 * time.Millisecond})
	must(t, s.Save(t.Context(), benchRecord(1)))
	other, err := raw(t, s.Path()).BeginTx(t.Context(), nil)
	must(t, err)
	err = s.Save(t.Context(), benchRecord(2))
	if state.FaultOf(err) != state.Busy || !strings.Contains(err.Error(), "another process") {
		t.Errorf("got %v", err)
	}
	if got := records(t, s); len(got) != 1 {
		t.Errorf("reading does not work beside a writer: %v", got)
	}
	must(t, other.Rollback(), s.Save(t.Context(), benchRecord(2)))
}

func TestTimesBeyondTheRange(t *testing.T) {
	s := openAt(t, newPath(t), Options{})
	early, late := time.Date(1600, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)
	a := newWorld().acts[0]
	must(t, s.Begin(t.Context(), a))
	a.Done, a.Ends = time.Now(), late
	begin := a
	begin.Begun = early
	calls := map[string]error{
		"save":    s.Save(t.Context(), resource.Applied{ID: a.ID, At: early}),
		"begin":   s.Begin(t.Context(), begin),
		"settle":  s.Settle(t.Context(), a),
		"close":   s.Close(t.Context(), 1, state.Outcome{Closed: late}),
		"open":    second(s.Open(t.Context(), state.Entry{Opened: late})),
		"journal": second(s.Journal(t.Context(), state.Query{Since: early})),
	}
	for name, err := range calls {
		if err == nil || !strings.Contains(err.Error(), "cannot be stored: want the years 1678 to 2262") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestPrune(t *testing.T) {
	s := openAt(t, newPath(t), Options{MaxEntries: 200})
	var open []int64
	for i := range 1000 {
		e := benchEntry()
		if i%100 != 0 {
			e.Outcome = state.Outcome{Closed: time.Now(), Code: "ok"}
		}
		n, err := s.Open(t.Context(), e)
		must(t, err)
		if i%100 == 0 {
			open = append(open, n)
		}
	}
	got, err := s.Journal(t.Context(), state.Query{Limit: 5000})
	must(t, err)
	last := got[0].Number
	var left []int64
	for i, e := range got {
		if i < 200 && e.Number != last-int64(i) {
			t.Fatalf("entry %d is gone, the newest is %d", last-int64(i), last)
		}
		if e.Outcome.Closed.IsZero() {
			left = append([]int64{e.Number}, left...)
		}
	}
	if !reflect.DeepEqual(left, open) {
		t.Errorf("open entries left %v, want all of %v", left, open)
	}
	if most := 200 + pruneEvery + len(open); len(got) > most {
		t.Errorf("%d entries are left, want at most %d", len(got), most)
	}
}

// TestPrune_ReadsDoNotPushOutWrites: each kind of call has its own bound.
func TestPrune_ReadsDoNotPushOutWrites(t *testing.T) {
	s := openAt(t, newPath(t), Options{MaxEntries: 100, MaxReads: 10})
	done := state.Outcome{Closed: time.Now(), Code: "ok"}
	for i := range 4 * pruneEvery {
		_, err := s.Open(t.Context(), state.Entry{Write: i < 50, Outcome: done})
		must(t, err)
	}
	writes := count(t, s.read, "SELECT count(*) FROM journal WHERE is_write = 1")
	reads := count(t, s.read, "SELECT count(*) FROM journal WHERE is_write = 0")
	if writes != 50 || reads != 10 {
		t.Errorf("%d writes and %d reads are left, want 50 and 10", writes, reads)
	}
}

// TestPrune_SmallerBound opens a long journal with a smaller bound: it shrinks
// in steps, none of them larger than pruneStep.
func TestPrune_SmallerBound(t *testing.T) {
	s := openAt(t, newPath(t), Options{})
	row, _, err := entryRow(state.Entry{Outcome: state.Outcome{Closed: time.Now()}})
	must(t, err)
	must(t, s.write.submit(t.Context(), func(t *tx) error {
		for range 1024 {
			if _, err := t.writeIntent(state.Reads, row, false); err != nil {
				return err
			}
		}
		return nil
	}))
	shut(t, s)
	s = openAt(t, s.Path(), Options{MaxEntries: 10})
	sizes := []int{1024}
	for range 6 * pruneEvery {
		_, err := s.Open(t.Context(), state.Entry{Outcome: state.Outcome{Closed: time.Now()}})
		must(t, err)
		sizes = append(sizes, count(t, s.read, "SELECT count(*) FROM journal"))
	}
	for i := 1; i < len(sizes); i++ {
		if sizes[i-1]-sizes[i] > pruneStep {
			t.Errorf("a write removed %d entries", sizes[i-1]-sizes[i])
		}
	}
	if n := sizes[len(sizes)-1]; n != 10 {
		t.Errorf("%d entries are left: %s", n, fmt.Sprint(sizes))
	}
}

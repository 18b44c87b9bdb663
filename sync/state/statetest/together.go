package statetest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"weir/sync/resource"
	"weir/sync/state"
)

// severalWriters has many goroutines write at once, each its own things; some
// of their acts are refused, which must not touch the neighbours' writes.
func severalWriters(t *testing.T, s state.Store) {
	const writers, each = 16, 25
	errs := make(chan error, writers)
	for w := range writers {
		go func() { errs <- writeOwn(s, fmt.Sprintf("w%02d", w), each) }()
	}
	for range writers {
		noError(t, <-errs)
	}
	if n := len(applied(t, s)); n != writers*each {
		t.Errorf("%d records, want %d", n, writers*each)
	}
	for _, a := range acts(t, s) {
		if a.InDoubt() {
			t.Errorf("act %q of %s is in doubt", a.Name, a.ID)
		}
	}
	entries := journal(t, s, state.Query{Limit: 2 * writers * each})
	seen := map[string]bool{}
	for _, e := range entries {
		if e.Operation != e.Outcome.RequestID {
			t.Errorf("entry %d of %q has the outcome of %q", e.Number, e.Operation, e.Outcome.RequestID)
		}
		seen[e.Operation] = true
	}
	if len(entries) != writers*each || len(seen) != writers*each {
		t.Errorf("%d entries of %d calls, want %d", len(entries), len(seen), writers*each)
	}
}

func writeOwn(s state.Store, name string, n int) error {
	ctx := context.Background()
	for i := range n {
		key := fmt.Sprintf("%s/%03d", name, i)
		a := act(key, "start", "t")
		number, err := s.Open(ctx, entry(key))
		err = errors.Join(err, s.Begin(ctx, a))
		if again := s.Begin(ctx, a); !errors.Is(again, state.ErrInDoubt) {
			err = errors.Join(err, fmt.Errorf("begun twice: %w", again))
		}
		a.Done = epoch()
		err = errors.Join(err, s.Settle(ctx, a), s.Save(ctx, record(key)),
			s.Close(ctx, number, state.Outcome{Closed: epoch(), RequestID: key}))
		if err != nil {
			return err
		}
	}
	return nil
}

// seenByAnother makes sure that what one handle wrote is there for the other
// as soon as the method returned.
func seenByAnother(t *testing.T, one, two state.Store) {
	ctx := context.Background()
	for i := range 20 {
		key := fmt.Sprintf("k%02d", i)
		noError(t, one.Save(ctx, record(key)))
		if got := applied(t, two); len(got) != i+1 || !reflect.DeepEqual(got[i], record(key)) {
			t.Fatalf("the other handle sees %d records, want %d", len(got), i+1)
		}
		one, two = two, one
	}
	e := open(t, one, entry("Op"))
	e.Outcome = state.Outcome{Closed: epoch(), Code: "ok"}
	noError(t, two.Close(ctx, e.Number, e.Outcome))
	expectEntries(t, one, state.Query{}, e)
	noError(t, one.Begin(ctx, act("k00", "start", "1")))
	if err := two.Begin(ctx, act("k00", "start", "1")); !errors.Is(err, state.ErrInDoubt) {
		t.Errorf("the other handle begins the same act: %v", err)
	}
}

// outlives makes sure that everything is there after the store was ended.
func outlives(t *testing.T, s state.Store, reopen func(*testing.T, state.Store) state.Store) {
	ctx := context.Background()
	noError(t, s.Save(ctx, record("a"), record("b")))
	noError(t, s.Forget(ctx, id("b")))
	noError(t, s.SetMark(ctx, mark("live", state.Accepted, "1")))
	noError(t, s.Consent(ctx, consent("9a7d")))
	noError(t, s.UseConsent(ctx, "9a7d", epoch(), "host:1"))
	noError(t, s.Claim(ctx, "plan 1", epoch(), "host:1"))
	doubt, done := act("a", "start", "1"), act("a", "stop", "1")
	noError(t, s.Begin(ctx, doubt))
	noError(t, s.Begin(ctx, done))
	done.Done = epoch().Add(time.Second)
	noError(t, s.Settle(ctx, done))
	closed, left := open(t, s, entry("Closed")), open(t, s, entry("Left"))
	closed.Outcome = state.Outcome{Closed: epoch(), Code: "ok"}
	noError(t, s.Close(ctx, closed.Number, closed.Outcome))

	s = reopen(t, s)
	if got := applied(t, s); !reflect.DeepEqual(got, []resource.Applied{record("a")}) {
		t.Errorf("records: %v", got)
	}
	expectMarks(t, s, mark("live", state.Accepted, "1"))
	used := consent("9a7d")
	used.Used, used.UsedBy = epoch(), "host:1"
	expectConsents(t, s, used)
	if err := s.Claim(ctx, "plan 1", epoch(), "host:2"); !errors.Is(err, state.ErrClaimed) {
		t.Errorf("a claim is made again: %v", err)
	}
	if got := acts(t, s); !reflect.DeepEqual(got, []resource.Act{doubt, done}) {
		t.Errorf("acts: %v", got)
	}
	expectEntries(t, s, state.Query{}, left, closed)
	if err := s.Begin(ctx, doubt); !errors.Is(err, state.ErrInDoubt) {
		t.Errorf("an act in doubt begins again: %v", err)
	}
	if err := s.Begin(ctx, act("a", "stop", "1")); !errors.Is(err, state.ErrDone) {
		t.Errorf("an act that is done begins again: %v", err)
	}
	if next := open(t, s, entry("Next")); next.Number <= left.Number {
		t.Errorf("number %d was given again", next.Number)
	}
}

package etcdstate

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	"weir/sync/resource"
	"weir/sync/state"
)

func seenOf(account, key string, n int, at time.Time) resource.Observation {
	return resource.Observation{
		ID: resource.ID{Account: account, Kind: "RelaySource", Key: key}, At: at.UTC(), Exists: true,
		Spec: resource.Spec(fmt.Sprintf(`{"n":%d}`, n)), Epoch: "e",
	}
}

// reader is what somebody makes of a Board.
type reader struct {
	s    *Store
	seen map[resource.ID]resource.Observation
	next state.Cursor
}

func (r *reader) follow(t testing.TB) state.Posts {
	t.Helper()
	p, err := r.s.Posted(t.Context(), r.next)
	must(t, err)
	if p.Whole || r.seen == nil {
		r.seen = map[resource.ID]resource.Observation{}
	}
	for _, o := range p.Seen {
		r.seen[o.ID] = o
	}
	for _, id := range p.Gone {
		delete(r.seen, id)
	}
	r.next = p.Next
	return p
}

func (r *reader) holds(t testing.TB, want ...resource.Observation) {
	t.Helper()
	got := slices.SortedFunc(maps.Values(r.seen), func(a, b resource.Observation) int { return resource.Compare(a.ID, b.ID) })
	if len(got)+len(want) > 0 && !reflect.DeepEqual(got, want) {
		t.Errorf("the board holds\n%+v\nwant\n%+v", got, want)
	}
}

// TestBoard: what one process posts others see: whole at first, then what is new, also
// where only the time is.
func TestBoard(t *testing.T) {
	ctx, at := t.Context(), time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)
	one := openAt(t, "", Options{PostEvery: time.Nanosecond})
	two := &reader{s: openAt(t, one.conn.Prefix(), Options{})}
	three := &reader{s: two.s}
	two.follow(t)
	two.holds(t)
	a, b, c := seenOf("a", "a", 1, at), seenOf("a", "b/b", 1, at), seenOf("b", "c", 1, at)
	must(t, one.Post(ctx, "a", []resource.Observation{b, a}, nil), one.Post(ctx, "b", []resource.Observation{c}, nil))
	two.follow(t)
	two.holds(t, a, b, c)
	for range 2 {
		if p := two.follow(t); p.Whole || len(p.Seen)+len(p.Gone) > 0 {
			t.Errorf("nothing was posted, and %+v came", p)
		}
	}
	a.At, b.Spec, b.At = at.Add(time.Minute), "{}", at.Add(time.Hour)
	must(t, one.Post(ctx, "a", []resource.Observation{a, b}, []resource.ID{{Account: "a", Kind: "RelaySource", Key: "unknown"}}))
	if p := two.follow(t); p.Whole || len(p.Seen) != 2 {
		t.Errorf("%+v", p)
	}
	a.At = a.At.Truncate(time.Millisecond) // what is seen again is told less exactly
	two.holds(t, a, b, c)
	must(t, one.Post(ctx, "a", nil, []resource.ID{b.ID}))
	d := seenOf("a", "d", 4, at.Add(time.Second)) // takes the place of b
	must(t, one.Post(ctx, "a", []resource.Observation{d}, nil))
	two.follow(t)
	two.holds(t, a, d, c)
	three.follow(t)
	three.holds(t, a, d, c)
}

// TestBoard_TakenOver: who posts of an account after another process goes on with what is
// there, and so does that one when it comes back.
func TestBoard_TakenOver(t *testing.T) {
	ctx, at := t.Context(), time.Unix(1000, 0)
	one := openAt(t, "", Options{PostEvery: time.Nanosecond})
	two := openAt(t, one.conn.Prefix(), Options{PostEvery: time.Nanosecond})
	r := &reader{s: openAt(t, one.conn.Prefix(), Options{})}
	want := map[string]resource.Observation{}
	for i := range 30 {
		o := seenOf("a", fmt.Sprint("k", i%7), i%3, at.Add(time.Duration(i)*time.Second))
		want[o.ID.Key] = o
		must(t, []*Store{one, two}[i%2].Post(ctx, "a", []resource.Observation{o}, nil))
		r.follow(t)
		all := slices.SortedFunc(maps.Values(want), func(a, b resource.Observation) int { return resource.Compare(a.ID, b.ID) })
		r.holds(t, all...)
	}
}

// TestBoard_TimesLater: times alone are not written with every post, but soon.
func TestBoard_TimesLater(t *testing.T) {
	ctx, at := t.Context(), time.Unix(1000, 0)
	s := openAt(t, "", Options{PostEvery: 50 * time.Millisecond})
	o := seenOf("a", "k", 1, at)
	must(t, s.Post(ctx, "a", []resource.Observation{o}, nil))
	r := &reader{s: s}
	r.follow(t)
	revision := s.revision.Load()
	for i := range 20 {
		o.At = at.Add(time.Duration(i+1) * time.Second).UTC()
		must(t, s.Post(ctx, "a", []resource.Observation{o}, nil))
	}
	if grown := s.revision.Load() - revision; grown > 10 {
		t.Errorf("20 times were written in %d transactions", grown)
	}
	for deadline := time.Now().Add(5 * time.Second); !r.seen[o.ID].At.Equal(o.At); r.follow(t) {
		if time.Now().After(deadline) {
			t.Fatalf("the last time is not posted: %+v", r.seen)
		}
	}
}

// TestBoard_Many posts more than fit into one transaction.
func TestBoard_Many(t *testing.T) {
	s := openAt(t, "", Options{PostEvery: time.Nanosecond})
	var all []resource.Observation
	for i := range 3000 {
		all = append(all, seenOf("a", fmt.Sprintf("%05d", i), 1, time.Unix(1000, 0)))
	}
	must(t, s.Post(t.Context(), "a", all, nil))
	r := &reader{s: openAt(t, s.conn.Prefix(), Options{})}
	r.follow(t)
	r.holds(t, all...)
	for i := range all {
		all[i].At = all[i].At.Add(time.Minute)
	}
	before := s.revision.Load()
	must(t, s.Post(t.Context(), "a", all, nil))
	if n := s.revision.Load() - before; n != 1 {
		t.Errorf("times alone took %d transactions", n)
	}
	if p := r.follow(t); p.Whole || len(p.Seen) != len(all) {
		t.Errorf("%d came, whole %v", len(p.Seen), p.Whole)
	}
	r.holds(t, all...)
}

// TestBoard_Refuses what is of another account.
func TestBoard_Refuses(t *testing.T) {
	s := openAt(t, "", Options{})
	if err := s.Post(t.Context(), "b", []resource.Observation{seenOf("a", "k", 1, time.Now())}, nil); err == nil {
		t.Error("it was posted")
	}
}

// TestWatch tells of what others write, and ends with its context and with the store.
func TestWatch(t *testing.T) {
	one := openAt(t, "", Options{})
	two := openAt(t, one.conn.Prefix(), Options{})
	ctx, cancel := context.WithCancel(t.Context())
	told, done := make(chan bool, 100), make(chan error, 1)
	go func() { done <- two.Watch(ctx, func() { told <- true }) }()
	writes := map[string]func() error{
		"record": func() error { return one.Save(ctx, recordOf("x", 1)) },
		"act":    func() error { return one.Begin(ctx, actOfTest("x", "1")) },
		"mark":   func() error { return one.SetMark(ctx, state.Mark{Source: "s", Role: state.Held, Revision: "1"}) },
		"consent": func() error {
			return one.Consent(ctx, state.Consent{Plan: "p", Given: time.Unix(1, 0), Expires: time.Unix(2, 0)})
		},
		"post": func() error {
			return one.Post(ctx, "a", []resource.Observation{seenOf("a", "k", 1, time.Unix(1, 0))}, nil)
		},
	}
	must(t, one.Save(ctx, recordOf("first", 1)))
	for !waited(told, 20*time.Millisecond) { // until it watches
		must(t, one.Save(ctx, recordOf("first", 1)))
	}
	for waited(told, 100*time.Millisecond) {
	}
	for name, write := range writes {
		must(t, write())
		if !waited(told, 5*time.Second) {
			t.Errorf("nobody was told of a %s", name)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("it ended with %v", err)
	}
	go func() { done <- two.Watch(t.Context(), func() {}) }()
	shut(t, two)
	if err := <-done; state.FaultOf(err) != state.Closed {
		t.Errorf("after the store was shut: %v", err)
	}
}

func waited(c <-chan bool, d time.Duration) bool {
	select {
	case <-c:
		return true
	case <-time.After(d):
		return false
	}
}

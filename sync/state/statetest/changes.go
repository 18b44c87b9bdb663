package statetest

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"weir/sync/resource"
	"weir/sync/state"
)

// replica is what a reader makes of a store's changes.
type replica struct {
	known map[resource.ID]state.Known
	next  state.Cursor
}

// follow takes over what has changed and returns it.
func (r *replica) follow(t tb, s state.Store) state.Changes {
	t.Helper()
	c, err := s.Changes(context.Background(), r.next)
	noError(t, err)
	if c.Whole || r.known == nil {
		r.known = map[resource.ID]state.Known{}
	}
	for _, k := range c.Known {
		if r.known[k.ID] = k; k.Applied == nil && len(k.Acts) == 0 {
			delete(r.known, k.ID)
		}
	}
	r.next = c.Next
	return c
}

// same fails unless the replica holds what the store does.
func (r *replica) same(t tb, s state.Store) {
	t.Helper()
	want := state.KnownOf(applied(t, s), acts(t, s))
	got := slices.SortedFunc(maps.Values(r.known), func(a, b state.Known) int { return resource.Compare(a.ID, b.ID) })
	if len(got)+len(want) > 0 && !reflect.DeepEqual(got, want) {
		t.Fatal(fmt.Sprintf("a reader of the changes knows\n%+v\nthe store holds\n%+v", got, want))
	}
}

func changesNone(t *testing.T, s state.Store) {
	var r replica
	r.follow(t, s)
	r.same(t, s)
	noError(t, s.Save(context.Background(), record("a")))
	noError(t, s.Begin(context.Background(), act("a", "start", "1")))
	r.follow(t, s)
	for range 2 {
		if c := r.follow(t, s); c.Whole || len(c.Known) != 0 || c.Next != r.next {
			t.Errorf("nothing was written, and %+v has changed", c)
		}
	}
	_, err := s.Open(context.Background(), entry("Op"))
	noError(t, err)
	noError(t, s.SetMark(context.Background(), mark("live", state.Accepted, "1")))
	if c := r.follow(t, s); c.Whole || len(c.Known) != 0 {
		t.Errorf("only the journal and a mark were written, and %+v has changed", c)
	}
}

func changesWritten(t *testing.T, s state.Store) {
	ctx := context.Background()
	noError(t, s.Save(ctx, record("a"), record("b"), record("c"), record("d")))
	noError(t, s.Begin(ctx, act("c", "start", "1")))
	var r replica
	if c := r.follow(t, s); len(c.Known) != 4 {
		t.Errorf("at first %+v", c)
	}
	again := record("b")
	again.Spec = `{"n":2}`
	noError(t, s.Save(ctx, again))
	noError(t, s.Forget(ctx, id("d"), id("unknown")))
	noError(t, s.Begin(ctx, act("c", "stop", "1")))
	noError(t, s.Begin(ctx, act("only-act", "start", "1")))
	noError(t, s.Settle(ctx, act("only-act", "start", "1"))) // it did not happen
	want := []state.Known{
		{ID: id("b"), Applied: &again},
		{ID: id("c"), Applied: new(record("c")), Acts: []resource.Act{act("c", "start", "1"), act("c", "stop", "1")}},
		{ID: id("d")},
		{ID: id("only-act")},
		{ID: id("unknown")},
	}
	if c := r.follow(t, s); c.Whole || !reflect.DeepEqual(c.Known, want) {
		t.Errorf("changed\n%+v\nwant\n%+v", c.Known, want)
	}
	r.same(t, s)
}

// followedByAnother has a reader with a handle of its own follow what is written.
func followedByAnother(t *testing.T, one, two state.Store) {
	var r replica
	ctx := context.Background()
	for i := range 20 {
		key := fmt.Sprintf("k%02d", i%7)
		noError(t, one.Save(ctx, record(key)))
		if i%3 == 0 {
			noError(t, one.Begin(ctx, act(key, "start", fmt.Sprint(i))))
		}
		if i%5 == 4 {
			noError(t, two.Forget(ctx, id(key)))
		}
		r.follow(t, two)
		r.same(t, one)
	}
}

// begun adds a reader that begins now: it reads what is there.
func (p *pair) begun(t *rapid.T) {
	r := &replica{}
	r.follow(t, p.store)
	r.same(t, p.store)
	p.replicas = append(p.replicas, r)
}

// follow lets a reader, which may be long behind, take over what has changed.
func (p *pair) follow(t *rapid.T) {
	r := rapid.SampledFrom(p.replicas).Draw(t, "reader")
	r.follow(t, p.store)
	r.same(t, p.store)
	if len(p.replicas) < 3 {
		p.begun(t)
	}
}

package statetest

import (
	"context"
	"reflect"
	"testing"
	"time"

	"weir/sync/state"
)

// verified is the proof of s, which must hold.
func verified(t *testing.T, s state.Store, noted ...state.Hash) state.Proof {
	t.Helper()
	p, err := s.Verify(context.Background(), noted...)
	noError(t, err)
	if !p.Sound() {
		t.Fatalf("the journal does not hold: %+v", p)
	}
	return p
}

func heads(t *testing.T, s state.Store) state.Heads {
	t.Helper()
	h, err := s.Heads(context.Background())
	noError(t, err)
	return h
}

// chained writes a few calls: closed, closed at once, closed anew and open,
// of odd contents, and returns how many.
func chained(t *testing.T, s state.Store) int64 {
	ctx := context.Background()
	end := state.Outcome{Closed: epoch().Add(time.Second), Code: "ok", Status: 200, RequestID: "r-1"}
	one := open(t, s, entry("One"))
	read := entry("Read")
	read.Write, read.Change, read.Outcome = false, nil, end
	open(t, s, read)
	odd := state.Entry{Operation: "\x00\xff\u2028<&>", Params: map[string]any{"n": 1e21, "s": "\b\x7f\xfe"}, Write: true}
	two := open(t, s, odd)
	noError(t, s.Close(ctx, two.Number, state.Outcome{Closed: epoch(), Code: "unknown", Message: "\xff"}))
	noError(t, s.Close(ctx, one.Number, end))
	noError(t, s.Close(ctx, two.Number, end)) // the last word counts
	noError(t, s.Close(ctx, two.Number, end)) // and may be said twice
	open(t, s, entry("Left"))
	open(t, s, state.Entry{})
	return 5
}

func verifySound(t *testing.T, s state.Store) {
	if p := verified(t, s); p.Entries != 0 || p.First != 0 || p.Heads != heads(t, s) {
		t.Errorf("proof of an empty journal: %+v", p)
	}
	n := chained(t, s)
	p := verified(t, s)
	all := journal(t, s, state.Query{Oldest: true})
	if p.Entries != n || p.First != all[0].Number || p.Last != all[n-1].Number || !p.Since.Equal(epoch()) {
		t.Errorf("proof %+v, want %d entries from %d to %d", p, n, all[0].Number, all[n-1].Number)
	}
	if p.Heads != heads(t, s) || p.Heads.Writes.Seq != 7 || p.Heads.Reads.Seq != 3 || p.Unchained+p.Pruned != 0 {
		t.Errorf("proof %+v, heads %+v; want 7 and 3 links", p, heads(t, s))
	}
}

// verifyNoted: a head that was noted is found as long as nothing was taken
// away, and another is not.
func verifyNoted(t *testing.T, s state.Store) {
	empty := heads(t, s)
	chained(t, s)
	then := heads(t, s)
	chained(t, s)
	p := verified(t, s, then.Writes.Hash, then.Reads.Hash, empty.Writes.Hash)
	want := []state.Noted{
		{Hash: then.Writes.Hash, Chain: state.Writes, Seq: then.Writes.Seq},
		{Hash: then.Reads.Hash, Chain: state.Reads, Seq: then.Reads.Seq},
	}
	if !reflect.DeepEqual(p.Noted[:2], want) || p.Noted[2].Chain == "" {
		t.Errorf("noted %+v, want %+v and the beginning", p.Noted, want)
	}
	other := then.Writes.Hash
	other[0]++
	p, err := s.Verify(context.Background(), other)
	noError(t, err)
	if p.Sound() || len(p.Flaws) != 0 || p.Noted[0] != (state.Noted{Hash: other}) {
		t.Errorf("a hash that is in no chain: %+v", p)
	}
}

// verifyLinks: an entry's links can be held against its content by themselves.
func verifyLinks(t *testing.T, s state.Store) {
	n := chained(t, s)
	links := 0
	for _, e := range journal(t, s, state.Query{Links: true}) {
		params, err := state.EncodeParams(e.Params)
		noError(t, err)
		digests := map[state.Part]state.Hash{
			state.Intent: state.IntentDigest(e, params), state.Ending: state.OutcomeDigest(e.Outcome),
		}
		for _, l := range e.Links {
			links++
			l.Number, l.Digest = e.Number, digests[l.Part]
			if l.Sum() != l.Hash || l.Chain != state.ChainOf(e.Write) {
				t.Errorf("entry %d: link %+v does not hold", e.Number, l)
			}
		}
		if want := 2; e.Outcome.Closed.IsZero() && len(e.Links) != 1 || !e.Outcome.Closed.IsZero() && len(e.Links) != want {
			t.Errorf("entry %d, closed %s, has %d links", e.Number, e.Outcome.Closed, len(e.Links))
		}
	}
	if links != int(n)+3 {
		t.Errorf("%d links", links)
	}
}

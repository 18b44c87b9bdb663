package statetest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"weir/sync/resource"
	"weir/sync/state"
)

// PorterOptions are the stores between which RunPorter takes content. From and To are
// required.
type PorterOptions struct {
	From func(t *testing.T) state.Store // a new and empty store each time, which is a state.Porter
	To   func(t *testing.T) state.Store
	// Another returns a second handle on a store of From's kind, as another process has
	// one. Without it one handle is used.
	Another func(t *testing.T, s state.Store) state.Store
	// Pruned returns a store of From's kind whose journal has lost its beginning, nil
	// where none ever does.
	Pruned func(t *testing.T) state.Store
}

// RunPorter tests that all that one store holds can be taken to another one, and that a
// store from which it was taken is not written any more.
func RunPorter(t *testing.T, o PorterOptions) {
	if o.Another == nil {
		o.Another = func(_ *testing.T, s state.Store) state.Store { return s }
	}
	contents := map[string]func(*testing.T, state.Store){
		"nothing":       func(*testing.T, state.Store) {},
		"of every kind": func(t *testing.T, s state.Store) { everything(t, s) },
		"many": func(t *testing.T, s state.Store) {
			everything(t, s)
			fillMany(t, s)
		},
	}
	for name, fill := range contents {
		t.Run("Port/"+name, func(t *testing.T) {
			from := o.From(t)
			fill(t, from)
			ported(t, from, o.To(t))
		})
	}
	if o.Pruned != nil {
		t.Run("Port/pruned", func(t *testing.T) { portPruned(t, o.Pruned(t), o.To(t)) })
	}
	t.Run("Port/goes on", func(t *testing.T) { portGoesOn(t, o.From(t), o.To(t)) })
	t.Run("Dump/while others write", func(t *testing.T) {
		from := o.From(t)
		dumpWhileWritten(t, from, o.Another(t, from), o.To)
	})
	t.Run("Dump/read in part", func(t *testing.T) { dumpInPart(t, o.From(t)) })
	t.Run("Restore/refuses", func(t *testing.T) { restoreRefuses(t, o.From(t), o.To) })
	t.Run("Retire", func(t *testing.T) {
		from := o.From(t)
		retire(t, from, o.Another(t, from), o.To(t))
	})
}

func porter(s state.Store) state.Porter { return s.(state.Porter) }

// content is a dump, by kind, each in an order that does not depend on the store.
type content struct {
	head    state.DumpHead
	applied []resource.Applied
	acts    []resource.Act
	marks   []state.Mark
	given   []state.Consent
	claims  []state.Claimed
	anchors []state.DumpAnchor
	entries []state.Entry
	orphans []state.DumpLink
}

// contentOf reads a dump, which has to be in the order that Dump promises.
func contentOf(t *testing.T, all iter.Seq2[state.Dump, error]) (c content) {
	t.Helper()
	last := -1
	for d, err := range all {
		noError(t, err)
		place := c.take(t, d)
		if place < last || place == 0 && last == 0 {
			t.Fatalf("a dump has a field of place %d after one of %d", place, last)
		}
		last = place
	}
	if last < 0 {
		t.Fatal("a dump without a head")
	}
	slices.SortFunc(c.claims, func(a, b state.Claimed) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(c.anchors, func(a, b state.DumpAnchor) int { return strings.Compare(string(a.Chain), string(b.Chain)) })
	slices.SortFunc(c.orphans, func(a, b state.DumpLink) int {
		return cmp.Or(cmp.Compare(a.Chain, b.Chain), cmp.Compare(a.Seq, b.Seq))
	})
	return c
}

// take adds one thing and returns the place of its kind in the order.
func (c *content) take(t *testing.T, d state.Dump) int {
	t.Helper()
	set := 0
	place := -1
	v := reflect.ValueOf(d)
	for i := range v.NumField() {
		if !v.Field(i).IsNil() {
			set++
			place = i
		}
	}
	if set != 1 {
		t.Fatalf("%d fields of a dump are set: %+v", set, d)
	}
	switch {
	case d.Head != nil:
		c.head = *d.Head
	case d.Applied != nil:
		c.applied = append(c.applied, *d.Applied)
	case d.Act != nil:
		c.acts = append(c.acts, *d.Act)
	case d.Mark != nil:
		c.marks = append(c.marks, *d.Mark)
	case d.Consent != nil:
		c.given = append(c.given, *d.Consent)
	case d.Claim != nil:
		c.claims = append(c.claims, *d.Claim)
	case d.Anchor != nil:
		c.anchors = append(c.anchors, *d.Anchor)
	case d.Entry != nil:
		c.entries = append(c.entries, *d.Entry)
	case d.Orphan != nil:
		c.orphans = append(c.orphans, *d.Orphan)
	}
	return place
}

// everything writes what a store can hold: odd text, times of every kind, numbers that
// no float holds, acts in each of their states, consents that were used and not, claims,
// calls that are closed, closed anew, and open.
func everything(t *testing.T, s state.Store) {
	ctx := context.Background()
	odd := "it's \"odd\" \x00 \u2028 直播\r\n% /"
	strange := resource.Applied{
		ID: resource.ID{Account: "ac count", Kind: "K", Key: odd}, Spec: resource.Spec(odd), Revision: odd, Epoch: odd,
		Origin: resource.Origin{Source: odd, File: odd, Line: -1, Commit: odd, Author: odd}, At: time.Unix(0, -1).UTC(),
		Heals: []resource.Heal{{At: epoch(), Found: ""}},
	}
	noError(t, s.Save(ctx, record("a"), record("a/b"), resource.Applied{ID: id("zero")}, strange))
	doubt, done := act("a", "start", "1"), act("a", "stop", "1")
	noError(t, s.Begin(ctx, doubt))
	noError(t, s.Begin(ctx, done))
	done.Done = epoch().Add(time.Second)
	noError(t, s.Settle(ctx, done))
	noError(t, s.Begin(ctx, resource.Act{ID: strange.ID, Name: odd, Token: odd, Begun: time.Unix(0, 0), Repeatable: true}))
	noError(t, s.SetMark(ctx, mark("live", state.Accepted, "1")))
	noError(t, s.SetMark(ctx, state.Mark{Source: odd, Role: state.Role(odd), Revision: odd}))
	noError(t, s.Consent(ctx, consent("used")))
	noError(t, s.UseConsent(ctx, "used", epoch(), "host:1"))
	noError(t, s.Consent(ctx, consent("given")))
	noError(t, s.Claim(ctx, "plan 1", epoch(), "host:1"))
	noError(t, s.Claim(ctx, odd, time.Time{}, odd))
	chained(t, s)
	number := entry("Numbers")
	number.Params = map[string]any{
		"big": int64(1<<62 + 1), "deep": map[string]any{"list": []any{1.5, "\xff", nil, true, map[string]any{}}}, odd: odd,
	}
	number.Change = &state.Change{Action: "create", Reason: odd, Before: "", After: resource.Spec(odd)}
	n := open(t, s, number).Number
	noError(t, s.Close(ctx, n, state.Outcome{Closed: epoch().Add(time.Hour), Code: odd, Status: -7, Message: odd}))
}

// fillMany writes more than fits into any one request.
func fillMany(t *testing.T, s state.Store) {
	ctx := context.Background()
	var records []resource.Applied
	for i := range 2000 {
		r := record(fmt.Sprintf("many/%05d", i))
		r.Spec = resource.Spec(`{"text":"` + strings.Repeat("x", 1000) + `"}`)
		records = append(records, r)
	}
	noError(t, s.Save(ctx, records...))
	end := state.Outcome{Closed: epoch(), Code: "ok"}
	for i := range 300 {
		e := entry("Op")
		if e.Write = i%3 == 0; i%5 > 0 {
			e.Outcome = end
		}
		n, err := s.Open(ctx, e)
		noError(t, err)
		if i%10 == 0 {
			noError(t, s.Close(ctx, n, end))
		}
	}
}

// ported takes all from one store to another, holds them against each other, and returns
// what there is.
func ported(t *testing.T, from, to state.Store) content {
	t.Helper()
	ctx := context.Background()
	before := verified(t, from)
	noError(t, porter(to).Restore(ctx, porter(from).Dump(ctx)))
	want, got := contentOf(t, porter(from).Dump(ctx)), contentOf(t, porter(to).Dump(ctx))
	parts := got.parts(t)
	for name, part := range want.parts(t) {
		if !reflect.DeepEqual(part, parts[name]) {
			t.Errorf("%s came over as\n%.2000v\nwant\n%.2000v", name, parts[name], part)
		}
	}
	after := verified(t, to, before.Heads.Writes.Hash, before.Heads.Reads.Hash)
	if !reflect.DeepEqual(proofOf(after), proofOf(before)) {
		t.Errorf("the journal verifies as\n%+v\nand did as\n%+v", after, before)
	}
	if heads(t, to) != heads(t, from) {
		t.Errorf("heads %+v, want %+v", heads(t, to), heads(t, from))
	}
	answersAlike(t, from, to)
	return want
}

// proofOf is a proof without what was noted.
func proofOf(p state.Proof) state.Proof {
	p.Noted = nil
	return p
}

// answersAlike asks two stores the same by the methods that everybody uses.
func answersAlike(t *testing.T, one, two state.Store) {
	t.Helper()
	ctx := context.Background()
	if a, b := applied(t, one), applied(t, two); !reflect.DeepEqual(a, b) {
		t.Errorf("%d records, and others or %d", len(a), len(b))
	}
	if a, b := acts(t, one), acts(t, two); !reflect.DeepEqual(a, b) {
		t.Errorf("acts %+v\nand %+v", a, b)
	}
	var r replica
	r.follow(t, two)
	r.same(t, one)
	marks, err := one.Marks(ctx)
	noError(t, err)
	expectMarks(t, two, marks...)
	given, err := one.Consents(ctx)
	noError(t, err)
	expectConsents(t, two, given...)
	for _, q := range []state.Query{
		{Oldest: true, Links: true, Limit: 10_000}, {Code: state.CodeOpen}, {Plan: "9a7d", Writes: true},
	} {
		if a, b := lines(t, journal(t, one, q)), lines(t, journal(t, two, q)); !slices.Equal(a, b) {
			t.Errorf("%+v: %d entries\n%.2000v\nand %d\n%.2000v", q, len(a), a, len(b), b)
		}
	}
}

// lines are entries as an export has them, which is all that their chain is about.
func lines(t *testing.T, entries []state.Entry) []string {
	t.Helper()
	var out []string
	for _, e := range entries {
		var b strings.Builder
		noError(t, state.WriteLine(&b, e))
		out = append(out, b.String())
	}
	return out
}

// parts are what there is, by kind.
func (c content) parts(t *testing.T) map[string]any {
	return map[string]any{
		"head": c.head, "records": c.applied, "acts": c.acts, "marks": c.marks, "consents": c.given, "claims": c.claims,
		"anchors": c.anchors, "entries": lines(t, c.entries), "orphans": c.orphans,
	}
}

// portPruned takes over a journal whose beginning is gone, with entries before the
// chain's first link that nobody ever closed.
func portPruned(t *testing.T, from, to state.Store) {
	if p := verified(t, from); p.First <= 1 || p.Heads.Writes.Seq == 0 {
		t.Fatalf("nothing was pruned: %+v", p)
	}
	c := ported(t, from, to)
	if !slices.ContainsFunc(c.anchors, func(a state.DumpAnchor) bool { return a.Pruned > 0 && a.Seq > 0 }) {
		t.Errorf("anchors %+v", c.anchors)
	}
	then := heads(t, from)
	chained(t, to)
	verified(t, to, then.Writes.Hash, then.Reads.Hash)
}

// portGoesOn: what was done stays done, and what follows follows.
func portGoesOn(t *testing.T, from, to state.Store) {
	ctx := context.Background()
	everything(t, from)
	c := ported(t, from, to)
	if err := to.Begin(ctx, act("a", "start", "1")); !errors.Is(err, state.ErrInDoubt) {
		t.Errorf("an act in doubt begins: %v", err)
	}
	if err := to.Begin(ctx, act("a", "stop", "1")); !errors.Is(err, state.ErrDone) {
		t.Errorf("an act that is done begins: %v", err)
	}
	if err := to.UseConsent(ctx, "used", epoch(), "host:2"); !errors.Is(err, state.ErrClaimed) {
		t.Errorf("a consent is used again: %v", err)
	}
	noError(t, to.UseConsent(ctx, "given", epoch(), "host:2"))
	if err := to.Claim(ctx, "plan 1", epoch(), "host:2"); !errors.Is(err, state.ErrClaimed) {
		t.Errorf("a claim is made again: %v", err)
	}
	left := c.entries[slices.IndexFunc(c.entries, func(e state.Entry) bool { return e.Operation == "Left" })]
	noError(t, to.Close(ctx, left.Number, state.Outcome{Closed: epoch(), Code: "ok"}))
	if next := open(t, to, entry("Next")); next.Number <= c.head.Number {
		t.Errorf("number %d was given again, %d was the last", next.Number, c.head.Number)
	}
	then := heads(t, from)
	verified(t, to, then.Writes.Hash, then.Reads.Hash)
}

// dumpWhileWritten has a second handle write what only makes sense together.
func dumpWhileWritten(t *testing.T, from, another state.Store, to func(*testing.T) state.Store) {
	ctx := context.Background()
	everything(t, from)
	stop, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- writePairs(ctx, another, stop) }()
	for range 3 {
		fresh := to(t)
		noError(t, porter(fresh).Restore(ctx, porter(from).Dump(ctx)))
		verified(t, fresh)
		revisions := map[string]string{}
		for _, r := range applied(t, fresh) {
			revisions[r.ID.Key] = r.Revision
		}
		if revisions["left"] != revisions["right"] {
			t.Errorf("a dump holds half of a write: %q and %q", revisions["left"], revisions["right"])
		}
	}
	close(stop)
	noError(t, <-ended)
}

// writePairs writes until it is to stop, and a few hundred times at most: of a store
// without a disk that would be a million.
func writePairs(ctx context.Context, s state.Store, stop chan struct{}) error {
	for i := range 500 {
		select {
		case <-stop:
			return nil
		default:
		}
		left, right := record("left"), record("right")
		left.Revision, right.Revision = fmt.Sprint(i), fmt.Sprint(i)
		if err := s.Save(ctx, left, right); err != nil {
			return err
		}
		n, err := s.Open(ctx, entry("Op"))
		if err == nil {
			err = s.Close(ctx, n, state.Outcome{Closed: epoch(), Code: "ok"})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// dumpInPart: who has seen enough leaves nothing behind, and can begin again.
func dumpInPart(t *testing.T, s state.Store) {
	everything(t, s)
	whole := 0
	for range porter(s).Dump(context.Background()) {
		whole++
	}
	for most := range whole {
		n := 0
		for _, err := range porter(s).Dump(context.Background()) {
			noError(t, err)
			if n++; n > most {
				break
			}
		}
	}
	noError(t, s.Save(context.Background(), record("after")))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, err := range porter(s).Dump(ctx) {
		if err != nil {
			return
		}
	}
	t.Error("a dump whose context has ended gives no error")
}

// restoreRefuses: a store that holds anything, and dumps that are none.
func restoreRefuses(t *testing.T, from state.Store, to func(*testing.T) state.Store) {
	ctx := context.Background()
	everything(t, from)
	dump := porter(from).Dump(ctx)
	holds := map[string]func(s state.Store) error{
		"record":  func(s state.Store) error { return s.Save(ctx, record("x")) },
		"act":     func(s state.Store) error { return s.Begin(ctx, act("x", "start", "1")) },
		"mark":    func(s state.Store) error { return s.SetMark(ctx, mark("live", state.Accepted, "1")) },
		"consent": func(s state.Store) error { return s.Consent(ctx, consent("x")) },
		"claim":   func(s state.Store) error { return s.Claim(ctx, "x", epoch(), "") },
		"entry": func(s state.Store) error {
			_, err := s.Open(ctx, state.Entry{})
			return err
		},
	}
	for name, write := range holds {
		s := to(t)
		noError(t, write(s))
		before := contentOf(t, porter(s).Dump(ctx)).parts(t)
		if err := porter(s).Restore(ctx, dump); !errors.Is(err, state.ErrNotEmpty) {
			t.Errorf("a store with a %s: %v", name, err)
		}
		if after := contentOf(t, porter(s).Dump(ctx)).parts(t); !reflect.DeepEqual(after, before) {
			t.Errorf("a store with a %s was changed by what it refused", name)
		}
	}
	cut := errors.New("cut off")
	for name, all := range map[string]iter.Seq2[state.Dump, error]{
		"without a head": func(yield func(state.Dump, error) bool) { yield(state.Dump{Applied: new(record("x"))}, nil) },
		"that is cut off": func(yield func(state.Dump, error) bool) {
			for d, err := range dump {
				if d.Entry != nil {
					yield(state.Dump{}, cut)
					return
				}
				if !yield(d, err) {
					return
				}
			}
		},
	} {
		s := to(t)
		if err := porter(s).Restore(ctx, all); err == nil || name == "that is cut off" && !errors.Is(err, cut) {
			t.Errorf("a dump %s: %v", name, err)
		}
		if len(applied(t, s))+len(acts(t, s)) > 0 {
			t.Errorf("of a dump %s something is left", name)
		}
		noError(t, porter(s).Restore(ctx, dump)) // once more, whole
		verified(t, s)
	}
}

// retire: no handle writes any more, all read, and it can be taken back.
func retire(t *testing.T, one, two, to state.Store) {
	ctx := context.Background()
	everything(t, one)
	left := open(t, one, entry("Left"))
	if where, err := porter(two).Retired(ctx); err != nil || where != "" {
		t.Errorf("retired to %q, %v", where, err)
	}
	before := contentOf(t, porter(one).Dump(ctx)).parts(t)
	const where = "etcd at 'https://etcd-1:2379' /weir/"
	noError(t, porter(one).Retire(ctx, where))
	for i, s := range []state.Store{one, two} {
		for name, err := range writesOf(ctx, s, left.Number) {
			if state.FaultOf(err) != state.Moved || !strings.Contains(err.Error(), where) {
				t.Errorf("handle %d: %s of a retired store: %v", i+1, name, err)
			}
		}
		if got, err := porter(s).Retired(ctx); err != nil || got != where {
			t.Errorf("handle %d: retired to %q, %v", i+1, got, err)
		}
		if after := contentOf(t, porter(s).Dump(ctx)).parts(t); !reflect.DeepEqual(after, before) {
			t.Errorf("handle %d: it holds something else", i+1)
		}
		verified(t, s)
	}
	ported(t, one, to)
	noError(t, porter(two).Retire(ctx, "elsewhere"))
	if got, err := porter(one).Retired(ctx); err != nil || got != "elsewhere" {
		t.Errorf("retired to %q, %v", got, err)
	}
	noError(t, porter(two).Retire(ctx, ""))
	noError(t, porter(one).Retire(ctx, ""))
	for i, s := range []state.Store{one, two} {
		if got, err := porter(s).Retired(ctx); err != nil || got != "" {
			t.Errorf("handle %d: still retired to %q, %v", i+1, got, err)
		}
		noError(t, s.Save(ctx, record("again")))
		noError(t, s.Close(ctx, left.Number, state.Outcome{Closed: epoch()}))
	}
	verified(t, one)
}

// writesOf tries every write.
func writesOf(ctx context.Context, s state.Store, entered int64) map[string]error {
	_, opened := s.Open(ctx, entry("Op"))
	return map[string]error{
		"Save": s.Save(ctx, record("x")), "Forget": s.Forget(ctx, id("a")),
		"Begin": s.Begin(ctx, act("x", "start", "1")), "Settle": s.Settle(ctx, act("a", "start", "1")),
		"SetMark":         s.SetMark(ctx, mark("x", state.Accepted, "1")),
		"SetMark to none": s.SetMark(ctx, mark("live", state.Accepted, "")),
		"Consent":         s.Consent(ctx, consent("x")), "UseConsent": s.UseConsent(ctx, "given", epoch(), "host:3"),
		"Claim": s.Claim(ctx, "x", epoch(), ""), "Open": opened,
		"Close": s.Close(ctx, entered, state.Outcome{Closed: epoch()}),
	}
}

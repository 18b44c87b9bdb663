package statetest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"weir/sync/resource"
	"weir/sync/state"
)

// likeModel carries out random sequences of calls on s and on a Memory side by
// side: answers and contents have to be the same after each.
func likeModel(t *testing.T, s state.Store) {
	sequence := 0
	rapid.Check(t, func(rt *rapid.T) {
		sequence++
		p := &pair{store: s, model: NewMemory(), sequence: sequence}
		p.clear(rt)
		p.begun(rt)
		rt.Repeat(map[string]func(*rapid.T){
			"": p.compare, "save": p.save, "forget": p.forget, "begin": p.begin,
			"settle": p.settle, "follow": p.follow, "open": p.open, "close": p.close, "query": p.query,
		})
	})
}

// pair is a store beside the model it has to be like.
type pair struct {
	store    state.Store
	model    *Memory
	sequence int
	numbers  []int64 // of the store's entries; the model's are 1, 2, ...
	replicas []*replica
}

// account is a name that no earlier sequence has used: the journal cannot be
// cleared, so each sequence asks for its own accounts' entries.
func (p *pair) account(name string) string { return fmt.Sprintf("%s-%d", name, p.sequence) }

// clear forgets what an earlier sequence left.
func (p *pair) clear(t *rapid.T) {
	var ids []resource.ID
	for _, r := range applied(t, p.store) {
		ids = append(ids, r.ID)
	}
	for _, a := range acts(t, p.store) {
		ids = append(ids, a.ID)
	}
	noError(t, p.store.Forget(context.Background(), ids...))
}

// both carries out one call on both sides and compares the answers.
func (p *pair) both(t *rapid.T, call func(state.Store) error) {
	got, want := call(p.store), call(p.model)
	for _, answer := range []error{state.ErrInDoubt, state.ErrDone, state.ErrNoAct, state.ErrNoEntry} {
		if errors.Is(got, answer) != errors.Is(want, answer) {
			t.Fatalf("store answers %v, model %v", got, want)
		}
	}
	if (got == nil) != (want == nil) {
		t.Fatalf("store answers %v, model %v", got, want)
	}
}

func (p *pair) compare(t *rapid.T) {
	same(t, applied(t, p.store), applied(t, p.model))
	same(t, acts(t, p.store), acts(t, p.model))
}

// own gives the store's entries of this sequence the model's numbers.
func (p *pair) own(entries []state.Entry) []state.Entry {
	byNumber := map[int64]int64{}
	for i, n := range p.numbers {
		byNumber[n] = int64(i) + 1
	}
	var out []state.Entry
	for _, e := range entries {
		if n, ok := byNumber[e.Number]; ok {
			e.Number = n
			out = append(out, e)
		}
	}
	return out
}

func same[T any](t *rapid.T, got, want []T) {
	if len(got) == 0 && len(want) == 0 {
		return
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("store holds %+v\nmodel holds %+v", got, want)
	}
}

func (p *pair) save(t *rapid.T) {
	records := rapid.SliceOfN(rapid.Custom(drawRecord), 0, 4).Draw(t, "records")
	p.both(t, func(s state.Store) error { return s.Save(context.Background(), records...) })
}

func (p *pair) forget(t *rapid.T) {
	ids := rapid.SliceOfN(rapid.Custom(drawID), 0, 2).Draw(t, "ids")
	p.both(t, func(s state.Store) error { return s.Forget(context.Background(), ids...) })
}

func (p *pair) begin(t *rapid.T) {
	a := drawAct(t)
	p.both(t, func(s state.Store) error { return s.Begin(context.Background(), a) })
}

func (p *pair) settle(t *rapid.T) {
	a := drawAct(t)
	p.both(t, func(s state.Store) error { return s.Settle(context.Background(), a) })
}

func (p *pair) open(t *rapid.T) {
	e := entry(rapid.String().Draw(t, "operation"))
	e.Opened, e.Write = drawTime(t), rapid.Bool().Draw(t, "write")
	e.Account = p.account(rapid.SampledFrom([]string{"main", "other"}).Draw(t, "account"))
	e.Resource = drawID(t).String()
	p.both(t, func(s state.Store) error {
		n, err := s.Open(context.Background(), e)
		if s == p.store {
			p.numbers = append(p.numbers, n)
		}
		return err
	})
}

func (p *pair) close(t *rapid.T) {
	i := rapid.IntRange(0, len(p.numbers)).Draw(t, "entry") // one beyond the last does not exist
	o := state.Outcome{Closed: drawTime(t), Code: rapid.String().Draw(t, "code"), Status: rapid.Int().Draw(t, "status")}
	p.both(t, func(s state.Store) error {
		n := int64(i) + 1
		if s == p.store && i < len(p.numbers) {
			n = p.numbers[i]
		} else if s == p.store {
			n = 1 << 40
		}
		return s.Close(context.Background(), n, o)
	})
}

func (p *pair) query(t *rapid.T) {
	q := state.Query{
		Account:  p.account(rapid.SampledFrom([]string{"main", "other", "none"}).Draw(t, "account")),
		Resource: rapid.SampledFrom([]string{"", drawID(t).String()}).Draw(t, "resource"),
		Writes:   rapid.Bool().Draw(t, "writes"),
		Since:    drawTime(t),
		Limit:    rapid.IntRange(0, 5).Draw(t, "limit"),
	}
	same(t, p.own(journal(t, p.store, q)), journal(t, p.model, q))
}

func drawID(t *rapid.T) resource.ID {
	account := rapid.SampledFrom([]string{"a", "b"}).Draw(t, "account")
	kind := rapid.SampledFrom([]string{"Recording", "RelaySource"}).Draw(t, "kind")
	return resource.ID{Account: account, Kind: kind, Key: rapid.SampledFrom([]string{"x", "x/y", "é"}).Draw(t, "key")}
}

func drawTime(t *rapid.T) time.Time {
	if rapid.Bool().Draw(t, "no time") {
		return time.Time{}
	}
	return time.Unix(0, rapid.Int64().Draw(t, "nanoseconds")).UTC()
}

func drawRecord(t *rapid.T) resource.Applied {
	return resource.Applied{
		ID: drawID(t), Spec: resource.Spec(rapid.String().Draw(t, "spec")),
		Origin:   resource.Origin{File: rapid.String().Draw(t, "file"), Line: rapid.Int().Draw(t, "line")},
		Revision: rapid.String().Draw(t, "revision"), At: drawTime(t), Confirmed: rapid.Bool().Draw(t, "confirmed"),
		Heals: drawHeals(t),
	}
}

func drawHeals(t *rapid.T) []resource.Heal {
	var heals []resource.Heal
	for range rapid.IntRange(0, 2).Draw(t, "heals") {
		at := time.Unix(0, rapid.Int64().Draw(t, "healed")).UTC()
		heals = append(heals, resource.Heal{At: at, Found: rapid.StringMatching(`[0-9a-f]{0,16}`).Draw(t, "found")})
	}
	return heals
}

func drawAct(t *rapid.T) resource.Act {
	return resource.Act{
		ID: drawID(t), Name: rapid.SampledFrom([]string{"start", "stop"}).Draw(t, "name"),
		Token: fmt.Sprint(rapid.IntRange(0, 1).Draw(t, "token")),
		Begun: drawTime(t), Done: drawTime(t), Ends: drawTime(t), Repeatable: rapid.Bool().Draw(t, "repeatable"),
	}
}

package plan

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"weir/sync/resource"
)

// history is a world in which anything may happen to few of many resources, and
// the ledger that is told of it.
type history struct {
	in      Input
	ledger  Ledger
	former  *Plan
	touched map[resource.ID]bool
}

func newHistory(n int) *history {
	h := &history{touched: map[resource.ID]bool{}}
	h.in = input(Policy{Mode: Sync, HealDrift: true}, nil, nil)
	h.in.Now, h.in.Acts, h.in.Own = now, map[resource.ID][]resource.Act{}, map[resource.ID]resource.Spec{}
	h.in.Written = map[resource.ID]resource.Applied{}
	h.in.Judge = func(id resource.ID) Judge {
		switch id.Kind {
		case "Lease":
			return judgeLease
		case "None":
			return nil
		}
		return Compare
	}
	var edits []resource.Edit[resource.Resource]
	for i := range n {
		id := historyID("K", i)
		edits = append(edits, resource.Edit[resource.Resource]{ID: id, Value: &resource.Resource{ID: id, Spec: on}})
		h.in.Last[id] = resource.Applied{ID: id, Spec: on, At: now.Add(-time.Hour), Confirmed: true}
		h.in.Seen[id] = resource.Observation{ID: id, Spec: on, Exists: true, At: now}
	}
	h.in.Desired = h.in.Desired.With(edits)
	return h
}

// judgeLease is a judgement that ends with time, as of what is leased: nothing is
// due until its act has run out.
func judgeLease(c Case) Verdict {
	v := Verdict{Action: None, State: InSync, After: c.WantSpec(), Before: c.LastSpec()}
	switch {
	case c.Want == nil:
		v.Action, v.Reason, v.State = Delete, Removed, Pending
	case len(c.Acts) == 0 || !c.Now.Before(c.Acts[0].Ends):
		v.Action, v.Reason, v.State = Update, Expired, Pending
	}
	return v
}

func historyID(kind string, i int) resource.ID {
	return resource.ID{Account: "acc", Kind: kind, Key: fmt.Sprintf("%04d", i)}
}

var historySpecs = []resource.Spec{on, off, mid}

func (h *history) draw(t *rapid.T) (resource.ID, resource.Spec) {
	kind := rapid.SampledFrom([]string{"K", "K", "K", "Lease", "None"}).Draw(t, "kind")
	return historyID(kind, rapid.IntRange(0, 9).Draw(t, "key")*60), rapid.SampledFrom(historySpecs).Draw(t, "spec")
}

func (h *history) edit(t *rapid.T) {
	id, spec := h.draw(t)
	e := resource.Edit[resource.Resource]{ID: id}
	if rapid.Bool().Draw(t, "declared") {
		e.Value = &resource.Resource{
			ID: id, Spec: spec, Labels: map[string]string{"tier": rapid.SampledFrom([]string{"gold", "tin"}).Draw(t, "tier")},
			Origin: resource.Origin{Source: "live", File: "a.yaml", Line: rapid.IntRange(1, 2).Draw(t, "line")},
		}
	}
	h.in.Desired = h.in.Desired.With([]resource.Edit[resource.Resource]{e})
}

func (h *history) save(t *rapid.T) {
	id, spec := h.draw(t)
	h.touched[id] = true
	if rapid.IntRange(0, 3).Draw(t, "forgotten") == 0 {
		delete(h.in.Last, id)
		return
	}
	rec := resource.Applied{ID: id, Spec: spec, At: h.in.Now, Confirmed: rapid.Bool().Draw(t, "confirmed")}
	for range rapid.IntRange(0, 3).Draw(t, "heals") {
		found := rapid.SampledFrom([]string{foundMark(on), foundMark(mid), resource.HealLeft}).Draw(t, "found")
		rec.Heals = append(rec.Heals, resource.Heal{At: h.in.Now, Found: found})
	}
	h.in.Last[id] = rec
}

func (h *history) observe(t *rapid.T) {
	id, spec := h.draw(t)
	h.touched[id] = true
	switch rapid.IntRange(0, 4).Draw(t, "how") {
	case 0:
		delete(h.in.Seen, id)
	case 1:
		h.in.Seen[id] = resource.Observation{ID: id, At: h.in.Now, Unreadable: "403 Forbidden"}
	default:
		h.in.Seen[id] = resource.Observation{ID: id, At: h.in.Now, Spec: spec, Exists: spec != off}
	}
}

func (h *history) act(t *rapid.T) {
	id, _ := h.draw(t)
	h.touched[id] = true
	a := resource.Act{ID: id, Name: "start", Begun: h.in.Now, Ends: h.in.Now.Add(time.Minute)}
	if rapid.Bool().Draw(t, "done") {
		a.Done = h.in.Now
	}
	h.in.Acts[id] = []resource.Act{a}
}

func (h *history) remember(t *rapid.T) {
	id, spec := h.draw(t)
	h.touched[id] = true
	if rapid.Bool().Draw(t, "own") {
		h.in.Own[id] = spec
	} else {
		h.in.Written[id] = resource.Applied{ID: id, Spec: spec, At: h.in.Now}
	}
}

func (h *history) wait(t *rapid.T) {
	h.in.Now = h.in.Now.Add(rapid.SampledFrom([]time.Duration{time.Second, 20 * time.Second, Lag, time.Hour, fightGap}).Draw(t, "time"))
}

func (h *history) govern(t *rapid.T) {
	h.in.Policy = Policy{
		Mode:      rapid.SampledFrom([]Mode{Sync, Sync, Upsert, Observe}).Draw(t, "mode"),
		HealDrift: rapid.Bool().Draw(t, "heal"),
		ReadOnly:  rapid.SampledFrom([]string{"", "", "many crashes"}).Draw(t, "read-only"),
	}
	if rapid.Bool().Draw(t, "ignore") {
		h.in.Policy.DriftRules = []DriftRule{{Labels: map[string]string{"tier": "tin"}, Ignore: []Path{{{Name: "on"}}}}}
	}
	h.in.Partial = rapid.IntRange(0, 4).Draw(t, "partial") == 0
	h.in.Revision = rapid.StringMatching(`r[0-9]`).Draw(t, "revision")
}

// check fails unless the ledger's plan is the one that Diff makes.
func (h *history) check(t *rapid.T) {
	got, want := h.ledger.Plan(h.in, h.touched), Diff(h.in)
	clear(h.touched)
	if a, b := slices.Collect(got.All()), slices.Collect(want.All()); !reflect.DeepEqual(a, b) {
		for i := range min(len(a), len(b)) {
			if !reflect.DeepEqual(a[i], b[i]) {
				t.Fatalf("ledger says\n%+v\nwant\n%+v", a[i], b[i])
			}
		}
		t.Fatalf("ledger speaks of %d resources, want %d", len(a), len(b))
	}
	if !reflect.DeepEqual(got.Changes, want.Changes) || got.Hash != want.Hash || !got.Next.Equal(want.Next) {
		t.Fatalf("ledger says %s, %v; want %s, %v", got.Hash, got.Next, want.Hash, want.Next)
	}
	if got.Summary() != summed(got) || !maps.Equal(got.Sums(), want.Sums()) || got.Of("live") != want.Of("live") {
		t.Fatalf("ledger counts %+v %v, want %+v %v", got.Summary(), got.Sums(), summed(got), want.Sums())
	}
	h.news(t, got)
	h.former = got
}

func summed(p *Plan) Summary {
	var s Summary
	for c := range p.All() {
		s.add(c)
	}
	return s
}

// news fails unless the plan tells all in which it is another than the former.
func (h *history) news(t *rapid.T, p *Plan) {
	told, gone := map[resource.ID]bool{}, slices.Collect(p.Gone(h.former))
	for c := range p.News(h.former) {
		told[c.ID] = true
	}
	for c := range p.All() {
		if before, was := h.former.orNone().Find(c.ID); !told[c.ID] && (!was || !reflect.DeepEqual(before, c)) {
			t.Fatalf("no news of %s", c.ID)
		}
	}
	for c := range h.former.orNone().All() {
		if _, still := p.Find(c.ID); still == slices.Contains(gone, c.ID) {
			t.Fatalf("%s: gone %v", c.ID, !still)
		}
	}
}

// TestLedgerIsDiff: whatever happens, what is decided about what changed alone is
// what is decided about everything.
func TestLedgerIsDiff(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHistory(600)
		h.check(t)
		t.Repeat(map[string]func(*rapid.T){
			"plan": h.check, "plan again": h.check, "edit": h.edit, "save": h.save, "observe": h.observe, "act": h.act,
			"remember": h.remember, "wait": h.wait, "govern": h.govern,
		})
		h.check(t)
	})
}

// BenchmarkLedger is one edit among many resources of which nothing else is to be
// said: seen as declared, or not read yet.
func BenchmarkLedger(b *testing.B) {
	for _, unread := range []bool{false, true} {
		b.Run(fmt.Sprintf("unread %v", unread), func(b *testing.B) {
			h := newHistory(100_000)
			if unread {
				clear(h.in.Seen)
			}
			h.ledger.Plan(h.in, nil)
			for i := 0; b.Loop(); i++ {
				id := historyID("K", 500)
				edited := resource.Resource{ID: id, Spec: historySpecs[1+i%2]}
				h.in.Desired = h.in.Desired.With([]resource.Edit[resource.Resource]{{ID: id, Value: &edited}})
				if p := h.ledger.Plan(h.in, nil); p.Len() != 100_000 {
					b.Fatal(p.Len())
				}
			}
		})
	}
}

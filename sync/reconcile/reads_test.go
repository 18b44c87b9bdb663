package reconcile

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"weir/sync/resource"
)

// TestReadingIsForeseen: before a plan reads anything it says how many calls that
// takes and for how long, and it says so rightly.
func TestReadingIsForeseen(t *testing.T) {
	for _, rtt := range []time.Duration{5 * time.Millisecond, 200 * time.Millisecond} {
		for name, docs := range map[string][]string{
			"nothing":         nil,
			"one list for it": blocks(700),
			"each alone":      switches(300),
			"of two accounts": slices.Concat(switches(100), relays(200, "a"), blocks(100), []string{record, prefetch}),
		} {
			t.Run(fmt.Sprint(name, " ", rtt), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { readingIsForeseen(t, rtt, docs) })
			})
		}
	}
}

func readingIsForeseen(t *testing.T, rtt time.Duration, docs []string) {
	h := open(t)
	h.seed(200)
	h.away = &far{rtt: rtt, rand: rand.New(rand.NewPCG(1, 1)), gate: make(chan struct{}, 1)}
	var mu sync.Mutex
	var told []Reading
	h.build(func(_ *house, o *Options) {
		o.Reading = func(r Reading) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, r)
		}
	})
	p := h.planAll(docs...)
	if len(docs) == 0 {
		if len(told) != 0 {
			t.Errorf("nothing is to be read, and told %+v", told)
		}
		return
	}
	first, last := told[0], told[len(told)-1]
	t.Logf("%d calls in %v foreseen, %d in %v made", first.Calls(), first.Foreseen.Took, last.Made, last.Took)
	if first.Made != 0 || first.Resources != len(docs) || !last.Ended || last.Made != first.Calls() || len(told) != last.Made+2 {
		t.Errorf("first %d of %d calls of %d resources, in the end %d, told %d times", first.Made, first.Calls(), first.Resources, last.Made, len(told))
	}
	if d := last.Took - first.Foreseen.Took; d.Abs() > first.Foreseen.Took/10+2*max(assumed, rtt) {
		t.Errorf("%v off", d)
	}
	half := told[len(told)/2]
	if left := last.Took - half.Took; (half.Left() - left).Abs() > left/5+2*max(assumed, rtt) {
		t.Errorf("half way %v are left, and %v were said to be", left, half.Left())
	}
	doc, err := h.rec.Document(p, false)
	if err != nil || doc.Reads == nil || doc.Reads.Made != last.Made || doc.Reads.Took != last.Took.Seconds() ||
		doc.Reads.Resources != len(docs) || doc.Reads.Seconds != first.Foreseen.Took.Seconds() {
		t.Errorf("document %+v, %v", doc.Reads, err)
	}
	if text, _ := json.Marshal(doc.Reads); !strings.Contains(string(text), `"resources":`) || !strings.Contains(string(text), `"calls":[{`) {
		t.Errorf("as JSON %s", text)
	}
}

// assumed is the round trip that is assumed before any was measured.
const assumed = 50 * time.Millisecond

func BenchmarkForeseeReads(b *testing.B) {
	h := open(&testing.T{})
	var want []resource.Resource
	for i := range 100_000 {
		spec := resource.Spec(fmt.Sprintf(`{"domain":"live.c%d.example.com","enabled":true}`, i))
		want = append(want, resource.Resource{ID: resource.ID{Account: "ali", Kind: "MultiStream", Key: fmt.Sprint("live.c", i)}, Spec: spec})
	}
	for b.Loop() {
		if f := h.rec.applier.ForeseeReads(want); len(f.Ends) != len(want) {
			b.Fatal(len(f.Ends))
		}
	}
}

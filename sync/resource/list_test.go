package resource

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// drawEdits returns edits of few of many IDs.
func drawEdits(t *rapid.T) []Edit[int] {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Edit[int] {
		e := Edit[int]{ID: ID{"a", "K", fmt.Sprintf("%04d", rapid.IntRange(0, 3000).Draw(t, "key"))}}
		if v := rapid.IntRange(-2, 9).Draw(t, "value"); v >= 0 {
			e.Value = &v
		}
		return e
	}), 0, 40).Draw(t, "edits")
}

// fullList returns a list of n values and the same as a map.
func fullList(n int) (List[int], map[ID]int) {
	var ids []ID
	var values []int
	model := map[ID]int{}
	for i := range n {
		id := ID{"a", "K", fmt.Sprintf("%04d", 2*i)}
		ids, values = append(ids, id), append(values, i%10)
		model[id] = i % 10
	}
	return NewList(ids, values), model
}

func listed(l List[int]) map[ID]int { return maps.Collect(l.All()) }

// TestListIsWhatAMapIs: whatever is edited, a list holds what a map would, in
// order, and the lists before it hold what they held.
func TestListIsWhatAMapIs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l, model := fullList(rapid.SampledFrom([]int{0, 1, portion, 1500}).Draw(t, "size"))
		first, kept := l, maps.Clone(model)
		for range rapid.IntRange(1, 6).Draw(t, "times") {
			edits := drawEdits(t)
			before, former := l, maps.Clone(model)
			l = l.With(edits)
			for _, e := range edits {
				if delete(model, e.ID); e.Value != nil {
					model[e.ID] = *e.Value
				}
			}
			sameList(t, l, model)
			sameDifferences(t, before, l, former, model)
		}
		sameList(t, first, kept)
		sameDifferences(t, first, l, kept, model)
	})
}

func sameList(t *rapid.T, l List[int], model map[ID]int) {
	if got := listed(l); !maps.Equal(got, model) || l.Len() != len(model) {
		t.Fatalf("list of %d holds %v, want %v", l.Len(), got, model)
	}
	var ids []ID
	for id := range l.All() {
		if v, ok := l.Get(id); !ok || v != model[id] {
			t.Fatalf("Get(%s) = %d, %v", id, v, ok)
		}
		ids = append(ids, id)
	}
	if !slices.IsSortedFunc(ids, Compare) {
		t.Fatalf("order %v", ids)
	}
	if _, ok := l.Get(ID{"a", "K", "none"}); ok {
		t.Fatalf("Get found what is not there")
	}
}

// sameDifferences fails unless Between yields all in which a and b differ.
func sameDifferences(t *rapid.T, a, b List[int], before, after map[ID]int) {
	n := 0
	for x, y := range Between(a, b) {
		if x == nil || y == nil || *x != *y {
			n++
		}
	}
	want := 0
	for id, v := range before {
		if w, ok := after[id]; !ok || v != w {
			want++
		}
	}
	for id := range after {
		if _, ok := before[id]; !ok {
			want++
		}
	}
	if n != want {
		t.Fatalf("%d differences, want %d", n, want)
	}
}

// TestListSharesWhatIsTheSame: an edit leaves all other portions as they are, and
// only one is looked at to find it.
func TestListSharesWhatIsTheSame(t *testing.T) {
	l, _ := fullList(2500)
	nine := 9
	edited := l.With([]Edit[int]{{ID{"a", "K", "1001"}, &nine}})
	n := 0
	for range Between(l, edited) {
		n++
	}
	if n == 0 || n > portionMost {
		t.Errorf("%d values are looked at", n)
	}
	if &l.With(nil).parts[0].ids[0] != &l.parts[0].ids[0] {
		t.Error("no edit makes another list")
	}
}

// TestListStaysDense: a list that loses nearly everything does not keep a
// portion for each that is left.
func TestListStaysDense(t *testing.T) {
	l, _ := fullList(2500)
	for id := range l.All() {
		if id.Key[2:] != "00" {
			l = l.With([]Edit[int]{{ID: id}})
		}
	}
	if l.Len() != 50 || len(l.parts) > 4 {
		t.Errorf("%d values in %d portions", l.Len(), len(l.parts))
	}
}

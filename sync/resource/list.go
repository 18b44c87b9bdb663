package resource

import (
	"iter"
	"slices"
)

// The sizes of a List's portions, in values. One that has grown beyond the most
// is divided.
const (
	portion     = 256
	portionMost = 2 * portion
)

// List holds values by ID, and yields them in the order of their IDs. It is never
// changed: With returns another list, which shares every portion in which nothing
// is different. So one change among a hundred thousand costs a portion, and what
// two lists do not have in common is found without looking at the rest. The zero
// value is empty.
type List[V any] struct {
	parts []*part[V] // none is empty
	count int
}

// part is a portion of a List, never changed.
type part[V any] struct {
	ids    []ID // ordered
	values []V  // by the positions of ids
}

// Edit puts a value into a List, or takes one out.
type Edit[V any] struct {
	ID    ID
	Value *V // nil takes it out
}

// NewList returns the list of values whose IDs are ids, which are ordered and
// distinct.
func NewList[V any](ids []ID, values []V) List[V] {
	l := List[V]{count: len(ids)}
	for begin := 0; begin < len(ids); begin += portion {
		end := min(begin+portion, len(ids))
		l.parts = append(l.parts, &part[V]{slices.Clone(ids[begin:end]), slices.Clone(values[begin:end])})
	}
	return l
}

// Len returns the number of values.
func (l List[V]) Len() int { return l.count }

// All yields the IDs and values in order.
func (l List[V]) All() iter.Seq2[ID, V] {
	return func(yield func(ID, V) bool) {
		for _, p := range l.parts {
			for i, id := range p.ids {
				if !yield(id, p.values[i]) {
					return
				}
			}
		}
	}
}

// Get returns the value of id.
func (l List[V]) Get(id ID) (V, bool) {
	if v := l.find(id); v != nil {
		return *v, true
	}
	var none V
	return none, false
}

// find returns the value of id, nil for none.
func (l List[V]) find(id ID) *V {
	if len(l.parts) == 0 {
		return nil
	}
	p := l.parts[l.place(id)]
	if i, ok := slices.BinarySearchFunc(p.ids, id, Compare); ok {
		return &p.values[i]
	}
	return nil
}

// place returns the position of the portion that id is in, or belongs into.
func (l List[V]) place(id ID) int {
	i, ok := slices.BinarySearchFunc(l.parts, id, func(p *part[V], id ID) int { return Compare(p.ids[0], id) })
	if !ok && i > 0 {
		return i - 1
	}
	return min(i, len(l.parts)-1)
}

// With returns l with edits made. They may come in any order; of several of one
// ID the last counts.
func (l List[V]) With(edits []Edit[V]) List[V] {
	if len(edits) == 0 {
		return l
	}
	edits = slices.Clone(edits)
	slices.SortStableFunc(edits, func(a, b Edit[V]) int { return Compare(a.ID, b.ID) })
	if len(l.parts) == 0 {
		return joined(l.merge(nil, edits))
	}
	out := List[V]{parts: make([]*part[V], 0, len(l.parts)+1)}
	for i, p := range l.parts {
		mine := edits
		if i+1 < len(l.parts) {
			n, _ := slices.BinarySearchFunc(edits, l.parts[i+1].ids[0], func(e Edit[V], id ID) int { return Compare(e.ID, id) })
			mine = edits[:n]
		}
		edits = edits[len(mine):]
		if len(mine) == 0 {
			out.add(p)
			continue
		}
		for _, q := range joined(l.merge(p, mine)).parts {
			out.add(q)
		}
	}
	return out.dense()
}

func (l *List[V]) add(p *part[V]) {
	l.parts = append(l.parts, p)
	l.count += len(p.ids)
}

// merge returns what edits, which are ordered, make of a portion.
func (l List[V]) merge(p *part[V], edits []Edit[V]) *part[V] {
	if p == nil {
		p = &part[V]{}
	}
	out := &part[V]{make([]ID, 0, len(p.ids)+len(edits)), make([]V, 0, len(p.ids)+len(edits))}
	i := 0
	for n, e := range edits {
		for i < len(p.ids) && Compare(p.ids[i], e.ID) < 0 {
			out.ids, out.values = append(out.ids, p.ids[i]), append(out.values, p.values[i])
			i++
		}
		if i < len(p.ids) && p.ids[i] == e.ID {
			i++
		}
		last := n+1 == len(edits) || edits[n+1].ID != e.ID
		if last && e.Value != nil {
			out.ids, out.values = append(out.ids, e.ID), append(out.values, *e.Value)
		}
	}
	out.ids, out.values = append(out.ids, p.ids[i:]...), append(out.values, p.values[i:]...)
	return out
}

// joined returns the list of one portion, which is divided where it is too long.
func joined[V any](p *part[V]) List[V] {
	switch {
	case len(p.ids) == 0:
		return List[V]{}
	case len(p.ids) <= portionMost:
		return List[V]{[]*part[V]{p}, len(p.ids)}
	}
	return NewList(p.ids, p.values)
}

// dense returns l, made anew where most of its portions have become short.
func (l List[V]) dense() List[V] {
	if len(l.parts) <= 2+8*l.count/portion {
		return l
	}
	ids, values := make([]ID, 0, l.count), make([]V, 0, l.count)
	for id, v := range l.All() {
		ids, values = append(ids, id), append(values, v)
	}
	return NewList(ids, values)
}

// Between yields what a and b may differ in: the values of each ID that they do
// not share, nil where a list has none. What is yielded may be equal all the same.
func Between[V any](a, b List[V]) iter.Seq2[*V, *V] {
	return func(yield func(before, after *V) bool) {
		x, y := cursor[V]{parts: a.parts}, cursor[V]{parts: b.parts}
		for !x.done() || !y.done() {
			if x.skips(&y) {
				continue
			}
			var before, after *V
			switch order := x.compare(&y); {
			case order < 0:
				before = x.take()
			case order > 0:
				after = y.take()
			default:
				before, after = x.take(), y.take()
			}
			if !yield(before, after) {
				return
			}
		}
	}
}

// cursor is a place in a list.
type cursor[V any] struct {
	parts []*part[V] // those that are left
	i     int        // within the first
}

func (c *cursor[V]) done() bool { return len(c.parts) == 0 }

// skips goes on to the next portion where both are at the beginning of one that
// they share.
func (c *cursor[V]) skips(d *cursor[V]) bool {
	if c.done() || d.done() || c.i > 0 || d.i > 0 || c.parts[0] != d.parts[0] {
		return false
	}
	c.parts, d.parts = c.parts[1:], d.parts[1:]
	return true
}

// compare orders the IDs at two places; the end comes after everything.
func (c *cursor[V]) compare(d *cursor[V]) int {
	switch {
	case c.done():
		return 1
	case d.done():
		return -1
	}
	return Compare(c.parts[0].ids[c.i], d.parts[0].ids[d.i])
}

func (c *cursor[V]) take() *V {
	v := &c.parts[0].values[c.i]
	if c.i++; c.i == len(c.parts[0].ids) {
		c.parts, c.i = c.parts[1:], 0
	}
	return v
}

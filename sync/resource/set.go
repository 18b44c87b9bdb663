package resource

import (
	"fmt"
	"iter"
	"slices"
)

// Set is an immutable collection of resources with distinct IDs, ordered by
// ID. The zero Set is empty.
type Set struct{ list []Resource }

// NewSet orders list and reports the first ID that stands in it twice.
func NewSet(list []Resource) (Set, error) {
	sorted := slices.Clone(list)
	slices.SortFunc(sorted, func(a, b Resource) int { return Compare(a.ID, b.ID) })
	for i := 1; i < len(sorted); i++ {
		if sorted[i].ID == sorted[i-1].ID {
			return Set{}, fmt.Errorf("%s is declared twice: %s and %s", sorted[i].ID, sorted[i-1].Origin, sorted[i].Origin)
		}
	}
	return Set{sorted}, nil
}

// Len returns the number of resources.
func (s Set) Len() int { return len(s.list) }

// All yields the resources in order.
func (s Set) All() iter.Seq[Resource] { return slices.Values(s.list) }

// Get returns the resource named id.
func (s Set) Get(id ID) (Resource, bool) {
	i, ok := slices.BinarySearchFunc(s.list, id, func(r Resource, id ID) int { return Compare(r.ID, id) })
	if !ok {
		return Resource{}, false
	}
	return s.list[i], true
}

// Filter returns the resources that keep accepts.
func (s Set) Filter(keep func(Resource) bool) Set {
	var out []Resource
	for _, r := range s.list {
		if keep(r) {
			out = append(out, r)
		}
	}
	return Set{out}
}

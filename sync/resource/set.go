package resource

import (
	"fmt"
	"iter"
	"slices"
)

// Set is an immutable collection of resources with distinct IDs, ordered by
// ID. The zero Set is empty.
type Set struct{ list List[Resource] }

// NewSet orders list and reports the first ID that stands in it twice.
func NewSet(list []Resource) (Set, error) {
	sorted := slices.Clone(list)
	slices.SortFunc(sorted, func(a, b Resource) int { return Compare(a.ID, b.ID) })
	ids := make([]ID, len(sorted))
	for i, r := range sorted {
		if ids[i] = r.ID; i > 0 && ids[i-1] == r.ID {
			return Set{}, fmt.Errorf("%s is declared twice: %s and %s", r.ID, sorted[i-1].Origin, r.Origin)
		}
	}
	return Set{NewList(ids, sorted)}, nil
}

// Len returns the number of resources.
func (s Set) Len() int { return s.list.Len() }

// All yields the resources in order.
func (s Set) All() iter.Seq[Resource] {
	return func(yield func(Resource) bool) {
		for _, r := range s.list.All() {
			if !yield(r) {
				return
			}
		}
	}
}

// Get returns the resource named id.
func (s Set) Get(id ID) (Resource, bool) { return s.list.Get(id) }

// Filter returns the resources that keep accepts.
func (s Set) Filter(keep func(Resource) bool) Set {
	var ids []ID
	var kept []Resource
	for id, r := range s.list.All() {
		if keep(r) {
			ids, kept = append(ids, id), append(kept, r)
		}
	}
	return Set{NewList(ids, kept)}
}

// With returns s with edits made, which name the resources by their own IDs.
func (s Set) With(edits []Edit[Resource]) Set { return Set{s.list.With(edits)} }

// Since yields what s and a former set may differ in, nil for a resource that one
// of them does not have. What is yielded may be equal all the same.
func (s Set) Since(former Set) iter.Seq2[*Resource, *Resource] { return Between(former.list, s.list) }

package manifest

import (
	"fmt"
	"slices"
	"strings"

	"weir/schema"
	"weir/sync/resource"
)

// merge puts the files together, in their order, and finds what is declared
// more than once.
func merge(results []*parsed) Result {
	var out Result
	count := 0
	for _, r := range results {
		count += len(r.resources)
	}
	seen := make(register, count)
	list := make([]resource.Resource, 0, count)
	for _, r := range results {
		problems := r.problems
		problems.list = slices.Clone(problems.list)
		for j := range r.resources {
			d := &r.resources[j]
			if p, twice := seen.add(&d.Resource, d.column); twice {
				problems.add(p)
				continue
			}
			list = append(list, d.Resource)
		}
		out.Documents += r.documents
		out.Errors += problems.errors
		out.Warnings += problems.warnings
		out.Problems = append(out.Problems, problems.shown()...)
		if r.panicked {
			out.Panics++
		}
	}
	out.Set = newSet(list, &out)
	return out
}

// newSet cannot fail: list has no two resources of one identity.
func newSet(list []resource.Resource, out *Result) resource.Set {
	set, err := resource.NewSet(list)
	if err != nil {
		out.Errors++
		out.Problems = append(out.Problems, Problem{Code: schema.CodeInternal, Message: err.Error(), Severity: Error})
	}
	return set
}

// register holds where each identity is declared. Host names have no case, so
// neither has the first part of a key.
type register map[resource.ID]*resource.Resource

// add enters a resource, or says that it is declared already.
func (r register) add(res *resource.Resource, column int) (Problem, bool) {
	folded := fold(res.ID)
	first, twice := r[folded]
	if !twice {
		r[folded] = res
		return Problem{}, false
	}
	msg := fmt.Sprintf("%s is declared already at %s", res.ID, placeOf(first.Origin, res.Origin))
	if first.ID != res.ID {
		msg = fmt.Sprintf("%s differs only in case from %s at %s; the cloud takes them for one",
			res.ID, first.ID, placeOf(first.Origin, res.Origin))
	}
	return Problem{
		File: res.Origin.File, Line: res.Origin.Line, Column: column,
		Code: CodeDuplicateIdentity, Message: msg, Severity: Error,
	}, true
}

// placeOf names a place, with its source where that is another one.
func placeOf(o, from resource.Origin) string {
	if o.Source != from.Source {
		return o.String() + " in source " + o.Source
	}
	return o.String()
}

// fold returns the identity under which two resources would collide.
func fold(id resource.ID) resource.ID {
	first, rest, more := strings.Cut(id.Key, "/")
	lower := strings.ToLower(first)
	switch {
	case lower == first:
	case more:
		id.Key = lower + "/" + rest
	default:
		id.Key = lower
	}
	return id
}

// Join puts the sets of several sources together. What two of them declare is
// told as a problem at the later one and left as the earlier one has it.
func Join(sets ...resource.Set) (resource.Set, []Problem) {
	var out Result
	seen := register{}
	var list []resource.Resource
	for _, set := range sets {
		for res := range set.All() {
			if p, twice := seen.add(&res, 1); twice {
				out.Problems = append(out.Problems, p)
				continue
			}
			list = append(list, res)
		}
	}
	joined := newSet(list, &out)
	return joined, out.Problems
}

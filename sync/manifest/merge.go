package manifest

import (
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
			if first, twice := seen.add(&d.Resource, 0); twice {
				problems.add(twiceAt(&d.Resource, first.res, "already", d.column))
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

// Fold returns the identity under which two resources would collide: hosts have
// no case.
func Fold(id resource.ID) resource.ID {
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

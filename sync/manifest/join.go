package manifest

import (
	"fmt"

	"weir/sync/resource"
)

// register holds where each identity is declared. Host names have no case, so
// neither has the first part of a key.
type register map[resource.ID]entry

// entry is a resource with the position of the set it came from.
type entry struct {
	res *resource.Resource
	set int
}

// add enters a resource, or returns the one that is entered already.
func (r register) add(res *resource.Resource, set int) (first entry, twice bool) {
	folded := Fold(res.ID)
	if first, twice = r[folded]; !twice {
		r[folded] = entry{res, set}
	}
	return first, twice
}

// twiceAt tells at the place of res that other is the same resource. Where they
// are of two sources it names both places in full, as one source's paths say
// nothing in the other.
func twiceAt(res, other *resource.Resource, again string, column int) Problem {
	var msg string
	mine, its := "", other.Origin.String()
	if res.Origin.Source != other.Origin.Source {
		mine = " at " + res.Origin.String() + " in source " + res.Origin.Source
		its += " in source " + other.Origin.Source
	}
	switch {
	case res.ID != other.ID:
		msg = fmt.Sprintf("%s%s differs only in case from %s at %s; the cloud takes them for one",
			res.ID, mine, other.ID, its)
	case mine != "":
		msg = fmt.Sprintf("%s is declared%s and %s at %s", res.ID, mine, again, its)
	default:
		msg = fmt.Sprintf("%s is declared %s at %s", res.ID, again, its)
	}
	return Problem{
		File: res.Origin.File, Line: res.Origin.Line, Column: column,
		Code: CodeDuplicateIdentity, Message: msg, Severity: Error,
	}
}

// Clash is a resource that is declared in two sets.
type Clash struct {
	Sets [2]int     // the earlier and the later of the sets, by their positions
	At   [2]Problem // what is to be told at either place
}

// Clashes returns what more than one of the sets of several sources declare.
func Clashes(sets ...resource.Set) []Clash {
	if len(sets) < 2 {
		return nil
	}
	_, clashes := join(sets)
	return clashes
}

// Join puts the sets of several sources together. What two of them declare is
// told as a problem at the later one and left as the earlier one has it.
func Join(sets ...resource.Set) (resource.Set, []Problem) {
	var out Result
	list, clashes := join(sets)
	for _, c := range clashes {
		out.Problems = append(out.Problems, c.At[1])
	}
	joined := newSet(list, &out)
	return joined, out.Problems
}

func join(sets []resource.Set) (list []resource.Resource, clashes []Clash) {
	seen := register{}
	for i, set := range sets {
		for res := range set.All() {
			first, twice := seen.add(&res, i)
			if !twice {
				list = append(list, res)
				continue
			}
			clashes = append(clashes, Clash{
				Sets: [2]int{first.set, i},
				At:   [2]Problem{twiceAt(first.res, &res, "again", 1), twiceAt(&res, first.res, "already", 1)},
			})
		}
	}
	return list, clashes
}

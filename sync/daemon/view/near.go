package view

import (
	"slices"
	"strings"

	"weir/sync/resource"
)

// nearMost is how many ids like one that there is not are named.
const nearMost = 3

// longestID is how long a text may be that an id can be like: all are looked at.
const longestID = 1000

// Near returns the ids of resources that are most like a text that is none.
func (v *Viewer) Near(text string) []string {
	p := v.Loop.Shown().Plan
	if p == nil || len(text) > longestID {
		return nil
	}
	type near struct {
		id   resource.ID
		like int
	}
	var best []near
	for c := range p.All() {
		like := alike(c.ID.String(), text)
		i, _ := slices.BinarySearchFunc(best, like, func(n near, like int) int { return like - n.like })
		if i == nearMost || like < leastAlike {
			continue
		}
		best = slices.Insert(best, i, near{c.ID, like})
		best = best[:min(len(best), nearMost)]
	}
	out := make([]string, 0, len(best))
	for _, n := range best {
		out = append(out, n.id.String())
	}
	return out
}

// How much of a hundred an id must be like a text to be named, and how much it is
// at least where the text is a part of it.
const (
	leastAlike = 50
	partAlike  = 60
)

// alike says how much of a hundred an id is like a text: by how they begin and how
// they end, in any case.
func alike(id, text string) int {
	a, b := strings.ToLower(id), strings.ToLower(text)
	longest := max(len(a), len(b))
	head := 0
	for head < min(len(a), len(b)) && a[head] == b[head] {
		head++
	}
	tail := 0
	for tail < min(len(a), len(b))-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	like := 100 * (head + tail) / max(1, longest)
	if b != "" && strings.Contains(a, b) {
		like = max(like, partAlike)
	}
	return like
}

package gitsource

import (
	"cmp"
	"slices"
	"time"

	"github.com/go-git/go-git/v5/plumbing"

	"weir/sync/source"
)

// What stands in place of a version's number.
const (
	nothing = -1 // the thing never was
	beyond  = -2 // nobody looked
)

// ledger makes versions of the commits that were looked at.
type ledger struct {
	passed map[plumbing.Hash]*passed
	has    map[plumbing.Hash][]int // the versions that a commit has: several where it is broken
	list   []source.Version
	rank   []int64 // by version: when, but never before those it came from
}

// digest leaves of the commits those that made the thing what no parent had.
func (l *lineage) digest(head plumbing.Hash) source.Versions {
	d := &ledger{passed: l.passed, has: map[plumbing.Hash][]int{}}
	for todo := []plumbing.Hash{head}; len(todo) > 0; {
		hash := todo[len(todo)-1]
		waits := d.unknown(hash)
		if todo = append(todo, waits...); len(waits) > 0 {
			continue
		}
		todo = todo[:len(todo)-1]
		if _, known := d.has[hash]; !known {
			d.has[hash] = d.enter(d.passed[hash])
		}
	}
	return d.ordered(d.has[head], l.cut)
}

// unknown returns the parents of a commit that must be entered before it.
func (d *ledger) unknown(hash plumbing.Hash) []plumbing.Hash {
	var out []plumbing.Hash
	for _, parent := range d.passed[hash].behind {
		if _, known := d.has[parent]; !known {
			out = append(out, parent)
		}
	}
	return out
}

// enter returns the versions that a commit has, a new one where it made one.
func (d *ledger) enter(p *passed) []int {
	before := d.before(p)
	if p.site.Broken {
		return before
	}
	for _, n := range before {
		if d.same(n, p.site) {
			return []int{n}
		}
	}
	v := source.Version{
		Change: p.change(), At: time.Unix(p.when, 0), Present: p.site.Present,
		File: p.site.path, Line: p.site.Line, Text: p.site.Text,
	}
	rank := p.when
	for _, n := range before {
		if n == beyond {
			v.Edge = true
		}
		if n >= 0 {
			v.From = append(v.From, n)
			rank = max(rank, d.rank[n])
		}
	}
	d.list, d.rank = append(d.list, v), append(d.rank, rank)
	return []int{len(d.list) - 1}
}

// before returns the versions that the parents of a commit have.
func (d *ledger) before(p *passed) []int {
	var out []int
	for _, parent := range p.behind {
		for _, n := range d.has[parent] {
			if !slices.Contains(out, n) {
				out = append(out, n)
			}
		}
	}
	switch {
	case !p.wanted || len(p.parents) == 0:
		return []int{nothing}
	case p.edge || len(p.behind) < len(p.parents):
		return append(out, beyond)
	}
	return out
}

// same reports whether a version is what a commit declares.
func (d *ledger) same(n int, at site) bool {
	switch n {
	case nothing:
		return !at.Present
	case beyond:
		return false
	}
	return d.list[n].Present == at.Present && d.list[n].Text == at.Text
}

// ordered puts the newest first, and each before those it came from.
func (d *ledger) ordered(heads []int, cut bool) source.Versions {
	order := make([]int, len(d.list))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Or(cmp.Compare(d.rank[b], d.rank[a]), cmp.Compare(b, a)) })
	at := make([]int, len(order))
	out := source.Versions{Head: -1, Cut: cut}
	for to, from := range order {
		at[from] = to
		out.List = append(out.List, d.list[from])
	}
	for i := range out.List {
		from := make([]int, 0, len(out.List[i].From))
		for _, n := range out.List[i].From {
			from = append(from, at[n])
		}
		out.List[i].From = from
	}
	if len(heads) > 0 && heads[0] >= 0 {
		out.Head = at[heads[0]]
	}
	return out
}

package plan

import (
	"iter"
	"maps"
	"slices"

	"weir/sync/resource"
)

// Calm holds the resources of a plan with which nothing is to be done, and of
// which nothing is to be written down, until there is news of them: they are
// seen as declared, or were applied and not read yet. That time passes changes
// nothing. It is never changed: plans that follow each other share what both
// have. The zero value is empty.
type Calm struct {
	list resource.List[Change]
	sums map[Sum]int
}

// Sum is what is counted together.
type Sum struct {
	Source, Account, Kind string
	State                 State
}

func sumOf(c Change) Sum { return Sum{c.Origin.Source, c.ID.Account, c.ID.Kind, c.State} }

// calm reports whether c, made of a case, matters to nobody until there is news.
// What a kind with acts believes of a resource may end with time.
func (c Change) calm(of Case) bool {
	switch {
	case c.Action != None || c.Adopt || c.Record != nil || c.Unmade || c.Reason != "":
	case !c.Next.IsZero() || len(of.Acts) > 0 || of.Last != nil && len(of.Last.Heals) > 0:
	case c.State == InSync:
		return true
	case c.State == Unknown:
		return of.Seen == nil
	}
	return false
}

// Len returns the number of resources.
func (c Calm) Len() int { return c.list.Len() }

// edit returns c with edits made.
func (c Calm) edit(edits []resource.Edit[Change]) Calm {
	if len(edits) == 0 {
		return c
	}
	out := Calm{c.list.With(edits), maps.Clone(c.sums)}
	if out.sums == nil {
		out.sums = map[Sum]int{}
	}
	for before, after := range resource.Between(c.list, out.list) {
		out.count(before, -1)
		out.count(after, 1)
	}
	return out
}

func (c Calm) count(of *Change, n int) {
	if of == nil {
		return
	}
	sum := sumOf(*of)
	if c.sums[sum] += n; c.sums[sum] == 0 {
		delete(c.sums, sum)
	}
}

// addCalm counts n calm resources.
func (s *Summary) addCalm(state State, n int) {
	if state == InSync {
		s.Unchanged += n
	} else {
		s.Unknown += n
	}
}

// Len returns the number of resources that p speaks of.
func (p *Plan) Len() int { return len(p.Changes) + p.Calm.Len() }

// All yields what p says of every resource, ordered by ID.
func (p *Plan) All() iter.Seq[Change] {
	return func(yield func(Change) bool) {
		rest := p.Changes
		for id, c := range p.Calm.list.All() {
			for len(rest) > 0 && resource.Compare(rest[0].ID, id) < 0 {
				if !yield(rest[0]) {
					return
				}
				rest = rest[1:]
			}
			if !yield(c) {
				return
			}
		}
		for _, c := range rest {
			if !yield(c) {
				return
			}
		}
	}
}

// Flatten puts all that p holds into Changes.
func (p *Plan) Flatten() { p.Changes, p.Calm = slices.Collect(p.All()), Calm{} }

// Find returns what p says of id.
func (p *Plan) Find(id resource.ID) (Change, bool) {
	if i, ok := place(p.Changes, id); ok {
		return p.Changes[i], true
	}
	return p.Calm.list.Get(id)
}

// Put makes p say c of its resource.
func (p *Plan) Put(c Change) {
	i, ok := place(p.Changes, c.ID)
	if ok {
		p.Changes[i] = c
		return
	}
	p.Changes = slices.Insert(p.Changes, i, c)
	if _, calm := p.Calm.list.Get(c.ID); calm {
		p.Calm = p.Calm.edit([]resource.Edit[Change]{{ID: c.ID}})
	}
}

func place(changes []Change, id resource.ID) (int, bool) {
	return slices.BinarySearchFunc(changes, id, func(c Change, id resource.ID) int { return resource.Compare(c.ID, id) })
}

// Sums counts what p says of every resource.
func (p *Plan) Sums() map[Sum]int {
	out := maps.Clone(p.Calm.sums)
	if out == nil {
		out = map[Sum]int{}
	}
	for _, c := range p.Changes {
		out[sumOf(c)]++
	}
	return out
}

// Of returns the summary of the resources of one source.
func (p *Plan) Of(source string) Summary {
	var s Summary
	for _, c := range p.Changes {
		if c.Origin.Source == source {
			s.add(c)
		}
	}
	for of, n := range p.Calm.sums {
		if of.Source == source {
			s.addCalm(of.State, n)
		}
	}
	return s
}

// News yields what p says of each resource of which a former plan, nil for none,
// may have said something else: of all that matters, and of what has become calm.
func (p *Plan) News(former *Plan) iter.Seq[Change] {
	return func(yield func(Change) bool) {
		for _, c := range p.Changes {
			if !yield(c) {
				return
			}
		}
		for _, c := range resource.Between(former.orNone().Calm.list, p.Calm.list) {
			if c != nil && !yield(*c) {
				return
			}
		}
	}
}

// Gone yields the resources of which p says nothing any more.
func (p *Plan) Gone(former *Plan) iter.Seq[resource.ID] {
	return func(yield func(resource.ID) bool) {
		gone := func(id resource.ID) bool { _, still := p.Find(id); return !still }
		for _, c := range former.orNone().Changes {
			if gone(c.ID) && !yield(c.ID) {
				return
			}
		}
		for c := range resource.Between(former.orNone().Calm.list, p.Calm.list) {
			if c != nil && gone(c.ID) && !yield(c.ID) {
				return
			}
		}
	}
}

func (p *Plan) orNone() *Plan {
	if p == nil {
		return &Plan{}
	}
	return p
}

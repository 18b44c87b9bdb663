package gitsource

import (
	"github.com/go-git/go-git/v5/plumbing"

	"weir/sync/source"
)

// search finds out who took documents away: the newest commit whose parents
// have the document and that has it not. Unlike a walk it follows all parents
// that do not have it either.
type search struct {
	*route
	seen map[crossing]bool
}

func (g *search) run() {
	if !g.travel(g.visit) || len(g.seen) >= mostCrossings {
		return
	}
	for _, t := range g.trails {
		switch {
		case t.merged != source.Change{}:
			g.settle(t, t.merged)
		case t.other != source.Change{}:
			g.settle(t, t.other)
		}
	}
}

// loss counts the parents of a commit that have what it has not.
type loss struct{ this, any int }

func (g *search) visit(m *mirror, s *stop) {
	for at, trails := range s.trails {
		s.put(at, undone(trails))
	}
	if len(s.trails) == 0 {
		return
	}
	views, losses := 0, map[*trail]*loss{}
	for _, hash := range s.parents {
		v, ok := g.compare(m, s, hash)
		if !ok {
			continue
		}
		views++
		g.parent(m, s, v, losses)
	}
	for t, l := range losses {
		g.weigh(t, *l, views, s.change())
	}
}

// parent sends on the trails that do not end between the commit and this
// parent.
func (g *search) parent(m *mirror, s *stop, v view, losses map[*trail]*loss) {
	differs := make(map[string]change, len(v.changes))
	for _, c := range v.changes {
		differs[c.path] = c
	}
	on := map[string][]*trail{}
	for at, trails := range s.trails {
		c, ok := differs[at]
		if !ok {
			on[at] = undone(trails)
			continue
		}
		before, known := m.documents(g.tracer.limits, at, c.was)
		after, also := m.documents(g.tracer.limits, at, c.blob)
		if known && also {
			on[at] = g.across(before, after, trails, losses)
		}
	}
	for at, trails := range on {
		if on[at] = g.unseen(v.parent, trails); len(on[at]) == 0 {
			delete(on, at)
		}
	}
	g.send(v.parent, on)
}

// across notes what was lost between a parent and a commit, and returns the
// trails that go on.
func (g *search) across(before, after []document, trails []*trail, losses map[*trail]*loss) []*trail {
	var on []*trail
	lost := lacks(before, after)
	for _, t := range undone(trails) {
		l := losses[t]
		if l == nil {
			l = &loss{}
			losses[t] = l
		}
		if lost {
			l.any++
		}
		if has(before, t.text) && !has(after, t.text) {
			l.this++
			continue
		}
		on = append(on, t)
	}
	return on
}

// crossing is a trail at a commit.
type crossing struct {
	trail *trail
	hash  plumbing.Hash
}

// mostCrossings bounds what a search remembers.
const mostCrossings = 1_000_000

// unseen returns the trails that were not sent to a commit yet. Without it the
// branches of commits of one second would be gone through again and again.
func (g *search) unseen(s *stop, trails []*trail) []*trail {
	var left []*trail
	for _, t := range trails {
		c := crossing{t, s.hash}
		if !g.seen[c] && len(g.seen) < mostCrossings {
			g.seen[c] = true
			left = append(left, t)
		}
	}
	return left
}

// weigh decides what a commit is to a trail.
func (g *search) weigh(t *trail, l loss, parents int, c source.Change) {
	none := source.Change{}
	switch {
	case l.this == parents, t.text == digest{} && l.any == parents:
		g.settle(t, c)
		return
	case l.this > 0 && t.merged == none:
		t.merged = c
	}
	if l.any == parents && t.other == none {
		t.other = c
	}
}

// undone returns the trails that have no answer yet.
func undone(trails []*trail) []*trail {
	var left []*trail
	for _, t := range trails {
		if !t.done {
			left = append(left, t)
		}
	}
	return left
}

// lacks reports whether a document of before is not in after.
func lacks(before, after []document) bool {
	for _, d := range before {
		if !has(after, d.text) {
			return true
		}
	}
	return false
}

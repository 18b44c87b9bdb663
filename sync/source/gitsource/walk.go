package gitsource

import (
	"cmp"
	"container/heap"
	"context"

	"github.com/go-git/go-git/v5/plumbing"

	"weir/sync/source"
)

// trail is a target on its way back through history.
type trail struct {
	target
	at   string // path of the file, as the commit that was reached has it
	done bool
	// What answers for a document that is gone if nothing better is found: a
	// merge that took it away, a commit that took any document from the file.
	merged, other source.Change
}

// stop is a commit that trails have reached.
type stop struct {
	hash plumbing.Hash
	commit
	below  plumbing.Hash // tree of the manifests
	number int           // in the order in which they were reached
	trails map[string][]*trail
}

func (s *stop) change() source.Change {
	return source.Change{Commit: s.hash.String(), Author: s.author}
}

// stops is a heap, the newest commit first.
type stops []*stop

// Len returns how many there are.
func (q stops) Len() int { return len(q) }

// Less puts the newer commit first, of two of one second that reached first.
func (q stops) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(q[j].when, q[i].when), cmp.Compare(q[i].number, q[j].number)) < 0
}

// Swap swaps two.
func (q stops) Swap(i, j int) { q[i], q[j] = q[j], q[i] }

// Push adds one at the end.
func (q *stops) Push(x any) { *q = append(*q, x.(*stop)) } //nolint:forcetypeassert // of no other type

// Pop takes the last.
func (q *stops) Pop() any {
	old := *q
	last := old[len(old)-1]
	*q = old[:len(old)-1]
	return last
}

// route goes back through history from a commit.
type route struct {
	ctx    context.Context
	tracer *tracer
	from   plumbing.Hash
	answer func(target, source.Change)

	trails []*trail
	only   map[string]bool // folders that lead to any file that is followed
	queue  stops
	queued map[plumbing.Hash]*stop
	count  int // stops that were reached
}

func newRoute(ctx context.Context, t *tracer, from plumbing.Hash, answer func(target, source.Change)) *route {
	return &route{
		ctx: ctx, tracer: t, from: from, answer: answer,
		only: map[string]bool{}, queued: map[plumbing.Hash]*stop{},
	}
}

func (r *route) want(t target) {
	r.trails = append(r.trails, &trail{target: t, at: t.path})
	lead(r.only, t.path)
}

// travel visits commits until no trail is left, and reports whether it came to
// the end: of history, not of what is allowed.
func (r *route) travel(visit func(*mirror, *stop)) bool {
	if len(r.trails) == 0 {
		return true
	}
	start := map[string][]*trail{}
	for _, t := range r.trails {
		start[t.at] = append(start[t.at], t)
	}
	r.step(func(m *mirror) {
		if s := r.look(m, r.from); s != nil {
			r.send(s, start)
		}
	})
	for visits := 0; len(r.queue) > 0; visits++ {
		if visits >= r.tracer.most {
			r.giveUp()
			return false
		}
		s := heap.Pop(&r.queue).(*stop) //nolint:forcetypeassert // of no other type
		delete(r.queued, s.hash)
		r.recall(s)
		if !r.step(func(m *mirror) { visit(m, s) }) {
			return false
		}
	}
	return true
}

// step lets f use the mirror, and returns false where it cannot.
func (r *route) step(f func(*mirror)) bool {
	err := r.tracer.with(r.ctx, func(m *mirror) error {
		f(m)
		return nil
	})
	return err == nil && r.ctx.Err() == nil
}

// giveUp remembers that what is still looked for is too far back.
func (r *route) giveUp() {
	for _, t := range r.trails {
		if !t.done {
			r.tracer.known.remember(r.from, t.target, source.Change{})
		}
	}
}

// look returns a commit as a stop, nil where it is not known here.
func (r *route) look(m *mirror, hash plumbing.Hash) *stop {
	if s := r.queued[hash]; s != nil {
		return s
	}
	c, err := m.commit(hash)
	if err != nil {
		return nil
	}
	return &stop{hash: hash, commit: c, below: m.under(c.tree, r.tracer.below)}
}

// send lets trails go on to a commit.
func (r *route) send(s *stop, trails map[string][]*trail) {
	if len(trails) == 0 {
		return
	}
	if s.trails == nil {
		s.trails = trails
	} else {
		for at, some := range trails {
			s.trails[at] = join(s.trails[at], some)
		}
	}
	if r.queued[s.hash] == nil {
		r.count++
		s.number = r.count
		r.queued[s.hash] = s
		heap.Push(&r.queue, s)
	}
}

// join adds the trails that are not among all yet.
func join(all, some []*trail) []*trail {
	seen := make(map[*trail]bool, len(all))
	for _, t := range all {
		seen[t] = true
	}
	for _, t := range some {
		if !seen[t] {
			all = append(all, t)
		}
	}
	return all
}

// recall ends the trails whose answer is known as of this commit.
func (r *route) recall(s *stop) {
	answers := r.tracer.known.at[s.hash]
	if len(answers) == 0 {
		return
	}
	for at, trails := range s.trails {
		var left []*trail
		for _, t := range trails {
			if c, ok := answers[target{at, t.text, t.gone}]; ok {
				r.settle(t, c)
				continue
			}
			left = append(left, t)
		}
		s.put(at, left)
	}
}

// put sets the trails at a path.
func (s *stop) put(at string, trails []*trail) {
	if len(trails) == 0 {
		delete(s.trails, at)
		return
	}
	s.trails[at] = trails
}

// settle answers a trail, once.
func (r *route) settle(t *trail, c source.Change) {
	if t.done {
		return
	}
	t.done = true
	r.answer(t.target, c)
	r.tracer.known.remember(r.from, t.target, c)
}

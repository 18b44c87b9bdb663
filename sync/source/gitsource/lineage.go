package gitsource

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/go-git/go-git/v5/plumbing"

	"weir/sync/source"
)

// Versions returns the versions of a thing, as source.Lineage says. It looks at
// 100,000 commits at most, and follows a document from file to file.
func (s *Source) Versions(ctx context.Context, q source.Quest) (source.Versions, error) {
	return s.tracer.versions(ctx, q)
}

// Versions returns the versions of a thing, as that of Source does. At the edge
// of a shallow clone nobody knows what was before.
func (c *Checkout) Versions(ctx context.Context, q source.Quest) (source.Versions, error) {
	return c.tracer.versions(ctx, q)
}

var (
	_ source.Lineage = (*Source)(nil)
	_ source.Lineage = (*Checkout)(nil)
)

// site is where a commit declares the thing: a file, and what it has of it.
type site struct {
	path string // "" for nowhere
	source.Found
}

// passed is a commit that was looked at.
type passed struct {
	*stop
	site   site
	behind []plumbing.Hash // the parents that were looked at, or will be
	edge   bool            // some were not
	wanted bool            // what was before matters
}

// lineage goes back through history and notes at each commit what it declares.
type lineage struct {
	ctx    context.Context
	tracer *tracer
	quest  source.Quest
	passed map[plumbing.Hash]*passed
	queue  stops
	cut    bool
	err    error
}

func (t *tracer) versions(ctx context.Context, q source.Quest) (source.Versions, error) {
	if !plumbing.IsHash(q.Revision) {
		return source.Versions{}, fmt.Errorf("%q is not a commit's hash", q.Revision)
	}
	l := &lineage{ctx: ctx, tracer: t, quest: q, passed: map[plumbing.Hash]*passed{}}
	head := plumbing.NewHash(q.Revision)
	l.begin(head)
	for visits := 0; l.err == nil && len(l.queue) > 0; visits++ {
		s := heap.Pop(&l.queue).(*stop) //nolint:forcetypeassert // of no other type
		if l.cut = visits >= t.most; l.cut {
			break
		}
		l.step(func(m *mirror) error { return l.visit(m, l.passed[s.hash]) })
	}
	if errors.Is(l.err, context.DeadlineExceeded) {
		l.cut, l.err = true, nil
	}
	if l.err != nil || len(l.passed) == 0 {
		return source.Versions{}, l.err
	}
	return l.digest(head), nil
}

// step lets f use the mirror.
func (l *lineage) step(f func(*mirror) error) {
	l.err = l.tracer.with(l.ctx, func(m *mirror) error {
		return errors.Join(f(m), l.ctx.Err())
	})
}

// begin finds the thing in the revision that is asked of.
func (l *lineage) begin(head plumbing.Hash) {
	l.step(func(m *mirror) error {
		c, err := m.commit(head)
		if err != nil {
			return err
		}
		s := &stop{hash: head, commit: c, below: m.under(c.tree, l.tracer.below)}
		all, err := m.differences(l.ctx, l.tracer.limits, s.below, plumbing.ZeroHash, nil)
		if err != nil {
			return err
		}
		at, err := l.search(m, all, l.quest.File)
		l.want(l.pass(s, at))
		return err
	})
}

// pass notes what a commit declares.
func (l *lineage) pass(s *stop, at site) *passed {
	p := &passed{stop: s, site: at}
	l.passed[s.hash] = p
	s.number = len(l.passed)
	return p
}

// want queues a commit, once.
func (l *lineage) want(p *passed) {
	if !p.wanted {
		p.wanted = true
		heap.Push(&l.queue, p.stop)
	}
}

// visit finds out what the parents of a commit declare.
func (l *lineage) visit(m *mirror, p *passed) error {
	for _, hash := range p.parents {
		before := l.passed[hash]
		if before == nil {
			c, err := m.commit(hash)
			if err != nil {
				p.edge = true // of a shallow clone
				continue
			}
			s := &stop{hash: hash, commit: c, below: m.under(c.tree, l.tracer.below)}
			at, err := l.before(m, p, s)
			if err != nil {
				return err
			}
			before = l.pass(s, at)
		}
		p.behind = append(p.behind, hash)
		if l.quest.Whole || !p.site.Present || before.site != (site{}) {
			l.want(before)
		}
	}
	return nil
}

// before returns what a parent of p declares. Where p's file is the same there,
// so is the thing; otherwise it is in a file that p changed.
func (l *lineage) before(m *mirror, p *passed, parent *stop) (site, error) {
	if p.site.path != "" {
		only := map[string]bool{}
		lead(only, p.site.path)
		changes, err := m.differences(l.ctx, l.tracer.limits, parent.below, p.below, only)
		if err != nil {
			return site{}, err
		}
		i := slices.IndexFunc(changes, func(c change) bool { return c.path == p.site.path })
		if i < 0 {
			return p.site, nil
		}
		at, err := l.look(m, changes[i])
		if err != nil || at.path != "" {
			return at, err
		}
	}
	changes, err := m.differences(l.ctx, l.tracer.limits, parent.below, p.below, nil)
	if err != nil {
		return site{}, err
	}
	return l.search(m, changes, "")
}

// search looks for the thing in what files were before they changed, in the
// file named first if it is among them. What cannot be read counts only there.
func (l *lineage) search(m *mirror, changes []change, first string) (site, error) {
	byPath(changes)
	var broken site
	for _, own := range []bool{true, false} {
		for _, c := range changes {
			if (c.path == first) != own || c.was.IsZero() {
				continue
			}
			at, err := l.look(m, c)
			switch {
			case err != nil || at.Present:
				return at, err
			case own:
				broken = at
			}
		}
	}
	return broken, nil
}

// look looks for the thing in what a file was before it changed.
func (l *lineage) look(m *mirror, c change) (site, error) {
	if c.was.IsZero() {
		return site{}, nil
	}
	data, err := m.read(plumbing.BlobObject, c.was, l.tracer.limits.FileBytes)
	if errors.Is(err, errTooLarge) {
		return site{path: c.path, Found: source.Found{Broken: true}}, nil
	}
	if err != nil {
		return site{}, err
	}
	found := l.quest.Find(source.File{Path: c.path, Hash: c.was.String(), Data: data})
	if !found.Present && !found.Broken {
		return site{}, l.ctx.Err()
	}
	return site{c.path, found}, l.ctx.Err()
}

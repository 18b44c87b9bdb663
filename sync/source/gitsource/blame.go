package gitsource

import (
	"path"

	"github.com/go-git/go-git/v5/plumbing"
)

// walk finds out who made documents what they are. A trail goes from a commit
// to the first parent that has the document too, and ends where none has.
type walk struct{ *route }

func (w *walk) run() { w.travel(w.visit) }

// view is a commit compared with one of its parents.
type view struct {
	parent  *stop
	changes []change
}

func (w *walk) visit(m *mirror, s *stop) {
	whole := true // all parents were compared
	var views []view
	for _, hash := range s.parents {
		if len(s.trails) == 0 {
			return
		}
		v, ok := w.compare(m, s, hash)
		if !ok {
			whole = false
			continue
		}
		w.stay(m, s, v)
		views = append(views, v)
	}
	for _, v := range views {
		w.moved(m, s, v)
	}
	if !whole {
		return // the edge of a shallow clone made nothing
	}
	for _, trails := range s.trails {
		for _, t := range trails {
			w.settle(t, s.change())
		}
	}
}

func (r *route) compare(m *mirror, s *stop, parent plumbing.Hash) (view, bool) {
	p := r.look(m, parent)
	if p == nil {
		return view{}, false
	}
	changes, err := m.differences(r.ctx, r.tracer.limits, p.below, s.below, r.only)
	return view{p, changes}, err == nil
}

// stay sends on what the parent has at the same path.
func (w *walk) stay(m *mirror, s *stop, v view) {
	left := map[string][]*trail{}
	for _, c := range v.changes {
		trails := s.trails[c.path]
		if len(trails) == 0 {
			continue
		}
		docs, ok := m.documents(w.tracer.limits, c.path, c.was)
		if !ok {
			s.put(c.path, nil) // nobody knows
			continue
		}
		var same []*trail
		for _, t := range trails {
			if has(docs, t.text) {
				same = append(same, t)
			} else {
				left[c.path] = append(left[c.path], t)
			}
		}
		s.put(c.path, same)
	}
	w.send(v.parent, s.trails)
	s.trails = left
}

// moved sends on what the commit moved here from a path that it removed.
func (w *walk) moved(m *mirror, s *stop, v view) {
	var fresh []change
	for _, c := range v.changes {
		if c.was.IsZero() && len(s.trails[c.path]) > 0 {
			fresh = append(fresh, c)
		}
	}
	if len(fresh) == 0 {
		return
	}
	from := w.removed(m, s, v.parent)
	if from == nil {
		return
	}
	sent := map[string][]*trail{}
	for _, c := range fresh {
		var left []*trail
		for _, t := range s.trails[c.path] {
			was := from.origin(m, w.tracer.limits, c, t.text)
			if was == "" {
				left = append(left, t)
				continue
			}
			t.at = was
			lead(w.only, was)
			sent[was] = append(sent[was], t)
		}
		s.put(c.path, left)
	}
	w.send(v.parent, sent)
}

// leftovers is what a commit removed.
type leftovers struct {
	blobs map[plumbing.Hash][]string // paths by content, in order
	files []change
	texts map[digest][]string // by document; nil before they were read
}

// mostRemoved is how many files that one commit removed are read to find where
// a document of a new file came from.
const mostRemoved = 1_000

// removed returns what the commit removed, nil for nothing.
func (r *route) removed(m *mirror, s, parent *stop) *leftovers {
	all, err := m.differences(r.ctx, r.tracer.limits, parent.below, s.below, nil)
	if err != nil {
		return nil
	}
	byPath(all)
	l := &leftovers{blobs: map[plumbing.Hash][]string{}}
	for _, c := range all {
		if c.blob.IsZero() {
			l.files = append(l.files, c)
			l.blobs[c.was] = append(l.blobs[c.was], c.path)
		}
	}
	if len(l.files) == 0 {
		return nil
	}
	return l
}

// origin returns where a document of a new file was before, "" for nowhere.
func (l *leftovers) origin(m *mirror, limits Limits, c change, text digest) string {
	if was := alike(l.blobs[c.blob], c.path); was != "" {
		return was
	}
	if l.texts == nil {
		l.texts = map[digest][]string{}
		for _, f := range l.files[:min(len(l.files), mostRemoved)] {
			docs, _ := m.documents(limits, f.path, f.was)
			for _, d := range docs {
				l.texts[d.text] = append(l.texts[d.text], f.path)
			}
		}
	}
	return alike(l.texts[text], c.path)
}

// alike returns the path with the same last element, else the first.
func alike(paths []string, as string) string {
	for _, p := range paths {
		if path.Base(p) == path.Base(as) {
			return p
		}
	}
	if len(paths) == 0 {
		return ""
	}
	return paths[0]
}

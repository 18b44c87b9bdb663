package view

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"weir/sync/plan"
	"weir/sync/reconcile"
	"weir/sync/resource"
)

// List returns a page of the resources that a query selects, ordered by ID.
func (v *Viewer) List(q Query) List {
	out := List{Offset: q.Offset, Resources: []Row{}}
	shown := v.Loop.Shown()
	if shown.Plan == nil {
		return out
	}
	m, led := newMatcher(q), v.led()
	all := q.All()
	if all {
		for _, n := range shown.Plan.Sums() {
			out.Total += n
		}
	}
	found := 0
	for c := range shown.Plan.All() {
		if !m.matches(&c, shown) {
			continue
		}
		if found++; found > q.Offset && len(out.Resources) < q.Limit {
			out.Resources = append(out.Resources, led.Led(rowOf(c, shown.Failure(c.ID)), c.ID.Account))
		}
		if all && len(out.Resources) == q.Limit { // the others are counted already
			return out
		}
	}
	out.Total = found
	return out
}

// matcher is a Query made ready. It looks at a hundred thousand resources for a
// page, so it keeps what it has found out and the memory that it needs for that.
type matcher struct {
	Query
	text       string          // in lower case
	key, value string          // of the label
	files      map[string]bool // whether the text is in a file's name
	id         []byte          // of one resource, in lower case
}

func newMatcher(q Query) matcher {
	m := matcher{Query: q, text: strings.ToLower(q.Text), files: map[string]bool{}}
	m.key, m.value, _ = strings.Cut(q.Label, "=")
	return m
}

// All reports whether every resource is selected, on one page or another.
func (q Query) All() bool { return q == Query{Offset: q.Offset, Limit: q.Limit} }

func (m *matcher) matches(c *plan.Change, s reconcile.Shown) bool {
	return (m.Account == "" || c.ID.Account == m.Account) &&
		(m.Kind == "" || c.ID.Kind == m.Kind) &&
		(m.Source == "" || c.Origin.Source == m.Source) &&
		(m.State == "" || m.stands(c, s)) &&
		(m.Label == "" || m.labelled(c)) &&
		(m.text == "" || m.finds(c))
}

// stands reports whether the resource is in the state. No plan calls one Failed.
func (m *matcher) stands(c *plan.Change, s reconcile.Shown) bool {
	if _, failed := s.Failures[c.ID]; failed {
		return m.State == Failed
	}
	return State(c.State) == m.State
}

// labelled reports whether c carries the label with the value.
func (m *matcher) labelled(c *plan.Change) bool {
	value, ok := c.Labels[m.key]
	return ok && value == m.value
}

// finds looks for the text where a person would.
func (m *matcher) finds(c *plan.Change) bool {
	in, known := m.files[c.Origin.File]
	if !known {
		in = strings.Contains(strings.ToLower(c.Origin.File), m.text)
		m.files[c.Origin.File] = in
	}
	return in || m.named(c.ID) || strings.HasPrefix(c.Origin.Commit, m.text)
}

// named reports whether the text is in an identity. The parts of one are ASCII but
// for what an account is called.
func (m *matcher) named(id resource.ID) bool {
	m.id = m.id[:0]
	for _, part := range []string{id.Account, "/", id.Kind, "/", id.Key} {
		m.id = append(m.id, part...)
	}
	for i, c := range m.id {
		switch {
		case c >= utf8.RuneSelf:
			return strings.Contains(strings.ToLower(id.String()), m.text)
		case 'A' <= c && c <= 'Z':
			m.id[i] = c + 'a' - 'A'
		}
	}
	return bytes.Contains(m.id, []byte(m.text))
}

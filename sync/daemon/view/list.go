package view

import (
	"strings"

	"weir/sync/plan"
	"weir/sync/reconcile"
)

// List returns a page of the resources that a query selects, ordered by ID.
func (v *Viewer) List(q Query) List {
	out := List{Offset: q.Offset, Resources: []Row{}}
	shown := v.Loop.Shown()
	if shown.Plan == nil {
		return out
	}
	m := newMatcher(q)
	for c := range shown.Plan.All() {
		if !m.matches(c, shown) {
			continue
		}
		if out.Total++; out.Total > q.Offset && len(out.Resources) < q.Limit {
			out.Resources = append(out.Resources, rowOf(c, shown.Failure(c.ID)))
		}
	}
	return out
}

// matcher is a Query made ready.
type matcher struct {
	Query
	text       string // in lower case
	key, value string // of the label
}

func newMatcher(q Query) matcher {
	m := matcher{Query: q, text: strings.ToLower(q.Text)}
	m.key, m.value, _ = strings.Cut(q.Label, "=")
	return m
}

func (m *matcher) matches(c plan.Change, s reconcile.Shown) bool {
	return (m.Account == "" || c.ID.Account == m.Account) &&
		(m.Kind == "" || c.ID.Kind == m.Kind) &&
		(m.Source == "" || c.Origin.Source == m.Source) &&
		(m.State == "" || m.stands(c, s)) &&
		(m.Label == "" || c.Labels[m.key] == m.value && m.has(c)) &&
		(m.text == "" || m.finds(c))
}

// stands reports whether the resource is in the state.
func (m *matcher) stands(c plan.Change, s reconcile.Shown) bool {
	_, failed := s.Failures[c.ID]
	if m.State == Failed || failed {
		return failed && m.State == Failed
	}
	return State(c.State) == m.State
}

// has reports whether c carries the label at all.
func (m *matcher) has(c plan.Change) bool { _, ok := c.Labels[m.key]; return ok }

// finds looks for the text where a person would.
func (m *matcher) finds(c plan.Change) bool {
	return strings.Contains(strings.ToLower(c.ID.String()), m.text) ||
		strings.Contains(strings.ToLower(c.Origin.File), m.text) ||
		strings.HasPrefix(c.Origin.Commit, m.text)
}

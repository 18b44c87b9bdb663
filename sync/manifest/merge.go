package manifest

import (
	"slices"
	"strings"

	"weir/schema"
	"weir/sync/resource"
)

// merged is what the files of a snapshot came to together. It is kept, so that the
// next snapshot costs what has changed since. The zero value is of no files.
type merged struct {
	set      resource.Set
	at       register // where each identity is declared
	twins    bool     // some identity is declared more than once
	problems []Problem
	sums     sums
}

// sums counts what is in files.
type sums struct{ documents, errors, warnings, panics int }

func (s *sums) add(p *parsed, n int) {
	s.documents += n * p.documents
	s.errors += n * p.problems.errors
	s.warnings += n * p.problems.warnings
	if p.panicked {
		s.panics += n
	}
}

// put takes over what has changed and returns what files come to. Where an
// identity is or was declared more than once, which of its places counts depends
// on all files, and they are put together anew.
func (m *merged) put(files []known, changed []news) Result {
	if m.at == nil || m.twins || len(changed) > len(files)/2 || !m.update(changed) {
		return m.remake(files)
	}
	quiet := len(m.problems) == 0 && !slices.ContainsFunc(changed, func(n news) bool {
		return n.after != nil && n.after.problems.total > 0
	})
	if !quiet {
		m.problems = nil
		for _, f := range files {
			if f.result != nil {
				m.tell(f.result.problems)
			}
		}
	}
	return m.result()
}

// update changes the resources and counts. It reports whether no identity is
// declared more than once now; where one is, m has to be made anew.
func (m *merged) update(changed []news) bool {
	var edits []resource.Edit[resource.Resource]
	for _, n := range changed {
		if n.before == nil {
			continue
		}
		m.sums.add(n.before, -1)
		for i := range n.before.resources {
			res := &n.before.resources[i].Resource
			delete(m.at, Fold(res.ID))
			edits = append(edits, resource.Edit[resource.Resource]{ID: res.ID})
		}
	}
	for _, n := range changed {
		if n.after == nil {
			continue
		}
		m.sums.add(n.after, 1)
		for i := range n.after.resources {
			res := &n.after.resources[i].Resource
			if _, twice := m.at.add(res, 0); twice {
				return false
			}
			edits = append(edits, resource.Edit[resource.Resource]{ID: res.ID, Value: res})
		}
	}
	m.set = m.set.With(edits)
	return true
}

// remake puts the files together, in their order, and finds what is declared
// more than once.
func (m *merged) remake(files []known) Result {
	*m = merged{at: make(register, len(files))}
	list := make([]resource.Resource, 0, len(files))
	for _, f := range files {
		if f.result == nil {
			continue
		}
		problems := f.result.problems
		problems.list = slices.Clone(problems.list)
		for i := range f.result.resources {
			d := &f.result.resources[i]
			if first, twice := m.at.add(&d.Resource, 0); twice {
				m.twins = true
				m.sums.errors++
				problems.add(twiceAt(&d.Resource, first.res, "already", d.column))
				continue
			}
			list = append(list, d.Resource)
		}
		m.sums.add(f.result, 1)
		m.tell(problems)
	}
	var odd Result
	m.set = newSet(list, &odd)
	m.sums.errors += odd.Errors
	m.problems = append(m.problems, odd.Problems...)
	return m.result()
}

// tell adds the problems of one file.
func (m *merged) tell(problems tally) {
	problems.list = slices.Clone(problems.list)
	m.problems = append(m.problems, problems.shown()...)
}

func (m *merged) result() Result {
	return Result{
		Set: m.set, Problems: slices.Clone(m.problems), Documents: m.sums.documents, Errors: m.sums.errors,
		Warnings: m.sums.warnings, Panics: m.sums.panics,
	}
}

// newSet cannot fail: list has no two resources of one identity.
func newSet(list []resource.Resource, out *Result) resource.Set {
	set, err := resource.NewSet(list)
	if err != nil {
		out.Errors++
		out.Problems = append(out.Problems, Problem{Code: schema.CodeInternal, Message: err.Error(), Severity: Error})
	}
	return set
}

// Fold returns the identity under which two resources would collide: hosts have
// no case.
func Fold(id resource.ID) resource.ID {
	first, rest, more := strings.Cut(id.Key, "/")
	lower := strings.ToLower(first)
	switch {
	case lower == first:
	case more:
		id.Key = lower + "/" + rest
	default:
		id.Key = lower
	}
	return id
}

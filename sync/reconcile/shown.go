package reconcile

import (
	"cmp"
	"maps"
	"slices"

	"weir/sync/plan"
	"weir/sync/resource"
)

// Shown is the newest plan and what failed of it: what a reader shows of every
// resource. It is a value that no pass changes any more.
type Shown struct {
	Plan *plan.Plan // nil before the first
	// Failures are those of changes that are still due, by resource: tried again, or
	// about to be.
	Failures map[resource.ID]Failure
	// Failing counts them by account, kind, and what the plan calls the state of their
	// resource.
	Failing map[Group]int
}

// Group is the resources of an account and kind that are in a state.
type Group struct {
	Account, Kind string
	State         plan.State
}

// Failure returns how the last change of a resource failed, nil where it did not.
func (s Shown) Failure(id resource.ID) *Failure {
	if f, failed := s.Failures[id]; failed {
		return &f
	}
	return nil
}

// firstFailures returns as many failures as a Status lists, ordered by resource.
func (s Shown) firstFailures() []Failure {
	out := slices.SortedFunc(maps.Values(s.Failures), func(a, b Failure) int { return cmp.Compare(a.ID, b.ID) })
	return out[:min(len(out), failuresShown)]
}

// Shown returns what the last pass left.
func (r *Reconciler) Shown() Shown {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.shown
}

// Changed returns a channel that is closed when there is something else to show.
// Whoever asks for it before looking misses nothing.
func (r *Reconciler) Changed() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.changed
}

// tellChanged wakes those who show what there is. The caller holds r.mu.
func (r *Reconciler) tellChanged() {
	close(r.changed)
	r.changed = make(chan struct{})
}

// showing returns what is to be shown of p.
func (r *Reconciler) showing(p *plan.Plan) Shown {
	s := Shown{Plan: p, Failures: map[resource.ID]Failure{}, Failing: map[Group]int{}}
	for id, f := range r.failures {
		c, known := p.Find(id)
		if !known || !c.Due() || f.spec != c.After {
			continue
		}
		s.Failures[id] = Failure{ID: id.String(), Code: f.code, Error: f.why, Attempts: f.count, Retries: f.until}
		s.Failing[Group{id.Account, id.Kind, c.State}]++
	}
	return s
}

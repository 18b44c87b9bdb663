package reconcile

import (
	"slices"
	"time"

	"weir/sync/plan"
	"weir/sync/resource"
)

// Detail is all that the loop knows of one resource.
type Detail struct {
	Change   plan.Change        // as the newest plan has it
	Declared *resource.Resource // in normal form; nil where nothing declares it
	// Since is when this process met what is declared, zero where the first pass
	// after it has not ended.
	Since time.Time
	// Revision is the one of its source that is in force.
	Revision string
	Seen     resource.Observation
	Known    bool           // Seen is what the cloud held, and nothing was written since
	Readable bool           // its kind can be read: else Seen only tells whether it is on air
	Acts     []resource.Act // ordered by name
	Failure  *Failure       // of a change that is still due
}

// Detail returns what is known of a resource, and whether the newest plan speaks
// of it.
func (r *Reconciler) Detail(id resource.ID) (Detail, bool) {
	d, ok := r.detailOf(id)
	if !ok {
		return Detail{}, false
	}
	d.Acts = r.actsOf(id)
	d.Seen, d.Known, d.Since = r.sights.of(id)
	d.Readable = r.kinds[id.Account][id.Kind].Readable
	return d, true
}

// detailOf returns what the newest plan and the declarations in force say of a
// resource, and whether the plan speaks of it.
func (r *Reconciler) detailOf(id resource.ID) (d Detail, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.shown.Plan == nil {
		return d, false
	}
	d.Change, ok = r.shown.Plan.Find(id)
	d.Failure, d.Revision = r.shown.Failure(id), r.forceOf(d.Change.Origin.Source)
	if res, declared := r.desired.set.Get(id); declared {
		d.Declared = &res
	}
	return d, ok
}

// actsOf returns the acts of a resource as the last pass had them.
func (r *Reconciler) actsOf(id resource.ID) []resource.Act {
	r.recalling.Lock()
	defer r.recalling.Unlock()
	return slices.Clone(r.replica.acts.of[id])
}

// of returns what was last seen of a resource, whether that counts, and since when
// its declaration is known.
func (s *sights) of(id resource.ID) (seen resource.Observation, known bool, since time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.at[id]
	if one == nil {
		return resource.Observation{ID: id}, false, time.Time{}
	}
	return one.seen, one.known, one.declared
}

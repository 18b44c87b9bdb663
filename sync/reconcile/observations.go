package reconcile

import (
	"iter"
	"slices"
	"time"

	"weir/sync/plan"
	"weir/sync/resource"
)

// atOnce is how many observations are copied at a time for one who reads them
// slowly.
const atOnce = 500

// Observations yields what was last seen of each resource, of one account or of
// all with "", ordered by ID, while passes and the scrub go on. What was written
// since, or was not read yet, is left out.
func (r *Reconciler) Observations(account string) iter.Seq[resource.Observation] {
	k := r.sights
	k.mu.Lock()
	all := slices.Clone(k.all)
	k.mu.Unlock()
	slices.SortFunc(all, func(a, b *sight) int { return resource.Compare(a.id, b.id) })
	return func(yield func(resource.Observation) bool) {
		for part := range slices.Chunk(all, atOnce) {
			for _, o := range k.copied(part, account) {
				if !yield(o) {
					return
				}
			}
		}
	}
}

// copied returns what is known of the resources of an account in part.
func (s *sights) copied(part []*sight, account string) []resource.Observation {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []resource.Observation
	for _, one := range part {
		if one.known && s.at[one.id] == one && (account == "" || one.id.Account == account) {
			out = append(out, one.seen)
		}
	}
	return out
}

// Cached says which part of a plan rests on what another process has read.
type Cached struct {
	Resources int       `json:"resources"` // that were not read for this plan
	Oldest    time.Time `json:"oldest"`    // when the first of them was read, zero for none
}

// TakeOver lets Plan use observations that another process has made, instead of
// reading. What could not be read then, and what weir has written since, as the
// store knows it, is read all the same.
func (r *Reconciler) TakeOver(seen iter.Seq[resource.Observation]) {
	r.offered = map[resource.ID]resource.Observation{}
	r.cached = &Cached{}
	for o := range seen {
		r.offered[o.ID] = o
	}
}

// Cached returns how much of the last plan rests on what was taken over, nil where
// nothing was offered.
func (r *Reconciler) Cached() *Cached { return r.cached }

// lacking returns what of list is to be read, and takes over the rest.
func (r *Reconciler) lacking(list []resource.Resource, m memory) []resource.Resource {
	if r.cached == nil {
		return list
	}
	*r.cached = Cached{}
	var out []resource.Resource
	for _, res := range list {
		o, ok := r.offered[res.ID]
		if !ok || o.Unreadable != "" || o.At.Before(m.touched(res.ID)) {
			out = append(out, res)
			continue
		}
		r.seen.put(res.ID, o)
		r.cached.Resources++
		r.cached.Oldest = plan.Earliest(r.cached.Oldest, o.At)
	}
	return out
}

// touched returns when weir last wrote a resource, as the store knows it, zero for
// never.
func (m memory) touched(id resource.ID) time.Time {
	at := m.last[id].At
	for _, a := range m.acts[id] {
		at = later(at, later(a.Begun, a.Done))
	}
	return at
}

package reconcile

import (
	"sync"

	"weir/sync/resource"
)

// inbox is where those who work beside the passes leave what they found, until
// the next pass takes it.
type inbox struct {
	mu   sync.Mutex
	seen map[resource.ID]resource.Observation
}

// deliver leaves observations for the next pass and asks for one.
func (r *Reconciler) deliver(seen []resource.Observation) {
	r.leave(seen)
	r.MarkDirty()
}

// leave leaves observations for the next pass, whenever that is. An older one of a
// resource does not replace a newer one.
func (r *Reconciler) leave(seen []resource.Observation) {
	b := &r.inbox
	b.mu.Lock()
	if b.seen == nil {
		b.seen = map[resource.ID]resource.Observation{}
	}
	for _, o := range seen {
		if old, ok := b.seen[o.ID]; !ok || !old.At.After(o.At) {
			b.seen[o.ID] = o
		}
	}
	b.mu.Unlock()
}

// empty takes over what was delivered. What this process has written or read
// since is not replaced by what was read before.
func (r *Reconciler) empty() {
	b := &r.inbox
	b.mu.Lock()
	seen := b.seen
	b.seen = nil
	b.mu.Unlock()
	for id, o := range seen {
		if old, ok := r.seen[id]; r.sights.stands(o) && (!ok || !old.At.After(o.At)) {
			r.seen[id] = o
		}
	}
}

package reconcile

import (
	"maps"

	"weir/sync/resource"
)

// noted is a map by resource that notes of which ones it has come to say something
// else: a pass decides again about those alone. It is read in of, and changed by
// put and drop.
type noted[V any] struct {
	of      map[resource.ID]V
	touched map[resource.ID]bool
}

func newNoted[V any]() noted[V] {
	return noted[V]{of: map[resource.ID]V{}, touched: map[resource.ID]bool{}}
}

func (n *noted[V]) put(id resource.ID, v V) {
	n.of[id], n.touched[id] = v, true
}

func (n *noted[V]) drop(id resource.ID) {
	if _, there := n.of[id]; there {
		n.touched[id] = true
		delete(n.of, id)
	}
}

// take adds what was touched to all, and begins anew.
func (n *noted[V]) take(all map[resource.ID]bool) {
	maps.Copy(all, n.touched)
	clear(n.touched)
}

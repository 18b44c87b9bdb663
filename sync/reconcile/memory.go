package reconcile

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"weir/sync/resource"
	"weir/sync/state"
)

// memory is what the store remembers.
type memory struct {
	last   map[resource.ID]resource.Applied
	acts   map[resource.ID][]resource.Act
	owners map[string]int // how many records there are by source, of kinds that are configured; nil: not counted
	told
}

// replica is what the store remembers as of a cursor. It is kept between passes and
// brought up to date with what this process, or another, has written since.
type replica struct {
	next    state.Cursor
	last    noted[resource.Applied]
	acts    noted[[]resource.Act]
	owners  map[string]int
	shelves bool // at the last pass some records were left alone
}

func newReplica() replica {
	return replica{last: newNoted[resource.Applied](), acts: newNoted[[]resource.Act](), owners: map[string]int{}}
}

// follow takes over what was written. Counted says whether the record of a
// resource counts as owned.
func (k *replica) follow(c state.Changes, counted func(resource.ID) bool) {
	if c.Whole {
		*k = newReplica()
	}
	for _, one := range c.Known {
		k.count(one.ID, -1, counted)
		if k.last.drop(one.ID); one.Applied != nil {
			k.last.put(one.ID, *one.Applied)
		}
		if k.acts.drop(one.ID); len(one.Acts) > 0 {
			k.acts.put(one.ID, one.Acts)
		}
		k.count(one.ID, 1, counted)
	}
	k.next = c.Next
}

// count counts the record of id, or takes it back.
func (k *replica) count(id resource.ID, n int, counted func(resource.ID) bool) {
	if last, ok := k.last.of[id]; ok && counted(id) {
		if k.owners[last.Origin.Source] += n; k.owners[last.Origin.Source] == 0 {
			delete(k.owners, last.Origin.Source)
		}
	}
}

// remember brings the replica of the store up to date, and returns it.
func (r *Reconciler) remember(ctx context.Context) (memory, error) {
	changes, err := r.opts.Store.Changes(ctx, r.replica.next)
	if err != nil {
		return memory{}, fmt.Errorf("read what was last applied: %w", err)
	}
	r.recalling.Lock()
	r.replica.follow(changes, func(id resource.ID) bool { return r.judge(id) != nil })
	r.recalling.Unlock()
	if changes.Whole {
		r.ledger.Forget()
	}
	m := memory{last: r.replica.last.of, acts: r.replica.acts.of, owners: r.replica.owners}
	r.shelve(&m)
	if err := r.recallWritten(ctx, m); err != nil {
		return m, err
	}
	m.told, err = r.whatWasTold(ctx)
	return m, err
}

// shelve leaves out of m the records of sources of which nothing is in force
// because their revision was rolled back.
func (r *Reconciler) shelve(m *memory) {
	shelves := slices.ContainsFunc(r.feeds, (*feed).shelves)
	if shelves || r.replica.shelves {
		r.ledger.Forget()
	}
	if r.replica.shelves = shelves; !shelves {
		return
	}
	m.last, m.owners = maps.Clone(m.last), nil
	maps.DeleteFunc(m.last, func(_ resource.ID, rec resource.Applied) bool { return r.shelved(rec) })
}

// owned counts the records by source.
func (r *Reconciler) owned(m memory) map[string]int {
	if m.owners != nil {
		return maps.Clone(m.owners)
	}
	out := map[string]int{}
	for id, last := range m.last {
		if r.judge(id) != nil {
			out[last.Origin.Source]++
		}
	}
	return out
}

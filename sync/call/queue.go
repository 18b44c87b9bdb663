package call

import (
	"container/list"
	"time"
)

// LongestEvery is the number of slots of an operation of which one goes to the
// call that has waited longest, whatever its priority: nobody is starved.
const LongestEvery = 20

// levels is the number of priorities.
const levels = int(Urgent-Scrub) + 1

// queue is the calls that wait for one operation: the higher priority first, and
// within one the one that came first. The zero value is empty.
type queue struct {
	levels  [levels]list.List // of *waiter, the highest priority first
	arrived int64
}

// waiter is a call that waits for its slots.
type waiter struct {
	level   int
	arrival int64
	since   time.Time
	place   *list.Element
	asks    chan struct{} // tells it to ask for all that wait; has room for it
	ready   chan struct{} // closed when it has its ticket
	ticket  ticket
	served  bool
}

// priority is the waiter's, brought into the range there is.
func (w *waiter) priority() Priority { return priorityOf(w.level) }

// push adds a call that comes now.
func (q *queue) push(p Priority, now time.Time) *waiter {
	q.arrived++
	w := &waiter{
		level: int(Urgent - min(max(p, Scrub), Urgent)), arrival: q.arrived, since: now,
		asks: make(chan struct{}, 1), ready: make(chan struct{}),
	}
	w.place = q.levels[w.level].PushBack(w)
	return w
}

// remove takes a call out, if it is in.
func (q *queue) remove(w *waiter) { q.levels[w.level].Remove(w.place) }

// best returns the call whose turn it is by priority, nil where none waits.
func (q *queue) best() *waiter {
	for i := range q.levels {
		if w := first(&q.levels[i]); w != nil {
			return w
		}
	}
	return nil
}

// longest returns the call that has waited longest, nil where none waits.
func (q *queue) longest() *waiter {
	var found *waiter
	for i := range q.levels {
		if w := first(&q.levels[i]); w != nil && (found == nil || w.arrival < found.arrival) {
			found = w
		}
	}
	return found
}

// grant gives a ticket to the best call, or to the one that has waited longest,
// which leaves the queue.
func (q *queue) grant(t ticket, longest bool) {
	w := q.best()
	if longest {
		w = q.longest()
	}
	q.remove(w)
	w.ticket, w.served = t, true
	close(w.ready)
}

// first returns the first waiter of a level.
func first(level *list.List) *waiter {
	if e := level.Front(); e != nil {
		if w, ok := e.Value.(*waiter); ok {
			return w
		}
	}
	return nil
}

// lengths returns how many calls wait, by priority.
func (q *queue) lengths() map[Priority]int {
	lengths := make(map[Priority]int, levels)
	for i := range q.levels {
		lengths[priorityOf(i)] = q.levels[i].Len()
	}
	return lengths
}

// priorityOf returns the priority of a level.
func priorityOf(level int) Priority { return Urgent - Priority(level) } //nolint:gosec // below levels

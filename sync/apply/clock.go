package apply

import (
	"container/heap"
	"time"
)

// clock lets things happen at virtual times, in their order; of one time, in the
// order in which they were set.
type clock struct {
	now  time.Duration
	last time.Duration // when an answer last came
	open int           // calls of ours that have no answer yet
	set  int
	next events
}

// event is something that happens.
type event struct {
	at    time.Duration
	order int
	do    func()
}

// after lets something happen later.
func (c *clock) after(d time.Duration, do func()) {
	c.set++
	heap.Push(&c.next, event{c.now + max(0, d), c.set, do})
}

// run lets time pass until every call has its answer.
func (c *clock) run() {
	for c.open > 0 && len(c.next) > 0 {
		e, _ := heap.Pop(&c.next).(event)
		c.now = e.at
		e.do()
	}
}

// events are ordered as container/heap keeps them.
type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].order < e[j].order
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }

// Push is the heap's.
func (e *events) Push(v any) {
	if v, ok := v.(event); ok {
		*e = append(*e, v)
	}
}

// Pop is the heap's.
func (e *events) Pop() any {
	last := len(*e) - 1
	v := (*e)[last]
	(*e)[last] = event{}
	*e = (*e)[:last]
	return v
}

package call

import (
	"slices"
	"time"
)

// Past is a call that was made before its limiter was: by a process that ended
// or by one that runs beside this one.
type Past struct {
	Operation string
	Opened    time.Time
	Closed    time.Time // zero where nobody wrote down how it ended
}

// Recall makes calls of the past count. A process that begins right after
// another ended would else send a second helping of every quota within one
// window. It is for a limiter that has made no calls yet.
func (l *Limiter) Recall(calls ...Past) {
	now := time.Now()
	calls = slices.Clone(calls)
	for i, c := range calls {
		calls[i].Closed = earliest(c.Closed, now)
		calls[i].Opened = earliest(c.Opened, now)
	}
	slices.SortFunc(calls, func(a, b Past) int { return a.end().Compare(b.end()) })
	for _, c := range calls {
		l.operation(c.Operation).recall(c)
	}
}

// earliest returns t, or now where t is still to come: a clock that was set
// back must not hold a slot for longer than its window.
func earliest(t, now time.Time) time.Time {
	if t.After(now) {
		return now
	}
	return t
}

// end returns when the call ended as far as that is known.
func (p Past) end() time.Time {
	if p.Closed.IsZero() {
		return p.Opened
	}
	return p.Closed
}

// recall holds the slots of a call of the past. How it ended is not asked: it
// gets no credit, and one without an end may still be on its way.
func (o *operation) recall(p Past) {
	o.mu.Lock()
	defer o.mu.Unlock()
	end := p.end().Add(o.early()) // the shared budget may not know of it
	o.hold(end, ending{answered: !p.Closed.IsZero()})
}

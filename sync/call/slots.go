package call

import (
	"container/list"
	"context"
	"sync"
	"time"
)

// The quota is kept with slots, not with tokens: a token bucket counts
// departures, and the server counts arrivals. Here a call holds a slot of each
// of its operation's windows from before it is sent until
//
//	free = done + Per + margin - credit
//
// where done is when its answer had arrived. Why that is exact: let A and B be
// two calls that hold the same slot one after the other.
//
//	A arrived at the latest at     done(A) - back(A)     its answer took back(A)
//	B arrives at the earliest at   free(A) + forth(B)    it travels for forth(B)
//	so they arrive apart by        Per + margin - credit + back(A) + forth(B)
//
// which is above Per while credit <= back(A) + forth(B). With credit 0 nothing
// is assumed of the network at all; how much credit is taken, and on which
// evidence, see roundTrips.credit. A window with n slots that let n+1 calls
// arrive within one Per would, by the pigeonhole principle, have had two of
// them in one slot, which arrive more than Per apart. It does not matter how
// long a call lies between slot and sending (the journal's write, a dial, a
// new TLS session): the slot covers the sending whenever it happens.
//
// A call that was given up (time-out, reset, cancelled) may still be under way,
// so it gets no credit and holds its slot for stray longer: a request reaches
// the server at most that long after weir let go of it.
//
// No limiter that is exact can have more than n calls without an answer, since
// each may arrive at any moment until then; so beyond a round trip of one Per
// the share of the quota that can be used is Per/RTT.
const (
	stray     = 2 * time.Second
	minMargin = time.Millisecond
	// slewed is the part of a window added to it as margin: two clocks that
	// are being adjusted run apart by at most 500 ppm each.
	slewed = 1000
)

// window is one quota of an operation and the calls that count against it.
type window struct {
	Window      // effective: documented or overridden, times the share
	ceiling int // slots that may be used now, at most Limit
	// done is when calls ended whose slots are not free yet, by the way they
	// ended, each oldest first.
	done [ways][]time.Time
}

// The ways a call ends that holds its slot for a while.
const (
	measured   = iota // answered, and its round trip is known: credit
	unmeasured        // answered: no credit
	givenUp           // no answer: it may still be on its way
	ways
)

// holds returns how long after its end a call keeps its slot.
func (w *window) holds(way int, credit time.Duration) time.Duration {
	switch way {
	case measured:
		return w.Hold() - credit
	case unmeasured:
		return w.Hold()
	default:
		return w.Hold() + stray
	}
}

// expire frees the slots whose time has come and returns how many are taken.
func (w *window) expire(now time.Time, credit time.Duration) int {
	taken := 0
	for way := range w.done {
		w.done[way] = after(w.done[way], now.Add(-w.holds(way, credit)))
		taken += len(w.done[way])
	}
	return taken
}

// after returns the part of the ordered times that is later than t.
func after(times []time.Time, t time.Time) []time.Time {
	for len(times) > 0 && !times[0].After(t) {
		times = times[1:]
	}
	return times
}

// next returns when the next slot becomes free, zero where none is due.
func (w *window) next(credit time.Duration) time.Time {
	var t time.Time
	for way, done := range w.done {
		if len(done) > 0 {
			t = earlier(t, done[0].Add(w.holds(way, credit)))
		}
	}
	return t
}

// earlier returns the earlier of two times, of which zero means never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}

// operation is the queue and the windows of one operation of one account.
type operation struct {
	mu      sync.Mutex
	windows []*window
	flying  int       // calls that hold slots and have not ended
	waiting list.List // of *waiter, first come first served
	timer   *time.Timer
	trips   roundTrips
	cuts    int       // times it was throttled
	given   time.Time // when slots were last taken away or given back
	outage  time.Time // when the last outage ended, zero when its ramp is over
	sharing *sharing  // nil where nobody else draws on the budget
}

// waiter is a call that waits for a slot.
type waiter struct {
	ready   chan struct{} // closed when it has one
	granted bool
	cuts    int
}

// ticket is the right to make one call.
type ticket struct {
	cuts int // the operation's when the slot was taken
}

// acquire waits for a slot in every window. Its error is ctx's, and then no
// slot is held.
func (o *operation) acquire(ctx context.Context) (ticket, error) {
	if err := ctx.Err(); err != nil {
		return ticket{}, err
	}
	o.mu.Lock()
	if o.waiting.Len() == 0 && o.take(time.Now()) {
		defer o.mu.Unlock()
		return ticket{cuts: o.cuts}, nil
	}
	w := &waiter{ready: make(chan struct{})}
	place := o.waiting.PushBack(w)
	o.dispatch()
	o.mu.Unlock()
	select {
	case <-w.ready:
	case <-ctx.Done():
	}
	if err := ctx.Err(); err != nil {
		o.abandon(place)
		return ticket{}, err
	}
	return ticket{cuts: w.cuts}, nil
}

// abandon gives up a place in the queue, or the slot it led to.
func (o *operation) abandon(place *list.Element) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if w, ok := place.Value.(*waiter); ok && w.granted {
		o.flying--
	} else {
		o.waiting.Remove(place)
	}
	o.dispatch()
}

// take takes a slot in every window, or in none.
func (o *operation) take(now time.Time) bool {
	credit := o.trips.credit(now)
	o.recover(now)
	for _, w := range o.windows {
		if o.flying+w.expire(now, credit) >= o.slots(w, now) {
			return false
		}
	}
	o.flying++
	return true
}

// dispatch serves the queue as far as there are slots and sets the timer for
// the rest. One timer serves all waiters.
func (o *operation) dispatch() {
	now := time.Now()
	for o.waiting.Len() > 0 && o.take(now) {
		if w, ok := o.waiting.Remove(o.waiting.Front()).(*waiter); ok {
			w.granted, w.cuts = true, o.cuts
			close(w.ready)
		}
	}
	if o.timer != nil {
		o.timer.Stop()
	}
	if o.waiting.Len() == 0 {
		return
	}
	if wake := o.wake(now); !wake.IsZero() {
		o.timer = time.AfterFunc(wake.Sub(now), o.tick)
	}
}

// tick is the timer's.
func (o *operation) tick() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.dispatch()
}

// wake returns when there may be another slot, zero where only a call's end
// can make one.
func (o *operation) wake(now time.Time) time.Time {
	credit := o.trips.credit(now)
	var t time.Time
	for _, w := range o.windows {
		if next := w.next(credit); next.After(now) {
			t = earlier(t, next)
		}
		if w.ceiling < w.Limit {
			t = earlier(t, o.given.Add(giveBack))
		}
		if !o.outage.IsZero() {
			t = earlier(t, now.Add(rampTime/time.Duration(w.Limit)))
		}
	}
	return t
}

// ending says how a call ended, as far as its slot is concerned.
type ending struct {
	unsent    bool          // it never left: the slot is free at once
	answered  bool          // the server's answer was seen
	throttled bool          // the cloud says that it was one too many
	rtt       time.Duration // 0 where it was not measured
}

// release ends a call.
func (o *operation) release(t ticket, e ending) {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	o.flying--
	if !e.unsent {
		o.hold(now, e)
	}
	if e.throttled && t.cuts == o.cuts {
		o.halve(now)
	}
	o.dispatch()
}

// hold keeps the slots of a call that ended at now.
func (o *operation) hold(now time.Time, e ending) {
	if e.way() == measured {
		o.trips.add(now, e.rtt)
	}
	for _, w := range o.windows {
		w.done[e.way()] = append(w.done[e.way()], now)
	}
}

// way returns which of the ways it is.
func (e ending) way() int {
	switch {
	case !e.answered:
		return givenUp
	case e.rtt <= 0:
		return unmeasured
	default:
		return measured
	}
}

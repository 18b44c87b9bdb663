package call

import (
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
// the share of the quota that can be used is Per/RTT, however many callers there
// are: half of a quota by the second at two seconds. Whoever makes n calls at a
// time, or more, gets all there is.
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

// operation is the queue and the windows of one operation of one account. A call
// gets its slots of all of them together, and with them one of the budget that is
// shared, where there is one. That one is drawn by one waiter at a time, the
// asker, which holds a local slot for it: so no more than that one is held by
// somebody who waits for other processes. Slots of one operation are alike: the
// one that is drawn goes to whoever is best when it arrives.
type operation struct {
	name    string
	mu      sync.Mutex
	windows []*window
	// documented are the documented windows that those in force may exceed.
	documented []*window
	ahead      int // calls that are foreseen and have no slot yet, 0 where nobody says
	flying     int // calls that hold slots and have not ended, and the asker
	queue      queue
	taken      int64 // slots taken until now, where they are not shared
	asker      *waiter
	asked      Priority // what it asked for
	anew       func()   // makes it ask anew
	timer      *time.Timer
	trips      roundTrips
	cuts       int       // times it was throttled
	throttled  uint64    // answers that said so
	given      time.Time // when slots were last taken away or given back
	outage     time.Time // when the last outage ended, zero when its ramp is over
	sharing    *sharing  // nil where nobody else draws on the budget
}

// ticket is the right to make one call.
type ticket struct {
	cuts   int   // the operation's when the slot was taken
	number int64 // of the slot, where it is not shared
	slot   Slot  // of the shared budget, nil where there is none
	within bool  // the documented quota, see document
}

// acquire waits for a slot in every window and of the shared budget. Its error is
// ctx's, and then no slot is held.
func (o *operation) acquire(ctx context.Context, p Priority) (ticket, error) {
	if err := ctx.Err(); err != nil {
		return ticket{}, err
	}
	w, t := o.enter(p)
	if w == nil {
		return t, nil
	}
	defer func() {
		if w != nil {
			o.leave(w)
		}
	}()
	for ctx.Err() == nil {
		select {
		case <-w.asks:
			o.ask(ctx)
		case <-w.ready:
			if ctx.Err() == nil {
				t, w = w.ticket, nil
				return t, nil
			}
		case <-ctx.Done():
		}
	}
	return ticket{}, ctx.Err()
}

// enter takes a slot where one is free and nobody waits, or a place in the queue.
func (o *operation) enter(p Priority) (*waiter, ticket) {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	if o.sharing == nil && o.queue.best() == nil && o.take(now) {
		return nil, o.ticket(nil)
	}
	w := o.queue.push(p, now)
	if o.anew != nil && w.priority() > o.asked {
		o.anew()
	}
	o.dispatch()
	return w, ticket{}
}

// leave gives up a place in the queue, or the slots it led to.
func (o *operation) leave(w *waiter) {
	o.mu.Lock()
	if w.served {
		o.flying--
	} else {
		o.queue.remove(w)
	}
	if o.asker == w {
		o.asker = nil
		o.flying--
	}
	o.dispatch()
	o.mu.Unlock()
	if slot := w.ticket.slot; slot != nil {
		slot.Give(End{Unsent: true})
	}
}

// ticket returns the right to a call for which local slots are taken.
func (o *operation) ticket(slot Slot) ticket {
	o.taken++
	within := o.within(time.Now()) && (slot == nil || slot.Within())
	return ticket{cuts: o.cuts, number: o.taken, slot: slot, within: within}
}

// ask draws a slot of the shared budget for the best of those that wait, on behalf
// of the asker. It ends without one when ctx does, or when somebody of a higher
// priority has come, for whom there is another asker then.
func (o *operation) ask(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var slot Slot
	defer func() { o.answer(slot) }() // a panic leaves none behind
	o.mu.Lock()
	o.asked, o.anew = o.queue.best().priority(), cancel
	o.mu.Unlock()
	slot = o.draw(ctx)
}

// answer ends the asker's turn, with the slot it has drawn or nil.
func (o *operation) answer(slot Slot) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asker, o.anew = nil, nil
	if slot == nil {
		o.flying--
	} else {
		o.ahead = max(0, o.ahead-1)
		o.queue.grant(o.ticket(slot), slot.Longest()) // the asker waits, if nobody else
	}
	o.dispatch()
}

// take takes a slot in every window, or in none.
func (o *operation) take(now time.Time) bool {
	credit := o.trips.credit(now)
	o.recover(now)
	for _, w := range o.windows {
		if o.flying+w.expire(now.Add(o.early()), credit) >= o.slots(w, now) {
			return false
		}
	}
	o.flying++
	return true
}

// early is how long before it is free a local slot may be taken: where the budget
// is shared it is for that one to be exact, and whoever asks it has to be known
// there when the slot comes, so that others leave it.
func (o *operation) early() time.Duration {
	if o.sharing == nil {
		return 0
	}
	return 2 * Early
}

// dispatch serves the queue as far as there are slots and sets the timer for
// the rest. One timer serves all waiters.
func (o *operation) dispatch() {
	now := time.Now()
	for o.asker == nil && o.queue.best() != nil && o.take(now) {
		o.serve()
	}
	if o.timer != nil {
		o.timer.Stop()
	}
	if o.asker != nil || o.queue.best() == nil {
		return
	}
	if wake := o.wake(now); !wake.IsZero() {
		o.timer = time.AfterFunc(wake.Sub(now), o.tick)
	}
}

// serve gives local slots that were taken to a call, or to one that asks for all.
func (o *operation) serve() {
	if o.sharing != nil {
		o.asker = o.queue.best()
		o.asker.asks <- struct{}{}
		return
	}
	t := o.ticket(nil)
	o.queue.grant(t, t.longest())
}

// longest reports whether the slot is for the call that has waited longest.
func (t ticket) longest() bool { return t.number%LongestEvery == 0 }

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
		if next := w.next(credit); !next.IsZero() && next.Add(-o.early()).After(now) {
			t = earlier(t, next.Add(-o.early()))
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
	o.measure(e)
	if t.slot != nil {
		t.slot.Give(o.end(e))
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	o.flying--
	if !e.unsent {
		o.hold(now, e)
	}
	if e.throttled {
		o.throttled++
	}
	if e.throttled && t.cuts == o.cuts {
		o.halve(now)
	}
	o.dispatch()
}

// measure notes the round trip of a call that ends now.
func (o *operation) measure(e ending) {
	if e.unsent || e.way() != measured {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.trips.add(time.Now(), e.rtt)
}

// hold keeps the slots of a call that ended at now.
func (o *operation) hold(now time.Time, e ending) {
	for _, w := range o.windows {
		w.done[e.way()] = append(w.done[e.way()], now)
	}
	for _, w := range o.documented {
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

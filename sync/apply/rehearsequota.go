package apply

import (
	"slices"
	"time"

	"weir/sync/call"
)

// assumedTrip is the round trip of an account of which none was measured.
const assumedTrip = 50 * time.Millisecond

// tally counts calls by what they are for.
type tally struct{ writes, verifies, reads int }

// purpose is what a call is for: the place in a tally that it counts at.
type purpose func(*tally) *int

func writing(t *tally) *int   { return &t.writes }
func verifying(t *tally) *int { return &t.verifies }
func asking(t *tally) *int    { return &t.reads }

// ledger is what one account calls one operation.
type ledger struct {
	*gate
	operation
	tally tally
	sent  []time.Duration // when calls went out
}

// gate is the quota of one operation in a rehearsal: what call.Limit is to the
// calls themselves, with the same slots (see call/slots.go), on the mean round
// trip.
type gate struct {
	*clock
	look call.Outlook

	windows  []*slots
	waiting  []func()
	flying   int
	answered int
	turn     int           // slots handed out while calls waited
	equal    []int         // calls that rivals have left, below 0 for no end
	reads    bool          // this process itself makes calls of a lower priority now and then
	armed    time.Duration // when it looks again by itself, 0 for never
}

// slots are the slots of one window that are not free, but for those of calls
// under way.
type slots struct {
	call.Allowance
	done []time.Duration // when their calls ended, ordered
}

func newGate(c *clock, look call.Outlook) *gate {
	if look.Trip <= 0 {
		look.Trip, look.Shortest = assumedTrip, assumedTrip
	}
	g := &gate{clock: c, look: look}
	for _, a := range look.Windows {
		s := &slots{Allowance: a}
		s.Busy = slices.Sorted(slices.Values(a.Busy))
		g.windows = append(g.windows, s)
	}
	for _, calls := range look.Equal {
		if calls == 0 {
			calls = -1
		}
		g.equal = append(g.equal, calls)
	}
	g.dispatch()
	return g
}

// call makes a call when there is a slot for it: first comes what is before it,
// with the slot in its hand, and then when its answer has come. before may be nil.
func (l *ledger) call(of purpose, before func(next func()), then func()) {
	l.open++
	l.waiting = append(l.waiting, func() {
		if before == nil {
			l.send(of, then)
			return
		}
		before(func() { l.send(of, then) })
	})
	l.dispatch()
}

func (l *ledger) send(of purpose, then func()) {
	*of(&l.tally)++
	l.sent = append(l.sent, l.now)
	l.after(l.look.Trip, func() {
		l.last = l.now
		l.release()
		then()
		l.open--
	})
}

// release ends a call.
func (g *gate) release() {
	g.flying--
	g.answered++
	for _, w := range g.windows {
		w.done = append(w.done, g.now)
	}
	g.dispatch()
}

// dispatch hands out the slots that there are, and looks again when there is
// another one.
func (g *gate) dispatch() {
	for (len(g.waiting) > 0 || g.crowd()) && g.take() {
		if g.others() {
			g.after(g.look.Trip, g.release)
			continue
		}
		next := g.waiting[0]
		g.waiting[0] = nil
		g.waiting = g.waiting[1:]
		next()
	}
	if len(g.waiting) > 0 || g.crowd() {
		g.arm()
	}
}

// crowd reports whether other processes wait.
func (g *gate) crowd() bool { return len(g.equal)+g.look.Lower > 0 }

// others reports whether a slot goes to another process: what nobody else waits
// for they take, and of the rest those who wait for the same take turns.
func (g *gate) others() bool {
	if g.turn++; len(g.equal) > 0 && (len(g.waiting) == 0 || g.turn%(len(g.equal)+1) != 0) {
		g.spend(g.turn % len(g.equal))
		return true
	}
	return len(g.waiting) == 0 || (g.reads || g.look.Lower > 0) && g.turn%call.LongestEvery == 0
}

// spend takes a call off a rival, who leaves with the last one.
func (g *gate) spend(rival int) {
	if g.equal[rival]--; g.equal[rival] == 0 {
		g.equal = slices.Delete(g.equal, rival, rival+1)
	}
}

// take takes a slot in every window, or in none.
func (g *gate) take() bool {
	for _, w := range g.windows {
		limit, _ := w.At(g.now)
		if g.flying+w.taken(g.now, g.credit()) >= limit {
			return false
		}
	}
	g.flying++
	return true
}

// credit is what slots are not held for by now.
func (g *gate) credit() time.Duration { return g.look.Credit(g.answered) }

// taken counts the slots that are not free.
func (s *slots) taken(now, credit time.Duration) int {
	for len(s.Busy) > 0 && s.Busy[0] <= now {
		s.Busy = s.Busy[1:]
	}
	for len(s.done) > 0 && s.done[0]+s.Hold()-credit <= now {
		s.done = s.done[1:]
	}
	return len(s.Busy) + len(s.done)
}

// arm looks again when a slot becomes free by itself, or a limit grows.
func (g *gate) arm() {
	at := g.wake()
	if at == 0 || at == g.armed {
		return
	}
	g.armed = at
	g.after(at-g.now, func() {
		if g.armed == at {
			g.armed = 0
			g.dispatch()
		}
	})
}

// wake returns when there may be another slot, 0 where only an answer makes one.
func (g *gate) wake() time.Duration {
	var at time.Duration
	sooner := func(t time.Duration) {
		if t > g.now && (at == 0 || t < at) {
			at = t
		}
	}
	for _, w := range g.windows {
		if len(w.Busy) > 0 {
			sooner(w.Busy[0])
		}
		if len(w.done) > 0 {
			sooner(w.done[0] + w.Hold() - g.credit())
		}
		_, grows := w.At(g.now)
		sooner(grows)
	}
	return at
}

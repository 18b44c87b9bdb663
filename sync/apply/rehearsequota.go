package apply

import (
	"slices"
	"time"

	"weir/sync/call"
)

// assumedTrip is the round trip of an account of which none was measured.
const assumedTrip = 50 * time.Millisecond

// lowerTurn is how often a slot goes to a process whose calls have to wait: one
// of so many.
const lowerTurn = 20

// tally counts calls by what they are for.
type tally struct{ writes, verifies, reads int }

// purpose is what a call is for: the place in a tally that it counts at.
type purpose func(*tally) *int

func writing(t *tally) *int   { return &t.writes }
func verifying(t *tally) *int { return &t.verifies }
func asking(t *tally) *int    { return &t.reads }

// gate is the quota of one operation in a rehearsal: what call.Limit is to the
// calls themselves, with the same slots (see call/slots.go), on the mean round
// trip.
type gate struct {
	*clock
	account, operation string
	look               call.Outlook
	tally              tally
	sent               []time.Duration // when calls went out

	windows  []*slots
	waiting  []func()
	flying   int
	answered int
	turn     int           // slots handed out while calls waited
	armed    time.Duration // when it looks again by itself, 0 for never
}

// slots are the slots of one window that are not free, but for those of calls
// under way.
type slots struct {
	call.Allowance
	done []time.Duration // when their calls ended, ordered
}

func newGate(c *clock, account, operation string, look call.Outlook) *gate {
	if look.Trip <= 0 {
		look.Trip = assumedTrip
	}
	g := &gate{clock: c, account: account, operation: operation, look: look}
	for _, a := range look.Windows {
		s := &slots{Allowance: a}
		s.Busy = slices.Sorted(slices.Values(a.Busy))
		if look.Equal+look.Lower > 0 {
			s.crowd()
		}
		g.windows = append(g.windows, s)
	}
	return g
}

// crowd takes the slots that are free: others who wait have left none.
func (s *slots) crowd() {
	limit, _ := s.At(0)
	for i := len(s.Busy); i < limit; i++ {
		s.Busy = append(s.Busy, s.Per*time.Duration(i+1)/time.Duration(limit))
	}
	slices.Sort(s.Busy)
}

// call makes a call when there is a slot for it: first comes what is before it,
// with the slot in its hand, and then when its answer has come. before may be nil.
func (g *gate) call(of purpose, before func(next func()), then func()) {
	g.waiting = append(g.waiting, func() {
		if before == nil {
			g.send(of, then)
			return
		}
		before(func() { g.send(of, then) })
	})
	g.dispatch()
}

func (g *gate) send(of purpose, then func()) {
	*of(&g.tally)++
	g.sent = append(g.sent, g.now)
	g.after(g.look.Trip, func() {
		g.last = g.now
		g.release()
		then()
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
	for len(g.waiting) > 0 && g.take() {
		if g.turn++; g.others() {
			g.after(g.look.Trip, g.release)
			continue
		}
		next := g.waiting[0]
		g.waiting[0] = nil
		g.waiting = g.waiting[1:]
		next()
	}
	if len(g.waiting) > 0 {
		g.arm()
	}
}

// others reports whether a slot goes to another process: those who wait for the
// same take turns.
func (g *gate) others() bool {
	if g.look.Equal > 0 && g.turn%(g.look.Equal+1) != 0 {
		return true
	}
	return g.look.Lower > 0 && g.turn%lowerTurn == 0
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
func (g *gate) credit() time.Duration {
	if g.answered < g.look.Unmeasured {
		return 0
	}
	return g.look.Credit
}

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

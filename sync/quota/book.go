// Package quota shares an account's quotas between the processes that use it:
// what they know together of one operation is a Book, a Desk is where they keep
// it, and Share makes of a desk what call.Limiter draws on.
//
// A book decides; it neither waits nor looks at a clock. What it promises is
// that of call's own slots, for all processes together: a slot is taken before
// its call goes out and is free again when a whole window has surely passed for
// the server since it arrived. See call/slots.go for why that is exact.
package quota

import (
	"slices"
	"time"

	"weir/sync/boottime"
	"weir/sync/call"
)

// Instant is a time by the clock of a desk, which all its processes share.
type Instant = boottime.Instant

// Book is what the processes know together of one operation. The zero value is
// that of an operation nobody has called.
type Book struct {
	Quiet   Instant       // nobody takes a slot before it
	Longest time.Duration // the longest hold of a window anyone has asked for
	Number  int64         // of the slot that was taken last
	Cuts    int64         // times the operation was throttled
	Lost    float64       // part of the windows that throttles took, below 1
	Given   Instant       // when something was last taken or given back
	Slots   []Slot        // the oldest first
	Seats   []Seat
}

// Slot is a call that counts.
type Slot struct {
	Number  int64
	Process int64 // whose call it is
	Taken   Instant
	Done    Instant       // when its answer had arrived, 0 while it is under way
	Extra   time.Duration // as in call.End, when it is done
	Cuts    int64         // the book's when it was taken
}

// Seat is a process that calls the operation.
type Seat struct {
	Process  int64   // a number drawn at random
	Served   Instant // when it was last given a slot
	Wake     Instant // when it asks again
	Waiting  int64   // calls of the priority that wait for a slot
	Priority call.Priority
	Since    Instant // when the call began to wait that has waited longest
	Ahead    int64   // calls that it foresees beside the one that is to have a slot, 0 where it does not say
}

// wants returns how many slots the process waits for: one where it is late, since it
// may have died, none where it is too late.
func (s Seat) wants(now Instant) int {
	switch late := s.Wake.Until(now); {
	case late <= passOver:
		return int(s.Waiting)
	case late <= lateMost:
		return int(min(1, s.Waiting))
	default:
		return 0
	}
}

// before orders seats by how long their calls have waited.
func (s Seat) before(other *Seat) bool {
	return s.Since < other.Since || (s.Since == other.Since && s.Process < other.Process)
}

// How processes wait for each other.
const (
	askAgain  = 50 * time.Millisecond // the longest time before a process that waits asks again
	giveWay   = time.Millisecond / 2  // the time in which another one is let go first
	standBack = 5 * time.Millisecond  // how much later than others one of a lower priority asks
	passOver  = 35 * time.Millisecond // a process later than this is left one slot
	lateMost  = time.Second / 2       // and one later than this none, as it may be on a machine that is too busy
	lately    = 2 * time.Second       // a process is a rival for this long after it last asked
	forget    = time.Minute           // after this it has no seat any more
)

// How the part comes back that throttles took, as in a limiter of its own.
const (
	giveBack     = 30 * time.Second
	giveBackPart = 0.1
	leastPart    = 0.01
)

// Take takes a slot for a process at an instant and returns its number, and from
// when on the call may be sent: now, or a moment later. Where there is none it
// returns 0, and after which time to ask again.
func (b *Book) Take(
	now Instant, process int64, want call.Want,
) (number int64, from Instant, again time.Duration) {
	b.tidy(now, want)
	if want.Unseen || want.Apart && b.idle(now) {
		b.Silence(now)
	}
	if now < b.Quiet {
		return 0, 0, min(askAgain, now.Until(b.Quiet))
	}
	seat := b.seat(process)
	seat.Priority, seat.Waiting, seat.Since = want.Priority, int64(max(1, want.Waiting)), now.After(-want.Waited)
	seat.Ahead = int64(max(0, want.Ahead))
	if from, again = b.wait(now, want, seat); again > 0 {
		seat.Wake = now.After(again)
		return 0, 0, again
	}
	seat.Served, seat.Wake = now, now // it asks at once for the next one, if another waits
	seat.Waiting--
	b.Number++
	b.Slots = append(b.Slots, Slot{Number: b.Number, Process: process, Taken: now, Cuts: b.Cuts})
	return b.Number, from, 0
}

// Give ends the call that has a slot. One whose slot has expired meanwhile
// counts from now.
func (b *Book) Give(now Instant, number int64, end call.End) {
	i := slices.IndexFunc(b.Slots, func(s Slot) bool { return s.Number == number })
	if i < 0 {
		if end.Unsent {
			return
		}
		b.Slots = append(b.Slots, Slot{Number: number, Taken: now, Cuts: -1})
		i = len(b.Slots) - 1
	}
	s := &b.Slots[i]
	if end.Throttled && s.Cuts == b.Cuts {
		b.cut(now)
	}
	if end.Unsent {
		b.Slots = slices.Delete(b.Slots, i, i+1)
		return
	}
	s.Done, s.Extra = now, end.Extra
}

// Silence stops everybody until no call counts any more that the book may not
// know of. Such a call may still end when it is over, so its number is none of those
// to come.
func (b *Book) Silence(now Instant) {
	b.Quiet = now.After(call.Lease + b.Longest)
	b.Number = max(b.Number, int64(now))
}

// idle reports whether nobody has used the book for so long that one who could not has
// gone on without it.
func (b *Book) idle(now Instant) bool {
	last := b.Quiet.After(-call.Lease - b.Longest) // when the last silence began
	for _, s := range b.Slots {
		last = max(last, s.Taken, s.Done)
	}
	for _, s := range b.Seats {
		last = max(last, s.Served, s.Wake)
	}
	return last.After(call.Lease+b.Longest) < now
}

// Part is the part of the windows that may be used at an instant.
func (b *Book) Part() float64 { return max(leastPart, 1-b.Lost) }

// cut answers a throttle; calls that were under way together count as one.
func (b *Book) cut(now Instant) {
	b.Cuts++
	b.Lost = 1 - max(leastPart, b.Part()/2)
	b.Given = now
}

// tidy removes what no longer counts and gives back what throttles took. A
// clock that was set back holds nothing for longer than if it happened now.
func (b *Book) tidy(now Instant, want call.Want) {
	b.lengthen(now, want.Windows)
	b.lengthen(now, want.Documented)
	b.Quiet = min(b.Quiet, now.After(call.Lease+b.Longest))
	b.Given = min(b.Given, now)
	for i := range b.Slots {
		s := &b.Slots[i]
		s.Taken, s.Done = min(s.Taken, now), min(s.Done, now)
	}
	b.Slots = slices.DeleteFunc(b.Slots, func(s Slot) bool { return s.until(b.Longest, 0) <= now })
	b.Seats = slices.DeleteFunc(b.Seats, func(s Seat) bool {
		return max(s.Wake, s.Served).After(forget) < now || max(s.Wake, s.Served) > now.After(forget)
	})
	for ; b.Lost > 0 && b.Given.Until(now) >= giveBack; b.Given = b.Given.After(giveBack) {
		b.Lost = max(0, b.Lost-giveBackPart)
	}
}

// lengthen remembers the longest hold, and makes a silence longer that began when
// nobody knew of it.
func (b *Book) lengthen(now Instant, windows []call.Window) {
	for _, w := range windows {
		longer := max(0, w.Hold()-b.Longest)
		b.Longest += longer
		if now < b.Quiet {
			b.Quiet = b.Quiet.After(longer)
		}
	}
}

// until returns when the slot is free in a window that holds it for a time,
// for somebody who believes in at most the given credit.
func (s Slot) until(hold, credit time.Duration) Instant {
	if s.Done == 0 {
		return s.Taken.After(call.Lease + hold)
	}
	return s.Done.After(hold + max(s.Extra, -credit))
}

// seat returns the process's seat, a new one where it has none.
func (b *Book) seat(process int64) *Seat {
	i := slices.IndexFunc(b.Seats, func(s Seat) bool { return s.Process == process })
	if i < 0 {
		b.Seats = append(b.Seats, Seat{Process: process})
		i = len(b.Seats) - 1
	}
	return &b.Seats[i]
}

// wait returns how long a process has to wait before it asks again, 0 where it
// may take a slot, and from when on that is free in every window. One that others
// go before asks a little later than those, so as not to be in their way.
func (b *Book) wait(now Instant, want call.Want, me *Seat) (from Instant, wait time.Duration) {
	from = now
	soon := now.After(call.Early)
	outranked := slices.ContainsFunc(b.Seats, func(s Seat) bool { return s.Priority > me.Priority && s.wants(now) > 0 })
	for _, w := range want.Windows {
		limit := max(1, int(b.Part()*float64(w.Limit)+rounding))
		taken := b.Taken(now, w, want.Credit)
		// The slot is free when all but limit-1 of those taken are.
		at := now
		if len(taken) >= limit {
			at = taken[len(taken)-limit]
		}
		free := limit - later(taken, soon)
		switch {
		case at > soon:
			wait = max(wait, min(askAgain, soon.Until(at)))
		case free < 1+b.reserved(now, w, me):
			wait = max(wait, giveWay)
		}
		from = max(from, at)
	}
	if wait > 0 && outranked {
		wait += standBack
	}
	return from, wait
}

// within reports whether the calls that count from an instant on are within the
// documented windows.
func (b *Book) within(from Instant, want call.Want) bool {
	for _, w := range want.Documented {
		if len(b.Taken(from, w, want.Credit)) > w.Limit {
			return false
		}
	}
	return true
}

// later counts the ordered instants after one.
func later(ordered []Instant, than Instant) int {
	n, _ := slices.BinarySearch(ordered, than+1)
	return len(ordered) - n
}

// Taken returns when the slots become free that are taken in a window, the first one
// first, for somebody who believes in at most the given credit.
func (b *Book) Taken(now Instant, w call.Window, credit time.Duration) []Instant {
	var taken []Instant
	for _, s := range b.Slots {
		if until := s.until(w.Hold(), credit); until > now {
			taken = append(taken, until)
		}
	}
	slices.Sort(taken)
	return taken
}

// longest reports whether the slot with a number is for whoever has waited longest.
func longest(number int64) bool { return number%call.LongestEvery == 0 }

// reserved counts the slots that a process leaves to others: all to one that has
// waited longer, where the next slot is for the one that has waited longest. Else
// to each one that waits with a higher priority as many as that waits for, and to
// one of the same priority as many as make it equal, and one more where it was
// served longer ago. So those of one priority that wait have equal parts of any
// window, and one that does not want its part leaves it to the others.
func (b *Book) reserved(now Instant, w call.Window, me *Seat) int {
	n, soon := 0, now.After(call.Early)
	mine, next := b.Held(soon, w, me.Process), b.Number+1
	for _, s := range b.Seats {
		switch wants := s.wants(now); {
		case s.Process == me.Process || wants == 0:
		case longest(next):
			if s.before(me) {
				return w.Limit
			}
		case s.Priority > me.Priority:
			n += wants
		case s.Priority == me.Priority:
			n += min(wants, b.owed(s, me, mine-b.Held(soon, w, s.Process)))
		}
	}
	return n
}

// owed returns how many slots are left to a process that waits with the same
// priority and holds so many fewer.
func (b *Book) owed(s Seat, me *Seat, fewer int) int {
	if s.Served < me.Served || (s.Served == me.Served && s.Process < me.Process) {
		return max(0, fewer) + 1
	}
	return max(0, fewer)
}

// equals returns the seats that Rivals counts.
func (b *Book) equals(now Instant, process int64, p call.Priority) []Seat {
	var out []Seat
	for _, s := range b.Seats {
		if s.Process != process && s.Waiting > 0 && s.Priority >= p && now <= s.Wake.After(lately) {
			out = append(out, s)
		}
	}
	return out
}

// Rivals counts the processes beside the given one that wait, or did a moment ago,
// with a priority that is the same or higher.
func (b *Book) Rivals(now Instant, process int64, p call.Priority) int {
	return len(b.equals(now, process, p))
}

// Held counts a process's slots in a window at an instant.
func (b *Book) Held(now Instant, w call.Window, process int64) int {
	n := 0
	for _, s := range b.Slots {
		if s.Process == process && s.until(w.Hold(), 0) > now {
			n++
		}
	}
	return n
}

// rounding is what a product of binary fractions may be off by.
const rounding = 1e-9

package etcdquota

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"weir/sync/boottime"
	"weir/sync/call"
)

// town is some processes, one operation's sheet, and the cloud, in virtual time. Every
// process has a clock of its own, which is set otherwise than the others and does not
// run as fast.
type town struct {
	t       *rapid.T
	now     time.Duration
	windows []call.Window
	sheet   *sheet
	rev     int64
	all     []*citizen
	late    []change // changes without an answer that may still be carried out
	flights []*flight
	arrived []time.Duration
	calls   int
}

// citizen is a process. It is the world as it knows it, too.
type citizen struct {
	town  *town
	side  *side
	far   time.Duration // each way to the cloud
	skew  float64
	epoch time.Duration
	ends  time.Duration               // when its lease does, 0 while it is renewed
	dead  map[string]boottime.Instant // whom it has seen gone
}

// change is one that a process has asked for.
type change struct {
	by   *citizen
	rev  int64
	next *sheet
}

// flight is a call under way.
type flight struct {
	by        *citizen
	number    int64
	sends     time.Duration
	arrives   time.Duration
	ends      time.Duration
	end       call.End
	reached   bool
	ended     bool
	throttled bool
}

func (c *citizen) clock() boottime.Instant {
	return boottime.Instant(c.epoch + time.Duration(float64(c.town.now)*c.skew))
}

func (c *citizen) alive(process string) bool { _, dead := c.dead[process]; return !dead }

func (c *citizen) gone(process string) boottime.Instant { return c.dead[process] }

// over reports whether etcd has ended the process's lease.
func (c *citizen) over() bool { return c.ends > 0 && c.town.now >= c.ends }

const (
	townLease = 3 * time.Second
	townLeast = 1500 * time.Millisecond
)

func (w *town) settle() *citizen {
	c := &citizen{
		town: w, side: newSide(fmt.Sprint("p", len(w.all))), dead: map[string]boottime.Instant{},
		far:   rapid.SampledFrom([]time.Duration{0, 50 * time.Millisecond, 200 * time.Millisecond}).Draw(w.t, "far"),
		skew:  rapid.SampledFrom([]float64{1 - .0004, 1, 1 + .0004}).Draw(w.t, "skew"),
		epoch: time.Duration(rapid.Int64Range(1e9, 1e15).Draw(w.t, "epoch")),
	}
	w.all = append(w.all, c)
	return c
}

// pass lets time pass, with all that arrives and ends meanwhile.
func (w *town) pass(d time.Duration) {
	until := w.now + d
	for {
		next := until
		for _, f := range w.flights {
			if !f.reached {
				next = min(next, f.arrives)
			}
			if !f.ended {
				next = min(next, f.ends)
			}
		}
		w.now = max(w.now, next)
		w.flights = slices.DeleteFunc(w.flights, func(f *flight) bool { return w.fly(f) })
		if w.now >= until {
			return
		}
	}
}

// fly lets a call arrive, or end.
func (w *town) fly(f *flight) (over bool) {
	if !f.reached && f.arrives <= w.now {
		f.reached = true
		w.arrived = append(w.arrived, f.arrives)
		w.calls++
	}
	if !f.ended && f.ends <= w.now {
		f.ended = true
		if f.throttled {
			f.by.side.throttled(f.by.side.sheet.Cuts)
		}
		f.by.side.book.Give(f.by.clock(), f.number, f.end)
	}
	return f.reached && f.ended
}

// call lets a process take a slot, and send a call on it.
func (w *town) call(c *citizen) {
	if c.ends > 0 && c.ends-w.now < townLeast {
		return
	}
	now := c.clock()
	want := call.Want{
		Operation: "Op", Windows: w.windows, Credit: 2 * c.far,
		Priority: call.Priority(rapid.IntRange(-2, 2).Draw(w.t, "priority")), Waiting: rapid.IntRange(1, 8).Draw(w.t, "waiting"),
	}
	c.side.ask(now, want)
	number, from, _ := c.side.take(now, want)
	if number == 0 {
		return
	}
	f := &flight{by: c, number: number, sends: w.now + max(0, now.Until(from)) + time.Microsecond}
	f.sends += time.Duration(rapid.IntRange(0, 300).Draw(w.t, "late")) * time.Millisecond
	f.arrives = f.sends + c.far
	f.ends, f.end = f.arrives+c.far, call.End{Extra: -2 * c.far}
	f.throttled = rapid.IntRange(0, 60).Draw(w.t, "throttled") == 0
	switch rapid.IntRange(0, 9).Draw(w.t, "fate") {
	case 8: // given up, and reaches the cloud later
		f.ends, f.end = f.arrives, call.End{Extra: 2 * time.Second}
		f.arrives += time.Duration(rapid.IntRange(0, 1900).Draw(w.t, "stray")) * time.Millisecond
	case 9:
		f.arrives = f.sends
		f.ends = f.sends
		f.end = call.End{Unsent: true}
		f.reached = true
	}
	if c.ends > 0 {
		w.bound(f)
	}
	w.flights = append(w.flights, f)
}

// act lets a process change the sheet for as long as it has something to change.
func (w *town) act(c *citizen) {
	for range 5 {
		if next, _ := c.side.plan(c.clock(), c); next == nil || !w.ask(c, next) {
			return
		}
	}
}

// ask lets a process ask for a change, and reports whether it was answered.
func (w *town) ask(c *citizen, next *sheet) bool {
	c.side.wager(next)
	asked := change{c, c.side.base(), next.clone()}
	switch rapid.IntRange(0, 9).Draw(w.t, "answer") {
	case 8:
		w.late = append(w.late, asked)
		return false
	case 9:
		w.carry(asked)
		return false
	default:
		if w.carry(asked) {
			c.side.settled(c.clock(), asked.next.clone(), w.rev)
		} else {
			c.side.refused()
			w.hear(c)
		}
		return true
	}
}

// carry carries a change out, if it rests on what is there and its process has a lease.
func (w *town) carry(ch change) bool {
	if ch.rev != w.rev || ch.by.over() {
		return false
	}
	w.rev++
	w.sheet = ch.next.clone()
	return true
}

// check holds the invariants.
func (w *town) check() {
	for _, win := range w.windows {
		if held, _ := w.sheet.held(win.Per); held > win.Limit {
			w.t.Fatalf("parts of %d of %d slots in %v: %s", held, win.Limit, win.Per, w.sheet.encode())
		}
		first := 0
		slices.Sort(w.arrived)
		for i, at := range w.arrived {
			for at-w.arrived[first] > win.Per {
				first++
			}
			if i-first+1 > win.Limit {
				w.t.Fatalf("%d calls arrived in %v, limit %d: %v", i-first+1, win.Per, win.Limit, w.arrived[first:i+1])
			}
		}
	}
	if n := len(w.arrived); n > 400 {
		w.arrived = w.arrived[n-400:]
	}
}

// living returns the processes that have a lease, and those that lost one a moment ago.
func (w *town) living() []*citizen {
	var out []*citizen
	for _, c := range w.all {
		if c.ends == 0 || w.now < c.ends+time.Second {
			out = append(out, c)
		}
	}
	return out
}

// hear lets a process see the sheet as it is.
func (w *town) hear(c *citizen) { c.side.see(c.clock(), w.sheet.clone(), w.rev) }

// live lets all of the last few processes do what they do, each with some luck.
func (w *town) live() {
	for _, c := range w.living() {
		luck := rapid.IntRange(0, 31).Draw(w.t, "luck")
		if luck&1 == 0 {
			w.hear(c)
		}
		if luck&2 == 0 {
			w.look(c)
		}
		if luck&4 == 0 {
			w.act(c)
		}
		for range 4 - luck>>3 {
			w.call(c)
		}
	}
}

// cutOff takes a process's lease away: it is cut off, or it has died, and another one
// comes.
func (w *town) cutOff(c *citizen) {
	if c.ends > 0 || len(w.all) > 6 {
		return
	}
	c.ends = w.now + townLease
	for _, f := range w.flights {
		if f.by == c {
			w.bound(f)
		}
	}
	w.settle()
}

// bound lets a call arrive while its process's lease lasts: what is given up before it
// ends does so, at the latest in its last moment.
func (w *town) bound(f *flight) {
	f.arrives = min(f.arrives, f.by.ends)
	if !f.reached && !f.ended && rapid.Bool().Draw(w.t, "last moment") {
		f.arrives = f.by.ends
		f.ends, f.end = max(w.now, f.by.ends-townLeast/2), call.End{Extra: 2 * time.Second}
	}
}

// look lets a process see which others are gone.
func (w *town) look(c *citizen) {
	for _, o := range w.all {
		if o.over() && c.alive(o.side.id) {
			c.dead[o.side.id] = c.clock()
		}
	}
}

// step lets something happen.
func (w *town) step() {
	switch rapid.IntRange(0, 19).Draw(w.t, "step") {
	case 19:
		w.cutOff(rapid.SampledFrom(w.living()).Draw(w.t, "who"))
	case 16:
		if len(w.late) > 0 {
			i := rapid.IntRange(0, len(w.late)-1).Draw(w.t, "which")
			w.carry(w.late[i])
			w.late = slices.Delete(w.late, i, i+1)
		}
	case 1, 3, 5, 7, 9, 11, 13:
		w.pass(rapid.SampledFrom([]time.Duration{5e8, 1e6, 1e8, 1001e6, 1002e6, 2e8, 1e3}).Draw(w.t, "passes"))
	default:
		w.live()
	}
}

// TestFailure_P06_P12_NoWindowAboveItsLimit: in whichever order processes call, change
// the sheet, hear of changes or not, lose answers, die or are cut off, the parts of a
// window are never more than its limit together, and neither are the calls that arrive.
func TestFailure_P06_P12_NoWindowAboveItsLimit(t *testing.T) {
	calls, deaths := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		w := &town{t: t, sheet: &sheet{}, windows: []call.Window{{Limit: rapid.SampledFrom([]int{5, 1, 3}).Draw(t, "limit"), Per: time.Second}}}
		if rapid.Bool().Draw(t, "longer") {
			w.windows = append(w.windows, call.Window{Limit: 9, Per: 5 * time.Second})
		}
		for range 3 {
			w.settle()
		}
		for range 250 {
			w.step()
			w.check()
		}
		calls += w.calls
		deaths += len(w.all) - 3
	})
	t.Logf("%d calls, %d deaths", calls, deaths)
	if calls == 0 || deaths == 0 {
		t.Error("nothing was tried")
	}
}

package etcdquota

import (
	"maps"
	"math"
	"slices"
	"time"

	"weir/sync/boottime"
	"weir/sync/call"
	"weir/sync/quota"
)

// The times of what a process wants.
const (
	// settle is how long at least a process wants what it no longer uses, and yield
	// where others want it.
	settle = 15 * time.Second
	yield  = time.Second
	// lately is for how long calls are believed to wait that nobody asks for.
	lately = 2 * time.Second
	// giveBack is how long throttles are remembered before a tenth of what they took
	// comes back.
	giveBack     = 30 * time.Second
	giveBackPart = 0.1
)

// world is what a process knows of the others.
type world interface {
	// alive reports whether the process may still call.
	alive(process string) bool
	// gone returns since when it is known that it may not, for one that is not alive.
	gone(process string) boottime.Instant
}

// side is a process's side of one operation: its part as etcd has it, the book of the
// calls that it made of it, and what it wants. It neither waits nor looks at a clock.
type side struct {
	id    string
	sheet *sheet // as last seen, nil before
	rev   int64  // its revision in etcd
	none  bool   // it is not there
	bets  []bet
	book  quota.Book

	windows    []call.Window // those of the calls, as configured
	documented []call.Window
	foreign    []call.Window // those that only others have, with the lowest limit they give it
	waiting    [levels]int   // calls, when each level last said so
	ahead      int
	asking     [levels]int              // calls that ask now
	asked      [levels]boottime.Instant // when one last did

	demands map[time.Duration]*demand
	allowed map[time.Duration]int              // slots that may be in use of each window
	since   map[time.Duration]boottime.Instant // when its calls began to be counted in a window that it did not know
	rivals  bool                               // others want what there is not enough of

	taken  int              // slots since one was lent
	lender bool             // it lends one as soon as one is free
	spent  bool             // what was lent to it was used
	cut    bool             // the cloud throttled a call, and etcd does not know
	lostAt boottime.Instant // when what throttles took was last seen to change
}

// bet is a change whose outcome is not known: it may be carried out as long as the
// sheet is of the revision that it rests on.
type bet struct {
	rev int64
	has map[time.Duration]int
}

// demand is what the process wants of a window.
type demand struct {
	wants        wants
	peak, before wants            // the most that was needed since the last swap, and before it
	swapped      boottime.Instant // when
	used         int              // slots taken since its part grew, or its turn ended
	over         bool             // its turn is over
}

func newSide(id string) *side {
	return &side{
		id: id, demands: map[time.Duration]*demand{}, allowed: map[time.Duration]int{},
		since: map[time.Duration]boottime.Instant{},
	}
}

// all returns the windows in which a call needs a slot.
func (s *side) all() []call.Window { return append(slices.Clone(s.windows), s.foreign...) }

// demand returns what is wanted of a window.
func (s *side) demand(per time.Duration) *demand {
	d, ok := s.demands[per]
	if !ok {
		d = &demand{}
		s.demands[per] = d
	}
	return d
}

// ask notes what calls ask for, and reports whether it is to be told.
func (s *side) ask(now boottime.Instant, want call.Want) (more bool) {
	s.windows = append(s.windows[:0], want.Windows...)
	s.documented = append(s.documented[:0], want.Documented...)
	level := levelOf(want.Priority)
	s.waiting[level], s.asked[level] = max(1, want.Waiting), now
	s.ahead = max(0, want.Ahead)
	s.meet()
	return s.need(now) || s.foresees()
}

// foresees reports whether others have to know how many calls are foreseen.
func (s *side) foresees() bool {
	if s.sheet == nil {
		return false
	}
	p := s.sheet.part(s.id)
	return p != nil && differs(s.ahead, p.Ahead)
}

// meet finds the windows that only others have.
func (s *side) meet() {
	s.foreign = s.foreign[:0]
	if s.sheet == nil {
		return
	}
	for _, per := range s.sheet.pers() {
		if slices.ContainsFunc(s.windows, func(w call.Window) bool { return w.Per == per }) {
			continue
		}
		if limit := s.sheet.limit(&share{Per: per}); limit > 0 {
			s.foreign = append(s.foreign, call.Window{Limit: limit, Per: per})
		}
	}
}

// need notes what is in use and waits, and wants more where that is more than what was
// wanted: at least twice as much as there is, so that the way to etcd is taken a few
// times only. It reports whether it is more.
func (s *side) need(now boottime.Instant) (more bool) {
	for _, w := range s.all() {
		d := s.demand(w.Per)
		has := s.has(w.Per)
		for level := range levels {
			n := s.book.Held(now, w, int64(level)) + s.waiting[level]
			if s.waiting[level] > 0 {
				n += s.ahead
			}
			n = min(n, w.Limit)
			d.peak[level] = max(d.peak[level], n)
			if n > d.wants[level] {
				d.wants[level] = min(w.Limit, max(n, min(2*d.wants[level], 2*min(has, w.Limit))))
				more = true
			}
		}
	}
	return more
}

// fade makes what is wanted smaller that has not been needed for a while.
func (s *side) fade(now boottime.Instant) {
	for level := range levels {
		if s.asking[level] == 0 && s.asked[level].Until(now) > lately {
			s.waiting[level] = 0
		}
	}
	if s.waiting == [levels]int{} {
		s.ahead = 0
	}
	for _, w := range s.all() {
		d := s.demand(w.Per)
		if d.swapped == 0 {
			d.swapped = now
		}
		if d.swapped.Until(now) < s.period() {
			continue
		}
		for level := range levels {
			if s.waiting[level] == 0 {
				d.wants[level] = min(d.wants[level], max(d.peak[level], d.before[level]))
			}
		}
		d.before, d.peak, d.swapped = d.peak, wants{}, now
	}
	s.need(now)
}

// period returns after which time what was needed before it does not count any more.
func (s *side) period() time.Duration {
	if s.rivals {
		return yield
	}
	return settle
}

// has returns the slots of a window that surely are the process's: those that etcd
// has, less what a change may have given back whose outcome is not known.
func (s *side) has(per time.Duration) int {
	if s.sheet == nil {
		return 0
	}
	p := s.sheet.part(s.id)
	if p == nil {
		return 0
	}
	h := p.share(per)
	if h == nil {
		return 0
	}
	n := h.Has
	if n == unknown {
		n = math.MaxInt
	}
	for _, b := range s.bets {
		if b.rev == s.rev {
			n = min(n, b.has[per])
		}
	}
	return n
}

// see takes a sheet as etcd has it, nil for none. One that is not newer than the one
// known says nothing.
func (s *side) see(now boottime.Instant, sh *sheet, rev int64) {
	none := sh == nil
	if s.sheet != nil && (rev <= s.rev || none && s.none) {
		return
	}
	if none {
		sh = &sheet{}
	}
	before := map[time.Duration]int{}
	for per := range s.demands {
		before[per] = s.has(per)
	}
	if s.sheet == nil || s.sheet.Cuts != sh.Cuts || s.sheet.Lost != sh.Lost {
		s.lostAt = now
	}
	if s.sheet != nil && s.sheet.Cuts != sh.Cuts {
		s.cut = false // it was one throttle, whoever met it
	}
	s.sheet, s.rev, s.none = sh, rev, none
	s.bets = slices.DeleteFunc(s.bets, func(b bet) bool { return b.rev != rev })
	for per, d := range s.demands {
		if s.has(per) > before[per] {
			d.used, d.over = 0, false
		}
	}
	s.meet()
}

// take takes a slot for a call where the part has one, and returns when the call may
// be sent. Otherwise number is 0: the part has one after again, or where that is 0
// has to grow first.
func (s *side) take(now boottime.Instant, want call.Want) (number int64, from boottime.Instant, again time.Duration) {
	if s.sheet == nil {
		return 0, 0, 0
	}
	level := levelOf(want.Priority)
	want.Windows = s.all()
	for i, w := range want.Windows {
		want.Windows[i].Limit = s.allowed[w.Per]
		if s.allowed[w.Per] < 1 {
			return 0, 0, 0
		}
	}
	want.Unseen, want.Apart = false, false
	number, from, again = s.book.Take(now, 1, want)
	if number == 0 {
		return 0, 0, again
	}
	s.book.Slots[len(s.book.Slots)-1].Process = int64(level)
	s.waiting[level] = max(0, s.waiting[level]-1)
	s.taken++
	for _, w := range want.Windows {
		s.demand(w.Per).used++
	}
	if p := s.sheet.part(s.id); p != nil {
		s.spent = s.spent || slices.ContainsFunc(p.Shares, func(h share) bool { return h.Lent })
	}
	s.need(now)
	return number, from, 0
}

// within reports whether the calls of all processes were surely within the documented
// windows when a slot was taken: this one's as they were, and of the others as many as
// they could make.
func (s *side) within(from boottime.Instant, credit time.Duration) bool {
	for _, w := range s.documented {
		if len(s.book.Taken(from, w, credit))+s.others(w) > w.Limit {
			return false
		}
	}
	return true
}

// others returns how many calls the others can make at most in a window.
func (s *side) others(w call.Window) int {
	sum := 0
	for i := range s.sheet.Parts {
		p := &s.sheet.Parts[i]
		if p.Process == s.id {
			continue
		}
		least := math.MaxInt32
		for _, h := range p.Shares {
			if h.Has != unknown {
				least = min(least, h.Has*int((w.Per+h.Per-1)/h.Per))
			}
		}
		sum += least
	}
	return sum
}

// throttled notes that the cloud said that a call was one too many, whose slot was
// taken when there had been so many cuts.
func (s *side) throttled(cuts int64) {
	if s.sheet != nil && s.sheet.Cuts == cuts {
		s.cut = true
	}
}

// part returns which part of the windows may be used.
func (s *side) part() float64 {
	lost := s.sheet.Lost
	if s.cut {
		lost = halved(lost)
	}
	return max(leastPart, 1-lost)
}

// halved returns what is lost when half of the rest is.
func halved(lost float64) float64 { return 1 - max(leastPart, (1-lost)/2) }

// plan decides what may be used from now on, and what is to be changed in etcd: nil for
// nothing. It is to be asked again when something happens, and at an instant.
func (s *side) plan(now boottime.Instant, w world) (next *sheet, again boottime.Instant) {
	if s.sheet == nil {
		return nil, now.After(settle)
	}
	s.fade(now)
	d := s.draft(now, w)
	s.turns(d, w)
	s.lend(d, w)
	again = s.release(d, now, w)
	d.grant(w.alive)
	s.leave(d)
	if !s.matters(d) {
		return nil, s.wake(now, again, w)
	}
	return d, s.wake(now, again, w)
}

// draft returns the sheet with what this process has to say: which parts of dead ones
// are free, what throttles took, and what it wants.
func (s *side) draft(now boottime.Instant, w world) *sheet {
	d := s.sheet.clone()
	bury(d, now, w)
	switch {
	case s.cut:
		d.Cuts++
		d.Lost = halved(d.Lost)
	case d.Lost > 0 && s.lostAt.Until(now) >= giveBack:
		if d.Lost -= giveBackPart; d.Lost < rounding {
			d.Lost = 0
		}
	}
	me := d.join(s.id)
	me.Ahead = s.ahead
	me.Shares = slices.DeleteFunc(me.Shares, func(h share) bool {
		return !slices.ContainsFunc(s.all(), func(win call.Window) bool { return win.Per == h.Per }) // nobody has such a window
	})
	for _, win := range s.all() {
		h := me.add(win.Per, 0)
		h.Limit, h.Wants = 0, s.demand(win.Per).wants
	}
	for _, win := range s.windows {
		me.share(win.Per).Limit = win.Limit
	}
	for i := range me.Shares {
		h := &me.Shares[i]
		if h.Lent && (s.spent || h.Wants.sum() == 0) {
			h.Lent = false
		}
	}
	acquaint(d, s.id)
	return d
}

// bury takes from dead processes what none of their calls holds any more: the last one
// arrived before its process was seen to be gone.
func bury(d *sheet, now boottime.Instant, w world) {
	for i := range d.Parts {
		p := &d.Parts[i]
		if w.alive(p.Process) {
			continue
		}
		gone := w.gone(p.Process)
		for j, h := range p.Shares {
			if gone.Until(now) >= (call.Window{Per: h.Per}).Hold() {
				p.Shares[j].Has = 0
			}
		}
	}
	d.Parts = slices.DeleteFunc(d.Parts, func(p part) bool {
		return !w.alive(p.Process) && !slices.ContainsFunc(p.Shares, func(h share) bool { return h.Has != 0 })
	})
}

// acquaint gives the others a part of each window of a process that they do not know
// of: they have to count their calls in it first.
func acquaint(d *sheet, process string) {
	for _, mine := range slices.Clone(d.part(process).Shares) {
		for i := range d.Parts {
			d.Parts[i].add(mine.Per, unknown)
		}
	}
}

// turns ends the process's turn at what cannot be divided, where it has used it and
// another one waits for it.
func (s *side) turns(d *sheet, w world) {
	me := s.place(d)
	for i := range d.Parts[me].Shares {
		h := &d.Parts[me].Shares[i]
		dem := s.demand(h.Per)
		target := d.targets(h.Per, w.alive)[me]
		if target == 0 || h.Has < target || dem.used < target && !dem.over {
			dem.over = dem.over && target > 0
			continue
		}
		before := *h
		d.Turns++
		h.Turn = d.Turns
		dem.over = d.targets(h.Per, w.alive)[me] < target
		if !dem.over {
			d.Turns--
			*h = before
		}
	}
}

// place returns where the process's part is.
func (s *side) place(d *sheet) int {
	i, _ := slices.BinarySearchFunc(d.Parts, s.id, comparePart)
	return i
}

// lend lends a slot to a process that has none because of calls of a higher priority,
// after so many of those.
func (s *side) lend(d *sheet, w world) {
	s.lender = false
	if s.taken < call.LongestEvery-1 {
		return
	}
	top := d.part(s.id).wants().top()
	var to *part
	for i := range d.Parts {
		p := &d.Parts[i]
		if p.wants().top() <= top || p.wants().sum() == 0 || !w.alive(p.Process) || !d.starved(i, w) {
			continue
		}
		if to == nil || p.Since < to.Since {
			to = p
		}
	}
	if to == nil {
		return
	}
	s.lender = true
	d.Turns++
	to.Since = d.Turns
	for i := range to.Shares {
		to.Shares[i].Lent = to.Shares[i].Has == 0
	}
}

// starved reports whether a process wants slots of a window and is to have none.
func (s *sheet) starved(at int, w world) bool {
	starves := false
	for _, h := range s.Parts[at].Shares {
		if h.Lent {
			return false
		}
		starves = starves || h.Wants.sum() > 0 && h.Has == 0 && s.targets(h.Per, w.alive)[at] == 0
	}
	return starves
}

// release sets how many slots may be in use of each window, and gives back those above
// that are free for anybody. It returns when another one is, 0 for never.
func (s *side) release(d *sheet, now boottime.Instant, w world) (again boottime.Instant) {
	me := s.place(d)
	clear(s.allowed)
	s.rivals = false
	for i := range d.Parts[me].Shares {
		h := &d.Parts[me].Shares[i]
		targets := d.targets(h.Per, w.alive)
		for j := range d.Parts {
			if o := d.Parts[j].share(h.Per); j != me && o != nil && w.alive(d.Parts[j].Process) {
				s.rivals = s.rivals || o.Wants.sum() > targets[j]
			}
		}
		s.allowed[h.Per] = min(s.has(h.Per), targets[me])
		used := s.book.Taken(now, call.Window{Per: h.Per}, 0)
		if h.Has == unknown {
			again = soonest(again, s.count(d, h, now, len(used)))
			continue
		}
		if h.Has > targets[me] {
			h.Has = min(h.Has, max(targets[me], len(used)))
		}
		if h.Has > targets[me] {
			again = soonest(again, used[len(used)-h.Has])
		}
	}
	return again
}

// count makes known what the process has of a window that it did not count its calls
// in, when it has done so for as long as they hold their slots, and not more of them do
// than there are for it.
func (s *side) count(d *sheet, h *share, now boottime.Instant, used int) (again boottime.Instant) {
	hold := (call.Window{Per: h.Per}).Hold()
	since, ok := s.since[h.Per]
	if !ok {
		s.book.Longest = max(s.book.Longest, hold)
		s.since[h.Per], since = now, now
	}
	if again = since.After(hold); now < again {
		return again
	}
	held, _ := d.held(h.Per)
	if used > d.capacity(d.limit(h))-held {
		return now.After(hold / 10)
	}
	h.Has = used
	delete(s.since, h.Per)
	return 0
}

// leave takes the process out that has nothing and wants nothing.
func (s *side) leave(d *sheet) {
	if p := d.part(s.id); p.wants().sum() == 0 && p.Ahead == 0 &&
		!slices.ContainsFunc(p.Shares, func(h share) bool { return h.Has != 0 }) {
		d.Parts = slices.Delete(d.Parts, s.place(d), s.place(d)+1)
	}
}

// matters reports whether a draft is worth a way to etcd.
func (s *side) matters(d *sheet) bool {
	if len(s.bets) > 0 && s.bets[0].rev == s.rev {
		return true // whatever it was, a change that has an answer settles it
	}
	if d.Cuts != s.sheet.Cuts || d.Lost != s.sheet.Lost || len(d.Parts) < len(s.sheet.Parts) {
		return true
	}
	for i := range d.Parts {
		p := &d.Parts[i]
		old := s.sheet.part(p.Process)
		for _, h := range p.Shares {
			was := share{}
			if old != nil && old.share(h.Per) != nil {
				was = *old.share(h.Per)
			}
			if h.Has != was.Has || p.Process == s.id && news(&h, &was) {
				return true
			}
		}
		if p.Process == s.id && (old != nil && differs(p.Ahead, old.Ahead)) {
			return true
		}
	}
	return false
}

// news reports whether others have to know what is wanted: more than there is, or less
// than they believe.
func news(h, was *share) bool {
	n, before := 0, 0
	for level, v := range h.Wants {
		n += v
		before += was.Wants[level]
		if n < before || v > was.Wants[level] && n > h.Has {
			return true
		}
	}
	return h.Limit != was.Limit
}

// differs reports whether two numbers of foreseen calls do enough to be told.
func differs(a, b int) bool { return (a == 0) != (b == 0) || 4*max(a-b, b-a) > max(a, b) }

// wake returns when to plan again at the latest.
func (s *side) wake(now, again boottime.Instant, w world) boottime.Instant {
	for _, p := range s.sheet.Parts {
		if w.alive(p.Process) {
			continue
		}
		for _, h := range p.Shares {
			if h.Has != 0 {
				again = soonest(again, w.gone(p.Process).After((call.Window{Per: h.Per}).Hold()))
			}
		}
	}
	if s.sheet.Lost > 0 {
		again = soonest(again, s.lostAt.After(giveBack))
	}
	again = soonest(again, now.After(s.period()))
	return max(again, now.After(time.Millisecond))
}

// soonest returns the earlier of two instants, of which 0 means never.
func soonest(a, b boottime.Instant) boottime.Instant {
	if a == 0 || (b != 0 && b < a) {
		return b
	}
	return a
}

// wager notes what the process may have given back from now on, before it asks etcd.
func (s *side) wager(next *sheet) {
	has := map[time.Duration]int{}
	for per := range s.allowed {
		if p := next.part(s.id); p != nil && p.share(per) != nil {
			has[per] = p.share(per).Has
			if has[per] == unknown {
				has[per] = math.MaxInt
			}
		}
	}
	s.bets = append(s.bets, bet{s.rev, has})
	for per, n := range s.allowed {
		s.allowed[per] = min(n, has[per])
	}
}

// settled notes that the last change was carried out, and made a revision.
func (s *side) settled(now boottime.Instant, next *sheet, rev int64) {
	s.cut = s.cut && next.Cuts == s.sheet.Cuts
	if s.lender {
		s.taken, s.lender = 0, false
	}
	s.spent = false
	s.see(now, next, rev)
}

// refused notes that the last change was not and never will be carried out.
func (s *side) refused() { s.bets = s.bets[:len(s.bets)-1] }

// idle reports whether nothing of the operation concerns the process any more.
func (s *side) idle(now boottime.Instant) bool {
	counts := slices.ContainsFunc(s.all(), func(w call.Window) bool { return len(s.book.Taken(now, w, 0)) > 0 })
	wants := slices.ContainsFunc(slices.Collect(maps.Values(s.demands)), func(d *demand) bool { return d.wants.sum() > 0 })
	return s.sheet != nil && s.sheet.part(s.id) == nil && s.sheet.Lost == 0 && len(s.bets) == 0 && !s.cut &&
		!counts && !wants && s.waiting == [levels]int{} && s.asking == [levels]int{}
}

// base is what etcd has to say of the sheet's revision for a change to be made.
func (s *side) base() int64 {
	if s.none {
		return 0
	}
	return s.rev
}

// short reports whether the process is to have more of a window than it has.
func (s *side) short() bool {
	for per, d := range s.demands {
		if d.wants.sum() > s.has(per) {
			return true
		}
	}
	return false
}

// flying reports whether calls are under way.
func (s *side) flying() bool {
	return slices.ContainsFunc(s.book.Slots, func(c quota.Slot) bool { return c.Done == 0 })
}

// retire makes the process want nothing any more.
func (s *side) retire() {
	s.waiting, s.ahead, s.asking = [levels]int{}, 0, [levels]int{}
	for _, d := range s.demands {
		*d = demand{}
	}
}

// look tells who else wants the operation: the others whose calls are more than they have
// slots for, or that have all there are.
func (s *side) look(now boottime.Instant, want call.Want, w world) call.View {
	view := call.View{Busy: s.book.Busy(now, want)}
	for i := range s.sheet.Parts {
		p := &s.sheet.Parts[i]
		if p.Process == s.id || !w.alive(p.Process) {
			continue
		}
		waits := p.Ahead > 0 || slices.ContainsFunc(p.Shares, func(h share) bool {
			return h.Wants.sum() > h.Has || h.Has >= s.sheet.capacity(s.sheet.limit(&h))
		})
		switch {
		case !waits:
		case p.wants().top() <= levelOf(want.Priority):
			view.Equal = append(view.Equal, p.Ahead)
		default:
			view.Lower++
		}
	}
	return view
}

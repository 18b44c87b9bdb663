package call

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// The times that bound how long a slot taken and never given back can matter.
const (
	// LongestCall is how long a client may take for one call.
	LongestCall = 15 * time.Second
	// Fresh is how long after it was taken a shared slot may be used to send: a
	// process that was stopped meanwhile has to take another.
	Fresh = 5 * time.Second
	// Early is how long before it is free a shared slot may be handed out, so that
	// what a call needs before it is sent lies in the time before.
	Early = 50 * time.Millisecond
	// Lease is how long a call may be under way after its slot was taken,
	// whatever became of its process; the slot's hold begins then.
	Lease = Fresh + LongestCall + stray
)

// Shared is the budget of one account where several processes draw on it: of
// each operation at most Limit slots in any sliding Per of each window,
// whichever process takes them, in fair turns.
type Shared interface {
	// Take waits for a slot in every window. An error other than ctx's means that the
	// budget cannot be used now, and that this process may go on apart from it for as
	// long. A budget whose slots others may take over meanwhile has no such error: its
	// Take waits until it can be used.
	Take(ctx context.Context, want Want) (Slot, error)
}

// Usable is a Shared that has to be asked whether it can be used, as its Take does not
// tell.
type Usable interface {
	// Usable reports whether slots can be taken now.
	Usable() bool
}

// Want is what a call asks for.
type Want struct {
	Operation string
	Windows   []Window // documented or overridden, times the share
	// Documented are the documented windows that Windows may exceed, see Slot.Within.
	Documented []Window
	Credit     time.Duration // the most that is surely known of the way, see End.Extra
	// Priority is that of the call which is to have the slot, and Waiting the number
	// of calls of it that wait in this process.
	Priority Priority
	Waiting  int
	// Ahead is how many more calls this process foresees, 0 where it does not know.
	Ahead int
	// Waited is how long the call waits that has waited longest, whatever its
	// priority.
	Waited time.Duration
	// Unseen says that calls were made beside the shared budget a moment ago,
	// so that nobody may rely on what it remembers.
	Unseen bool
	// Apart says that this process could not use the budget when it last tried. Others
	// may have made calls beside it for as long as nobody used it.
	Apart bool
}

// Slot is the right to make one call.
type Slot interface {
	// Part is the part of the windows that may be used now, above 0 and at
	// most 1: less than 1 where the cloud throttled any of the processes.
	Part() float64
	// Longest reports whether the slot is for the call that has waited longest,
	// whatever its priority: one of LongestEvery is.
	Longest() bool
	// Within reports whether the calls of all processes were within the documented
	// windows when it was taken, its own included.
	Within() bool
	// Ready waits for the short time until the call may be sent on it, and
	// reports whether it may: not when ctx ends, or when too much time has
	// passed since it was taken.
	Ready(ctx context.Context) bool
	// Give says that the call ended, now. It is to be called once.
	Give(e End)
}

// End says how a call ended, as far as its slot is concerned.
type End struct {
	Unsent    bool // it never left: the slot is free at once
	Throttled bool // the cloud says that it was one too many
	// Extra is added to the window's hold before the slot is free: below zero
	// for what is surely known of the way, above for a call without an answer.
	Extra time.Duration
}

// Hold returns how long after its answer a call keeps its slot where nothing is
// known of the way.
func (w Window) Hold() time.Duration { return w.Per + max(minMargin, w.Per/slewed) }

// How a process goes on that cannot use the budget it shares.
const (
	apartParts = 4               // it takes one of so many parts of each limit
	apartRetry = 5 * time.Second // and tries the budget again after this
)

// Share makes the limiter draw on a budget that other processes draw on too.
// Where that cannot be used, calls wait until nothing others may have sent
// counts any more, and go on with a quarter of each limit; tell hears of it,
// and with nil when it is over. It is for a limiter that has made no calls yet.
func (l *Limiter) Share(shared Shared, tell func(error)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.shared, l.tell = shared, tell
	for name, o := range l.operations {
		o.sharing = l.newSharing()
		o.set(l.options.windows(name))
	}
}

// newSharing returns an operation's side of the budget, nil where there is none.
func (l *Limiter) newSharing() *sharing {
	if l.shared == nil {
		return nil
	}
	return &sharing{shared: l.shared, tell: l.tell}
}

// Sharing reports whether the limiter has a budget to share, and whether all
// its operations can use it.
func (l *Limiter) Sharing() (shares, usable bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, o := range l.operations {
		if o.sharing.isApart() {
			return true, false
		}
	}
	if u, ok := l.shared.(Usable); ok {
		return true, u.Usable()
	}
	return l.shared != nil, true
}

// sharing is one operation's side of a shared budget.
type sharing struct {
	shared Shared
	tell   func(error)

	mu    sync.Mutex
	apart time.Time // since when the budget cannot be used, zero while it can
	retry time.Time // when it is tried again
	wrong bool      // it could not be used when it was last tried
	alone operation // the slots that are used meanwhile
	last  time.Time // when such a slot was last taken
}

func (s *sharing) isApart() bool {
	if s == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.apart.IsZero()
}

// draw waits for a slot of the shared budget; nil where ctx ends before.
func (o *operation) draw(ctx context.Context) Slot {
	s := o.sharing
	for ctx.Err() == nil {
		want := o.want()
		if s.due(time.Now(), want) {
			slot, err := s.take(ctx, want)
			if err == nil {
				o.adopt(slot.Part())
				return slot
			}
		}
		wait := s.settled(want)
		if wait <= 0 {
			if slot := s.takeAlone(ctx, want.Priority); slot != nil {
				return slot
			}
			continue
		}
		_ = sleep(ctx, min(wait, apartRetry))
	}
	return nil
}

// take takes a slot of the budget. Its error is ctx's, or begins the time apart.
func (s *sharing) take(ctx context.Context, want Want) (Slot, error) {
	want.Unseen, want.Apart = s.unseen(want), s.failed()
	slot, err := s.shared.Take(ctx, want)
	switch {
	case err == nil:
		s.back()
	case ctx.Err() != nil:
		return nil, ctx.Err()
	default:
		s.fail(fmt.Errorf("%s: %w", want.Operation, err))
	}
	return slot, err
}

// want returns what the asker asks for now.
func (o *operation) want() Want {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	best := o.queue.best()
	w := Want{
		Operation: o.name, Credit: o.trips.credit(now),
		Priority: best.priority(), Waiting: o.queue.levels[best.level].Len(), Waited: now.Sub(o.queue.longest().since),
		Ahead: o.ahead,
	}
	for _, window := range o.windows {
		w.Windows = append(w.Windows, window.Window)
	}
	for _, window := range o.documented {
		w.Documented = append(w.Documented, window.Window)
	}
	o.asked = w.Priority
	return w
}

// adopt obeys what another process learned from a throttle.
func (o *operation) adopt(part float64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, w := range o.windows {
		if most := w.part(part); most < w.ceiling {
			w.ceiling, o.given = most, time.Now()
		}
	}
}

// due reports whether the budget is to be tried: now and then, and before the first
// call that is made without it.
func (s *sharing) due(now time.Time, w Want) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	settled, tried := s.apart.Add(w.settles()), s.retry.Add(-apartRetry)
	return s.apart.IsZero() || !now.Before(s.retry) || (!now.Before(settled) && tried.Before(settled))
}

// settled returns how long it is until nothing counts any more that others may
// have sent by the budget.
func (s *sharing) settled(w Want) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Until(s.apart.Add(w.settles()))
}

// settles returns how long a call may count after its slot was taken.
func (w Want) settles() time.Duration {
	longest := Lease
	for _, window := range w.Windows {
		longest = max(longest, Lease+window.Hold())
	}
	return longest
}

// unseen reports whether calls of this process count that the budget does not
// know of.
func (s *sharing) unseen(w Want) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.last.IsZero() && time.Since(s.last) < w.settles()
}

// failed reports, once, that the budget could not be used when it was last tried.
func (s *sharing) failed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	wrong := s.wrong
	s.wrong = false
	return wrong
}

// back ends the time apart.
func (s *sharing) back() {
	s.mu.Lock()
	was := s.apart
	s.apart, s.last = time.Time{}, time.Time{}
	s.mu.Unlock()
	if !was.IsZero() {
		s.tell(nil)
	}
}

// fail begins the time apart, or makes it longer. It begins anew where the budget was
// not tried for a while, in which others may have used it.
func (s *sharing) fail(err error) {
	now := time.Now()
	s.mu.Lock()
	first := s.apart.IsZero()
	if first || now.Sub(s.retry) > apartRetry/2 {
		s.apart = now
	}
	s.retry, s.wrong = now.Add(apartRetry), true
	s.mu.Unlock()
	if first {
		s.tell(err)
	}
}

// parts returns a process's part of each window.
func parts(windows []Window) []Window {
	mine := make([]Window, len(windows))
	for i, w := range windows {
		mine[i] = Window{Limit: max(1, w.Limit/apartParts), Per: w.Per}
	}
	return mine
}

// takeAlone waits for a slot of this process's part; nil where ctx ends before, or
// where it is time to try the budget again.
func (s *sharing) takeAlone(ctx context.Context, p Priority) Slot {
	s.mu.Lock()
	retry := s.retry
	s.mu.Unlock()
	ctx, cancel := context.WithDeadline(ctx, retry)
	defer cancel()
	t, err := s.alone.acquire(ctx, p)
	if err != nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = time.Now()
	return &lonely{s: s, t: t, taken: s.last}
}

// lonely is a slot of a process that cannot use the shared budget.
type lonely struct {
	s     *sharing
	t     ticket
	taken time.Time
}

var _ Slot = (*lonely)(nil)

// Part is all of what the process has.
func (*lonely) Part() float64 { return 1 }

// Longest reports whether it is the turn of the one that has waited longest.
func (l *lonely) Longest() bool { return l.t.longest() }

// Within is always true: more is not known than the operation itself knows.
func (*lonely) Within() bool { return true }

// Ready reports whether the slot was taken a moment ago: the others share the budget
// again when what it was taken for has surely been answered.
func (l *lonely) Ready(context.Context) bool { return time.Since(l.taken) <= Fresh }

// Give frees the slot.
func (l *lonely) Give(e End) {
	l.s.mu.Lock()
	l.s.last = time.Now()
	l.s.mu.Unlock()
	l.s.alone.release(l.t, ending{unsent: e.Unsent, answered: e.Extra <= 0, throttled: e.Throttled})
}

// end returns what the shared budget is told of how a call ended, whose own round
// trip is already measured: others believe what this process says.
func (o *operation) end(e ending) End {
	o.mu.Lock()
	defer o.mu.Unlock()
	end := End{Unsent: e.unsent, Throttled: e.throttled}
	switch e.way() {
	case measured:
		end.Extra = -o.trips.credit(time.Now())
	case givenUp:
		end.Extra = stray
	}
	return end
}

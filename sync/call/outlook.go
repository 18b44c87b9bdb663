package call

import (
	"context"
	"time"
)

// Outlook is what is known now of how fast calls of an operation can be made,
// so that it can be foreseen how long many of them take. What nobody can know is
// not in it: throttles to come, and how long others go on.
type Outlook struct {
	Windows []Allowance
	// Trip is the mean round trip measured and Shortest the shortest one, of another
	// operation of the account where this one was not called; 0 where none was.
	Trip, Shortest time.Duration
	Measured       int // round trips of this one
	Rivals             // other processes that wait for the operation
	// Budget is the limiter that has the slots: accounts of one key have one. nil
	// where it is not known.
	Budget *Limiter
}

// Rivals are the other processes that wait for an operation now.
type Rivals struct {
	// Equal are those with calls that go before these, or in turns with them: how
	// many more each of them foresees, 0 where it does not know.
	Equal []int
	Lower int // with calls that these go before, but for one slot of LongestEvery
}

// Allowance is a window, and how much of it may be used as time goes by.
type Allowance struct {
	Window
	Busy  []time.Duration // when slots become free that are taken now
	Steps []Step          // how the limit grows again, ordered; none while it is whole
}

// Step is a window's limit from a time on.
type Step struct {
	From  time.Duration // from the time of the outlook
	Limit int
}

// At returns the limit at a time from that of the outlook, and when there is
// another one, 0 for never.
func (a Allowance) At(t time.Duration) (limit int, next time.Duration) {
	limit = a.Limit
	for _, s := range a.Steps {
		if s.From > t {
			return limit, s.From
		}
		limit = s.Limit
	}
	return limit, 0
}

// The bounds of looking ahead at a limit that grows again.
const (
	lookEach = time.Second
	lookMost = 15 * time.Minute
)

// Outlook returns what is known now of an operation for calls of a priority.
func (l *Limiter) Outlook(operation string, p Priority) Outlook {
	now := time.Now()
	o := l.operation(operation)
	look := o.outlook(now)
	if look.Trip == 0 {
		look.Trip, look.Shortest = l.elsewhere(now)
	}
	o.sharing.look(operation, p, &look)
	look.Budget = l
	return look
}

// Expect makes other processes know that so many more calls of an operation are
// foreseen, so that they foresee how long they will have to share the quota; 0
// ends it.
func (l *Limiter) Expect(operation string, calls int) {
	o := l.operation(operation)
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ahead += calls; calls == 0 {
		o.ahead = 0
	}
}

// Expect makes other processes know of calls that are foreseen for an account.
func (l Limiters) Expect(account, operation string, calls int) {
	if limiter, ok := l[account]; ok {
		limiter.Expect(operation, calls)
	}
}

// Looker is a shared budget that tells who else draws on it.
type Looker interface {
	Look(ctx context.Context, want Want) (View, error)
}

// View is what a shared budget tells of an operation.
type View struct {
	// Busy has, for each window, after which times the slots become free whose
	// calls have ended, whichever process made them.
	Busy [][]time.Duration
	Rivals
}

// rivalsTime bounds how long a shared budget is asked.
const rivalsTime = 100 * time.Millisecond

// look asks the shared budget who else draws on it, where it can be asked.
func (s *sharing) look(operation string, p Priority, o *Outlook) {
	if s == nil || s.isApart() {
		return
	}
	looker, ok := s.shared.(Looker)
	if !ok {
		return
	}
	want := Want{Operation: operation, Priority: p}
	for _, w := range o.Windows {
		want.Windows = append(want.Windows, w.Window)
	}
	ctx, cancel := context.WithTimeout(context.Background(), rivalsTime)
	defer cancel()
	view, err := looker.Look(ctx, want)
	if err != nil {
		return // whoever takes a slot next tells of it
	}
	o.Rivals = view.Rivals
	for i, busy := range view.Busy {
		o.Windows[i].Busy = busy
	}
}

// Credit returns the part of the round trip for which slots are not held after so
// many more answers, if they come as those before did; see roundTrips.credit.
func (o Outlook) Credit(answers int) time.Duration {
	n := o.Measured + answers
	return rttBucket{count: int64(n), sum: time.Duration(n) * o.Trip, shortest: o.Shortest}.credit()
}

// elsewhere returns the mean round trip and the shortest of the operation with the
// most measurements: the way to the cloud is much the same for all.
func (l *Limiter) elsewhere(now time.Time) (mean, shortest time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var most int64
	for _, o := range l.operations {
		o.mu.Lock()
		if all := o.trips.all(now); all.count > most {
			most, mean, shortest = all.count, all.mean(), all.shortest
		}
		o.mu.Unlock()
	}
	return mean, shortest
}

func (o *operation) outlook(now time.Time) Outlook {
	o.mu.Lock()
	defer o.mu.Unlock()
	all := o.trips.all(now)
	look := Outlook{Trip: all.mean(), Shortest: all.shortest, Measured: int(all.count)}
	credit := o.trips.credit(now)
	for _, w := range o.windows {
		a := Allowance{Window: w.Window}
		for way, done := range w.done {
			for _, t := range done {
				if free := t.Add(w.holds(way, credit)).Sub(now); free > 0 {
					a.Busy = append(a.Busy, free)
				}
			}
		}
		look.Windows = append(look.Windows, a)
	}
	o.growing(now, look.Windows)
	return look
}

// growing writes down how the limits grow again, by letting a copy of the
// operation live through it.
func (o *operation) growing(now time.Time, windows []Allowance) {
	twin := &operation{given: o.given, outage: o.outage}
	for _, w := range o.windows {
		twin.windows = append(twin.windows, &window{Window: w.Window, ceiling: w.ceiling})
	}
	for t := time.Duration(0); t < lookMost; t += lookEach {
		twin.recover(now.Add(t))
		for i, w := range twin.windows {
			limit := twin.slots(w, now.Add(t))
			if was, _ := windows[i].At(t); was != limit {
				windows[i].Steps = append(windows[i].Steps, Step{From: t, Limit: limit})
			}
		}
		if twin.outage.IsZero() && !twin.cut() {
			return
		}
	}
}

// Outlook returns what is known now of an account's operation for calls of a
// priority; of an unknown account no more than its windows.
func (l Limiters) Outlook(account, operation string, p Priority) Outlook {
	if limiter, ok := l[account]; ok {
		return limiter.Outlook(operation, p)
	}
	return Outlook{Windows: []Allowance{{Window: defaultWindow()}}}
}

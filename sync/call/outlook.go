package call

import "time"

// Outlook is what is known now of how fast calls of an operation can be made,
// so that it can be foreseen how long many of them take. What nobody can know is
// not in it: throttles to come, and how long others go on.
type Outlook struct {
	Windows []Allowance
	// Trip is the mean round trip measured, of the account's other operations
	// where this one has none; 0 where there is none at all.
	Trip time.Duration
	// Credit is the part of the round trip for which a slot is not held once
	// Unmeasured more answers have come; see roundTrips.credit.
	Credit     time.Duration
	Unmeasured int
	Rivals     // other processes that wait for the operation
	// Budget is the limiter that has the slots: accounts of one key have one. nil
	// where it is not known.
	Budget *Limiter
}

// Rivals are the other processes that wait for an operation now.
type Rivals struct {
	Equal int // with calls that go before these, or in turns with them
	Lower int // with calls that these go before
}

// Allowance is a window, and how much of it may be used as time goes by.
type Allowance struct {
	Window
	Busy  []time.Duration // when slots become free that are taken now, ordered
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

// Outlook returns what is known now of an operation.
func (l *Limiter) Outlook(operation string) Outlook {
	now := time.Now()
	o := l.operation(operation)
	look := o.outlook(now)
	if look.Trip == 0 {
		look.Trip, look.Credit = l.elsewhere(now)
	}
	look.Budget = l
	return look
}

// elsewhere returns the round trip and the credit of the operation with the most
// measurements: the way to the cloud is much the same for all.
func (l *Limiter) elsewhere(now time.Time) (trip, credit time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var most int64
	for _, o := range l.operations {
		o.mu.Lock()
		if all := o.trips.all(now); all.count > most {
			most, trip, credit = all.count, all.mean(), all.credit()
		}
		o.mu.Unlock()
	}
	return trip, credit
}

func (o *operation) outlook(now time.Time) Outlook {
	o.mu.Lock()
	defer o.mu.Unlock()
	all := o.trips.all(now)
	look := Outlook{Trip: all.mean(), Credit: all.credit(), Unmeasured: int(max(0, rttSamples-all.count))}
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

// Outlook returns what is known now of an account's operation; of an unknown
// account no more than its windows.
func (l Limiters) Outlook(account, operation string) Outlook {
	if limiter, ok := l[account]; ok {
		return limiter.Outlook(operation)
	}
	return Outlook{Windows: []Allowance{{Window: defaultWindow()}}}
}

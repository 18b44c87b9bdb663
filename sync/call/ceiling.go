package call

import (
	"cmp"
	"slices"
	"time"
)

// How an operation comes back after it was throttled or down.
const (
	giveBack     = 30 * time.Second // a throttle's step
	giveBackPart = 10               // of a window's limit is given back in a step, at least one slot
	rampTime     = time.Minute      // from a tenth to the whole after an outage
	rampStart    = 0.1
)

// halve answers a throttle: somebody else uses the account. Calls that were
// under way at the time count as one, as their throttles have one cause.
func (o *operation) halve(now time.Time) {
	o.cuts++
	o.given = now
	for _, w := range o.windows {
		w.ceiling = max(1, w.ceiling/2)
	}
}

// recover gives back what throttles took, and ends a ramp that is over.
func (o *operation) recover(now time.Time) {
	if !o.outage.IsZero() && now.Sub(o.outage) >= rampTime {
		o.outage = time.Time{}
	}
	for steps := now.Sub(o.given) / giveBack; steps > 0 && o.cut(); steps-- {
		o.given = o.given.Add(giveBack)
		for _, w := range o.windows {
			w.ceiling = min(w.Limit, w.ceiling+max(1, w.Limit/giveBackPart))
		}
	}
}

// cut reports whether a window is below its limit.
func (o *operation) cut() bool {
	for _, w := range o.windows {
		if w.ceiling < w.Limit {
			return true
		}
	}
	return false
}

// slots returns how many slots of w may be used now.
func (o *operation) slots(w *window, now time.Time) int {
	if o.outage.IsZero() {
		return w.ceiling
	}
	part := rampStart + (1-rampStart)*float64(now.Sub(o.outage))/float64(rampTime)
	return min(w.ceiling, max(1, int(part*float64(w.Limit))))
}

// ramp begins the return after an outage.
func (o *operation) ramp() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.outage = time.Now()
}

// effective returns the windows as they are enforced now.
func (o *operation) effective() []Window {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	o.recover(now)
	windows := make([]Window, len(o.windows))
	for i, w := range o.windows {
		windows[i] = Window{Limit: o.slots(w, now), Per: w.Per}
	}
	return windows
}

// learnt returns the windows as throttles left them.
func (o *operation) learnt() []Window {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.recover(time.Now())
	windows := make([]Window, len(o.windows))
	for i, w := range o.windows {
		windows[i] = Window{Limit: w.ceiling, Per: w.Per}
	}
	return windows
}

// set replaces the windows. Calls that count against the old ones go on doing
// so: the longest knows of all of them. So does the part that throttles took.
func (o *operation) set(windows []Window) {
	o.mu.Lock()
	defer o.mu.Unlock()
	old := o.windows
	if o.anew != nil {
		o.anew() // it asks by the old ones
	}
	o.windows = make([]*window, len(windows))
	for i, w := range windows {
		o.windows[i] = &window{Window: w, ceiling: w.Limit}
		if len(old) > 0 {
			o.windows[i].inherit(slices.MaxFunc(old, func(a, b *window) int { return cmp.Compare(a.Per, b.Per) }))
		}
	}
	if o.sharing != nil {
		o.sharing.alone.set(parts(windows))
	}
	o.dispatch()
}

// inherit takes over the calls and the throttling of another window.
func (w *window) inherit(from *window) {
	for way, done := range from.done {
		w.done[way] = slices.Clone(done)
	}
	w.ceiling = max(1, w.Limit*from.ceiling/from.Limit)
}

package call

import "time"

// gate is something that can be shut to calls for a while: an operation of an
// account, or the account. When its time is over one call goes through as a
// probe, and its outcome opens the gate or shuts it for longer.
type gate struct {
	cause   *Error        // why it is shut, nil while it is open
	until   time.Time     // the probe may go then
	period  time.Duration // how long it was shut the last time
	opened  time.Time     // when it last opened
	probing bool          // the probe is under way
	fails   int           // calls in a row without a verdict of the cloud, while open
}

// calm is how long a gate stays open before its next shutting counts as the
// first again.
const calm = time.Minute

// refuses reports whether a call must not pass now.
func (g *gate) refuses(now time.Time) bool {
	return g.cause != nil && (g.probing || now.Before(g.until))
}

// pass lets a call through that is not refused, and reports whether it is the
// probe.
func (g *gate) pass() bool {
	g.probing = g.cause != nil
	return g.probing
}

// shut shuts the gate for the first period, or, when the last time is not long
// over, for twice the last one, at most for the longest.
func (g *gate) shut(now time.Time, first, longest time.Duration, cause *Error) {
	again := g.cause != nil || (g.period > 0 && now.Sub(g.opened) < calm)
	if again {
		first = max(first, 2*g.period)
	}
	g.period = min(first, longest)
	g.until = now.Add(g.period)
	g.cause = cause
	g.probing = false
	g.fails = 0
}

// open opens the gate.
func (g *gate) open(now time.Time) {
	g.cause = nil
	g.opened = now
	g.probing = false
	g.fails = 0
}

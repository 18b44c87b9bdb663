package call

import (
	"time"
)

// Gauge is how an operation's quota is used now, by this process.
type Gauge struct {
	PerSecond float64 // calls that may be made now, see Limiter.Windows
	Used      float64 // of the slots of the window of which most is in use, 0 to 1
	Waiting   int     // calls that have no slot yet
	Throttled uint64  // answers of the cloud that it was one call too many, until now
}

// Gauges returns how the quota of each operation known is used now.
func (l *Limiter) Gauges() map[string]Gauge {
	now := time.Now()
	return ofEach(l, func(o *operation) Gauge { return o.gauge(now) })
}

func (o *operation) gauge(now time.Time) Gauge {
	g := Gauge{PerSecond: PerSecond(o.effective())}
	o.mu.Lock()
	defer o.mu.Unlock()
	g.Throttled = o.throttled
	for _, n := range o.queue.lengths() {
		g.Waiting += n
	}
	credit := o.trips.credit(now)
	for _, w := range o.windows {
		taken := float64(o.flying + w.expire(now, credit))
		g.Used = max(g.Used, min(1, taken/float64(max(1, o.slots(w, now)))))
	}
	return g
}

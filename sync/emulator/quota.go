package emulator

import "time"

// maxQuota bounds a limit, whose log of arrivals is kept whole.
const maxQuota = 1_000_000

// quotaKey is what a limit counts: the calls of one operation by one account.
type quotaKey struct {
	cloud, account, operation string
}

// quotas holds the limits and, for each account, the arrivals of the calls
// accepted. A refused call does not count: only so can "at most N in any
// sliding second" be told from "no call at all after N".
type quotas struct {
	limits  map[string][]window // by operation
	windows map[quotaKey][]*arrivals
}

type window struct {
	limit int
	per   time.Duration
}

// arrivals is the exact log of one window: the last accepted arrivals, as many
// as the limit, in a ring.
type arrivals struct {
	window
	ring []time.Time
	next int // the oldest, once the ring is full
}

// full says whether another arrival at the moment given is above the limit,
// and for how long still.
func (a *arrivals) full(at time.Time) time.Duration {
	if len(a.ring) < a.limit {
		return 0
	}
	return max(a.per-at.Sub(a.ring[a.next]), 0)
}

func (a *arrivals) add(at time.Time) {
	if len(a.ring) < a.limit {
		a.ring = append(a.ring, at)
		return
	}
	a.ring[a.next] = at
	a.next = (a.next + 1) % a.limit
}

// exceeded returns the window that a call at the moment given would exceed and
// how long it stays full, or nil.
func (q *quotas) exceeded(k quotaKey, at time.Time) (*arrivals, time.Duration) {
	for _, a := range q.of(k) {
		if wait := a.full(at); wait > 0 {
			return a, wait
		}
	}
	return nil, 0
}

// count enters an accepted call.
func (q *quotas) count(k quotaKey, at time.Time) {
	for _, a := range q.of(k) {
		a.add(at)
	}
}

func (q *quotas) of(k quotaKey) []*arrivals {
	if log, known := q.windows[k]; known {
		return log
	}
	var log []*arrivals
	for _, w := range q.limits[k.operation] {
		log = append(log, &arrivals{window: w})
	}
	q.windows[k] = log
	return log
}

// newQuotas returns the documented limits with the world's in place of those
// of the same operation.
func newQuotas(ops map[string]operation, overrides []Quota) quotas {
	q := quotas{limits: map[string][]window{}, windows: map[quotaKey][]*arrivals{}}
	for name, op := range ops {
		q.limits[name] = []window{op.quota}
	}
	for _, o := range overrides {
		q.limits[o.Operation] = nil
	}
	for _, o := range overrides {
		per := time.Duration(o.Per)
		if per == 0 {
			per = time.Second
		}
		if o.Limit > 0 {
			q.limits[o.Operation] = append(q.limits[o.Operation], window{o.Limit, per})
		}
	}
	return q
}

package reconcile

import (
	"cmp"
	"iter"
	"slices"
	"time"

	"weir/sync/plan"
	"weir/sync/resource"
)

// ScrubStatus is how the search for drift goes in an account.
type ScrubStatus struct {
	Account string    `json:"account"`
	Oldest  time.Time `json:"oldestObservation"` // zero before anything was read
	Share   float64   `json:"share"`             // of each read operation's quota that it may take
	Used    float64   `json:"shareUsed"`         // within the last minute, of the operation of which most was used
	Cycle   float64   `json:"cycleSeconds"`      // estimate of how long it takes until everything was read once
}

// scrubStatus says of each account how the search for drift goes.
func (r *Reconciler) scrubStatus() []ScrubStatus {
	now := time.Now()
	oldest := map[string]time.Time{}
	for k, at := range r.sights.oldest() {
		oldest[k.account] = plan.Earliest(oldest[k.account], at)
	}
	out := make([]ScrubStatus, 0, len(r.scrubs))
	for name, s := range r.scrubs {
		out = append(out, ScrubStatus{name, oldest[name], s.paces.share, s.paces.used(now), s.whole().Seconds()})
	}
	slices.SortFunc(out, func(a, b ScrubStatus) int { return cmp.Compare(a.Account, b.Account) })
	return out
}

// whole returns how long reading everything of the account once takes: no less
// than the interval.
func (s *scrub) whole() time.Duration {
	k := s.r.sights
	k.mu.Lock()
	defer k.mu.Unlock()
	longest := s.r.opts.Interval
	for key, l := range k.queues {
		if key.account == s.account {
			longest = max(longest, s.cycle(l))
		}
	}
	return longest
}

// follow tells those who work beside the passes what the pass that made p knows,
// as far as it may be something else than at the pass before, which made former.
func (r *Reconciler) follow(p, former *plan.Plan, now time.Time) {
	k := r.sights
	k.follow(r.subjects(p.News(former)), p.Gone(former), r.kinds, now)
	k.mu.Lock()
	defer k.mu.Unlock()
	for account := range r.scan.known {
		if !k.ready[account] {
			k.ready[account] = true
			k.tell()
		}
	}
}

// subjects yields what is known of the resources of changes.
func (r *Reconciler) subjects(changes iter.Seq[plan.Change]) iter.Seq[subject] {
	return func(yield func(subject) bool) {
		for c := range changes {
			sub := subject{
				res: resource.Resource{ID: c.ID, Origin: c.Origin}, seen: r.seen.of[c.ID],
				drifted: c.Fight != nil || c.Reason == plan.Drifted || c.Reason == plan.Conflict,
			}
			if c.Last != nil {
				sub.res.Spec, sub.written = c.Last.Spec, c.Last.At
				sub.drifted = sub.drifted || len(c.Last.Heals) > 0
			}
			if declared, ok := r.desired.set.Get(c.ID); ok {
				sub.res = declared
			}
			if !yield(sub) {
				return
			}
		}
	}
}

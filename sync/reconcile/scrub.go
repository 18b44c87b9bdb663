package reconcile

import (
	"context"
	"math"
	"sync"
	"time"

	"weir/sync/apply"
	"weir/sync/call"
	"weir/sync/plan"
	"weir/sync/resource"
)

// The sizes of the scrub's work.
const (
	// chosenFor is for how long ahead reads are chosen: a look at all there is costs
	// time, and what is chosen early is chosen by what was known then.
	chosenFor = 5 * time.Second
	// lookPause is the least time between two looks that find nothing due.
	lookPause = time.Second
	// A read takes at most so long, or there would be too few under way to keep the
	// pace: a round trip of two seconds, a few pages, or a second look after a pause.
	readLong = 6 * time.Second
	// underWayMost bounds the reads of one operation that are under way.
	underWayMost = 256
)

// scrub reads everything of one account again and again, as often as its share of
// the read quota allows and no more often than once an interval: that is how drift
// is found. What it finds the next pass looks at; where all is as it was known, no
// pass is needed.
type scrub struct {
	r       *Reconciler
	account string
	target  apply.Target
	paces   *paces
	poke    chan struct{} // capacity one: a read has ended
	reads   sync.WaitGroup
	queues  map[string]*scrubQueue // by operation; of the one goroutine that runs
}

// scrubQueue is what the scrub does with one operation.
type scrubQueue struct {
	flying int       // reads under way, guarded by the sights
	chosen []chosen  // to be read next
	due    time.Time // when to look for more, where there is none
}

// chosen is a group that was chosen to be read, and how old it was then.
type chosen struct {
	*group
	at time.Time
}

// newScrubs returns one scrub for each account.
func (r *Reconciler) newScrubs() map[string]*scrub {
	out := map[string]*scrub{}
	for name, target := range r.opts.Accounts {
		share := r.opts.Scrub[name]
		if share == 0 {
			share = DefaultScrub
		}
		out[name] = &scrub{
			r: r, account: name, target: target, poke: make(chan struct{}, 1), queues: map[string]*scrubQueue{},
			paces: &paces{
				share:   share,
				outlook: func(operation string) call.Outlook { return r.opts.Outlook(name, operation, call.Scrub) },
				count:   func(operation string, calls int) { r.opts.Metrics.scrubbed(name, operation, calls) },
			},
		}
	}
	shareKeys(out)
	return out
}

// shareKeys divides the share among accounts of one key: they have one quota.
func shareKeys(all map[string]*scrub) {
	of := map[*call.Limiter][]*scrub{}
	for _, s := range all {
		if reads := s.target.Provider.Reads(); len(reads) > 0 {
			budget := s.paces.outlook(reads[0]).Budget
			of[budget] = append(of[budget], s)
		}
	}
	delete(of, nil) // where it is not known, each has its own
	for _, together := range of {
		for _, s := range together {
			s.paces.share /= float64(len(together))
		}
	}
}

// run looks for drift until ctx ends, after everything of its account was read once.
func (s *scrub) run(ctx context.Context) {
	defer s.reads.Wait()
	timer := time.NewTimer(0)
	defer timer.Stop()
	ctx = call.WithPriority(ctx, call.Scrub)
	for ctx.Err() == nil {
		news, next := s.turn(ctx, time.Now())
		if next.IsZero() {
			timer.Stop()
		} else {
			timer.Reset(time.Until(next))
		}
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-s.poke:
		case <-news:
		}
	}
}

// turn begins the reads whose time has come. It returns when to look again, zero
// for when a read has ended, and what is closed when there is more to read.
func (s *scrub) turn(ctx context.Context, now time.Time) (news <-chan struct{}, next time.Time) {
	k := s.r.sights
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.ready[s.account] || !s.r.leadsNow(s.account) {
		return k.news, time.Time{}
	}
	for key, l := range k.queues {
		if key.account == s.account {
			next = plan.Earliest(next, s.advance(ctx, l, now))
		}
	}
	return k.news, next
}

// advance begins the reads of one queue whose time has come, and returns when the
// next one's has, zero where a read has to end first or nothing is left to read.
func (s *scrub) advance(ctx context.Context, l *queue, now time.Time) time.Time {
	mine := s.queues[l.operation]
	if mine == nil {
		mine = &scrubQueue{}
		s.queues[l.operation] = mine
	}
	of := s.paces.get(l.operation)
	for mine.flying < s.underWay(l.operation) {
		if turn := of.turn(); turn.After(now) {
			return turn
		}
		g := s.next(l, mine, now)
		if g == nil {
			return mine.due
		}
		of.take(now)
		s.begin(ctx, g, mine)
	}
	return time.Time{}
}

// underWay is how many reads of an operation may be under way.
func (s *scrub) underWay(operation string) int {
	rate := s.paces.get(operation).rate()
	return int(min(underWayMost, 2+math.Ceil(rate*readLong.Seconds())))
}

// next returns what to read next of a queue, nil where nothing is due before
// mine.due.
func (s *scrub) next(l *queue, mine *scrubQueue, now time.Time) *group {
	if l.stale {
		mine.chosen, mine.due, l.stale = nil, time.Time{}, false
	}
	for {
		for len(mine.chosen) > 0 {
			g := mine.chosen[0]
			mine.chosen = mine.chosen[1:]
			if g.stale {
				g.renew()
			}
			if !g.busy && g.place >= 0 && g.candidate.at.Equal(g.at) {
				return g.group
			}
		}
		if now.Before(mine.due) || !s.choose(l, mine, now) {
			return nil
		}
	}
}

// choose chooses the next reads of a queue and reports whether there are any.
func (s *scrub) choose(l *queue, mine *scrubQueue, now time.Time) bool {
	rate := s.paces.get(l.operation).rate()
	n := int(min(underWayMost, 1+math.Floor(rate*chosenFor.Seconds())))
	o := order{now: now, interval: s.r.opts.Interval, crowded: s.cycle(l) > s.r.opts.Interval}
	places, due := o.choose(s.r.sights.candidates(l, now), n)
	for _, i := range places {
		mine.chosen = append(mine.chosen, chosen{l.groups[i], l.groups[i].at})
	}
	if mine.due = (time.Time{}); len(places) > 0 {
		return true
	}
	// What is read for the first time after this look is due no earlier than that.
	mine.due = plan.Earliest(due, now.Add(o.interval/valuableOften))
	if soon := now.Add(lookPause); mine.due.Before(soon) {
		mine.due = soon
	}
	return false
}

// cycle returns how long reading all of a queue once takes.
func (s *scrub) cycle(l *queue) time.Duration {
	return time.Duration(float64(len(l.groups)) / s.paces.get(l.operation).rate() * float64(time.Second))
}

// begin reads a group in a goroutine of its own; the turn of its first call has
// come.
func (s *scrub) begin(ctx context.Context, g *group, mine *scrubQueue) {
	want := make([]resource.Resource, 0, len(g.members))
	for _, one := range g.members {
		if one.known {
			want = append(want, one.res)
		}
	}
	mine.flying++
	g.busy = true
	f := &fare{operation: g.queue.operation}
	end := s.r.busy.begin(s.account)
	s.reads.Go(func() {
		defer end()
		ctx, span := s.r.opts.Tracer.Begin(ctx, "observe")
		span.Text("weir.account", s.account)
		span.Number("weir.resources", len(want))
		target := apply.Target{Provider: s.target.Provider, Caller: s.paces.paced(s.target.Caller, f)}
		seen, err := target.Observe(ctx, want)
		span.End(ctx.Err())
		if !f.spent.Load() {
			s.paces.get(f.operation).more(-1)
		}
		s.end(g, mine, read(seen, err))
	})
}

// end takes over what a read has shown. What differs from what was known a pass
// looks at; of the rest it learns when there is one.
func (s *scrub) end(g *group, mine *scrubQueue, seen []resource.Observation) {
	k := s.r.sights
	var same, other []resource.Observation
	k.mu.Lock()
	for _, o := range seen {
		one := k.at[o.ID]
		if one == nil || !one.known {
			continue
		}
		switch counts, differs := k.put(one, o); {
		case differs:
			other = append(other, o)
		case counts:
			same = append(same, o)
		}
	}
	g.busy = false
	mine.flying--
	k.mu.Unlock()
	s.r.leave(same)
	if len(other) > 0 {
		s.r.deliver(other)
	}
	select {
	case s.poke <- struct{}{}:
	default:
	}
}

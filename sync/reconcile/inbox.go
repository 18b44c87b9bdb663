package reconcile

import (
	"sync"
	"time"

	"weir/sync/apply"
	"weir/sync/plan"
	"weir/sync/resource"
)

// settleSoon is how soon a pass follows a change that has ended while others of
// its run go on.
const settleSoon = time.Second

// What there is to do makes a pass long: for each change that matters the next one
// comes so much later where nobody waits for it, and at most so late.
const (
	paceOne  = 2 * time.Millisecond
	paceMost = 10 * time.Second
)

// inbox is where those who work beside the passes leave what they found, until
// the next pass takes it.
type inbox struct {
	mu    sync.Mutex
	soon  *time.Timer // asks for a pass, nil while nothing waits for one
	due   time.Time   // when it does
	pace  time.Duration
	boxed boxed
}

// boxed is what lies in the inbox.
type boxed struct {
	seen    map[resource.ID]resource.Observation
	results []outcome
	ends    []laneEnd
	reads   []*job
	aired   []answer
}

// outcome is how a change of a lane ended, and when.
type outcome struct {
	lane *lane
	apply.Result
	at time.Time
}

// laneEnd is the end of a lane.
type laneEnd struct {
	lane *lane
	rep  *apply.Report
}

// answer is what is on air of changes of an account.
type answer struct {
	ids []resource.ID
	why []string
	at  time.Time // before it was asked
}

// deliver leaves observations for the next pass and asks for one.
func (r *Reconciler) deliver(seen []resource.Observation) {
	r.leave(seen)
	r.MarkDirty()
}

// leave leaves observations for the next pass, whenever that is. An older one of a
// resource does not replace a newer one.
func (r *Reconciler) leave(seen []resource.Observation) {
	r.inbox.put(func(b *boxed) { b.keep(seen) })
}

func (b *boxed) keep(seen []resource.Observation) {
	if b.seen == nil {
		b.seen = make(map[resource.ID]resource.Observation, len(seen))
	}
	for _, o := range seen {
		if old, ok := b.seen[o.ID]; !ok || !old.At.After(o.At) {
			b.seen[o.ID] = o
		}
	}
}

func (i *inbox) put(add func(*boxed)) {
	i.mu.Lock()
	defer i.mu.Unlock()
	add(&i.boxed)
}

// markSoon asks for a pass within a while: a given time, or what many changes make
// of it.
func (r *Reconciler) markSoon(after time.Duration) {
	i := &r.inbox
	i.mu.Lock()
	defer i.mu.Unlock()
	after = max(after, i.pace)
	due := time.Now().Add(after)
	switch {
	case i.soon == nil:
		i.soon, i.due = time.AfterFunc(after, r.MarkDirty), due
	case due.Before(i.due):
		i.soon.Reset(after)
		i.due = due
	}
}

// keepPace lets passes come as p has them.
func (i *inbox) keepPace(p *plan.Plan) time.Duration {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.pace = min(time.Duration(len(p.Changes))*paceOne, paceMost)
	return i.pace
}

// deliverResult leaves how a change ended. A pass comes soon; where the resource
// has moved, at once, since the change is to be planned again.
func (r *Reconciler) deliverResult(l *lane, res apply.Result) {
	l.progress.add(res)
	r.inbox.put(func(b *boxed) { b.results = append(b.results, outcome{l, res, time.Now()}) })
	r.markSoon(settleSoon)
	if res.Moved {
		r.MarkDirty()
	}
}

// deliverEnd leaves that a lane has ended, and asks for a pass: at once where it
// has done something, or something waits for its end.
func (r *Reconciler) deliverEnd(l *lane, rep *apply.Report) {
	r.inbox.put(func(b *boxed) { b.ends = append(b.ends, laneEnd{l, rep}) })
	switch {
	case l.awaited.Load():
		r.MarkDirty()
	case rep.Summary[apply.Done] > 0:
		r.markSoon(0)
	default:
		r.markSoon(settleSoon)
	}
}

// deliverRead leaves that a job has ended with what it has read, and asks for a
// pass: at once where something cannot be decided without.
func (r *Reconciler) deliverRead(j *job, seen []resource.Observation) {
	r.inbox.put(func(b *boxed) {
		b.keep(seen)
		b.reads = append(b.reads, j)
	})
	if j.first || j.scan {
		r.MarkDirty()
		return
	}
	r.markSoon(0)
}

// deliverAired leaves what is on air, and asks for a pass.
func (r *Reconciler) deliverAired(a answer) {
	r.inbox.put(func(b *boxed) { b.aired = append(b.aired, a) })
	r.MarkDirty()
}

// empty takes over what was delivered.
func (r *Reconciler) empty() {
	i := &r.inbox
	i.mu.Lock()
	b := i.boxed
	i.boxed = boxed{}
	if i.soon != nil {
		i.soon.Stop()
		i.soon = nil
	}
	i.mu.Unlock()
	for _, o := range b.results {
		r.taken(o.lane, o.Result, o.at)
	}
	for _, e := range b.ends {
		r.ended(e.lane, e.rep)
	}
	for _, o := range b.seen {
		r.learn(o)
	}
	for _, j := range b.reads {
		r.readEnded(j)
	}
	for _, a := range b.aired {
		r.airAnswered(a)
	}
}

// learn takes over an observation. What this process has written or read since is
// not replaced by what was read before.
func (r *Reconciler) learn(o resource.Observation) {
	old, known := r.seen.of[o.ID]
	if wrote, ok := r.wrote[o.ID]; ok && !o.At.After(wrote) || known && old.At.After(o.At) {
		return
	}
	if r.leads(o.ID.Account) {
		r.poster.add(o, known && alike(old, o))
	}
	r.seen.put(o.ID, o)
	if o.Unreadable == "" {
		delete(r.unshown[kindOf(o.ID)], o.ID)
	}
	r.sights.see(o)
}

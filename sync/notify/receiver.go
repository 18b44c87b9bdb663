package notify

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"weir/sync/notify/channel"
	"weir/sync/notify/message"
)

// The bounds of a receiver.
const (
	maxGroups = 100  // that wait to be told
	maxStands = 1000 // events that are known to stand
	maxPast   = 1000 // groups of which it is known when they were told
)

// receiver is a Receiver at work.
type receiver struct {
	of      Receiver
	traits  channel.Traits
	opt     Options
	log     *slog.Logger
	metrics *Metrics
	wake    chan struct{}

	mu      sync.Mutex
	closing bool
	leaving bool // what is under way goes to another
	groups  map[groupID]*group
	waits   map[wait]*group       // where what stands, or its end, waits to be told
	past    map[groupID]time.Time // when groups were told last
	stands  map[stand]Event       // was told, and is not over
	former  map[stand]Event       // was told under another configuration
	again   map[message.Name]time.Time
	sending *sending
	sent    []time.Time // the last tries, for the rate
	missed  int         // events that no message told, since the last message
	unsent  int         // events that were given up
	warned  string      // what was warned of last, so that it is said once
}

func newReceiver(of Receiver, opt Options) *receiver {
	r := &receiver{
		of: of, traits: of.Channel.Traits(), opt: opt, metrics: opt.Metrics,
		log: opt.Logger.With("receiver", of.Name), wake: make(chan struct{}, 1),
		groups: map[groupID]*group{}, waits: map[wait]*group{}, past: map[groupID]time.Time{}, stands: map[stand]Event{},
		former: map[stand]Event{}, again: map[message.Name]time.Time{},
	}
	r.of.Rate = min(cmp.Or(of.Rate, r.traits.Rate), r.traits.Rate)
	r.of.Repeat = cmp.Or(r.traits.Again, of.Repeat)
	if !r.traits.Repeats {
		r.of.Repeat = 0
	}
	return r
}

// take lets an event wait, where the receiver does not know it.
func (r *receiver) take(e Event, now time.Time) {
	if e.At.IsZero() {
		e.At = now
	}
	r.mu.Lock()
	if !r.closing && r.news(e) {
		r.put(e, now)
	}
	r.metrics.waiting(r.of.Name, r.waiting())
	r.mu.Unlock()
	r.nudge()
}

func (r *receiver) nudge() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// put lets e wait in its group.
func (r *receiver) put(e Event, now time.Time) {
	if g, waits := r.waits[waitOf(e)]; waits && !r.traits.Single {
		g.events[g.find(waitOf(e))], g.last = e, now
		return
	}
	id := r.groupOf(e)
	g := r.groups[id]
	if g == nil {
		r.makeRoom()
		g = &group{id: id}
		r.groups[id] = g
	}
	most := r.traits.Most
	if e.Name.Stands() && len(r.waits) < maxStands { // also what a message has no room for may be over before it is told
		most = maxStands
	}
	if g.add(e, now, most) && e.Name.Stands() {
		r.waits[waitOf(e)] = g
	}
}

// takeOut ends the waiting of a group.
func (r *receiver) takeOut(g *group) message.Data {
	delete(r.groups, g.id)
	for _, e := range g.events {
		if r.waits[waitOf(e)] == g {
			delete(r.waits, waitOf(e))
		}
	}
	return g.data()
}

func (r *receiver) groupOf(e Event) groupID {
	switch {
	case r.traits.All:
		return groupID{}
	case r.traits.Single:
		return groupID{single: rand.Text()}
	}
	id := groupID{name: e.Name, over: e.Over, source: sourceOf(e)}
	if !e.Name.Stands() || e.Name == message.Refused { // what else stands does so whatever the revision
		id.revision = e.Revision
	}
	return id
}

// makeRoom gives up the group that waits longest, where there are too many.
func (r *receiver) makeRoom() {
	if len(r.groups) < maxGroups {
		return
	}
	oldest := slices.MinFunc(slices.Collect(maps.Values(r.groups)), func(a, b *group) int { return a.first.Compare(b.first) })
	r.lose(r.takeOut(oldest))
	r.warn(errors.New("too many events wait"), true)
}

func (r *receiver) waiting() int {
	n := 0
	for _, g := range r.groups {
		n += g.total
	}
	if r.sending != nil {
		n += r.sending.data.Total
	}
	return n
}

// close lets the sender end when nothing waits.
func (r *receiver) close() {
	r.mu.Lock()
	r.closing = true
	r.mu.Unlock()
	r.nudge()
}

// untold says how many events were not told when the sender has ended.
func (r *receiver) untold() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.metrics.waiting(r.of.Name, 0)
	if n := r.unsent + r.waiting(); n > 0 {
		return fmt.Errorf("notify: %s: not told before the end: %d", r.of.Name, n)
	}
	return nil
}

// warn says once that something cannot be told.
func (r *receiver) warn(err error, final bool) {
	if text := err.Error(); text != r.warned {
		r.warned = text
		r.log.Warn("events cannot be told", "again", !final, "error", err)
	}
}

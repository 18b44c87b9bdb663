package notify

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"time"

	"weir/sync/delivery"
	"weir/sync/notify/channel"
	"weir/sync/notify/message"
)

// patience is how long one message is tried.
const patience = time.Hour

// rateWindow is what the rate of a receiver is counted in.
const rateWindow = time.Minute

// backoff is how the pauses between tries grow.
var backoff = delivery.Backoff{First: 2 * time.Second, Most: 5 * time.Minute}

// sending is a message under way, with what it tells.
type sending struct {
	id       string
	letter   channel.Letter
	composed bool
	data     message.Data // what happened
	shown    message.Data // what the letter says
	group    groupID
	first    time.Time // of the tries
	due      time.Time
	tries    int
	over     map[stand]bool // ended while it was under way
}

// tells returns what a message under way tells of id.
func (s *sending) tells(id stand) (Event, bool) {
	if s == nil {
		return Event{}, false
	}
	i := slices.IndexFunc(s.data.Events, func(e Event) bool { return standOf(e) == id && !e.Over })
	if i < 0 {
		return Event{}, false
	}
	return s.data.Events[i], true
}

// ends notes that id is over, and reports whether the message under way says that it
// stands.
func (s *sending) ends(id stand) bool {
	_, told := s.tells(id)
	if told {
		s.over[id] = true
	}
	return told
}

// run is the sender. It ends when it is closing and nothing waits, or with ctx.
func (r *receiver) run(ctx context.Context) {
	defer r.of.Channel.Close()
	delivery.Loop(ctx, r.wake, func() (func(), time.Duration) {
		s, wait := r.next(time.Now())
		if s == nil {
			return nil, wait
		}
		return func() { r.settle(s, r.try(ctx, s), time.Now()) }, 0
	})
}

// try makes one try. The letter is written here, by the sender alone, since that takes
// its time and whoever tells must not wait for it.
func (r *receiver) try(ctx context.Context, s *sending) error {
	if !s.composed {
		var err error
		if s.letter, err = r.of.Channel.Compose(s.shown, s.id); err != nil {
			return &channel.Fault{Final: true, Err: err}
		}
		s.composed = true
	}
	return r.of.Channel.Send(ctx, s.letter)
}

// next returns the message to send now, or how long to wait for one: 0 without an
// end, -1 where there will be none.
func (r *receiver) next(now time.Time) (*sending, time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if at := r.free(now); at.After(now) { // more would be too much for the receiver: what waits grows together
		if r.closing {
			return nil, -1
		}
		return nil, at.Sub(now)
	}
	if r.sending == nil {
		data, id, at, ok := r.pick(now)
		switch {
		case !ok && r.closing:
			return nil, -1
		case !ok:
			return nil, 0
		case at.After(now):
			return nil, at.Sub(now)
		}
		r.begin(data, id, now)
	}
	if at := r.sending.due; at.After(now) && !r.closing {
		return nil, at.Sub(now)
	}
	r.sent = append(r.sent, now)
	return r.sending, 0
}

// pick returns what is to be told next and when. What is due is taken out.
func (r *receiver) pick(now time.Time) (d message.Data, id groupID, at time.Time, ok bool) {
	var next *group
	for _, g := range r.groups {
		if next == nil || r.sooner(g, next) {
			next = g
		}
	}
	if round, due, repeats := r.nextAgain(); repeats && !r.closing && (next == nil || due.Before(r.due(next))) {
		if due.After(now) {
			return d, id, due, true
		}
		delete(r.again, round)
		if d = r.standing(round, now); d.Total == 0 { // all of it is over, or told by others
			return r.pick(now)
		}
		return d, groupID{name: round}, due, true
	}
	if next == nil {
		return d, id, at, false
	}
	at = r.due(next)
	if r.closing {
		at = now
	}
	if at.After(now) {
		return d, id, at, true
	}
	return r.takeOut(next), next.id, at, true
}

// data says what a group tells.
func (g *group) data() message.Data {
	return message.Data{
		Name: g.id.name, Over: g.id.over, Source: g.id.source, Revision: g.id.revision,
		Events: g.events, Total: g.total, Actions: g.actions, Calls: g.calls, Authors: g.authors,
	}
}

// begin takes a message up.
func (r *receiver) begin(d message.Data, id groupID, now time.Time) {
	d.Weir, d.URL, d.At, d.Missed = r.opt.Weir, r.opt.URL, now, r.missed
	r.missed = 0
	shown := r.withStanding(d)
	shown.Events = shown.Events[:min(len(shown.Events), r.traits.Most)]
	r.sending = &sending{id: rand.Text(), data: d, shown: shown, group: id, first: now, due: now, over: map[stand]bool{}}
}

// free returns when the rate allows another try.
func (r *receiver) free(now time.Time) time.Time {
	r.sent = slices.DeleteFunc(r.sent, func(at time.Time) bool { return !at.Add(rateWindow).After(now) })
	if len(r.sent) < r.of.Rate {
		return now
	}
	return r.sent[len(r.sent)-r.of.Rate].Add(rateWindow)
}

// settle books what became of a try.
func (r *receiver) settle(s *sending, err error, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer func() { r.metrics.waiting(r.of.Name, r.waiting()) }()
	switch {
	case err == nil:
		r.told(s, now)
		return
	case r.leaving:
		return
	}
	f := channel.FaultOf(err)
	if !errors.Is(err, context.Canceled) {
		r.warn(f.Err, f.Final)
	}
	s.tries++
	s.due = now.Add(backoff.Pause(s.tries, delivery.AtMost(f.After), r.opt.random()))
	if !f.Final && !r.closing && now.Sub(s.first) < patience {
		return
	}
	r.sending = nil
	switch {
	case s.data.Repeat && f.Final:
		r.know(s, now.Add(r.of.Repeat))
	case !f.Final && r.traits.Repeats: // what stands is told when the receiver is back
		r.know(s, now.Add(r.of.GroupInterval))
	}
	r.lose(s.data)
}

// told books that a message was told.
func (r *receiver) told(s *sending, now time.Time) {
	r.sending = nil
	r.metrics.message(r.of.Name, sent)
	r.metrics.events(r.of.Name, s.data, told)
	if r.warned != "" {
		r.log.Info("events are told again")
	}
	r.warned = ""
	if !r.traits.Single && !r.traits.All && !s.data.Repeat {
		r.remember(s.group, now)
	}
	if r.of.Repeat > 0 {
		r.know(s, now.Add(r.of.Repeat))
		return
	}
	r.know(s, time.Time{})
}

// remember notes when a group was told. Of too many those are forgotten that were
// told so long ago that it does not matter.
func (r *receiver) remember(id groupID, now time.Time) {
	for other, at := range r.past {
		if len(r.past) >= maxPast && !at.Add(r.of.GroupInterval).After(now) {
			delete(r.past, other)
		}
	}
	if len(r.past) < maxPast {
		r.past[id] = now
	}
}

// lose counts what no message tells. What is told again was told before.
func (r *receiver) lose(d message.Data) {
	r.missed += d.Missed
	r.metrics.message(r.of.Name, failed)
	if d.Repeat {
		return
	}
	r.missed += d.Total
	r.unsent += d.Total
	r.metrics.events(r.of.Name, d, lost)
}

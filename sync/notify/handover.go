package notify

import (
	"errors"
	"maps"
	"slices"

	"weir/sync/notify/message"
)

// HandOver ends n, and leaves to the receivers of next that have the same name what
// should not be lost, or told twice, because the configuration was read anew: what
// happened and was not told yet, how much was sent of late, and what was told to stand.
// That is not known to stand still: whoever tells next tells it, and nobody is told
// again of what has not changed. What n had not told of it is told by next, if it is so.
// The error says how many events were not told to receivers that next does not have.
func (n *Notifier) HandOver(next *Notifier) error {
	for _, r := range n.receivers {
		r.mu.Lock()
		r.closing, r.leaving = true, true
		r.mu.Unlock()
	}
	n.stop()
	n.senders.Wait()
	var errs []error
	for _, r := range n.receivers {
		i := slices.IndexFunc(next.receivers, func(o *receiver) bool { return o.of.Name == r.of.Name && o.traits == r.traits })
		if i >= 0 {
			next.receivers[i].inherit(r)
		} else {
			errs = append(errs, r.untold())
		}
	}
	return errors.Join(errs...)
}

// inherit takes over from a receiver that has ended.
func (r *receiver) inherit(from *receiver) {
	from.mu.Lock()
	defer from.mu.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sent, r.missed = from.sent, from.missed
	maps.Copy(r.past, from.past)
	maps.Copy(r.former, from.stands)
	for id, e := range from.former {
		if len(r.former) < maxStands {
			r.former[id] = e
		}
	}
	for id, g := range from.groups {
		if id.happened() {
			r.groups[id] = g
			for _, e := range g.events {
				if e.Name.Stands() {
					r.waits[waitOf(e)] = g
				}
			}
		}
	}
	if s := from.sending; s != nil && s.group.happened() {
		s.composed = false // what writes it may be another by now
		r.sending = s
	}
	r.metrics.waiting(r.of.Name, r.waiting())
	r.nudge()
}

// happened reports whether a group is of what happened, and stays true: a change that
// was made, and an end.
func (id groupID) happened() bool { return id.name == message.Applied || id.over }

// retold reports whether e was told to stand before there was another configuration.
func (r *receiver) retold(e Event) bool {
	id := standOf(e)
	was, is := r.former[id]
	delete(r.former, id)
	if !is || was.Subject() != e.Subject() {
		return false
	}
	r.stands[id] = e
	if r.of.Repeat > 0 {
		r.remind(id.name, e.At.Add(r.of.Repeat))
	}
	return true
}

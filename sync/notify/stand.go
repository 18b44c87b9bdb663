package notify

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"weir/sync/notify/message"
)

// stand names what stands until it is over.
type stand struct {
	name message.Name
	key  string
}

func standOf(e Event) stand { return stand{e.Name, e.Key} }

// news reports whether e has to be told: not where the receiver knows it, nor the
// end of what it was never told. That something has drifted matters though it is put
// back at once.
func (r *receiver) news(e Event) bool {
	id := standOf(e)
	known, stands := r.stands[id]
	switch {
	case !e.Name.Stands():
		return true
	case !e.Over && r.retold(e):
		return false
	case e.Over && r.of.Began && e.Name == message.Drift:
		delete(r.stands, id)
		r.sending.ends(id)
		return false
	case e.Over:
		matters := r.unwait(id, false) && e.Name == message.Drift
		_, former := r.former[id]
		delete(r.stands, id)
		delete(r.former, id)
		return (r.sending.ends(id) || stands || former || matters) && !r.of.Began
	case r.traits.Single: // whoever tells knows what is new
		return true
	case r.unwait(id, true) && e.Plan == "": // it is back before anybody was told that it was over
		r.stands[id] = e
		return false
	case stands && known.Subject() == e.Subject():
		r.stands[id] = e
		return false
	}
	other, told := r.sending.tells(id)
	return !told || other.Subject() != e.Subject()
}

// unwait takes out what waits to be told of the same, and reports whether there was
// anything.
func (r *receiver) unwait(id stand, over bool) bool {
	w := wait{id, over}
	g, waits := r.waits[w]
	if !waits {
		return false
	}
	delete(r.waits, w)
	i := g.find(w)
	g.events = slices.Delete(g.events, i, i+1)
	if g.total--; g.total == 0 {
		delete(r.groups, g.id)
	}
	return true
}

// hear takes over what another process tells.
func (r *receiver) hear(e Event, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	id := standOf(e)
	switch {
	case !e.Name.Stands():
	case e.Over:
		r.unwait(id, false)
		r.sending.ends(id)
		delete(r.stands, id)
		delete(r.former, id)
	case len(r.stands) < maxStands:
		delete(r.former, id)
		r.stands[id] = e
		if r.of.Repeat > 0 {
			r.remind(id.name, now.Add(r.of.Repeat))
		}
	}
}

// know takes over what stands by a message, to be told again at a time, zero for
// never.
func (r *receiver) know(s *sending, again time.Time) {
	for _, e := range s.data.Events {
		id := standOf(e)
		known, stands := r.stands[id]
		if !e.Name.Stands() || e.Over || s.over[id] || !stands && len(r.stands) == maxStands {
			continue
		}
		if !stands || !known.At.After(e.At) {
			r.stands[id] = e
		}
		if !again.IsZero() {
			r.remind(e.Name, again)
		}
	}
}

// remind has what stands told again at a time, or before: who comes later puts nothing
// off.
func (r *receiver) remind(name message.Name, again time.Time) {
	round := r.round(name)
	if due, is := r.again[round]; !is || again.Before(due) {
		r.again[round] = again
	}
}

// round names what is repeated together.
func (r *receiver) round(name message.Name) message.Name {
	if r.traits.All {
		return ""
	}
	return name
}

// nextAgain returns what is to be repeated next, and when; false for nothing.
func (r *receiver) nextAgain() (next message.Name, at time.Time, ok bool) {
	for name, due := range r.again {
		if !ok || due.Before(at) || due.Equal(at) && name < next {
			next, at, ok = name, due, true
		}
	}
	return next, at, ok
}

// standing returns a message of what stands of one round. What others tell is looked
// at again later: it may be this process by then.
func (r *receiver) standing(round message.Name, now time.Time) message.Data {
	g := &group{id: groupID{name: round}}
	for _, id := range r.ordered() {
		switch e := r.stands[id]; {
		case r.round(id.name) != round:
		case r.opt.Speaks(e):
			g.add(e, time.Time{}, maxStands)
		default:
			r.remind(id.name, now.Add(r.of.Repeat))
		}
	}
	d := g.data()
	d.Repeat = true
	return d
}

func (r *receiver) ordered() []stand {
	return slices.SortedFunc(maps.Keys(r.stands), func(a, b stand) int {
		return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.key, b.key))
	})
}

// withStanding adds all that stands to a message, for a channel that wants that.
func (r *receiver) withStanding(d message.Data) message.Data {
	if !r.traits.All || d.Repeat {
		return d
	}
	d.Events = slices.Clone(d.Events)
	told := map[stand]bool{}
	for _, e := range d.Events {
		told[standOf(e)] = true
	}
	for _, id := range r.ordered() {
		if !told[id] && len(d.Events) < r.traits.Most && r.opt.Speaks(r.stands[id]) {
			d.Events = append(d.Events, r.stands[id])
		}
	}
	d.Total = len(d.Events)
	return d
}

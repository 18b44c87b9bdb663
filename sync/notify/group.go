package notify

import (
	"cmp"
	"slices"
	"time"

	"weir/sync/notify/message"
)

// maxAuthors bounds the authors that a message names.
const maxAuthors = 5

// groupID is what the events of a message have in common; zero where a channel
// wants them all in one.
type groupID struct {
	name     message.Name
	over     bool
	source   string
	revision string
	single   string // the event alone, where each is a message
}

// wait names an event of what stands that waits to be told, or of its end.
type wait struct {
	stand
	over bool
}

func waitOf(e Event) wait { return wait{standOf(e), e.Over} }

// sourceOf returns where what e is about comes from, "" for no one source.
func sourceOf(e Event) string { return cmp.Or(e.Source, e.Origin.Source) }

// group is what is to be told in one message.
type group struct {
	id      groupID
	events  []Event // the first of them: of what stands more than a message lists
	total   int
	actions map[string]int
	calls   int
	authors []string
	first   time.Time // when the first event came
	last    time.Time
}

// add takes in an event that came at a time, and reports whether it is among the first,
// of which there are most.
func (g *group) add(e Event, at time.Time, most int) bool {
	if g.total == 0 {
		g.first = at
	}
	g.last = at
	g.total++
	g.calls += e.Calls
	if e.Action != "" {
		if g.actions == nil {
			g.actions = map[string]int{}
		}
		g.actions[string(e.Action)]++
	}
	if who := e.Origin.Author; who != "" && len(g.authors) < maxAuthors && !slices.Contains(g.authors, who) {
		g.authors = append(g.authors, who)
	}
	if len(g.events) >= most {
		return false
	}
	g.events = append(g.events, e)
	return true
}

// find returns where an event waits.
func (g *group) find(w wait) int {
	return slices.IndexFunc(g.events, func(e Event) bool { return waitOf(e) == w })
}

// due returns when a group is to be told.
func (r *receiver) due(g *group) time.Time {
	at := g.first.Add(r.of.GroupWait)
	if g.id.name == message.Applied { // as long as there are more and more of them
		at = earlier(g.last.Add(r.of.GroupWait), g.first.Add(max(r.of.GroupInterval, r.of.GroupWait)))
	}
	if before, is := r.past[g.id]; is {
		at = later(at, before.Add(r.of.GroupInterval))
	}
	return at
}

// sooner orders groups by when they are to be told.
func (r *receiver) sooner(a, b *group) bool {
	x, y := r.due(a), r.due(b)
	return x.Before(y) || x.Equal(y) && a.first.Before(b.first)
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// Package message says in words what people should know: events of weir, the
// data that templates are given, and the texts in English and Chinese. It knows no
// receiver: how a text is marked up is told by a Markup.
package message

import (
	"cmp"
	"slices"
	"time"

	"weir/sync/plan"
	"weir/sync/resource"
)

// Name is what kind of event something is, as the configuration names it.
type Name string

// The events.
const (
	Applied Name = "applied" // changes were carried out
	Failed  Name = "failed"  // a change could not be; over: it is made, or not wanted any more
	Held    Name = "held"    // a guard holds a plan, or a source its revision; over: nothing is held
	Refused Name = "refused" // a revision has problems; over: a later one has none
	Drift   Name = "drift"   // a resource was changed behind weir's back; over: it is as declared
	Fight   Name = "fight"   // weir has stopped putting a resource back; over: it is as declared
	Lease   Name = "lease"   // what was applied runs out soon; over: it goes on, or has run out
	Source  Name = "source"  // a source cannot be read for long; over: it can
	Ready   Name = "ready"   // weir cannot do its work for long; over: it can
)

// Severity says how much a person is needed.
type Severity string

// The severities.
const (
	Info     Severity = "info"
	Warning  Severity = "warning"
	Critical Severity = "critical"
)

// trait is what is known of a kind of event.
type trait struct {
	name       Name
	began, end string // types of its CloudEvents
	severity   Severity
	alert      string // name of its alert
}

// traits are those of all events, in the order that they are listed in.
func traits() []trait {
	return []trait{
		{Applied, "weir.revision.applied", "", Info, "WeirApplied"},
		{Failed, "weir.change.failed", "weir.change.recovered", Critical, "WeirChangeFailed"},
		{Held, "weir.plan.held", "weir.plan.released", Warning, "WeirPlanHeld"},
		{Refused, "weir.revision.refused", "weir.revision.accepted", Critical, "WeirRevisionRefused"},
		{Drift, "weir.resource.drifted", "weir.resource.healed", Warning, "WeirResourceDrifted"},
		{Fight, "weir.resource.fight", "weir.resource.settled", Critical, "WeirResourceFight"},
		{Lease, "weir.lease.ending", "weir.lease.over", Warning, "WeirLeaseEnding"},
		{Source, "weir.source.unavailable", "weir.source.available", Critical, "WeirSourceUnavailable"},
		{Ready, "weir.readiness.lost", "weir.readiness.regained", Critical, "WeirNotReady"},
	}
}

func (n Name) trait() trait {
	all := traits()
	if i := slices.IndexFunc(all, func(t trait) bool { return t.name == n }); i >= 0 {
		return all[i]
	}
	return trait{name: n, severity: Info}
}

// Names lists every event.
func Names() []Name {
	var out []Name
	for _, t := range traits() {
		out = append(out, t.name)
	}
	return out
}

// Stands reports whether an event of this name stands until another says that it
// is over.
func (n Name) Stands() bool { return n != Applied }

// Severity returns how much a person is needed.
func (n Name) Severity() Severity { return n.trait().severity }

// Alert returns the name of its alert, in the way of Prometheus.
func (n Name) Alert() string { return n.trait().alert }

// Problem is what is wrong with a manifest, and where.
type Problem struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Message string `json:"message"`
	Code    string `json:"code"`
}

// Event is one thing that happened. What it has nothing to say about is zero. It
// names fields and not their values, since those of parameters are often secret.
type Event struct {
	Name Name      `json:"event"`
	Over bool      `json:"over,omitempty"` // what was told before is over
	At   time.Time `json:"at"`
	// Key tells what stands apart from others of its name: it is replaced, and ended,
	// by an event with the same.
	Key string `json:"-"`

	Source   string            `json:"source,omitempty"`
	Revision string            `json:"revision,omitempty"`
	Resource string            `json:"resource,omitempty"` // its identity
	Account  string            `json:"account,omitempty"`
	Kind     string            `json:"kind,omitempty"`
	Labels   map[string]string `json:"labels,omitempty"`
	Origin   resource.Origin   `json:"origin,omitzero"`

	Gone   bool        `json:"gone,omitempty"`   // it is over since nobody declares it any more
	Action plan.Action `json:"action,omitempty"` // what was to be done
	Cause  plan.Reason `json:"cause,omitempty"`  // and why
	Fields []string    `json:"fields,omitempty"`
	Calls  int         `json:"calls,omitempty"`  // that it took
	Reason string      `json:"reason,omitempty"` // one sentence: why it failed, is held, cannot be read
	Code   string      `json:"code,omitempty"`   // of Reason, for weir explain

	Plan    string        `json:"plan,omitempty"` // hash of the plan that is held
	Held    []plan.Hold   `json:"held,omitempty"`
	Summary *plan.Summary `json:"summary,omitempty"`
	Consent string        `json:"consent,omitempty"` // the command that lets the plan through
	Settle  string        `json:"settle,omitempty"`  // the command that has weir put the resource back again
	Remedy  string        `json:"remedy,omitempty"`  // another command that helps

	Unseen  bool      `json:"unseen,omitempty"`
	Times   int       `json:"times,omitempty"`  // how often weir has put it back
	PutBack time.Time `json:"putBack,omitzero"` // when it did last
	Found   time.Time `json:"found,omitzero"`   // when it was found changed again

	Problems []Problem `json:"problems,omitempty"` // the first of them
	Wrong    int       `json:"wrong,omitempty"`    // how many there are

	Ends  time.Time `json:"ends,omitzero"`  // of a lease
	Since time.Time `json:"since,omitzero"` // since when it cannot be read, or is not ready
}

// Type returns the type of its CloudEvent.
func (e Event) Type() string {
	t := e.Name.trait()
	if e.Over {
		return t.end
	}
	return t.began
}

// Subject returns what it is about in one word.
func (e Event) Subject() string { return cmp.Or(e.Plan, e.Resource, e.Revision, e.Source) }

// Command returns the exact command that helps, "" for none.
func (e Event) Command() string { return cmp.Or(e.Consent, e.Settle, e.Remedy) }

// HeldBy returns the names of what holds it, those of guards.
func (e Event) HeldBy() []string {
	var out []string
	for _, h := range e.Held {
		out = append(out, h.Guard)
	}
	return out
}

// Data is what a message tells, and what templates are given: one or many events
// of one name, of one source and revision where they have one.
type Data struct {
	Name     Name
	Over     bool // they are over
	Repeat   bool // they were told before, and stand still
	Weir     string
	URL      string // of the page, "" where it is not known
	At       time.Time
	Source   string
	Revision string
	Events   []Event
	Total    int            // of events, also those that are not in Events
	Actions  map[string]int // how many of them did what: create, update, delete
	Calls    int            // that they took in all
	Authors  []string       // who asked for them, the first few
	Missed   int            // earlier events that no message told, as too many waited
}

// More returns how many events are not in Events.
func (d Data) More() int { return d.Total - len(d.Events) }

// First returns the first event.
func (d Data) First() Event {
	if len(d.Events) == 0 {
		return Event{Name: d.Name, Over: d.Over}
	}
	return d.Events[0]
}

// fewer returns d with the first n of its events.
func (d Data) fewer(n int) Data {
	d.Events = d.Events[:min(n, len(d.Events))]
	return d
}

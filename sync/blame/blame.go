// Package blame answers afterwards what happened and because of what: who made
// a field of a resource what it is, in which commit, and which call made it
// true. It looks at evidence that others have gathered (the versions of a
// declaration, the record of what was applied, the journal) and reads nothing
// itself.
package blame

import (
	"cmp"
	"reflect"
	"time"

	"weir/sync/resource"
	"weir/sync/source"
	"weir/sync/state"
)

// Evidence is all that is known of one resource. Every spec is in normal form.
type Evidence struct {
	ID       resource.ID
	Declared Declaration
	Applied  *resource.Applied // nil for none
	Acts     []resource.Act
	Calls    []state.Entry // that were made for it and have an effect, newest first
	Journal  time.Time     // when the oldest entry of the journal was opened, zero for none
	Pruned   bool          // there were older ones
	Seen     *resource.Observation
	// Unasked says why a source could not be asked, and so whether the resource
	// is declared is not known; "" where it is.
	Unasked string
}

// Declaration is what a source says of a resource, now and before.
type Declaration struct {
	Spec   resource.Spec // "" where it is not declared
	Origin resource.Origin
	// Written is what the document has, before defaults and order became normal,
	// and Places is where, by path.
	Written resource.Spec
	Places  map[string]Place
	// History has its texts in normal form. Without a list nothing is known of
	// former revisions, and NoHistory says why.
	History   source.Versions
	NoHistory string
}

// Place is where a field is written, from 1; the zero Place is a default.
type Place struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	Column int    `json:"column"`
}

// Commit is who made something so. One that is not the zero Commit but has no
// hash is a change that nobody has committed yet.
type Commit struct {
	Commit string    `json:"commit"`
	Author string    `json:"author"`
	At     time.Time `json:"at,omitzero"`
	File   string    `json:"file,omitempty"` // where the resource is declared then
	Line   int       `json:"line,omitempty"`
	// Earlier says that it may have been so before: history is not known further.
	Earlier bool `json:"earlier,omitempty"`
}

// Call is the call that made something true.
type Call struct {
	Number    int64     `json:"number"` // of the journal's entry
	At        time.Time `json:"at"`
	Operation string    `json:"operation"`
	RequestID string    `json:"requestId"`
	Plan      string    `json:"plan"`
	Action    string    `json:"action,omitempty"`
	Reason    string    `json:"reason,omitempty"`
	Process   string    `json:"process,omitempty"`
	Commit    string    `json:"commit,omitempty"` // that asked for it, as was known then
	// Lost says that its answer never came, and what was found later told.
	Lost bool `json:"lost,omitempty"`
}

// Field is what is known of one field.
type Field struct {
	Path     string  `json:"path"`
	Desired  any     `json:"desired"` // null where it is not declared
	Applied  any     `json:"applied"` // null where weir has made nothing of it
	Observed any     `json:"observed,omitempty"`
	Last     any     `json:"last,omitempty"`    // what it was, where it is neither declared nor applied
	Differs  bool    `json:"differs,omitempty"` // what is observed is not what is declared, or else was applied
	Place    *Place  `json:"place"`             // null for a default that nobody wrote
	Set      *Commit `json:"set"`               // null where no history is known
	Call     *Call   `json:"call"`
	Why      string  `json:"why,omitempty"` // there is no call
}

// Answer is what made a resource what it is.
type Answer struct {
	ID       string          `json:"id"`
	State    State           `json:"state"`
	Origin   resource.Origin `json:"origin"` // the zero Origin where it is not declared
	Applied  *Applied        `json:"applied"`
	Observed string          `json:"observed,omitempty"` // in words, "" where nobody looked
	Removed  *Commit         `json:"removed,omitempty"`  // took the declaration away
	Removal  *Call           `json:"removal,omitempty"`  // took the resource away
	Doubt    []string        `json:"doubt,omitempty"`    // names of acts whose end nobody knows
	Note     string          `json:"note,omitempty"`     // about the history
	Fields   []Field         `json:"fields"`
}

// Applied says when weir last made the resource true, and of what revision.
type Applied struct {
	At       time.Time `json:"at"`
	Revision string    `json:"revision"`
}

// State says how far a resource is what is declared.
type State string

// The states.
const (
	AsDeclared State = "applied"     // what is declared is what was applied last
	Pending    State = "pending"     // it is not
	NotApplied State = "not-applied" // weir has made nothing of it
	Leaving    State = "leaving"     // it was applied and is not declared any more
	Removed    State = "removed"     // neither declared nor applied, but once was
	Unheard    State = "unheard"     // never was
	Unasked    State = "unknown"     // a source could not be asked
)

// state returns how far the resource is what is declared.
func (e Evidence) state() State {
	declared := e.Declared.Spec != ""
	switch {
	case !declared && e.Unasked != "" && (e.Applied != nil || len(e.Calls) > 0):
		return Unasked
	case declared && e.Applied == nil:
		return NotApplied
	case declared && e.Applied.Spec.Equal(e.Declared.Spec):
		return AsDeclared
	case declared:
		return Pending
	case e.Applied != nil:
		return Leaving
	case len(e.Declared.History.List) > 0 || len(e.Calls) > 0:
		return Removed
	}
	return Unheard
}

// Known reports whether anything was ever heard of the resource.
func (e Evidence) Known() bool { return e.state() != Unheard }

// Blame says for each field who made it what it is. Of a resource that is gone
// it tells what it was last.
func Blame(e Evidence) Answer {
	a := Answer{
		ID: e.ID.String(), State: e.state(), Origin: e.Declared.Origin, Note: e.note(), Fields: []Field{},
		Observed: e.observed(),
	}
	if e.Applied != nil {
		a.Applied = &Applied{e.Applied.At, e.Applied.Revision}
	}
	for _, act := range e.Acts {
		if act.InDoubt() {
			a.Doubt = append(a.Doubt, act.Name)
		}
	}
	h := e.Declared.History
	at := e.Declared.head()
	if at >= 0 && !h.List[at].Present {
		a.Removed = commitOf(h, at)
		at = lastPresent(h, at)
	}
	if e.Declared.Spec == "" && e.Applied == nil {
		a.Removal = e.removal()
	}
	for _, f := range resource.Fields("", e.subject(at)) {
		a.Fields = append(a.Fields, e.field(at, f.Path, f.After))
	}
	a.Fields = append(a.Fields, e.others(at)...)
	return a
}

// others returns the fields that are not declared, of a resource that is.
func (e Evidence) others(at int) []Field {
	var out []Field
	if e.Declared.Spec == "" {
		return nil
	}
	var specs []resource.Spec
	if e.Applied != nil {
		specs = append(specs, e.Applied.Spec)
	}
	if e.Seen != nil {
		specs = append(specs, e.Seen.Spec)
	}
	told := map[string]bool{}
	for _, s := range specs {
		for _, f := range resource.Fields(e.Declared.Spec, s) {
			if f.Before == nil && !told[f.Path] {
				told[f.Path] = true
				out = append(out, e.field(at, f.Path, nil))
			}
		}
	}
	return out
}

// subject returns the spec whose fields are told of: what is declared, else what
// was.
func (e Evidence) subject(at int) resource.Spec {
	last := resource.Spec("")
	switch {
	case e.Applied != nil:
		last = e.Applied.Spec
	case at >= 0:
		last = resource.Spec(e.Declared.History.List[at].Text)
	case len(e.Calls) > 0 && e.Calls[0].Change != nil:
		last = cmp.Or(e.Calls[0].Change.Before, e.Calls[0].Change.After)
	}
	return cmp.Or(e.Declared.Spec, last)
}

// Last returns what is declared, or what was last, "" for nothing.
func (e Evidence) Last() resource.Spec {
	at := e.Declared.head()
	if at >= 0 && !e.Declared.History.List[at].Present {
		at = lastPresent(e.Declared.History, at)
	}
	return e.subject(at)
}

// field tells of one field, whose value is what is declared or was last.
func (e Evidence) field(at int, path string, value any) Field {
	f := Field{Path: path}
	f.Desired, _ = e.Declared.Spec.At(path)
	if e.Applied != nil {
		f.Applied, _ = e.Applied.Spec.At(path)
	}
	if e.Seen != nil && e.Seen.Unreadable == "" {
		f.Observed, _ = e.Seen.Spec.At(path)
		f.Differs = !reflect.DeepEqual(f.Observed, value)
	}
	if e.Declared.Spec == "" && e.Applied == nil {
		f.Last = value
	}
	if p, ok := e.Declared.place(path, value); ok && f.Desired != nil {
		f.Place = &p
	}
	if at >= 0 {
		f.Set = setter(e.Declared.History, at, path, value)
	}
	if value != nil || f.Applied != nil {
		f.Call, f.Why = e.made(path, value)
	}
	return f
}

// observed says in words what a read has shown, "" where nobody looked.
func (e Evidence) observed() string {
	s := e.Seen
	switch {
	case s == nil:
		return ""
	case s.Unreadable != "":
		return "unreadable: " + s.Unreadable
	case !s.Exists:
		return "absent"
	case s.Spec.Equal(e.subject(-1)):
		return "as " + map[bool]string{true: "declared", false: "applied"}[e.Declared.Spec != ""]
	}
	return "differs"
}

// head returns the version that is declared, -1 for none that is known.
func (d Declaration) head() int {
	if len(d.History.List) == 0 {
		return -1
	}
	return d.History.Head
}

// note says what is not known of the history, "" for nothing.
func (e Evidence) note() string {
	switch {
	case e.Unasked != "" && e.Declared.Spec == "":
		return "whether it is declared, and by whom, is not known: " + e.Unasked
	case e.Declared.History.Cut:
		return "the history was not followed to its beginning: what is told of it may have been so before"
	}
	return e.Declared.NoHistory
}

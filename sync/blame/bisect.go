package blame

import (
	"bytes"
	"encoding/json"
	"reflect"
	"time"

	"weir/sync/resource"
	"weir/sync/source"
	"weir/sync/state"
)

// Finding is what made a field have a value, now or at a time before.
type Finding struct {
	ID    string `json:"id"`
	Field string `json:"field"`
	Value any    `json:"value"` // as it was found, null for "is not there"
	Found bool   `json:"found"`
	Now   bool   `json:"now"` // it is declared so now

	Set   *Commit `json:"set"`   // the last commit that made it so
	Ended *Commit `json:"ended"` // after which it was not so any more
	Call  *Call   `json:"call"`  // the last call that made it so in the cloud
	Undid *Call   `json:"undid"` // the call after that which ended it
	// Outside is set where the cloud had it though weir had made it something
	// else: the console, or another tool.
	Outside *Outside `json:"outside"`
	Note    string   `json:"note,omitempty"`
}

// Outside is a change that was not weir's.
type Outside struct {
	// After is when weir last made the field something else, or knew it to be;
	// zero where it never had.
	After  time.Time `json:"after,omitzero"`
	Before time.Time `json:"before"` // when it was first seen
	Call   *Call     `json:"call"`   // that put it back, nil for none
	Still  bool      `json:"still"`  // it is so now
}

// wanted is a value as a person writes it: a text, or JSON.
type wanted struct {
	text  string
	value any // of the text as JSON; nil also where it is none
	null  bool
}

func want(text string) wanted {
	w := wanted{text: text, null: text == "null"}
	dec := json.NewDecoder(bytes.NewReader([]byte(text)))
	dec.UseNumber()
	if err := dec.Decode(&w.value); err != nil || dec.More() {
		w.value = nil
	}
	return w
}

// is reports whether a value, nil for none, is the one that is wanted.
func (w wanted) is(value any) bool {
	if value == nil {
		return w.null
	}
	return value == any(w.text) || w.value != nil && reflect.DeepEqual(value, w.value)
}

// question is a Bisect under way.
type question struct {
	Evidence
	path string
	want wanted
}

func (q question) has(s resource.Spec) bool {
	value, _ := s.At(q.path)
	return q.want.is(value)
}

// Bisect finds what made a field have a value: a commit and the call that
// followed it, or somebody who is not weir. The value is a plain text or JSON;
// null is a field that is not there.
func Bisect(e Evidence, path, value string) Finding {
	q := question{e, path, want(value)}
	f := Finding{ID: e.ID.String(), Field: path, Note: e.note()}
	q.declared(&f)
	q.called(&f)
	q.outside(&f)
	f.Found = f.Set != nil || f.Call != nil || f.Outside != nil
	if e.Seen != nil && e.Seen.Unreadable != "" && !f.Found {
		f.Note = "what the account holds now is not known: " + e.Seen.Unreadable
	}
	f.Now = e.Declared.Spec != "" && q.has(e.Declared.Spec)
	if !q.want.null {
		if f.Value = q.want.value; q.asText() || f.Value == nil {
			f.Value = value
		}
	}
	return f
}

// asText reports whether the field has the value as a text.
func (q question) asText() bool {
	for _, s := range q.specs() {
		if value, _ := s.At(q.path); value == any(q.want.text) {
			return true
		}
	}
	return false
}

// specs returns everything that the resource was ever known to be.
func (e Evidence) specs() []resource.Spec {
	out := []resource.Spec{e.Declared.Spec}
	if e.Applied != nil {
		out = append(out, e.Applied.Spec)
	}
	for _, v := range e.Declared.History.List {
		out = append(out, resource.Spec(v.Text))
	}
	for _, c := range e.Calls {
		if c.Change != nil {
			out = append(out, c.Change.Before, c.Change.After)
		}
	}
	if e.Seen != nil {
		out = append(out, e.Seen.Spec)
	}
	return out
}

// Paths returns the fields that the resource was ever known to have.
func (e Evidence) Paths() []string {
	var out []string
	seen := map[string]bool{}
	for _, s := range e.specs() {
		for _, f := range resource.Fields("", s) {
			if !seen[f.Path] {
				seen[f.Path] = true
				out = append(out, f.Path)
			}
		}
	}
	return out
}

// Has reports whether the resource was ever known to have something at a path.
func (e Evidence) Has(path string) bool {
	for _, s := range e.specs() {
		if _, ok := s.At(path); ok {
			return true
		}
	}
	return false
}

// declared finds the last commit that made it so, and what ended that.
func (q question) declared(f *Finding) {
	h := q.Declared.History
	is := func(v source.Version) bool { return q.want.is(at(v, q.path)) }
	for i, v := range h.List {
		if is(v) && !some(h, v, is) {
			f.Set = commitOf(h, i)
			break
		}
		other := func(p source.Version) bool { return reflect.DeepEqual(at(p, q.path), at(v, q.path)) }
		if f.Ended == nil && !is(v) && some(h, v, is) && !some(h, v, other) {
			f.Ended = commitOf(h, i)
		}
	}
	if f.Set == nil {
		f.Ended = nil
	}
}

// some reports whether a version came from one that is so.
func some(h source.Versions, v source.Version, is func(source.Version) bool) bool {
	for _, from := range v.From {
		if is(h.List[from]) {
			return true
		}
	}
	return false
}

// called finds the last call that made it so, and the one that ended that.
func (q question) called(f *Finding) {
	n := q.turned(q.has)
	if n < 0 {
		return
	}
	f.Call = callOf(q.Calls[q.closest(n, q.want.value)])
	for i, c := range q.Calls[:n] {
		if q.took(i) && !q.has(c.Change.After) {
			f.Undid = callOf(c) // and on to the oldest that did
		}
	}
}

// outside finds when the cloud last had it though weir had made it something
// else.
func (q question) outside(f *Finding) {
	if q.seenNow() {
		f.Outside = &Outside{Before: q.Seen.At, Still: true}
		f.Outside.After = q.lastOther(0, q.Seen.At)
		return
	}
	for i, c := range q.Calls {
		if c.Change == nil || !q.has(c.Change.Before) || q.has(c.Change.After) || fresh(c) {
			continue
		}
		if q.own(f, c) {
			return // it was weir that had made it so, and nobody since
		}
		q.foreign(f, i)
		return
	}
}

// seenNow reports whether a read shows it and weir has made it something else.
func (q question) seenNow() bool {
	return q.Seen != nil && q.Seen.Unreadable == "" && q.has(q.Seen.Spec) && q.Applied != nil && !q.has(q.Applied.Spec)
}

// fresh reports whether a call made what was not there, and never had been.
func fresh(c state.Entry) bool { return c.Change.Reason == "new" && c.Change.Before == "" }

// own reports whether what a call found was of weir's making: it was declared or
// made so, and the call is the answer to an edit of that.
func (q question) own(f *Finding, c state.Entry) bool {
	switch c.Change.Reason {
	case "drifted", "conflict", "new":
		return false
	}
	return f.Set != nil || f.Call != nil
}

// foreign tells of a change that call n was the answer to. Several calls may
// have seen it: the first of them says when it was there at the latest.
func (q question) foreign(f *Finding, n int) {
	o := &Outside{Before: q.Calls[n].Opened.UTC()}
	if q.took(n) {
		o.Call = callOf(q.Calls[n])
	}
	for n++; n < len(q.Calls); n++ {
		c := q.Calls[n]
		if c.Change == nil || q.took(n) || !q.has(c.Change.Before) {
			break
		}
		o.Before = c.Opened.UTC()
	}
	o.After = q.lastOther(n, o.Before)
	f.Outside = o
}

// lastOther returns when weir last made the field something else before a time,
// by call n or an older one, or took it over as such; zero for never.
func (q question) lastOther(n int, before time.Time) time.Time {
	for ; n < len(q.Calls); n++ {
		if c := q.Calls[n]; q.took(n) && c.Opened.Before(before) && !q.has(c.Change.After) {
			return c.Opened.UTC()
		}
	}
	if q.Applied != nil && q.Applied.At.Before(before) && !q.has(q.Applied.Spec) {
		return q.Applied.At.UTC()
	}
	return time.Time{}
}

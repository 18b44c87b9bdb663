package main

import (
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"time"

	"weir/sync/daemon/view"
	"weir/sync/plan"
	"weir/sync/resource"
)

// resourceText writes one resource.
type resourceText struct {
	style
	w   io.Writer
	r   view.Resource
	now time.Time
}

// printResource writes all that is known of a resource: how it is and what stands
// against it, its three sides with their ages, field by field, what was begun for
// it, and which calls were made.
func printResource(w io.Writer, r view.Resource, s style) {
	t := &resourceText{s, w, r, time.Now()}
	t.title()
	t.troubles()
	t.sides()
	t.fields()
	t.acts()
	t.journal()
}

// title says how it is, who declares it, and what is due.
func (t *resourceText) title() {
	r := t.r
	state := cell{string(r.State), stateColors[r.State]}
	t.line(t.w, 2, cell{legible(r.ID), bold}, cell{"  ", ""}, state)
	if r.Note != "" && r.Failure == "" {
		t.line(t.w, 4, cell{"  " + legible(r.Note), dim})
	}
	if origin := originText(r.Origin); origin != "" {
		t.line(t.w, 4, cell{"  declared at " + origin + ", source " + r.Origin.Source, ""})
	}
	for _, key := range slices.Sorted(maps.Keys(r.Labels)) {
		t.line(t.w, 4, cell{"  label " + legible(key+"="+r.Labels[key]), dim})
	}
	t.due()
}

// due says what is to be done about it, or what keeps that from being done.
func (t *resourceText) due() {
	if t.r.Action == plan.None {
		return
	}
	text, color := fmt.Sprintf("  %s, because it is %s", t.r.Action, t.r.Reason), cyan
	if t.r.UnderWay {
		text += "; being made now"
	}
	switch {
	case t.r.LedBy != "":
		text += "; made by " + legible(t.r.LedBy) + ", which leads the account"
	case t.r.Unled:
		text, color = text+"; nobody makes it, since nobody leads the account", yellow
	}
	if t.r.Withheld != "" {
		text, color = text+"; withheld: "+legible(t.r.Withheld), yellow
	}
	t.line(t.w, 4, cell{text, color})
	t.aside("would interrupt", t.r.OnAir)
	t.aside("also takes in", t.r.Wide)
}

// aside says what else a change does, where there is something.
func (t *resourceText) aside(word, what string) {
	if what != "" {
		t.line(t.w, 4, cell{"  " + word + " ", yellow}, cell{legible(what), ""})
	}
}

// troubles says what a person may have to look at.
func (t *resourceText) troubles() {
	r := t.r
	if r.Failure != "" {
		t.line(t.w, 4, cell{"  failed", red}, cell{" " + legible(r.Failure), ""})
		t.line(t.w, 4, cell{fmt.Sprintf("  %s, tried again %s", plural(r.Attempts, "attempt"), in(t.now, r.NextTry)), dim})
	}
	if r.Fight != nil {
		t.line(t.w, 4, cell{"  stopped", red},
			cell{" " + fightText(r.ID, *r.Fight), ""})
	}
	if r.InDoubt {
		t.line(t.w, 4, cell{"  in doubt", yellow},
			cell{": see what the cloud shows, then: weir settle " + r.ID + " done or again", ""})
	}
}

// sides says of each side since when it is so.
func (t *resourceText) sides() {
	fmt.Fprintln(t.w)
	tab := table{indent: 2}
	for _, s := range []struct {
		name string
		view.Side
	}{{"desired", t.r.Desired}, {"applied", t.r.Applied}, {"observed", t.r.Observed}} {
		age, color := "-", dim
		if !s.At.IsZero() {
			age, color = ago(t.now, s.At), ""
		}
		tab.row(cell{s.name, bold}, cell{age, color}, t.sideText(s.Side))
	}
	tab.write(t.w, t.style)
	if !t.r.LeaseEnds.IsZero() {
		t.line(t.w, 4, cell{"  lease ends " + in(t.now, t.r.LeaseEnds) + ", at " + clock(t.r.LeaseEnds), cyan})
	}
}

// sideText says what one side is, in a few words.
func (t *resourceText) sideText(s view.Side) cell {
	switch {
	case s.Live:
		return cell{"on air since " + legible(s.Epoch), ""}
	case s.Why != "":
		return cell{legible(s.Why), yellow}
	case s.Confirmed:
		return cell{t.revision(s.Revision) + ", and a read has shown it", ""}
	case s.Revision != "":
		return cell{t.revision(s.Revision), ""}
	case !s.Exists:
		return cell{"not there, or at its default", dim}
	}
	return cell{}
}

// fields writes the three sides beside each other. What is as the one before is
// only said to be.
func (t *resourceText) fields() {
	if len(t.r.Fields) == 0 {
		return
	}
	t.heading(t.w, "Fields")
	tab := table{indent: 2, head: []string{"FIELD", "DESIRED", "APPLIED", "OBSERVED"}}
	for _, f := range t.r.Fields {
		color := ""
		if f.Differs {
			color = yellow
		}
		tab.row(cell{legible(f.Path), color}, sideValue(f.Desired, color),
			likeValue(f.Applied, f.Desired, ""), likeValue(f.Observed, f.Desired, color))
	}
	tab.write(t.w, t.style)
}

func sideValue(v any, color string) cell {
	if v == nil {
		return cell{"-", dim}
	}
	return cell{valueText(v), color}
}

// likeValue is a value beside one that it is compared with.
func likeValue(v, desired any, color string) cell {
	if v != nil && reflect.DeepEqual(v, desired) {
		return cell{"=", dim}
	}
	return sideValue(v, color)
}

// acts writes what was begun for it and must not happen twice.
func (t *resourceText) acts() {
	if len(t.r.Acts) == 0 {
		return
	}
	t.heading(t.w, "Acts")
	tab := table{indent: 2, head: []string{"ACT", "BEGUN", "DONE", "ENDS"}}
	for _, a := range t.r.Acts {
		done, color := ago(t.now, a.Done), ""
		if a.InDoubt() {
			done, color = "nobody knows", yellow
		}
		tab.row(cell{legible(a.Name), ""}, cell{ago(t.now, a.Begun), ""}, cell{done, color}, t.ends(a))
	}
	tab.write(t.w, t.style)
}

func (t *resourceText) ends(a resource.Act) cell {
	switch {
	case a.Ends.IsZero():
		return cell{"-", dim}
	case a.Ends.After(t.now):
		return cell{in(t.now, a.Ends), cyan}
	}
	return cell{ago(t.now, a.Ends), dim}
}

func (t *resourceText) journal() {
	if len(t.r.Journal) == 0 {
		return
	}
	t.heading(t.w, "Calls, the newest first")
	tab := table{indent: 2, head: []string{"TIME", "OPERATION", "OUTCOME", "REQUEST ID", "BECAUSE OF"}}
	for _, e := range t.r.Journal {
		tab.row(slices.Delete(historyRow(e), 1, 2)...) // all are of this resource
	}
	tab.write(t.w, t.style)
}

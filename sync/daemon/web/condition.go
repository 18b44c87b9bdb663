package web

import (
	"slices"

	"weir/sync/daemon/view"
	"weir/sync/manifest"
	"weir/sync/plan"
)

// Condition is how everything is, in one word.
type Condition string

// The conditions, the most urgent first: the first that holds is the headline.
const (
	NotReady Condition = "not-ready" // no complete pass yet, or source or store cannot be used
	Held     Condition = "held"      // a plan waits for a person's consent
	Refused  Condition = "refused"   // a newest revision is not in force
	Failing  Condition = "failing"   // changes failed and are tried again
	Fought   Condition = "fought"    // somebody undoes what weir puts back
	Applying Condition = "applying"
	Drift    Condition = "drift"
	Due      Condition = "due" // changes are due and are not being made
	Waits    Condition = "waits"
	InSync   Condition = "in-sync"
)

func conditions() []Condition {
	return []Condition{NotReady, Held, Refused, Failing, Fought, Applying, Drift, Due, Waits, InSync}
}

// Tone is the colour of a condition or a state; the word and the icon say it too.
type Tone string

// The tones.
const (
	toneOK   Tone = "ok"
	toneBusy Tone = "busy"
	toneWarn Tone = "warn"
	toneBad  Tone = "bad"
	toneHeld Tone = "held"
	toneWait Tone = "wait"
)

// Tone returns the colour of the condition.
func (c Condition) Tone() Tone {
	switch c {
	case NotReady, Refused, Failing:
		return toneBad
	case Held:
		return toneHeld
	case Fought, Drift:
		return toneWarn
	case Applying, Due:
		return toneBusy
	case Waits:
		return toneWait
	}
	return toneOK
}

// holds returns the conditions that hold, the most urgent first; it is never
// empty.
func holds(o view.Overview) []Condition {
	st := o.Status
	when := map[Condition]bool{
		NotReady: !st.Ready || st.Error != "" || st.ReadOnly != "",
		Held:     len(st.Plan.Held) > 0,
		Refused:  slices.ContainsFunc(o.Sources, refused),
		Failing:  len(st.Failures) > 0 || o.States[view.Failed] > 0,
		Fought:   len(st.Fights) > 0,
		Applying: o.Run != nil || len(st.UnderWay) > 0,
		Drift:    o.States[view.State(plan.Differs)] > 0,
		Due:      o.States[view.State(plan.Pending)] > 0 && o.Run == nil && len(st.UnderWay) == 0,
		Waits:    o.States[view.State(plan.Waiting)] > 0,
	}
	var out []Condition
	for _, c := range conditions() {
		if when[c] {
			out = append(out, c)
		}
	}
	if len(out) == 0 {
		out = append(out, InSync)
	}
	return out
}

// refused reports whether the newest revision of a source is kept out by what is
// written in it.
func refused(s view.Source) bool {
	return s.Revision != s.InForce && slices.ContainsFunc(s.SourceStatus.Problems, func(p manifest.Problem) bool {
		return p.Severity == manifest.Error
	})
}

// toneOf returns the colour of a resource's state.
func toneOf(s view.State) Tone {
	switch plan.State(s) {
	case plan.InSync:
		return toneOK
	case plan.Pending:
		return toneBusy
	case plan.Differs:
		return toneWarn
	case plan.State(view.Failed):
		return toneBad
	}
	return toneWait
}

// iconOf names the icon of a resource's state.
func iconOf(s view.State) string {
	switch plan.State(s) {
	case plan.InSync:
		return "ok"
	case plan.Pending:
		return "due"
	case plan.Differs:
		return "drift"
	case plan.Waiting:
		return "waits"
	case plan.State(view.Failed):
		return "failing"
	}
	return "unknown"
}

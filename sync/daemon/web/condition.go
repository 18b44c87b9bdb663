package web

import (
	"weir/sync/daemon/view"
	"weir/sync/plan"
)

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

// conditions lists all that there are, with their tones.
func conditions() map[view.Condition]Tone {
	return map[view.Condition]Tone{
		view.NotReady: toneBad, view.Held: toneHeld, view.Refused: toneBad, view.Failing: toneBad, view.Fought: toneWarn,
		view.Applying: toneBusy, view.Drift: toneWarn, view.Due: toneBusy, view.Unread: toneWait,
		view.Pinned: toneHeld, view.Waits: toneWait,
		view.Unknown: toneWait, view.InSync: toneOK,
	}
}

// Mood is the colour of a condition.
func (p *page) Mood(c view.Condition) Tone { return conditions()[c] }

// states lists those of resources as they are shown, with their tones and icons.
func states() []look {
	return []look{
		{view.State(plan.InSync), toneOK, "ok"},
		{view.State(plan.Pending), toneBusy, "due"},
		{view.State(plan.Differs), toneWarn, "drift"},
		{view.Failed, toneBad, "failing"},
		{view.State(plan.Waiting), toneWait, "waits"},
		{view.State(plan.Unknown), toneWait, "unknown"},
	}
}

// look is how a state is shown.
type look struct {
	State view.State
	Tone  Tone
	Icon  string
}

// lookOf returns how a state is shown; one that nobody knows is unknown.
func lookOf(s view.State) look {
	all := states()
	for _, l := range all {
		if l.State == s {
			return l
		}
	}
	return all[len(all)-1]
}

// States lists the states of resources as they are shown.
func (p *page) States() []view.State {
	var out []view.State
	for _, l := range states() {
		out = append(out, l.State)
	}
	return out
}

// Tone is the colour of a state.
func (p *page) Tone(s view.State) Tone { return lookOf(s).Tone }

// Icon is the sign of a state.
func (p *page) Icon(s view.State) string { return lookOf(s).Icon }

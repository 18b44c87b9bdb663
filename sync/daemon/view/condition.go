package view

import (
	"slices"

	"weir/sync/manifest"
	"weir/sync/plan"
	"weir/sync/source"
)

// Condition is how everything is, in one word.
type Condition string

// The conditions, the most urgent first.
const (
	NotReady Condition = "not-ready" // no complete pass yet, or source or store cannot be used
	Held     Condition = "held"      // a plan waits for a person's consent
	Refused  Condition = "refused"   // a newest revision is not in force
	Failing  Condition = "failing"   // changes failed and are tried again
	Fought   Condition = "fought"    // somebody undoes what weir puts back
	Applying Condition = "applying"
	Drift    Condition = "drift"
	Due      Condition = "due"    // changes are due and are not being made
	Unread   Condition = "unread" // what could be read was not
	Pinned   Condition = "pinned" // a newest revision was rolled back
	Waits    Condition = "waits"
	Unknown  Condition = "unknown" // nothing says of any resource that it is as declared
	InSync   Condition = "in-sync"
)

// Conditions returns those that hold, the most urgent first. There is always one.
func (o Overview) Conditions() []Condition {
	holds := map[Condition]bool{
		NotReady: !o.Status.Ready || o.Status.Error != "" || o.Status.ReadOnly != "",
		Held:     len(o.Status.Plan.Held) > 0,
		Refused:  slices.ContainsFunc(o.Sources, Source.Refused),
		Failing:  o.Failing() > 0,
		Fought:   len(o.Status.Fights) > 0,
		Applying: o.applying(),
		Drift:    o.States[State(plan.Differs)] > 0,
		Due:      o.States[State(plan.Pending)] > 0 && !o.applying(),
		Unread:   len(o.Status.Unread) > 0,
		Pinned:   slices.ContainsFunc(o.Sources, func(s Source) bool { return s.Pinned != nil }),
		Waits:    o.States[State(plan.Waiting)] > 0,
		Unknown:  o.States[State(plan.Unknown)] > 0 && o.States[State(plan.InSync)] == 0,
	}
	all := slices.DeleteFunc(AllConditions(), func(c Condition) bool { return !holds[c] })
	if len(all) == 0 {
		return []Condition{InSync}
	}
	return all
}

// Refused reports whether the newest revision of a source is kept out by what is
// written in it.
func (s Source) Refused() bool {
	return s.Revision != s.InForce && slices.ContainsFunc(s.SourceStatus.Problems, func(p manifest.Problem) bool {
		return p.Severity == manifest.Error
	})
}

// HeldBack reports whether the source can be read, but its newest revision may not be
// taken before a person has looked.
func (s Source) HeldBack() bool {
	return s.Code == source.CodeRewritten || s.Code == source.CodeUnsigned
}

// WhyNotDue says why changes that are due are not made: "dry-run", "observe", "led"
// where other members of the cluster make them, "unled" where nobody does, or "withheld"
// where the policy leaves them all to others. It is "" where they are next.
func (o Overview) WhyNotDue() string {
	switch n := o.States[State(plan.Pending)]; {
	case o.Status.DryRun:
		return "dry-run"
	case o.Status.Mode == plan.Observe:
		return string(plan.Observe)
	case o.notHere() != "":
		return o.notHere()
	case n > 0 && o.Status.Plan.Summary.Withheld >= n:
		return "withheld"
	}
	return ""
}

// Failing is how many changes failed and are tried again.
func (o Overview) Failing() int { return max(len(o.Status.Failures), o.States[Failed]) }

// UnderWay is how many changes are being made now.
func (o Overview) UnderWay() int {
	n := 0
	for _, u := range o.Status.UnderWay {
		n += u.Count
	}
	return n
}

// Consent returns the command that lets the current plan through, "" where nothing
// holds it.
func (o Overview) Consent() string {
	p := o.Status.Plan
	return Consent(p.Held, o.Status.Revision, p.Hash)
}

func (o Overview) applying() bool { return o.Run != nil || len(o.Status.UnderWay) > 0 }

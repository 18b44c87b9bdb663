package main

import (
	"fmt"

	"weir/sync/daemon/view"
	"weir/sync/plan"
)

// verdict is what matters most, in a sentence and a colour.
func verdict(o view.Overview) cell {
	st := o.Status
	n := func(s plan.State) int { return o.States[view.State(s)] }
	switch o.Conditions()[0] {
	case view.NotReady:
		return cell{"not ready: " + whyNotReady(o), loud}
	case view.Held:
		return cell{"held: nothing is applied until somebody consents", loud}
	case view.Refused:
		return cell{"refused: a newest revision has errors; the last good one stays in force", red}
	case view.Failing:
		return cell{"failing: " + plural(o.Failing(), "change") + " not made, tried again later", red}
	case view.Fought:
		return cell{"stopped: somebody undoes what weir puts back, at " + plural(len(st.Fights), "resource"), yellow}
	case view.Applying:
		return cell{"applying: " + runText(o), cyan}
	case view.Drift:
		text := "drifted: " + plural(n(plan.Differs), "resource") + " changed behind weir's back; weir diff shows which"
		return cell{text, yellow}
	case view.Due:
		return cell{"pending: " + plural(n(plan.Pending), "change") + " due" + notDue[o.WhyNotDue()], yellow}
	case view.Unread:
		return cell{"in doubt: nothing is known of " + plural(len(st.Unread), "resource"), yellow}
	case view.Pinned:
		return cell{"rolled back: a newest revision is not in force until there is another", yellow}
	case view.Unknown:
		return cell{"unknown: nothing says of any of " + plural(o.Total, "resource") + " that it is as declared", yellow}
	case view.Waits:
		if n(plan.InSync) == 0 {
			return cell{"waiting: " + plural(n(plan.Waiting), "resource") + " for a precondition", cyan}
		}
	case view.InSync:
	}
	return cell{inSyncText(o), green}
}

// notDue says why nothing is applied, by what keeps it from being so.
var notDue = map[string]string{
	"dry-run": ", not made in a dry run", "observe": ", not made in mode observe", "withheld": ", withheld by the policy",
	"led": ", made by other members", "unled": ", and nobody leads the account",
}

// inSyncText says what is as declared, and never so of what nobody can know.
func inSyncText(o view.Overview) string {
	known := o.States[view.State(plan.InSync)]
	text := fmt.Sprintf("in sync: %d of %s", known, plural(o.Total, "resource"))
	if known == o.Total {
		text = "in sync: " + plural(o.Total, "resource")
	}
	for _, s := range []plan.State{plan.Waiting, plan.Unknown} {
		if k := o.States[view.State(s)]; k > 0 {
			text += fmt.Sprintf(", %d %s", k, s)
		}
	}
	return text
}

func whyNotReady(o view.Overview) string {
	for _, why := range []string{o.Status.ReadOnly, o.Status.Error} {
		if why != "" {
			return legible(why)
		}
	}
	for _, src := range o.Sources {
		switch {
		case src.HeldBack():
			return "source " + src.Name + " holds back its newest revision (" + src.Code + ")"
		case src.Error != "":
			return "source " + src.Name + " cannot be used"
		}
	}
	return "no complete pass yet"
}

// runText says how far carrying out the plan is.
func runText(o view.Overview) string {
	if o.Run == nil {
		return plural(o.UnderWay(), "change") + " under way"
	}
	text := fmt.Sprintf("%d of %s", o.Run.Done, plural(o.Run.Total, "change"))
	if o.Run.Failed > 0 {
		text += fmt.Sprintf(", %d failed", o.Run.Failed)
	}
	return text + ", about " + about(o.Run.Left) + " left"
}

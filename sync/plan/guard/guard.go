// Package guard holds the rules that keep a plan from being applied: each is
// small, has a name that people and metrics see, and says in one sentence why
// it refuses. A plan that trips one is held whole until a person consents to
// exactly that plan.
package guard

import (
	"fmt"

	"weir/sync/plan"
	"weir/sync/resource"
)

// updatesFloor is the number of resources up to which updates are not counted
// in percent: among ten, one edit is ten percent.
const updatesFloor = 10

// Facts is what the rules look at.
type Facts struct {
	Plan     *plan.Plan
	Policy   plan.Policy
	Declared int // resources in the source
	Owned    int // resources with a record of having been applied
	// Sources counts the resources by source, with a zero for one that
	// declares nothing.
	Sources map[string]int
	// Pinned says of each revision in force that was rolled back when and by what.
	Pinned []string
}

// Rule is one guard.
type Rule struct {
	Name    string
	Explain string // for `weir explain`
	// Check returns why the plan is refused, "" where it is not.
	Check func(Facts) string
}

// Rules lists the guards in the order in which they are reported.
func Rules() []Rule {
	return []Rule{
		{RolledBack, explainRolledBack, rolledBack},
		{"empty-source", explainEmpty, emptySource},
		{"removals", explainRemovals, removals},
		{"removals-percent", explainRemovals, removalsPercent},
		{"updates-percent", explainUpdates, updatesPercent},
	}
}

const (
	explainEmpty = "A source declares nothing, or is not in the configuration any more, yet resources that it declared\n" +
		"exist. That is nearly always a wrong path, a wrong branch, a lost mount or a slip in weir.yaml, so nothing is\n" +
		"removed. Consent with `weir apply --consent HASH`."
	explainRemovals = "The plan removes more than policy.maxRemovals resources, or more than policy.maxRemovalsPercent of\n" +
		"those weir applied. Look at `weir diff`, then consent to exactly this plan with `weir apply --consent HASH`."
	explainUpdates = "The plan changes more than policy.maxUpdatesPercent of more than ten resources, as a slip in a\n" +
		"template would. Look at `weir diff`, then consent to exactly this plan with `weir apply --consent HASH`."
)

// Check applies every rule.
func Check(f Facts) []plan.Hold {
	var out []plan.Hold
	for _, r := range Rules() {
		if why := r.Check(f); why != "" {
			out = append(out, plan.Hold{Guard: r.Name, Message: why})
		}
	}
	return out
}

func emptySource(f Facts) string {
	n := 0
	for c := range f.Plan.Due() {
		gone := len(f.Sources) > 0 && f.Sources[c.Origin.Source] == 0
		if removes(c) && (f.Declared == 0 || gone) {
			n++
		}
	}
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("the source declares nothing, and %d applied resources would be removed", n)
}

func removals(f Facts) string {
	n := countRemovals(f)
	if n <= f.Policy.MaxRemoved {
		return ""
	}
	return fmt.Sprintf("%d removals, policy.maxRemovals is %d", n, f.Policy.MaxRemoved)
}

func removalsPercent(f Facts) string {
	n := countRemovals(f)
	if n*100 <= f.Policy.MaxRemovedPercent*f.Owned {
		return ""
	}
	return fmt.Sprintf("%d of %d applied resources would be removed, policy.maxRemovalsPercent is %d",
		n, f.Owned, f.Policy.MaxRemovedPercent)
}

func updatesPercent(f Facts) string {
	n := 0
	for c := range f.Plan.Due() {
		if c.Action == plan.Update && c.Reason != plan.Expired && c.Reason != plan.Restart {
			n++
		}
	}
	if f.Declared <= updatesFloor || n*100 <= f.Policy.MaxUpdatedPercent*f.Declared {
		return ""
	}
	return fmt.Sprintf("%d of %d resources would be updated, policy.maxUpdatesPercent is %d",
		n, f.Declared, f.Policy.MaxUpdatedPercent)
}

// countRemovals counts removals that take something out of a cloud; a resource
// that is only forgotten is none. Where there is one, those that wait for a
// read count as well: a source that lost many would otherwise be removed in
// portions, each below the limit.
func countRemovals(f Facts) int {
	due, waiting := 0, 0
	for _, c := range f.Plan.Changes {
		switch {
		case c.Due() && removes(c):
			due++
		case c.Reason == plan.Removed && c.Action == plan.None && c.State == plan.Unknown:
			waiting++
		}
	}
	if due == 0 || f.Policy.Withholds(plan.Change{Action: plan.Delete, Reason: plan.Removed}) != "" {
		return due
	}
	return due + waiting
}

func removes(c plan.Change) bool { return c.Action == plan.Delete && c.Before != resource.Spec("") }

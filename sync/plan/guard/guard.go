// Package guard holds the rules that keep a plan from being applied: each is
// small, has a name that people and metrics see, and says in one sentence why
// it refuses. A plan that trips one is held whole until a person consents to
// exactly that plan.
package guard

import (
	"weir/sync/plan"
)

// Facts is what the rules look at.
type Facts struct {
	Plan     *plan.Plan
	Policy   plan.Policy
	Declared int // resources in the sources
	Owned    int // resources with a record of having been applied
	// Sources counts the declared resources by source, with a zero for one that
	// declares nothing; OwnedBy those that were applied, by the source that they
	// came from.
	Sources map[string]int
	// Pinned says of each revision in force that was rolled back when and by what.
	Pinned  []string
	OwnedBy map[string]int
	// Recent counts by source what was removed within the last day, without
	// anybody's consent, and has not come back.
	Recent map[string]int
	// Healed counts by source what was updated within the last hour since somebody
	// had changed it, without anybody's consent, where Plan does more of that.
	Healed map[string]int
	// Edited counts by source what was updated of the revisions in force by former
	// plans, without anybody's consent, where Plan does more of that.
	Edited map[string]int
	// Former is the mode of the last plans, where it was another one.
	Former plan.Mode

	sums []tally // of Plan, once they are counted
}

// Rule is one guard.
type Rule struct {
	Name    string
	Explain string // for `weir explain`
	// Check returns why the plan is refused, "" where it is not.
	Check func(Facts) string
}

// PolicyToSync is the name of the guard of the first removals under mode sync.
const PolicyToSync = "policy-to-sync"

// Rules lists the guards in the order in which they are reported.
func Rules() []Rule {
	return []Rule{
		{RolledBack, explainRolledBack, rolledBack},
		{"empty-source", explainEmpty, emptySource},
		{PolicyToSync, explainPolicy, policyToSync},
		{"on-air", explainOnAir, onAir},
		{"removals", explainRemovals, removals},
		{"removals-percent", explainRemovals, removalsPercent},
		{"updates", explainUpdates, updates},
		{"updates-percent", explainUpdates, updatesPercent},
		{"wildcard-app", explainWildcard, wildcardApp},
	}
}

const (
	explainEmpty = "A source declares nothing, or is not in the configuration any more, yet resources that it declared\n" +
		"exist. That is nearly always a wrong path, a wrong branch, a lost mount or a slip in weir.yaml, so nothing is\n" +
		"removed. Consent with `weir apply --consent HASH`."
	explainPolicy = "policy.mode is sync now and was another mode before, which may have left much to remove: the first\n" +
		"plan that removes something is held whole. Look at `weir diff`, then consent to exactly this plan with\n" +
		"`weir apply --consent HASH`."
	explainOnAir = "The plan takes something away that is on air now: it removes a relay source from which streams are\n" +
		"pulled, ends a recording, or turns the dual-stream switch off while streams are pushed. The list of live streams\n" +
		"is read at most ten seconds before; where it cannot be read, everything counts as on air. Wait until it is off\n" +
		"air, or consent to exactly this plan with `weir apply --consent HASH`."
	explainRemovals = "The plan removes more than policy.maxRemovals resources, or more than policy.maxRemovalsPercent of\n" +
		"those weir applied, in all or of one source. What was removed within the last 24 hours without consent, and has\n" +
		"not come back, counts too. Look at `weir diff`, then consent to exactly this plan with\n" +
		"`weir apply --consent HASH`."
	explainUpdates = "The plan changes more than policy.maxUpdates resources, or more than policy.maxUpdatesPercent of\n" +
		"more than ten, in all or of one source, as a slip in a template would. Where it puts back what somebody changed,\n" +
		"what was put back within the last hour without consent counts too, and where it makes an edit true, what was\n" +
		"updated of the same revision before. Look at `weir diff`, then consent to exactly this plan with\n" +
		"`weir apply --consent HASH`."
	explainWildcard = "The plan lets a stream in again in every app of a domain at once (app: \"*\"), whoever had forbidden\n" +
		"it there. That is done without a question only where weir did it before. Consent to exactly this plan with\n" +
		"`weir apply --consent HASH`."
)

// Check applies every rule.
func Check(f Facts) []plan.Hold {
	f.sums = tallies(f)
	var out []plan.Hold
	for _, r := range Rules() {
		if why := r.Check(f); why != "" {
			out = append(out, plan.Hold{Guard: r.Name, Message: why})
		}
	}
	return out
}

package guard

import (
	"fmt"
	"strings"

	"weir/sync/plan"
)

// updatesFloor is the number of resources up to which updates are not counted
// in percent: among ten, one edit is ten percent.
const updatesFloor = 10

// named is how many changes a message names.
const named = 3

func emptySource(f Facts) string {
	n, source := 0, ""
	for c := range f.Plan.Due() {
		gone := len(f.Sources) > 0 && f.Sources[c.Origin.Source] == 0
		if removes(c) && (f.Declared == 0 || gone) {
			n++
			source = c.Origin.Source
		}
	}
	switch {
	case n == 0:
		return ""
	case f.Declared == 0 || source == "":
		return fmt.Sprintf("the source declares nothing, and %s would be removed", applied(n))
	}
	return fmt.Sprintf("the source %s declares nothing, and %s would be removed", source, applied(n))
}

func applied(n int) string {
	if n == 1 {
		return "1 applied resource"
	}
	return fmt.Sprintf("%d applied resources", n)
}

func policyToSync(f Facts) string {
	n := tallies(f)[0].removals()
	if n == 0 || f.Policy.Mode != plan.Sync || f.Former == "" || f.Former == plan.Sync {
		return ""
	}
	return fmt.Sprintf("policy.mode was %s before, and %s would be removed", f.Former, applied(n))
}

func onAir(f Facts) string {
	return naming(f, func(c plan.Change) string { return c.OnAir })
}

func wildcardApp(f Facts) string {
	return naming(f, func(c plan.Change) string { return c.Wide })
}

// naming says why of the first changes for which there is one.
func naming(f Facts, why func(plan.Change) string) string {
	var all []string
	for c := range f.Plan.Due() {
		if text := why(c); text != "" {
			all = append(all, c.ID.String()+": "+text)
		}
	}
	if more := len(all) - named; more > 0 {
		all = append(all[:named], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(all, "; ")
}

func removals(f Facts) string {
	return first(f, func(t tally) string {
		n := t.removals()
		if n == 0 || n+t.recent <= f.Policy.MaxRemoved {
			return ""
		}
		return fmt.Sprintf("%d removals%s%s, policy.maxRemovals is %d", n, t.of, t.before(), f.Policy.MaxRemoved)
	})
}

func removalsPercent(f Facts) string {
	return first(f, func(t tally) string {
		n := t.removals()
		if n == 0 || (n+t.recent)*100 <= f.Policy.MaxRemovedPercent*(t.owned+t.recent) {
			return ""
		}
		return fmt.Sprintf("%d of %d applied resources%s would be removed%s, policy.maxRemovalsPercent is %d",
			n, t.owned, t.of, t.before(), f.Policy.MaxRemovedPercent)
	})
}

// before says what was removed not long ago.
func (t tally) before() string {
	if t.recent == 0 {
		return ""
	}
	return fmt.Sprintf(" after %d within the last 24 hours", t.recent)
}

// after says what was updated before and is part of the same.
func (t tally) after() string {
	var parts []string
	if t.edited > 0 {
		parts = append(parts, fmt.Sprintf("%d of the same revision", t.edited))
	}
	if t.healed > 0 {
		parts = append(parts, fmt.Sprintf("%d put back within the last hour", t.healed))
	}
	if len(parts) == 0 {
		return ""
	}
	return " after " + strings.Join(parts, " and ")
}

func updates(f Facts) string {
	t := tallies(f)[0]
	if t.updated == 0 || t.updates() <= f.Policy.MostUpdated() {
		return ""
	}
	return fmt.Sprintf("%d updates%s, policy.maxUpdates is %d", t.updated, t.after(), f.Policy.MostUpdated())
}

func updatesPercent(f Facts) string {
	return first(f, func(t tally) string {
		if t.updated == 0 || t.declared <= updatesFloor || t.updates()*100 <= f.Policy.MaxUpdatedPercent*t.declared {
			return ""
		}
		return fmt.Sprintf("%d of %d resources%s would be updated%s, policy.maxUpdatesPercent is %d",
			t.updated, t.declared, t.of, t.after(), f.Policy.MaxUpdatedPercent)
	})
}

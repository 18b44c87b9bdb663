package guard

import (
	"maps"
	"slices"

	"weir/sync/plan"
)

// tally counts what a plan does within a scope: everything, or what one source
// declares or declared.
type tally struct {
	of       string // " of source live", "" for everything
	declared int
	owned    int
	recent   int // removed within the last day
	removed  int // taken out of a cloud by this plan
	unread   int // to be removed once they can be read
	updated  int
	healed   int // updated within the last hour, of what somebody had changed
	edited   int // updated before of the same edit
}

// updates is how many updates count.
func (t tally) updates() int { return t.updated + t.healed + t.edited }

// removals is how many removals count. Where there is one, those that wait for
// a read count as well: a source that lost many would otherwise be removed in
// portions, each below the limit.
func (t tally) removals() int {
	if t.removed == 0 {
		return 0
	}
	return t.removed + t.unread
}

// tallies returns the one of everything, and then those of the sources by name.
func tallies(f Facts) []tally {
	if f.sums != nil {
		return f.sums
	}
	all := tally{declared: f.Declared, owned: f.Owned}
	of := map[string]*tally{}
	for _, counts := range []map[string]int{f.Sources, f.OwnedBy, f.Recent, f.Healed, f.Edited} {
		for name := range counts {
			of[name] = &tally{}
		}
	}
	for name, t := range of {
		*t = tally{
			of: " of source " + name, declared: f.Sources[name], owned: f.OwnedBy[name],
			recent: f.Recent[name], healed: f.Healed[name], edited: f.Edited[name],
		}
		all.recent += t.recent
		all.healed += t.healed
		all.edited += t.edited
	}
	withheld := f.Policy.Withholds(plan.Change{Action: plan.Delete, Reason: plan.Removed}) != ""
	for _, c := range f.Plan.Changes {
		all.add(c, withheld)
		if t := of[c.Origin.Source]; t != nil {
			t.add(c, withheld)
		}
	}
	out := []tally{all}
	for _, name := range slices.Sorted(maps.Keys(of)) {
		out = append(out, *of[name])
	}
	return out
}

func (t *tally) add(c plan.Change, removalsWithheld bool) {
	switch {
	case c.Due() && removes(c):
		t.removed++
	case !removalsWithheld && c.Reason == plan.Removed && c.Action == plan.None && c.State == plan.Unknown:
		t.unread++
	case c.Due() && c.Action == plan.Update && c.Reason != plan.Expired && c.Reason != plan.Restart:
		t.updated++
	}
}

// first returns what why says of the first tally of which it says something.
func first(f Facts, why func(tally) string) string {
	for _, t := range tallies(f) {
		if text := why(t); text != "" {
			return text
		}
	}
	return ""
}

// removes reports whether c takes something out of a cloud; a resource that is
// only forgotten is none.
func removes(c plan.Change) bool { return c.Action == plan.Delete && c.Before != "" }

package plan

import (
	"slices"

	"weir/sync/resource"
)

// Drift is what is done about a change made behind weir's back.
type Drift string

// What is done about drift.
const (
	DriftHeal   Drift = "heal"   // the declared state is put back
	DriftReport Drift = "report" // it is told and left alone
)

// DriftRule says for some resources what is done about drift.
type DriftRule struct {
	Kind   string            // "" for every kind
	Labels map[string]string // all of which the resource carries; none: every resource
	Drift  Drift             // "" leaves it to the rules that follow
	Ignore []Path            // fields of the spec whose drift is none
}

func (r DriftRule) matches(id resource.ID, labels map[string]string) bool {
	if r.Kind != "" && r.Kind != id.Kind {
		return false
	}
	for k, v := range r.Labels {
		if labels[k] != v {
			return false
		}
	}
	return true
}

// heals reports whether drift of a resource is put back: the first rule that
// matches and speaks of it decides, and where none does the policy itself.
func (p Policy) heals(id resource.ID, labels map[string]string) bool {
	for _, r := range p.DriftRules {
		if r.Drift != "" && r.matches(id, labels) {
			return r.Drift == DriftHeal
		}
	}
	return p.HealDrift
}

// ignores returns the ignored fields of a resource: those of every rule that
// matches.
func (p Policy) ignores(r *resource.Resource) []Path {
	if r == nil || len(p.DriftRules) == 0 {
		return nil
	}
	var out []Path
	for _, rule := range p.DriftRules {
		if len(rule.Ignore) == 0 || !rule.matches(r.ID, r.Labels) {
			continue
		}
		if out == nil {
			out = slices.Clip(rule.Ignore)
			continue
		}
		out = append(out, rule.Ignore...)
	}
	return out
}

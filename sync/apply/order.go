package apply

import (
	"cmp"
	"slices"

	"weir/sync/call"
	"weir/sync/plan"
)

// The ranks of the changes of one kind, in the order in which they are made.
const (
	rankUrgent  = iota // forbids a stream or stops a recording
	rankAsked          // somebody has edited the declaration
	rankRoutine        // puts back or renews what was declared before
)

// inOrder returns the changes of a kind in the order in which they are made: what
// cannot wait, then what people have asked for, then what only keeps things as
// they were. A whole plan is made in the order in which it was shown.
func (r *run) inOrder(changes []plan.Change) []plan.Change {
	if r.aside == nil {
		return changes
	}
	type ranked struct {
		plan.Change
		rank int
	}
	list := make([]ranked, 0, len(changes))
	for _, c := range changes {
		list = append(list, ranked{c, r.rank(c)})
	}
	slices.SortStableFunc(list, func(a, b ranked) int { return cmp.Compare(a.rank, b.rank) })
	out := make([]plan.Change, 0, len(list))
	for _, c := range list {
		out = append(out, c.Change)
	}
	return out
}

func (r *run) rank(c plan.Change) int {
	switch {
	case r.Urgent(c):
		return rankUrgent
	case c.Reason == plan.Drifted || c.Reason == plan.Expired:
		return rankRoutine
	}
	return rankAsked
}

// Urgent reports whether one of the calls of c goes before all others.
func (a *Applier) Urgent(c plan.Change) bool {
	target, ok := a.opts.Accounts[c.ID.Account]
	if !ok || !c.Due() {
		return false
	}
	reqs, err := target.Provider.Kinds()[c.ID.Kind].Calls(c)
	return err == nil && slices.ContainsFunc(reqs, func(req *call.Request) bool { return req.Priority >= call.Urgent })
}

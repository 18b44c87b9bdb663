package apply

import (
	"context"
	"time"

	"weir/sync/plan"
	"weir/sync/resource"
)

// keepOld refuses removals of kinds of which something new among changes could
// not be made, or does not show: together they may be a rename, and the old one
// is what is on air.
func (r *run) keepOld(ctx context.Context, changes, last []plan.Change) []plan.Change {
	stuck, made := renamed(changes, last, r.outcomes())
	for kind, list := range made {
		stuck[kind] = r.unseen(ctx, list)
	}
	var rest []plan.Change
	for _, c := range last {
		if why := stuck[c.ID.Kind]; c.Due() && why != "" {
			r.add(Result{ID: c.ID, Action: c.Action, Calls: []Call{}}.end(Refused,
				why+"; nothing of the kind is removed until it is"))
			continue
		}
		rest = append(rest, c)
	}
	return rest
}

// renamed returns, by kind, why nothing of it may be removed, and else what was
// made of it and has to show before something is.
func renamed(
	changes, last []plan.Change, outcomes map[resource.ID]Outcome,
) (why map[string]string, made map[string][]plan.Change) {
	leaves := map[string]bool{}
	for _, c := range last {
		leaves[c.ID.Kind] = leaves[c.ID.Kind] || c.Due()
	}
	why, made = stuck(changes, outcomes), map[string][]plan.Change{}
	for _, c := range changes {
		if begins(c) && outcomes[c.ID] == Done && leaves[c.ID.Kind] && why[c.ID.Kind] == "" {
			made[c.ID.Kind] = append(made[c.ID.Kind], c)
		}
	}
	return why, made
}

// stuck says by kind what of it is declared and was not made, or does not show
// yet, by an earlier apply.
func stuck(changes []plan.Change, outcomes map[resource.ID]Outcome) map[string]string {
	out := map[string]string{}
	for _, c := range changes {
		switch {
		case c.Unmade, begins(c) && c.State != plan.Waiting && outcomes[c.ID] != Done && outcomes[c.ID] != Waiting:
			out[c.ID.Kind] = "a new " + c.ID.Kind + " could not be created"
		case lags(c) && out[c.ID.Kind] == "":
			out[c.ID.Kind] = c.ID.String() + " was written, and is not seen yet"
		}
	}
	return out
}

// begins reports whether c makes what was not there, or not weir's.
func begins(c plan.Change) bool {
	return c.Reason == plan.New || c.Reason == plan.RolledBack && c.Action == plan.Create
}

// lags reports whether c is about what was written a moment ago and does not show
// yet.
func lags(c plan.Change) bool { return c.Action == plan.None && c.State == plan.Pending }

// outcomes returns what has become of each change so far.
func (r *run) outcomes() map[resource.ID]Outcome {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make(map[resource.ID]Outcome, len(r.results))
	for _, res := range r.results {
		out[res.ID] = res.Outcome
	}
	return out
}

// unseen reads what was made, of one account and kind, until the cloud shows it,
// and says of what it does not. What cannot be read back has only its answer.
func (r *run) unseen(ctx context.Context, made []plan.Change) string {
	target := r.opts.Accounts[made[0].ID.Account]
	kind := target.Provider.Kinds()[made[0].ID.Kind]
	want, of := []resource.Resource{}, map[resource.ID]plan.Change{}
	for _, c := range made {
		want, of[c.ID] = append(want, resource.Resource{ID: c.ID, Spec: c.After}), c
	}
	if !kind.Readable {
		return ""
	}
	until := time.Now().Add(canaryPatience)
	for pause := time.Second; ; pause = min(2*pause, 8*time.Second) {
		seen, _ := target.Provider.Observe(ctx, target.Caller, want)
		for _, o := range seen {
			if of[o.ID].Shows(kind.Judge, o, time.Now()) {
				delete(of, o.ID)
			}
		}
		if len(of) == 0 {
			return ""
		}
		if !time.Now().Add(pause).Before(until) || !sleep(ctx, pause) {
			return first(made, of).String() + " was written, and is not seen yet"
		}
	}
}

// first returns the first of made that is left.
func first(made []plan.Change, left map[resource.ID]plan.Change) resource.ID {
	for _, c := range made {
		if _, is := left[c.ID]; is {
			return c.ID
		}
	}
	return resource.ID{}
}

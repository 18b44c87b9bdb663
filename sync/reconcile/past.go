package reconcile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"weir/sync/call"
	"weir/sync/resource"
	"weir/sync/state"
)

// Bounds of a look into the journal: entries of one query, and of a search for
// the latest plans.
const (
	journalPage = 1000
	journalLook = 200_000
)

// leastDigits is how much of a plan's hash must be given.
const leastDigits = 6

// RollbackOf begins the revision of a plan that undoes another, whose hash
// follows.
const RollbackOf = "rollback:"

// Past is a plan that was carried out, at least in part.
type Past struct {
	Plan      string    `json:"plan"` // its hash
	Revision  string    `json:"revision"`
	At        time.Time `json:"at"`        // of its last call
	Resources int       `json:"resources"` // that it changed, or may have
	By        string    `json:"by"`        // the author of the first of its commits known, or the process
	// Undoes is the plan that it rolled back, "" for none.
	Undoes string `json:"undoes,omitempty"`
	// Upkeep says that it only put back or renewed what was declared before.
	Upkeep bool `json:"upkeep,omitempty"`

	ids map[string]bool
}

// deed is what a plan did to one resource, or may have done.
type deed struct {
	id       resource.ID
	change   state.Change
	origin   resource.Origin
	number   int64 // of its first entry
	complete bool  // every call of it is known to have succeeded
}

// Plans returns the latest plans that changed something, the newest first.
func (r *Reconciler) Plans(ctx context.Context, most int) ([]Past, error) {
	return r.plans(ctx, state.Query{}, most)
}

func (r *Reconciler) plans(ctx context.Context, q state.Query, most int) ([]Past, error) {
	var out []*Past
	at := map[string]*Past{}
	err := r.effects(ctx, q, func(e state.Entry) bool {
		p := at[e.Plan]
		if p == nil {
			p = newPast(e)
			at[e.Plan], out = p, append(out, p)
		}
		p.add(e)
		return len(out) <= most
	})
	list := make([]Past, 0, len(out))
	for _, p := range out[:min(len(out), most)] {
		list = append(list, *p)
	}
	return list, err
}

// beside returns the other plans that made the revision of p what it is, and not
// only kept it so. It looks back to the first entry of another revision before p.
func (r *Reconciler) beside(ctx context.Context, p Past, first int64) ([]Past, error) {
	var out []*Past
	at := map[string]*Past{}
	err := r.effects(ctx, state.Query{}, func(e state.Entry) bool {
		switch {
		case e.Revision != p.Revision:
			return e.Number > first
		case e.Plan == p.Plan || upkeep(e.Change):
			return true
		case at[e.Plan] == nil:
			at[e.Plan] = newPast(e)
			out = append(out, at[e.Plan])
		}
		at[e.Plan].add(e)
		return true
	})
	list := make([]Past, 0, len(out))
	for _, other := range out {
		list = append(list, *other)
	}
	return list, err
}

func newPast(e state.Entry) *Past {
	p := &Past{Plan: e.Plan, Revision: e.Revision, At: e.Opened, Upkeep: true, ids: map[string]bool{}}
	if undone, is := strings.CutPrefix(e.Revision, RollbackOf); is {
		p.Undoes = undone
	}
	return p
}

func (p *Past) add(e state.Entry) {
	p.ids[e.Resource] = true
	p.Resources, p.Upkeep = len(p.ids), p.Upkeep && upkeep(e.Change)
	if p.By == "" || e.Origin.Author != "" {
		p.By = cmp.Or(e.Origin.Author, e.Process)
	}
}

// effects yields the entries of calls that had an effect, or may have had one,
// until more returns false: in the order of q, within bounds.
func (r *Reconciler) effects(ctx context.Context, q state.Query, more func(state.Entry) bool) error {
	q.Writes, q.Limit = true, journalPage
	for seen := 0; seen < journalLook; seen += journalPage {
		page, err := r.opts.Store.Journal(ctx, q)
		if err != nil {
			return fmt.Errorf("read the journal: %w", err)
		}
		for _, e := range page {
			if e.Plan != "" && effective(e) && !more(e) {
				return nil
			}
		}
		if len(page) < journalPage {
			return nil
		}
		if last := page[len(page)-1].Number; q.Oldest {
			q.Above = last
		} else {
			q.Below = last
		}
	}
	return nil
}

// effective reports whether e had an effect or may have had one.
func effective(e state.Entry) bool {
	switch call.Code(e.Outcome.Code) {
	case call.OK, call.AlreadyDone, call.Unknown, "":
		return true
	}
	return false
}

// upkeep reports whether a change only kept true what was declared before: it
// put back what somebody changed, or renewed what ran out.
func upkeep(c *state.Change) bool {
	return c != nil && (c.Reason == "drifted" || c.Reason == "expired")
}

// find returns the plan whose hash begins so; "" stands for the last one that
// somebody asked for.
func (r *Reconciler) find(ctx context.Context, name string) (Past, error) {
	if name != "" && (len(name) < leastDigits || strings.Trim(name, "0123456789abcdef") != "") {
		return Past{}, fmt.Errorf("%q: want at least %d digits of a plan's hash, as `weir rollback --list` shows them, "+
			"or the file of a report", name, leastDigits)
	}
	hashes, err := r.hashes(ctx, name)
	switch {
	case err != nil:
		return Past{}, err
	case len(hashes) == 0 && name == "":
		return Past{}, errors.New("the journal has no plan that changed anything")
	case len(hashes) == 0:
		return Past{}, fmt.Errorf("the journal has no plan %s that changed anything; `weir rollback --list` shows the last", name)
	case len(hashes) > 1:
		return Past{}, fmt.Errorf("%d plans begin with %s; give more digits", len(hashes), name)
	}
	plans, err := r.plans(ctx, state.Query{Plan: hashes[0]}, 1)
	if err != nil || len(plans) == 0 {
		return Past{}, cmp.Or(err, errors.New("the journal has changed meanwhile"))
	}
	if name == "" && plans[0].Undoes != "" {
		of := short(plans[0].Undoes)
		return Past{}, fmt.Errorf("the last plan is itself the rollback of %s; to take that back: weir rollback %s; "+
			"to undo what it left: weir rollback %s", of, short(plans[0].Plan), of)
	}
	return plans[0], nil
}

// hashDigits is the length of a plan's hash.
const hashDigits = 32

// hashes returns the hashes of plans with an effect that begin so, and for ""
// that of the last one that was more than upkeep.
func (r *Reconciler) hashes(ctx context.Context, name string) ([]string, error) {
	var out []string
	q := state.Query{}
	if len(name) == hashDigits {
		q.Plan = name
	}
	err := r.effects(ctx, q, func(e state.Entry) bool {
		wanted := name != "" || !upkeep(e.Change)
		if wanted && strings.HasPrefix(e.Plan, name) && !slices.Contains(out, e.Plan) {
			out = append(out, e.Plan)
		}
		return len(out) == 0 || name != "" && q.Plan == ""
	})
	return out, err
}

// deeds returns what a plan did, in the order of its calls.
func (r *Reconciler) deeds(ctx context.Context, hash string) ([]deed, error) {
	var out []deed
	at := map[string]int{}
	q := state.Query{Plan: hash, Oldest: true}
	err := r.effects(ctx, q, func(e state.Entry) bool {
		id, err := resource.ParseID(e.Resource)
		if _, known := at[e.Resource]; known || err != nil || e.Change == nil {
			return true // the first entry has the state before
		}
		at[e.Resource] = len(out)
		out = append(out, deed{id: id, change: *e.Change, origin: e.Origin, number: e.Number, complete: true})
		return true
	})
	if err != nil {
		return nil, err
	}
	return out, r.incomplete(ctx, q, func(id string) {
		if i, ok := at[id]; ok {
			out[i].complete = false
		}
	})
}

// incomplete tells of each resource a call of which did not surely succeed.
func (r *Reconciler) incomplete(ctx context.Context, q state.Query, tell func(id string)) error {
	q.Writes, q.Limit = true, journalPage
	for {
		page, err := r.opts.Store.Journal(ctx, q)
		if err != nil {
			return fmt.Errorf("read the journal: %w", err)
		}
		for _, e := range page {
			if code := call.Code(e.Outcome.Code); code != call.OK && code != call.AlreadyDone {
				tell(e.Resource)
			}
		}
		if len(page) < journalPage {
			return nil
		}
		q.Above = page[len(page)-1].Number
	}
}

// origin of a plan: the plan of a revision that it undoes, over how many steps.
type root struct {
	revision string
	deeds    map[resource.ID]deed
	forward  bool // it undoes a rollback, so that the revision holds again
}

// rootOf follows a chain of rollbacks back to the plan of a revision.
func (r *Reconciler) rootOf(ctx context.Context, p Past) (root, error) {
	var out root
	seen := map[string]bool{}
	for hash, revision := p.Plan, p.Revision; ; out.forward = !out.forward {
		if seen[hash] {
			return out, fmt.Errorf("plan %s is a rollback of itself", short(hash))
		}
		seen[hash] = true
		undone, is := strings.CutPrefix(revision, RollbackOf)
		if !is {
			list, err := r.deeds(ctx, hash)
			out.revision, out.deeds = revision, map[resource.ID]deed{}
			for _, d := range list {
				out.deeds[d.id] = d
			}
			return out, err
		}
		first, err := r.opts.Store.Journal(ctx, state.Query{Plan: undone, Writes: true, Limit: 1})
		if err != nil {
			return out, fmt.Errorf("read the journal: %w", err)
		}
		if len(first) == 0 {
			return out, fmt.Errorf("the journal does not have plan %s any more, which %s rolled back",
				short(undone), short(p.Plan))
		}
		hash, revision = undone, first[0].Revision
	}
}

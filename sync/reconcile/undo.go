package reconcile

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"weir/sync/apply"
	"weir/sync/plan"
	"weir/sync/resource"
	"weir/sync/state"
)

// Undo is the inverse of a plan that was carried out.
type Undo struct {
	Of      Past
	Forward bool // Of is a rollback itself: what it undid holds again
	Plan    *plan.Plan
	// Left are the changes of Of that Plan does not undo, and why.
	Left []apply.Result
	// Others made the same revision what it is: they are not undone with it.
	Others []Past
	// Pins are the revisions that are not applied again, or, forward, are.
	Pins []Pinned
	by   string
	held []plan.Hold // by guards, before anybody consented
}

// Pinned is a revision of a source that a rollback pins.
type Pinned struct {
	Source   string `json:"source"`
	Revision string `json:"revision"`
	follows  string
}

// undoing is an Undo that is being made.
type undoing struct {
	*Reconciler
	*Undo
	root  root
	m     memory
	now   time.Time
	deeds map[resource.ID]deed
}

// Undo returns the plan that sets back what the plan named did: by the first
// digits of its hash, "" for the last one. Who asks is by. Resources that have
// moved since are left, each alone.
func (r *Reconciler) Undo(ctx context.Context, name, by string) (*Undo, error) {
	of, err := r.find(ctx, name)
	if err != nil {
		return nil, err
	}
	u := &undoing{Reconciler: r, Undo: &Undo{Of: of, by: by}, deeds: map[resource.ID]deed{}}
	if u.root, err = r.rootOf(ctx, of); err != nil {
		return nil, err
	}
	u.Forward = u.root.forward
	list, err := r.deeds(ctx, of.Plan)
	if err != nil {
		return nil, err
	}
	if err := u.choose(list); err != nil {
		return nil, err
	}
	if u.Others, err = r.beside(ctx, of, list[0].number); err != nil {
		return nil, err
	}
	if err := r.recallMarks(ctx); err != nil {
		return nil, err
	}
	if err := u.pin(); err != nil {
		return nil, err
	}
	return u.Undo, u.make(ctx)
}

// choose takes what can be undone at all.
func (u *undoing) choose(list []deed) error {
	for _, d := range list {
		switch {
		case u.judge(d.id) == nil:
			u.leave(d, apply.Refused, "its account or kind is not configured")
		case upkeep(&d.change):
			u.leave(d, apply.Withheld, "it was only kept as declared ("+d.change.Reason+"); there is nothing to go back to")
		default:
			u.deeds[d.id] = d
		}
	}
	if len(u.deeds) == 0 {
		return fmt.Errorf("plan %s did nothing that can be undone", short(u.Of.Plan))
	}
	return nil
}

// leave says that d is not undone, and why.
func (u *undoing) leave(d deed, how apply.Outcome, why string) {
	u.Left = append(u.Left, apply.Result{ID: d.id, Action: plan.None, Outcome: how, Calls: []apply.Call{}, Error: why})
	delete(u.deeds, d.id)
}

// pin finds the revisions that the plan was made for. What is in force must be
// one of them: of anything newer only the source can say what shall hold.
func (u *undoing) pin() error {
	names := map[string]bool{}
	for _, d := range u.deeds {
		names[d.origin.Source] = true
	}
	parts := strings.Split(u.root.revision, ",")
	if len(parts) != len(u.feeds) {
		return fmt.Errorf("plan %s was made for other sources than weir.yaml has now", short(u.Of.Plan))
	}
	for i, f := range u.feeds {
		if !names[f.Name] {
			continue
		}
		delete(names, f.Name)
		if err := u.pinFeed(f, parts[i]); err != nil {
			return err
		}
	}
	for name := range names {
		return fmt.Errorf("plan %s was made for source %q, which weir.yaml does not have", short(u.Of.Plan), name)
	}
	return nil
}

func (u *undoing) pinFeed(f *feed, revision string) error {
	known := u.marks.of(f.Follows)
	force, pinned := known[state.InForce].Revision, known[state.Pinned].Revision
	switch {
	case pinned == revision || !u.Forward && force == revision:
		u.Pins = append(u.Pins, Pinned{Source: f.Name, Revision: revision, follows: f.Follows})
		return nil
	case force == "":
		return fmt.Errorf("nobody knows which revision of source %s is in force; "+
			"let the daemon or `weir apply` run first", f.Name)
	}
	return fmt.Errorf("plan %s was made for revision %s of source %s, and %s is in force now: "+
		"revert the commit in git instead (git revert), which undoes it and keeps what came after",
		short(u.Of.Plan), short(revision), f.Name, short(force))
}

// make reads what there is now and lets each kind judge.
func (u *undoing) make(ctx context.Context) (err error) {
	if u.m, err = u.remember(ctx); err != nil {
		return err
	}
	if err := u.leaveLater(ctx); err != nil {
		return err
	}
	var want []resource.Resource
	for id, d := range u.deeds {
		want = append(want, resource.Resource{ID: id, Spec: orSpec(d.change.After, d.change.Before)})
	}
	slices.SortFunc(want, func(a, b resource.Resource) int { return resource.Compare(a.ID, b.ID) })
	if err := u.observe(ctx, want); err != nil {
		return err
	}
	u.now = time.Now()
	for _, res := range want {
		if why := u.moved(u.deeds[res.ID]); why != "" {
			u.leave(u.deeds[res.ID], apply.Refused, why)
		}
	}
	slices.SortFunc(u.Left, func(a, b apply.Result) int { return resource.Compare(a.ID, b.ID) })
	return u.diff(ctx)
}

// leaveLater leaves what a later plan has changed to something else.
func (u *undoing) leaveLater(ctx context.Context) error {
	first := int64(-1)
	for _, d := range u.deeds {
		if first < 0 || d.number < first {
			first = d.number
		}
	}
	return u.effects(ctx, state.Query{Above: max(first, 0), Oldest: true}, func(e state.Entry) bool {
		id, err := resource.ParseID(e.Resource)
		d, ok := u.deeds[id]
		if err != nil || !ok || e.Plan == u.Of.Plan || e.Number < d.number {
			return true
		}
		same := e.Change != nil && (e.Change.After.Equal(d.change.After) || e.Change.After.Equal(d.change.Before))
		if !same {
			u.leave(d, apply.Refused, fmt.Sprintf("plan %s has changed it since, at %s",
				short(e.Plan), e.Opened.UTC().Format(time.RFC3339)))
		}
		return true
	})
}

// moved says why d cannot be undone: what is there is neither what its plan left
// nor what was there before. Of a change that was not made whole nobody knows
// what it left.
func (u *undoing) moved(d deed) string {
	seen, ok := u.seen.of[d.id]
	if !ok || seen.Unreadable != "" {
		return "it cannot be read now: " + seen.Unreadable
	}
	if !d.complete || u.shows(d.id, d.change.After) || u.shows(d.id, d.change.Before) {
		return ""
	}
	return "it has moved since: it is neither as the plan left it nor as it was before"
}

// shows reports whether a resource is as spec says; where it cannot be read,
// whether that was applied last.
func (u *undoing) shows(id resource.ID, spec resource.Spec) bool {
	if !u.kinds[id.Account][id.Kind].Readable {
		return u.m.last[id].Spec.Equal(spec)
	}
	seen := u.seen.of[id]
	if spec == "" {
		return !seen.Exists
	}
	set, err := resource.NewSet([]resource.Resource{{ID: id, Spec: spec}})
	if err != nil {
		return false
	}
	p := plan.Diff(plan.Input{
		Desired: set, Last: u.m.last, Seen: u.seen.of, Acts: u.m.acts, Now: u.now, Policy: u.opts.Policy,
		Judge: u.judge, Partial: true,
	})
	c, ok := p.Find(id)
	return ok && c.Action == plan.None
}

// diff makes the plan.
func (u *undoing) diff(ctx context.Context) error {
	last := map[resource.ID]resource.Applied{}
	var back []resource.Resource
	for id, d := range u.deeds {
		rec, ok := u.m.last[id]
		if !ok && u.seen.of[id].Exists || !ok && len(u.m.acts[id]) > 0 { // made, and not written down
			rec, ok = resource.Applied{ID: id, Spec: d.change.After, Confirmed: true}, d.change.After != ""
		}
		if ok {
			last[id] = rec
		}
		if before := u.before(d); before != "" {
			back = append(back, resource.Resource{ID: id, Spec: before, Origin: u.origin(d)})
		}
	}
	set, err := resource.NewSet(back)
	if err != nil {
		return err
	}
	p := plan.Diff(plan.Input{
		Revision: RollbackOf + u.Of.Plan, Desired: set, Last: last, Seen: u.seen.of, Acts: u.m.acts,
		Now: u.now, Policy: u.opts.Policy, Judge: u.judge,
	})
	u.Undo.Plan = p
	u.finish(p)
	p.Declared, p.Consented = u.declared(), u.m.used()
	p.Held, err = u.check(ctx, p, u.m)
	u.held = p.Held
	p.Hash = p.Digest()
	return err
}

// declared is what the guards compare with: what was applied stands for what is
// declared, and a source of which nothing is left is not an empty one.
func (u *undoing) declared() map[string]int {
	n := map[string]int{}
	for _, last := range u.m.last {
		n[last.Origin.Source]++
	}
	for _, d := range u.deeds {
		n[d.origin.Source] = max(n[d.origin.Source], 1)
	}
	return n
}

// before returns what d is set back to, "" where it is removed: what a plan
// created goes, also where its kind has a state without it.
func (u *undoing) before(d deed) resource.Spec {
	if d.change.Action == string(plan.Create) && d.change.Reason == string(plan.New) {
		return ""
	}
	return d.change.Before
}

// foreign reports whether d changed what was not weir's: set back, it is not
// weir's again.
func (u *undoing) foreign(d deed) bool {
	first := u.root.deeds[d.id].change
	return !u.Forward && first.Action == string(plan.Update) && first.Reason == string(plan.New)
}

func (u *undoing) origin(d deed) resource.Origin {
	return resource.Origin{Source: d.origin.Source, File: "rollback of " + short(u.Of.Plan), Author: u.by}
}

// cannot says why a change of a rollback cannot be made, "" where it can: its
// calls cannot be told, or an act is in doubt that only a person can settle.
func (u *undoing) cannot(c plan.Change) string {
	if _, _, err := u.calls(c); err != nil {
		return err.Error()
	}
	if c.Action == plan.None && c.State == plan.Unknown && slices.ContainsFunc(u.m.acts[c.ID], resource.Act.InDoubt) {
		return c.Note
	}
	return ""
}

// finish gives the changes the reason, origin and notes of a rollback. One whose
// calls cannot be told is left.
func (u *undoing) finish(p *plan.Plan) {
	p.Flatten()
	var fit []plan.Change
	for _, c := range p.Changes {
		d := u.deeds[c.ID]
		c.Origin = u.origin(d)
		if u.foreign(d) {
			c.Disown = true
			if c.Action == plan.None { // as it was: only forgotten
				c.Action, c.State, c.Before, c.After, c.Adopt = plan.Delete, plan.Pending, "", "", false
				c.Fields = nil
			}
		}
		if c.Action != plan.None {
			c.Reason = plan.RolledBack
			c.Heals, c.Fight, c.Record, c.Withheld = nil, nil, nil, u.opts.Policy.Withholds(c)
		}
		if d.change.Reason == string(plan.Restart) {
			c.Note = strings.TrimPrefix(c.Note+"; a restart cannot be taken back", "; ")
		}
		if why := u.cannot(c); why != "" {
			u.leave(d, apply.Refused, why)
			continue
		}
		fit = append(fit, c)
	}
	p.Changes = fit
}

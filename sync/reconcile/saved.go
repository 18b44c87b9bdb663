package reconcile

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"weir/sync/apply"
	"weir/sync/plan"
	"weir/sync/resource"
)

// Seal returns doc with the sum over all that it says, which Restore asks for:
// the hash is only over what is consented to, not over the lines, the commits
// and the authors that the journal would name.
func (doc PlanDocument) Seal() (PlanDocument, error) {
	doc.Sum = ""
	text, err := json.Marshal(doc)
	if err != nil {
		return doc, err
	}
	var plain any // so that a document just made and one read back are alike
	if err := json.Unmarshal(text, &plain); err != nil {
		return doc, err
	}
	if text, err = json.Marshal(plain); err != nil {
		return doc, err
	}
	doc.Sum = fmt.Sprintf("%x", sha256.Sum256(text))
	return doc, nil
}

// whole says what is wrong with a saved plan as a document.
func (doc PlanDocument) whole() error {
	switch sealed, err := doc.Seal(); {
	case err != nil:
		return err
	case doc.Format != PlanFormat:
		return fmt.Errorf("format %q: want %q", doc.Format, PlanFormat)
	case doc.ID == "":
		return errors.New("the plan has no id, by which it is known whether it was carried out before: " +
			"make it again with `weir diff --out`")
	case doc.Sum != sealed.Sum:
		return errors.New("the plan does not match its sum: it was changed, is not whole, or is of another version of weir; " +
			"make it again with `weir diff --out`")
	}
	return nil
}

// Restore turns a saved plan back into one that can be applied, exactly as it
// was saved, under the policy of now. Each change is held against a fresh
// observation: where its resource has moved since, or its calls would be others
// now, it is refused alone and stands among the results. What held the plan when
// it was saved holds it still, and so does what holds it now.
func (r *Reconciler) Restore(ctx context.Context, doc PlanDocument) (*plan.Plan, []apply.Result, error) {
	if err := doc.whole(); err != nil {
		return nil, nil, err
	}
	p := &plan.Plan{
		Revision: doc.Revision, Hash: doc.Hash, Held: doc.Held, ID: doc.ID, Declared: doc.Declared, Consented: doc.Consented,
	}
	var saved []ChangeDocument
	var want []resource.Resource
	for _, c := range doc.Changes {
		change, err := r.restoreChange(c)
		if err != nil {
			return nil, nil, err
		}
		if !change.Due() {
			continue
		}
		p.Changes, saved = append(p.Changes, change), append(saved, c)
		want = append(want, resource.Resource{ID: change.ID, Spec: orSpec(change.After, change.Before), Origin: change.Origin})
	}
	if p.Digest() != doc.Hash {
		return nil, nil, fmt.Errorf("the plan does not match its hash %s: it was changed or is not whole", doc.Hash)
	}
	m, err := r.remember(ctx)
	if err != nil {
		return nil, nil, err
	}
	if err := r.observe(ctx, want); err != nil {
		return nil, nil, err
	}
	r.planned = time.Now()
	refused := r.refuseMoved(p, saved, m)
	p.Changes = append(p.Changes, unmadeThen(doc, m)...)
	slices.SortFunc(p.Changes, func(a, b plan.Change) int { return resource.Compare(a.ID, b.ID) })
	aired, err := r.holdAgain(ctx, p, m)
	return p, append(refused, aired...), err
}

// holdAgain lets the guards look at a restored plan as it is now. What has gone
// on air since is refused alone: nobody has seen that it would be interrupted.
func (r *Reconciler) holdAgain(ctx context.Context, p *plan.Plan, m memory) ([]apply.Result, error) {
	then := map[resource.ID]string{}
	for _, c := range p.Changes {
		then[c.ID] = c.OnAir
	}
	saved := slices.Clip(p.Held)
	held, err := r.check(ctx, p, m)
	var refused []apply.Result
	p.Changes = slices.DeleteFunc(p.Changes, func(c plan.Change) bool {
		news := c.OnAir != "" && then[c.ID] == ""
		if news {
			refused = append(refused, refusal(c, "it would interrupt what has gone on air since the plan was made: "+c.OnAir))
		}
		return news
	})
	if len(refused) > 0 {
		held, err = r.check(ctx, p, m)
	}
	p.Held = saved
	for _, h := range held {
		if !slices.ContainsFunc(saved, func(s plan.Hold) bool { return s.Guard == h.Guard }) {
			p.Held = append(p.Held, h)
		}
	}
	if len(p.Held) > len(saved) {
		p.Hash = p.Digest()
	}
	return refused, err
}

// missing stands in a plan for a resource that is declared and that it does not
// make: what it replaces, if it is a rename, must stay.
func missing(id resource.ID) plan.Change {
	return plan.Change{ID: id, Action: plan.None, State: plan.Unknown, Unmade: true}
}

// unmadeThen returns what could not be read when doc was made, and was not
// applied before or since.
func unmadeThen(doc PlanDocument, m memory) []plan.Change {
	var out []plan.Change
	for _, u := range doc.Unreadable {
		id, err := resource.ParseID(u.ID)
		if _, applied := m.last[id]; err == nil && !applied {
			out = append(out, missing(id))
		}
	}
	return out
}

func refusal(c plan.Change, why string) apply.Result {
	return apply.Result{ID: c.ID, Action: c.Action, Outcome: apply.Refused, Calls: []apply.Call{}, Error: why}
}

func orSpec(a, b resource.Spec) resource.Spec {
	if a == "" {
		return b
	}
	return a
}

func (r *Reconciler) restoreChange(c ChangeDocument) (plan.Change, error) {
	id, err := resource.ParseID(c.ID)
	if err != nil {
		return plan.Change{}, err
	}
	if r.judge(id) == nil {
		return plan.Change{}, fmt.Errorf("%s: account or kind is not configured", id)
	}
	return plan.Change{
		ID: id, Action: c.Action, Reason: c.Reason, State: c.State, Before: c.Before, After: c.After, Fields: c.Fields,
		Acts: c.Acts, Epoch: c.Epoch, Origin: c.Origin, Labels: c.Labels, Withheld: c.Withheld, Note: c.Note,
		Fingerprint: c.Fingerprint,
		OnAir:       c.OnAir, Wide: c.Wide,
	}, nil
}

// refuseMoved takes the changes out of p that no longer fit.
func (r *Reconciler) refuseMoved(p *plan.Plan, saved []ChangeDocument, m memory) []apply.Result {
	var refused []apply.Result
	var fit []plan.Change
	for i, c := range p.Changes {
		c.Heals = m.last[c.ID].Heals
		if c.Withheld = r.opts.Policy.Withholds(c); c.Withheld != "" {
			fit = append(fit, c) // apply tells why it is not made
			continue
		}
		if last, ok := m.last[c.ID]; ok {
			c.Last = &last
		}
		if err := r.fits(c, saved[i], m); err != nil {
			refused = append(refused, refusal(c, err.Error()))
			if c.Reason == plan.New {
				fit = append(fit, missing(c.ID))
			}
			continue
		}
		fit = append(fit, c)
	}
	p.Changes = fit
	return refused
}

func (r *Reconciler) fits(c plan.Change, saved ChangeDocument, m memory) error {
	readable := r.opts.Accounts[c.ID.Account].Provider.Kinds()[c.ID.Kind].Readable
	_, declared := r.desired.set.Get(c.ID)
	switch {
	case c.Action == plan.Delete && c.Last == nil:
		return errors.New("weir has no record of having applied it any more, so it is not removed")
	case c.Action == plan.Delete && declared:
		return errors.New("the source declares it now, so it is not removed")
	case !readable && !m.last[c.ID].Spec.Equal(c.Before):
		return errors.New("something else was applied to the resource since the plan was made")
	}
	if err := r.stands(c); err != nil {
		return err
	}
	reqs, verify, err := r.calls(c)
	if err != nil {
		return err
	}
	now, err := json.Marshal(changeDocument(c, reqs, verify).Calls)
	if err != nil {
		return err
	}
	then, err := json.Marshal(saved.Calls)
	if err != nil {
		return err
	}
	if string(now) != string(then) {
		return errors.New("the calls would be others than those of the saved plan")
	}
	return nil
}

package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"weir/sync/apply"
	"weir/sync/cluster"
	"weir/sync/plan"
	"weir/sync/plan/guard"
	"weir/sync/state"
)

// HeldPlan is a plan that a guard holds until a person consents to it.
type HeldPlan struct {
	Over     bool // nothing is held any more
	Hash     string
	Revision string
	Held     []plan.Hold
	Summary  plan.Summary
}

// told is what people said, and which mode they chose before.
type told struct {
	former   plan.Mode
	consents []state.Consent
}

func (r *Reconciler) whatWasTold(ctx context.Context) (told, error) {
	var t told
	marks, err := r.readMarks(ctx)
	if err != nil {
		return t, fmt.Errorf("read the mode of the last pass: %w", err)
	}
	for _, m := range marks {
		if m.Source == state.PolicySource && m.Role == state.Mode {
			t.former = plan.Mode(m.Revision)
		}
	}
	if t.consents, err = r.opts.Store.Consents(ctx); err != nil {
		return t, fmt.Errorf("read consents: %w", err)
	}
	return t, nil
}

// used returns when the last consent was used, zero for never.
func (t told) used() time.Time {
	var last time.Time
	for _, c := range t.consents {
		if c.Used.After(last) {
			last = c.Used
		}
	}
	return last
}

// guard lets the guards look at p, after reading what only they need to know:
// what is on air of what would be interrupted, and what was removed not long ago.
func (r *Reconciler) guard(ctx context.Context, p *plan.Plan, m memory) error {
	p.Declared, p.Consented = r.desired.sources, m.used()
	err := r.markWide(ctx, p)
	if err != nil {
		return err
	}
	r.borrowAir(p)
	r.recallLettings(p, m)
	if p.Held, err = r.check(ctx, p, m); len(p.Held) > 0 {
		r.stop(p)
	}
	p.Hash = p.Digest() // which is also of what holds it
	if r.shared() && len(p.Held) > 0 {
		r.heldHere.keep(p)
	}
	r.lendAir(ctx, p)
	return err
}

// check returns what holds p.
func (r *Reconciler) check(ctx context.Context, p *plan.Plan, m memory) ([]plan.Hold, error) {
	f := r.facts(r.unconsented(p), m)
	var err error
	if removesAny(f.Plan) {
		f.Recent, err = r.recent(ctx, m)
	}
	if err == nil {
		f.Healed, err = r.recentHeals(ctx, f.Plan, m)
		f.Edited = r.recentEdits(f.Plan)
	}
	if r.askAir(ctx, p, func() bool { return len(guard.Check(f)) > 0 }) {
		f.Plan = r.unconsented(p)
	}
	return guard.Check(f), err
}

// facts counts what the guards compare p with.
func (r *Reconciler) facts(p *plan.Plan, m memory) guard.Facts {
	f := guard.Facts{
		Plan: p, Policy: r.opts.Policy, Sources: p.Declared, OwnedBy: r.owned(m), Former: m.former,
		Pinned: r.pinnedInForce(),
	}
	for _, n := range p.Declared {
		f.Declared += n
	}
	for _, n := range f.OwnedBy {
		f.Owned += n
	}
	return f
}

func removesAny(p *plan.Plan) bool {
	for c := range p.Due() {
		if c.Action == plan.Delete && c.Before != "" {
			return true
		}
	}
	return false
}

// markWide says of each change what it takes in beyond its own resource, unless
// it only does again what somebody has consented to: the first time it has to.
func (r *Reconciler) markWide(ctx context.Context, p *plan.Plan) error {
	for i, c := range p.Changes {
		wide := r.wide(c)
		if wide != "" && c.Reason == plan.Drifted {
			made, err := r.opts.Store.Journal(ctx, state.Query{Resource: c.ID.String(), Writes: true, Code: "ok", Limit: 1})
			if err != nil {
				return fmt.Errorf("read whether %s was made before: %w", c.ID, err)
			}
			if len(made) > 0 {
				wide = ""
			}
		}
		p.Changes[i].Wide = wide
	}
	return nil
}

// wide says what c takes in beyond its own resource.
func (r *Reconciler) wide(c plan.Change) string {
	if !c.Due() {
		return ""
	}
	if of := r.kinds[c.ID.Account][c.ID.Kind].Wide; of != nil {
		return of(c)
	}
	return ""
}

// letThrough lets a held plan through to which somebody has consented, and tells
// of one to which nobody has. It reports whether somebody had to.
func (r *Reconciler) letThrough(ctx context.Context, p *plan.Plan, m memory) bool {
	if len(p.Held) == 0 {
		r.tellReleased(p)
		return false
	}
	if r.opts.DryRun {
		return false
	}
	for _, c := range m.consents {
		if c.Plan != p.Hash || !c.Holds(time.Now()) {
			continue
		}
		err := r.useConsent(ctx, p)
		if err == nil {
			r.opts.Logger.Warn("held plan let through", "plan", p.Hash, "consent_of", c.By, "given", c.Given)
			r.tellReleased(p)
			return true
		}
		r.opts.Logger.Warn("consent could not be used", "plan", p.Hash, "consent_of", c.By, "error", err)
	}
	if !r.learning(p) {
		r.tellHeld(p)
	}
	return false
}

// learning reports whether something that was edited is about to be read for the
// first time, which makes p another plan a moment later.
func (r *Reconciler) learning(p *plan.Plan) bool {
	for id := range r.desired.changed {
		if c, ok := p.Find(id); ok && c.Read.IsZero() && !c.UnderWay {
			return true
		}
	}
	return false
}

// Release lets a held plan through by the consent that somebody gave to it, which
// is used up. Its errors are those of state.Store.UseConsent. Consent does not
// help against a revision that was rolled back.
func (r *Reconciler) Release(ctx context.Context, p *plan.Plan) error {
	for _, h := range p.Held {
		if h.Guard == guard.RolledBack {
			return errors.New(h.Message)
		}
	}
	if err := r.opts.Store.UseConsent(ctx, p.Hash, time.Now(), r.ofMine(apply.Process())); err != nil {
		return err
	}
	if slices.ContainsFunc(p.Held, func(h plan.Hold) bool { return h.Guard == guard.PolicyToSync }) {
		r.lifted = p.Hash
	}
	p.Held = nil
	return nil
}

// heldMost bounds the hashes that are remembered as told.
const heldMost = 1000

func (r *Reconciler) tellHeld(p *plan.Plan) {
	if r.opts.Held == nil || r.heldTold[p.Hash] {
		return
	}
	if len(r.heldTold) >= heldMost {
		clear(r.heldTold)
	}
	r.heldTold[p.Hash] = true
	r.opts.Held(HeldPlan{Hash: p.Hash, Revision: p.Revision, Held: p.Held, Summary: p.Summary()})
}

// tellReleased tells that nothing is held where something was told to be.
func (r *Reconciler) tellReleased(p *plan.Plan) {
	if r.opts.Held != nil && len(r.heldTold) > 0 {
		r.opts.Held(HeldPlan{Over: true, Revision: p.Revision})
	}
	clear(r.heldTold)
}

// markMode writes the mode of this pass, so that the first plan under another
// one can be told. A mode of sync counts once nothing is left to be removed, or
// somebody has consented to what that guard held.
func (r *Reconciler) markMode(ctx context.Context, p *plan.Plan, m memory) {
	mode := r.opts.Policy.Mode
	switch {
	case r.opts.DryRun || r.opts.Selector != nil || r.opts.ReadOnly() != "" || m.former == mode:
		return
	case r.shared() && !r.leads(cluster.Sources) && r.lifted != p.Hash:
		return
	case mode == plan.Sync && m.former != "" && r.lifted != p.Hash && !r.nothingToRemove(p):
		return
	}
	err := r.setMark(ctx, state.Mark{Source: state.PolicySource, Role: state.Mode, Revision: string(mode), At: time.Now()})
	if err != nil {
		r.opts.Logger.Warn("cannot write the mode of this pass", "error", err)
	}
}

// nothingToRemove reports whether p, made of all that there is, leaves nothing
// to remove.
func (r *Reconciler) nothingToRemove(p *plan.Plan) bool {
	for c := range p.All() {
		if c.Reason == plan.Removed {
			return false
		}
		if _, read := r.seen.of[c.ID]; !read {
			return false
		}
	}
	return true
}

// claim begins the carrying out of a saved plan, once.
func (r *Reconciler) claim(ctx context.Context, p *plan.Plan) error {
	if p.ID == "" || len(p.Held) > 0 {
		return nil
	}
	err := r.opts.Store.Claim(ctx, "plan/"+p.ID, time.Now(), apply.Process())
	if errors.Is(err, state.ErrClaimed) {
		return fmt.Errorf("the saved plan %s was carried out before, and may be once only: %w", p.ID, err)
	}
	return err
}

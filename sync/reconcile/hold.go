package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"weir/sync/apply"
	"weir/sync/plan"
	"weir/sync/plan/guard"
	"weir/sync/resource"
	"weir/sync/state"
)

// recentTime is how far back removals count as part of the next ones: a source
// that is lost in portions is lost all the same.
const recentTime = 24 * time.Hour

// recentMost bounds the journal entries that are looked at for them.
const recentMost = 20_000

// airAgain is when it is looked again whether what a plan would interrupt is
// still on air, where another guard holds the plan anyway.
const airAgain = time.Minute

// HeldPlan is a plan that a guard holds until a person consents to it.
type HeldPlan struct {
	Hash     string
	Revision string
	Held     []plan.Hold
	Summary  plan.Summary
}

// airing is what a change would interrupt, as it was read.
type airing struct {
	at  time.Time // before it was asked
	why string
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
	for i, c := range p.Changes {
		p.Changes[i].Wide = r.wide(c)
	}
	var err error
	p.Held, err = r.check(ctx, p, m)
	p.Hash = p.Digest() // which is also of what holds it
	return err
}

// check returns what holds p.
func (r *Reconciler) check(ctx context.Context, p *plan.Plan, m memory) ([]plan.Hold, error) {
	f := r.facts(p, m)
	var err error
	if removesAny(p) {
		f.Recent, err = r.recent(ctx, m)
	}
	r.askAir(ctx, p, func() bool { return len(guard.Check(f)) > 0 })
	return guard.Check(f), err
}

// facts counts what the guards compare p with.
func (r *Reconciler) facts(p *plan.Plan, m memory) guard.Facts {
	f := guard.Facts{
		Plan: p, Policy: r.opts.Policy, Sources: p.Declared, OwnedBy: map[string]int{}, Former: m.former,
		Pinned: r.pinnedInForce(),
	}
	for _, n := range p.Declared {
		f.Declared += n
	}
	for id, last := range m.last {
		if r.judge(id) != nil {
			f.Owned++
			f.OwnedBy[last.Origin.Source]++
		}
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

// recent counts by source what was removed within the last day, has not come
// back, and was part of no plan that somebody consented to.
func (r *Reconciler) recent(ctx context.Context, m memory) (map[string]int, error) {
	entries, err := r.opts.Store.Journal(ctx, state.Query{
		Since: time.Now().Add(-recentTime), Writes: true, Limit: recentMost,
	})
	if err != nil {
		return nil, fmt.Errorf("read what was removed lately: %w", err)
	}
	consented := map[string]bool{}
	for _, c := range m.consents {
		consented[c.Plan] = !c.Used.IsZero()
	}
	gone := map[string]string{} // resource → its source
	for _, e := range entries {
		id, err := resource.ParseID(e.Resource)
		_, back := m.last[id]
		if err != nil || back || e.Change == nil || e.Change.Action != string(plan.Delete) || consented[e.Plan] || !removed(e) {
			continue
		}
		gone[e.Resource] = e.Origin.Source
	}
	n := map[string]int{}
	for _, source := range gone {
		n[source]++
	}
	return n, nil
}

// removed reports whether a removal had its effect, or may have had it.
func removed(e state.Entry) bool {
	switch e.Outcome.Code {
	case "", "ok", "unknown":
		return true
	}
	return false
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

func (r *Reconciler) interrupts(c plan.Change) bool {
	if !c.Due() {
		return false
	}
	of := r.kinds[c.ID.Account][c.ID.Kind].Interrupts
	return of != nil && of(c)
}

// askAir writes into p what its changes would interrupt, and asks the clouds
// where that was not read a moment ago, or, of a plan that is held anyway, a
// while ago. Where nothing would be interrupted nothing is asked: reading costs
// quota.
func (r *Reconciler) askAir(ctx context.Context, p *plan.Plan, held func() bool) {
	if !slices.ContainsFunc(p.Changes, r.interrupts) {
		return
	}
	now, age := time.Now(), fresh
	if held() {
		age = airAgain
	}
	byAccount := map[string][]plan.Change{}
	for _, c := range p.Changes {
		if r.interrupts(c) && !r.aired[c.ID].at.After(now.Add(-age)) {
			byAccount[c.ID.Account] = append(byAccount[c.ID.Account], c)
		}
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for name, changes := range byAccount {
		wg.Go(func() {
			account := r.opts.Accounts[name]
			why := account.Provider.OnAir(ctx, account.Caller, changes)
			mu.Lock()
			defer mu.Unlock()
			for i, c := range changes {
				r.aired[c.ID] = airing{now, why[i]}
			}
		})
	}
	wg.Wait()
	for i, c := range p.Changes {
		if r.interrupts(c) {
			p.Changes[i].OnAir, p.Changes[i].Aired = r.aired[c.ID].why, r.aired[c.ID].at
		}
	}
}

// wakeOnAir looks again soon at what keeps p from being applied only while it is
// on air.
func (r *Reconciler) wakeOnAir(p *plan.Plan) {
	again := time.Now().Add(readAgain)
	for c := range p.Due() {
		if at, planned := r.wake[c.ID]; c.OnAir != "" && (!planned || at.After(again)) {
			r.wake[c.ID] = again
		}
	}
}

// letThrough lets a held plan through to which somebody has consented, and tells
// of one to which nobody has.
func (r *Reconciler) letThrough(ctx context.Context, p *plan.Plan, m memory) {
	if len(p.Held) == 0 {
		clear(r.heldTold)
		return
	}
	if r.opts.DryRun {
		return
	}
	for _, c := range m.consents {
		if c.Plan != p.Hash || !c.Holds(time.Now()) {
			continue
		}
		err := r.Release(ctx, p)
		if err == nil {
			r.opts.Logger.Warn("held plan let through", "plan", p.Hash, "consent_of", c.By, "given", c.Given)
			return
		}
		r.opts.Logger.Warn("consent could not be used", "plan", p.Hash, "consent_of", c.By, "error", err)
	}
	r.tellHeld(p)
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
	if err := r.opts.Store.UseConsent(ctx, p.Hash, time.Now(), apply.Process()); err != nil {
		return err
	}
	p.Held, r.lifted = nil, p.Hash
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
	r.opts.Held(HeldPlan{p.Hash, p.Revision, p.Held, p.Summary()})
}

// markMode writes the mode of this pass, so that the first plan under another
// one can be told. A mode of sync counts once nothing is left to be removed, or
// somebody has consented to what is.
func (r *Reconciler) markMode(ctx context.Context, p *plan.Plan, m memory) {
	mode := r.opts.Policy.Mode
	switch {
	case r.opts.DryRun || r.opts.Selector != nil || r.opts.ReadOnly() != "" || m.former == mode:
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
	for _, c := range p.Changes {
		if c.Reason == plan.Removed {
			return false
		}
		if _, read := r.seen[c.ID]; !read {
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

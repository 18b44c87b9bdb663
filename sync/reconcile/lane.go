package reconcile

import (
	"context"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"weir/sync/apply"
	"weir/sync/call"
	"weir/sync/plan"
	"weir/sync/resource"
)

// lane is a run under way: changes of one account that are carried out beside the
// passes, and beside other lanes.
type lane struct {
	awaited atomic.Bool // something begins after it, or somebody waits for how it ends
	account string
	term    int64 // under which this process leads the account, 0 without a cluster
	stop    func()
	aside   *apply.Aside
	plan    *plan.Plan                  // what it is a part of
	changes map[resource.ID]plan.Change // those that have not ended
	let     bool                        // somebody has consented to its plan
	// revisions are those that its plan was made for, by source.
	revisions map[string]string
	progress  *progress
}

// lot is what a pass makes of the changes of one account.
type lot struct {
	known []plan.Change // whatever is due, or stands against what is
	begin []plan.Change // what may begin now
	gone  []plan.Change // removals that are due, which come last
	later bool          // something else that is due cannot begin yet
	asks  time.Time     // since when it is asked what some of it would interrupt
}

// followUp compares p with what is under way. A change that is not wanted any more
// as it was planned is taken out where it has not begun, and may be planned
// otherwise; what has begun stands in p as it is being made.
func (r *Reconciler) followUp(p *plan.Plan) {
	defer r.compared()
	for id, l := range r.under {
		c, known := p.Find(id)
		made := l.changes[id]
		switch {
		case known && stillWanted(made, c):
			c.UnderWay = true
			p.Put(c)
		case !r.takeOut(l, id) && known:
			made.UnderWay = true
			p.Put(made)
		}
	}
}

// compared notes that what is under way is what is loaded.
func (r *Reconciler) compared() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.undecided = false
}

// stillWanted reports whether now wants exactly what was planned then.
func stillWanted(then, now plan.Change) bool {
	return now.Due() && then.Action == now.Action && then.Before == now.Before && then.After == now.After &&
		then.Epoch == now.Epoch && then.Reason == now.Reason && then.Fingerprint == now.Fingerprint &&
		slices.Equal(then.Acts, now.Acts)
}

// takeOut reports whether a change was taken out of its lane before it began.
func (r *Reconciler) takeOut(l *lane, id resource.ID) bool {
	if !l.aside.TakeOut(id) {
		return false
	}
	delete(l.changes, id)
	delete(r.under, id)
	l.progress.total.Add(-1)
	return true
}

// stop takes out whatever has not begun, since a guard holds the plan that it is
// part of now. What somebody has consented to goes on.
func (r *Reconciler) stop(p *plan.Plan) {
	for i, c := range p.Changes {
		if l, is := r.under[c.ID]; is && !l.let && r.takeOut(l, c.ID) {
			p.Changes[i].UnderWay = false
		}
	}
}

// unconsented returns p without what is under way since somebody has consented to
// it, or is let through in a cluster: the guards do not hold it again.
func (r *Reconciler) unconsented(p *plan.Plan) *plan.Plan {
	let := func(c plan.Change) bool { l, is := r.under[c.ID]; return is && l.let || r.letBy(c) != "" }
	if len(r.lettings) == 0 && !slices.ContainsFunc(r.lanes, func(l *lane) bool { return l.let }) {
		return p
	}
	rest := *p
	rest.Changes = slices.DeleteFunc(slices.Clone(p.Changes), let)
	return &rest
}

// handOut writes down what p found as declared and lets begin what is due, can
// begin now and is not under way. It waits for no cloud.
func (r *Reconciler) handOut(ctx context.Context, p *plan.Plan, consented bool) error {
	switch {
	case r.opts.DryRun:
		return nil
	case len(p.Held) > 0:
		r.waiting = time.Time{}
		if len(r.lettings) == 0 {
			return nil
		}
	}
	lots := r.lots(p, consented)
	r.patient(lots, consented)
	if anyBegins(lots) && r.revocation(ctx, p.Revision) != "" {
		r.MarkDirty() // a look at what is in force instead
		return nil
	}
	settled := r.settled(p)
	switch err := r.applier.Adopt(ctx, settled); {
	case call.Lapsed(err):
		r.MarkDirty() // an account is another's by now
	case err != nil:
		return err
	}
	if adoptions(settled) > adoptedMany {
		r.MarkDirty()
	}
	if consented {
		r.consentedTo()
	}
	for _, account := range sortedKeys(lots) {
		r.beginLot(ctx, account, p, lots[account], consented)
	}
	return nil
}

// beginLot begins what a lot lets begin: what somebody has let through as a part of the
// plan that it was let through with.
func (r *Reconciler) beginLot(ctx context.Context, account string, p *plan.Plan, l *lot, consented bool) {
	by := map[string][]plan.Change{}
	for _, c := range l.begin {
		hash := ""
		if !consented {
			hash = r.letBy(c)
		}
		by[hash] = append(by[hash], c)
	}
	for _, hash := range sortedKeys(by) {
		part, lot := p, *l
		if lot.begin = by[hash]; hash != "" {
			let := *p
			let.Hash, part = hash, &let
		}
		r.begin(ctx, account, part, &lot, consented || hash != "")
	}
}

// A pass takes in what was recorded since the last one. After so many records that
// takes a while, which is not to be the next edit's.
const adoptedMany = 1000

func adoptions(p *plan.Plan) int {
	n := 0
	for _, c := range p.Changes {
		if c.Adopt {
			n++
		}
	}
	return n
}

// patience is how long what is due waits for what else is about to be known of the
// same revision: read for the first time, or asked whether it is on air. What comes
// in time is one plan, to be held and rolled back as one; nothing slow holds up the
// rest.
const patience = 500 * time.Millisecond

// patient lets nothing begin but what is urgent while the rest of the plan is about
// to be known.
func (r *Reconciler) patient(lots map[string]*lot, consented bool) {
	now := time.Now()
	since := now.Add(-patience)
	asks := func(l *lot) bool { return l.asks.After(since) }
	more := r.readers.begunSince(since) || slices.ContainsFunc(slices.Collect(maps.Values(lots)), asks)
	switch {
	case consented || !more || !anyBegins(lots):
		r.waiting = time.Time{}
		return
	case r.waiting.IsZero():
		r.waiting = now
	case !now.Before(r.waiting.Add(patience)):
		r.waiting = time.Time{}
		return
	}
	for _, l := range lots {
		l.begin = slices.DeleteFunc(l.begin, func(c plan.Change) bool { return !r.applier.Urgent(c) })
	}
}

func anyBegins(lots map[string]*lot) bool {
	for _, l := range lots {
		if len(l.begin) > 0 {
			return true
		}
	}
	return false
}

// settled returns p without what is under way, of which the last word is not said, and
// without what is another process's to write down.
func (r *Reconciler) settled(p *plan.Plan) *plan.Plan {
	if len(r.under) == 0 && len(p.Held) == 0 && r.opts.Cluster == nil {
		return p
	}
	rest := *p
	rest.Changes = slices.DeleteFunc(slices.Clone(p.Changes), func(c plan.Change) bool {
		return c.UnderWay || !r.mine(c) || len(p.Held) > 0 || !r.readSince(c.ID.Account, c.Read)
	})
	return &rest
}

// lots returns what is to be done by account, of those that this process leads.
func (r *Reconciler) lots(p *plan.Plan, consented bool) map[string]*lot {
	lots, now := map[string]*lot{}, time.Now()
	for _, c := range p.Changes {
		if c.Action == plan.None && !c.Unmade && c.State != plan.Pending || !r.mine(c) {
			continue
		}
		l := lots[c.ID.Account]
		if l == nil {
			l = &lot{}
			lots[c.ID.Account] = l
		}
		let := r.letBy(c) != ""
		if len(p.Held) > 0 && !let {
			continue
		}
		l.add(r.trusted(r.rested(c, now)), now, consented || let, r)
	}
	asks := false
	for _, l := range lots {
		asks = asks || !l.asks.IsZero()
	}
	for account, l := range lots {
		if !l.later && !asks && r.quiet(account) { // what is on air may hold the whole
			l.begin, l.gone = append(l.begin, l.gone...), nil
		}
	}
	for _, l := range r.lanes {
		if of := lots[l.account]; of != nil && (of.later || len(of.gone) > 0) {
			l.awaited.Store(true)
		}
	}
	return lots
}

// add puts a change into its place.
func (l *lot) add(c plan.Change, now time.Time, consented bool, r *Reconciler) {
	l.known = append(l.known, c)
	switch {
	case !c.Due() || c.UnderWay || r.rests[c.ID].After(now):
	case r.interrupts(c) && c.Aired.IsZero() && !consented:
		l.later = l.later || c.Action != plan.Delete
		if asked := r.aired[c.ID].asked; asked.After(l.asks) {
			l.asks = asked
		}
	case c.Action == plan.Delete && len(r.unshown[kindOf(c.ID)]) > 0: // the two may be a rename
	case c.Action == plan.Delete:
		l.gone = append(l.gone, c)
	case apply.Gated(c) && r.proving(c.ID) && !r.applier.Urgent(c):
		l.later = true
	default:
		l.begin = append(l.begin, c)
	}
}

// rested withholds c where it failed a moment ago.
func (r *Reconciler) rested(c plan.Change, now time.Time) plan.Change {
	if r.resting(c, now) {
		c.Resting = true
		c.Withheld = "failed a moment ago; tried again at " + r.failures[c.ID].until.UTC().Format(time.TimeOnly)
	}
	return c
}

// trusted returns c so that its resource is read again where it was read before
// this process last wrote it, since a call that failed may have had its effect since,
// or before it has led the account.
func (r *Reconciler) trusted(c plan.Change) plan.Change {
	if c.Read.Before(r.wrote[c.ID]) || !r.readSince(c.ID.Account, c.Read) {
		c.Read = time.Time{}
	}
	return c
}

// quiet reports whether nothing of an account is under way that a removal could
// have to wait for: a change, or the first read of what may be the new half of a
// rename.
func (r *Reconciler) quiet(account string) bool {
	of := func(l *lane) bool { return l.account == account && len(l.changes) > 0 }
	return !slices.ContainsFunc(r.lanes, of) && r.readers.quiet(account)
}

// unshown holds by account and kind what new this process has made that no read has
// shown since.
type unshown map[accountKind]map[resource.ID]bool

// accountKind names a kind of an account.
type accountKind struct{ account, kind string }

func kindOf(id resource.ID) accountKind { return accountKind{id.Account, id.Kind} }

func (u unshown) add(id resource.ID) {
	if u[kindOf(id)] == nil {
		u[kindOf(id)] = map[resource.ID]bool{}
	}
	u[kindOf(id)][id] = true
}

// proving reports whether the first of many updates of a kind are under way, which
// are to speak for all others.
func (r *Reconciler) proving(id resource.ID) bool {
	return slices.ContainsFunc(r.lanes, func(l *lane) bool {
		return l.account == id.Account && l.aside.Proving(id.Kind)
	})
}

// begin lets the changes of a lot be carried out beside the passes.
func (r *Reconciler) begin(ctx context.Context, account string, p *plan.Plan, of *lot, consented bool) {
	part := *p
	part.Changes = of.known
	ctx, stop := context.WithCancel(ctx)
	l := &lane{
		account: account, term: r.term(account), stop: stop, plan: p, changes: map[resource.ID]plan.Change{},
		let: consented, revisions: map[string]string{},
	}
	for _, f := range r.feeds {
		l.revisions[f.Name] = f.force.revision
	}
	r.follows(l, len(of.begin))
	l.aside = r.applier.Aside(&part, apply.AsideOptions{
		Changes: of.begin, Beside: r.unproven(account), Fresh: fresh, Seen: r.leave, Stands: r.mandated(account),
		Done: func(res apply.Result) { r.deliverResult(l, res) }, Proven: r.MarkDirty,
		Begins: func(f apply.Forecast) { l.progress.foreseen.Store(&f) },
	})
	for _, c := range of.begin {
		l.changes[c.ID], r.under[c.ID] = c, l
		if _, again := r.failures[c.ID]; !again {
			l.awaited.Store(true)
		}
	}
	r.holdRemovals(account, of.begin)
	r.lanes = append(r.lanes, l)
	end := r.busy.begin(account)
	r.workers.Go(func() {
		defer end()
		defer stop()
		r.deliverEnd(l, tracedRun(ctx, l))
	})
}

// unproven counts by kind the updates under way in an account that no first of
// them has spoken for.
func (r *Reconciler) unproven(account string) map[string]int {
	n := map[string]int{}
	for _, l := range r.lanes {
		if l.account != account {
			continue
		}
		for kind := range r.kinds[account] {
			n[kind] += l.aside.Unproven(kind)
		}
	}
	return n
}

// holdRemovals takes out the removals of what something new is being made of: the
// two may be a rename, and the old one stays until the new one is there.
func (r *Reconciler) holdRemovals(account string, made []plan.Change) {
	kinds := map[string]bool{}
	for _, c := range made {
		kinds[c.ID.Kind] = kinds[c.ID.Kind] || c.Reason == plan.New
	}
	for _, l := range r.lanes {
		for id, c := range l.changes {
			if l.account == account && c.Action == plan.Delete && kinds[id.Kind] {
				r.takeOut(l, id)
			}
		}
	}
}

// taken takes over how a change ended.
func (r *Reconciler) taken(l *lane, res apply.Result, at time.Time) {
	c, ours := l.changes[res.ID]
	if !ours {
		return
	}
	delete(l.changes, res.ID)
	delete(r.under, res.ID)
	if res.Outcome == apply.Done {
		r.madeOf(res.ID)
	}
	if !r.stillLed(l.account, l.term) {
		r.disowned(l, c, res, at)
		return
	}
	if len(res.Calls) > 0 || res.Outcome == apply.Done {
		r.rewritten(res, at)
		r.overtake(res, c)
	}
	r.gone = gone{}
	r.settleResult(res, c, at)
	r.news = append(r.news, res)
	r.noteApplied(c, at)
	r.tally(l, c, res)
	r.tellMade(l.revisions[c.Origin.Source], c, res)
}

// disowned takes over how a change ended of an account that was lost meanwhile. What is
// there now, whoever leads it says.
func (r *Reconciler) disowned(l *lane, c plan.Change, res apply.Result, at time.Time) {
	r.gone = gone{}
	if res.Outcome != apply.Done {
		return
	}
	r.news = append(r.news, res)
	r.noteApplied(c, at)
	r.tally(l, c, res)
	r.tellMade(l.revisions[c.Origin.Source], c, res)
}

// rewritten forgets what was seen of a resource before its calls. A read that
// followed them and shows them is as good as any later one.
func (r *Reconciler) rewritten(res apply.Result, at time.Time) {
	if res.Shown == nil {
		r.wrote[res.ID] = at
		r.sights.lose(res.ID, at)
		return
	}
	r.wrote[res.ID] = res.Shown.At
	r.sights.lose(res.ID, res.Shown.At.Add(-1))
	r.seen.put(res.ID, *res.Shown)
	r.sights.see(*res.Shown)
	r.poster.add(*res.Shown, false)
}

// overtake lets be read again at once what a change has made, or may have, that is
// declared otherwise by now: what was read before it says nothing.
func (r *Reconciler) overtake(res apply.Result, c plan.Change) {
	want, _ := r.desired.set.Get(res.ID)
	if want.Spec == c.After {
		return
	}
	if r.desired.changed == nil {
		r.desired.changed = map[resource.ID]bool{}
	}
	r.desired.changed[res.ID] = true
}

// ended takes over that a lane has ended.
func (r *Reconciler) ended(l *lane, rep *apply.Report) {
	r.lanes = slices.DeleteFunc(r.lanes, func(other *lane) bool { return other == l })
	r.followed(l, rep)
	attrs := []any{
		"account", l.account, "revision", rep.Revision, "plan", rep.Plan, "seconds", rep.Took.Seconds(),
		"applied", rep.Summary[apply.Done], "failed", rep.Summary[apply.Failed], "refused", rep.Summary[apply.Refused],
	}
	switch {
	case rep.Summary[apply.Done] > 0:
		r.opts.Logger.Info("run applied changes", attrs...)
	case rep.Failed():
		r.opts.Logger.Info("run applied none of its changes", attrs...)
	default:
		r.opts.Logger.Debug("run", attrs...)
	}
}

// report is what became of changes since the last pass, with why others of p are
// not made now.
func (r *Reconciler) report(p *plan.Plan) *apply.Report {
	if r.opts.DryRun {
		return nil
	}
	rep := &apply.Report{Revision: p.Revision, Plan: p.Hash, Started: time.Now()}
	now, results := time.Now(), r.news
	for _, c := range p.Changes {
		c = r.rested(c, now)
		switch {
		case c.Action == plan.None || c.UnderWay || !r.leads(c.ID.Account):
		case c.State == plan.Waiting:
			results = append(results, left(c, apply.Waiting, c.Note))
		case c.Withheld != "":
			results = append(results, left(c, apply.Withheld, c.Withheld))
		case len(p.Held) > 0:
			results = append(results, left(c, apply.Refused, "held by guard "+p.Held[0].Guard))
		}
	}
	r.news = nil
	rep.Add(results...)
	return rep
}

// left is what becomes of a change that does not begin.
func left(c plan.Change, how apply.Outcome, why string) apply.Result {
	return apply.Result{ID: c.ID, Action: c.Action, Outcome: how, Calls: []apply.Call{}, Error: why}
}

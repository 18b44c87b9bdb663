// Package apply carries out a plan: one result a change, in two waves an
// account (what creates and updates, then what removes), going on after every
// failure. What must not happen twice is in the store before its call and
// marked after it.
package apply

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"weir/sync/call"
	"weir/sync/plan"
	"weir/sync/provider"
	"weir/sync/resource"
	"weir/sync/state"
)

// DefaultParallel is the number of changes of one account and kind in flight:
// enough to fill 50 calls a second at a round trip of two seconds.
const DefaultParallel = 128

// removalParallel is the number of removals of one account and kind in flight:
// one, so that a halt, or news that supersede the plan, is seen before the next.
const removalParallel = 1

// Target is one account: its cloud, and the way to it with every wrapper on.
type Target struct {
	Provider provider.Provider
	Caller   call.Caller
}

// Observe reads resources of the account. Where a call for it was not sent, since
// another process may lead the account, it returns that as an error: what could not be
// read is not unreadable.
func (t Target) Observe(ctx context.Context, want []resource.Resource) ([]resource.Observation, error) {
	var lapsed atomic.Pointer[error]
	caller := call.Func(func(ctx context.Context, req *call.Request) (*call.Response, error) {
		resp, err := t.Caller.Call(ctx, req)
		if call.Lapsed(err) {
			lapsed.Store(&err)
		}
		return resp, err
	})
	seen, err := t.Provider.Observe(ctx, caller, want)
	if why := lapsed.Load(); why != nil && err == nil {
		err = *why
	}
	return seen, err
}

// Options says what an Applier works on. Accounts and Store are required.
type Options struct {
	Accounts map[string]Target
	Store    state.Store
	Parallel int // 0 for DefaultParallel
	// Priority is that of all calls made for a plan, and of the reads among them;
	// zero is that of what the daemon does.
	Priority call.Priority
	Logger   *slog.Logger
	// Against says what stands against a change of the plan of a revision, "" for
	// nothing. It is asked right before each change begins. May be nil.
	Against func(ctx context.Context, revision string, c plan.Change) string
	// Outlook returns what is known now of how fast an account's operation can be
	// called; nil where nothing is to be foreseen.
	Outlook func(account, operation string, p call.Priority) call.Outlook
	// Expect is told of the calls that are foreseen when carrying out begins, and
	// with 0 when it ends; may be nil.
	Expect func(account, operation string, calls int)
	// Begins is told how what begins will go; may be nil.
	Begins func(Forecast)
	// Ended is told of every report, but for one of a plan that is held, from several
	// goroutines at once; may be nil.
	Ended func(*Report)
	// Done is told of every finished change, from several goroutines at once;
	// may be nil.
	Done func(Result)
}

// Applier carries out plans.
type Applier struct {
	opts  Options
	mu    sync.Mutex
	ahead map[operation]int // calls that are foreseen of what is under way
}

// New returns an Applier.
func New(opts Options) (*Applier, error) {
	if len(opts.Accounts) == 0 {
		return nil, fmt.Errorf("apply: Accounts is empty")
	}
	if opts.Store == nil {
		return nil, fmt.Errorf("apply: Store is missing")
	}
	if opts.Parallel <= 0 {
		opts.Parallel = DefaultParallel
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.Done == nil {
		opts.Done = func(Result) {}
	}
	if opts.Ended == nil {
		opts.Ended = func(*Report) {}
	}
	if opts.Expect == nil {
		opts.Expect = func(string, string, int) {}
	}
	if opts.Begins == nil {
		opts.Begins = func(Forecast) {}
	}
	if opts.Against == nil {
		opts.Against = func(context.Context, string, plan.Change) string { return "" }
	}
	return &Applier{opts: opts, ahead: map[operation]int{}}, nil
}

// Apply carries out every change of p that is due and writes down what already
// was as declared. It returns an error only where the store could not be
// written; failed calls are results. A held plan is refused whole.
func (a *Applier) Apply(ctx context.Context, p *plan.Plan) (*Report, error) {
	ctx = call.WithPriority(ctx, a.opts.Priority)
	rep := &Report{Revision: p.Revision, Plan: p.Hash, Started: time.Now()}
	if len(p.Held) > 0 {
		rep.Results = refuse(p)
		return rep.finish(), nil
	}
	if err := a.Adopt(ctx, p); err != nil {
		return rep.finish(), err
	}
	ended := a.foretell(p, rep, 0)
	defer ended()
	run := &run{Applier: a, plan: p}
	run.all(ctx)
	rep.Results = append(rep.Results, run.results...)
	a.opts.Ended(rep.finish())
	return rep, nil
}

// foretell puts into rep how carrying out p will go, where resources that were read
// longer than fresh ago are read again (0: none are), and tells others of it until
// what it returns is called.
func (a *Applier) foretell(p *plan.Plan, rep *Report, fresh time.Duration) (ended func()) {
	if a.opts.Outlook == nil || !p.HasDue() {
		return func() {}
	}
	t := a.terms()
	t.Fresh = fresh
	f := Foresee(p, t)
	rep.Foreseen = &f
	a.opts.Begins(f)
	a.expect(f, 1)
	return func() { a.expect(f, -1) }
}

// expect tells others of what is foreseen when it begins, and when the last that
// calls an operation has ended.
func (a *Applier) expect(f Forecast, sign int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, c := range f.Calls {
		of := operation{c.Account, c.Operation}
		a.ahead[of] += sign * c.Count
		switch {
		case sign > 0:
			a.opts.Expect(c.Account, c.Operation, c.Count)
		case a.ahead[of] == 0:
			a.opts.Expect(c.Account, c.Operation, 0)
		}
	}
}

// Foresee returns how Apply would carry out p now, held or not. It needs
// Options.Outlook.
func (a *Applier) Foresee(p *plan.Plan) Forecast { return Foresee(p, a.terms()) }

// ForeseeReads returns how observing resources would go now. It needs
// Options.Outlook.
func (a *Applier) ForeseeReads(want []resource.Resource) Forecast {
	return ForeseeReads(want, a.terms())
}

func (a *Applier) terms() Terms {
	t := Terms{
		Providers: map[string]provider.Provider{}, Outlook: a.opts.Outlook, Priority: a.opts.Priority,
		Parallel: a.opts.Parallel, Now: time.Now(),
	}
	for name, target := range a.opts.Accounts {
		t.Providers[name] = target.Provider
	}
	return t
}

// Adopt records what the cloud already holds as declared, and what else is to
// be remembered without a call.
func (a *Applier) Adopt(ctx context.Context, p *plan.Plan) error {
	var records []resource.Applied
	for _, c := range p.Changes {
		switch {
		case c.Adopt:
			records = append(records, adopted(p, c))
		case c.Record != nil:
			records = append(records, *c.Record)
		}
	}
	if len(records) == 0 {
		return nil
	}
	if err := a.opts.Store.Save(ctx, records...); err != nil {
		return fmt.Errorf("record what is in sync: %w", err)
	}
	return nil
}

// adopted is the record of what a read has shown to be as declared. It is as old
// as that read, and no older than what was written before.
func adopted(p *plan.Plan, c plan.Change) resource.Applied {
	rec := record(p, c, true)
	if !c.Read.IsZero() {
		rec.At = c.Read
	}
	if c.Last != nil && c.Last.At.After(rec.At) {
		rec.At = c.Last.At
	}
	return rec
}

func record(p *plan.Plan, c plan.Change, confirmed bool) resource.Applied {
	now := time.Now()
	return resource.Applied{
		ID: c.ID, Spec: c.After, Origin: c.Origin, Revision: p.Revision,
		At: now, Epoch: c.Epoch, Confirmed: confirmed, Heals: c.HealsAfter(now),
	}
}

func refuse(p *plan.Plan) []Result {
	var out []Result
	for c := range p.Due() {
		out = append(out, Result{ID: c.ID, Action: c.Action, Outcome: Refused, Error: "held by guard " + p.Held[0].Guard})
	}
	return out
}

// run is a plan, or a part of one, that is being carried out.
type run struct {
	*Applier
	plan    *plan.Plan
	aside   *aside // nil for a whole plan, which nobody changes meanwhile
	mu      sync.Mutex
	results []Result
}

// all runs the accounts side by side, so that none waits for another.
func (r *run) all(ctx context.Context) {
	var wg sync.WaitGroup
	for _, changes := range byAccount(r.plan) {
		wg.Go(func() { r.account(ctx, changes) })
	}
	wg.Wait()
}

// byAccount returns the changes that Apply has anything to do with.
func byAccount(p *plan.Plan) map[string][]plan.Change {
	return grouped(p.Changes, func(c *plan.Change) string {
		if c.Action == plan.None && !c.Unmade && !lags(*c) {
			return ""
		}
		return c.ID.Account
	})
}

// grouped returns changes by a key, without those whose key is "". A group that is
// all of them is not copied: of a hundred thousand that would take long.
func grouped(changes []plan.Change, key func(*plan.Change) string) map[string][]plan.Change {
	sizes := map[string]int{}
	for i := range changes {
		sizes[key(&changes[i])]++
	}
	delete(sizes, "")
	groups := make(map[string][]plan.Change, len(sizes))
	for k, n := range sizes {
		if n == len(changes) {
			groups[k] = changes
			return groups
		}
		groups[k] = make([]plan.Change, 0, n)
	}
	for i := range changes {
		if k := key(&changes[i]); k != "" {
			groups[k] = append(groups[k], changes[i])
		}
	}
	return groups
}

// account makes creates and updates first and removals last: a renamed channel
// has its new configuration before the old one goes. Of changes it makes its own.
func (r *run) account(ctx context.Context, changes []plan.Change) {
	first, last := waves(r.aside.own(changes))
	r.wave(ctx, first, r.opts.Parallel)
	if len(last) > 0 {
		r.wave(ctx, r.keepOld(ctx, changes, last), removalParallel)
	}
}

// waves returns what creates and updates, and what removes.
func waves(changes []plan.Change) (first, last []plan.Change) {
	const creates, removes = "creates", "removes"
	groups := grouped(changes, func(c *plan.Change) string {
		switch c.Action {
		case plan.None:
			return ""
		case plan.Delete:
			return removes
		}
		return creates
	})
	return groups[creates], groups[removes]
}

func byKind(changes []plan.Change) map[string][]plan.Change {
	return grouped(changes, func(c *plan.Change) string { return c.ID.Kind })
}

// wave runs the kinds side by side, each with its own places in flight, so
// that a slow operation does not hold up another.
func (r *run) wave(ctx context.Context, changes []plan.Change, parallel int) {
	var wg sync.WaitGroup
	for name, list := range byKind(changes) {
		wg.Go(func() {
			r.kind(ctx, r.inOrder(list), parallel)
			r.aside.proven(name)
		})
	}
	wg.Wait()
}

// kind begins a change where there is a place for it, so that many changes are
// not as many goroutines.
func (r *run) kind(ctx context.Context, changes []plan.Change, parallel int) {
	changes = r.canary(ctx, changes)
	if len(changes) > 0 {
		r.aside.proven(changes[0].ID.Kind)
	}
	places := make(chan struct{}, parallel)
	var wg sync.WaitGroup
	for _, c := range changes {
		r.aside.line(c.ID)
		places <- struct{}{}
		wg.Go(func() {
			defer func() { <-places }()
			r.one(ctx, c)
		})
	}
	wg.Wait()
}

func (r *run) one(ctx context.Context, c plan.Change) {
	r.add(r.change(ctx, c))
}

// add takes down what became of a change, unless it was taken out of the run
// before it began.
func (r *run) add(res Result) {
	if !r.aside.end(res.ID) {
		return
	}
	r.mu.Lock()
	r.results = append(r.results, res)
	r.mu.Unlock()
	r.opts.Done(res)
	r.aside.tell(res)
}

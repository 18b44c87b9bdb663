// Package reconcile runs one pass from source to report, and the loop that
// decides when a pass is due. It is the only place that knows all stages; each
// stage knows none of the others.
package reconcile

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"weir/sync/apply"
	"weir/sync/call"
	"weir/sync/cluster"
	"weir/sync/manifest"
	"weir/sync/plan"
	"weir/sync/provider"
	"weir/sync/resource"
	"weir/sync/source"
	"weir/sync/state"
	"weir/sync/trace"
)

// DefaultInterval is the time after which everything is read again.
const DefaultInterval = 5 * time.Minute

// Feed is a source and what reads its files.
type Feed struct {
	Name   string
	Source source.Source
	Loader *manifest.Loader
	// Follows says what of which place Source reads. Which of its revisions is in
	// force is kept in the store under it; "" keeps nothing.
	Follows string
}

// Options says what a Reconciler works on. Feeds, Accounts, Store, Outlook
// and Policy.Mode are required.
type Options struct {
	Feeds    []Feed
	Accounts map[string]apply.Target
	Store    state.Store
	// Cluster says which of the accounts this process leads, where it is one of
	// several: the others it only shows. Nil: it is alone, and leads all.
	Cluster cluster.Cluster
	Policy  plan.Policy
	// Outlook returns what is known now of how fast an account's operation can be
	// called; it prices plans and reads.
	Outlook func(account, operation string, p call.Priority) call.Outlook
	// Interval is after how long everything is read again, as far as Scrub allows it,
	// and the longest time between two passes; 0 for DefaultInterval.
	Interval time.Duration
	// Scrub is the part of each read operation's quota that looking for drift may
	// take, by account; DefaultScrub where it says nothing.
	Scrub  map[string]float64
	DryRun bool // observe and plan, apply nothing
	// Priority is that of the calls that carry out plans; zero is a daemon's.
	Priority call.Priority
	// ReadOnly says why nothing may be applied for now, "" where it may; it is asked
	// at each pass. May be nil.
	ReadOnly func() string
	// Trouble says why calls cannot be written down, nil where they can; may be nil.
	Trouble func() error
	// Selector keeps the resources that carry all of these labels; what it
	// leaves out has not left the source.
	Selector map[string]string
	Logger   *slog.Logger
	Metrics  *Metrics      // may be nil
	Tracer   *trace.Tracer // may be nil
	// Expect is told of the calls that are foreseen, see apply.Options; may be nil.
	Expect func(account, operation string, calls int)
	// Begins is told how carrying out a plan will go, when it begins; may be nil.
	Begins func(apply.Forecast)
	// Applied is told of each finished change; may be nil.
	Applied func(apply.Result)
	// Verdict is told what became of each revision; may be nil. It must not block.
	Verdict func(Verdict)
	// Held is told of each plan that a guard holds, once, and when nothing is held any
	// more; may be nil. It must not block.
	Held func(HeldPlan)
	// Fight is told once of each resource that weir stops putting back, since
	// somebody undoes it each time, and when that is over; may be nil. It must not
	// block.
	Fight func(Fight)
	// News are told what else happens to resources.
	News News
	// Reading is told how far observing resources is: before it begins, after each
	// call, from several goroutines, and when it ends. May be nil.
	Reading func(Reading)
	// Decided is handed each plan as it was decided, with what it was made of, which
	// must not be kept: it is for tests. May be nil.
	Decided func(plan.Input, *plan.Plan)
}

// sortedKeys returns the keys of m in order.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// Reconciler keeps the accounts as the feeds declare.
type Reconciler struct {
	opts    Options
	applier *apply.Applier
	reads   reads
	dirty   chan struct{}                       // capacity one: a token means "look again"
	kinds   map[string]map[string]provider.Kind // by account

	mu    sync.Mutex // guards feeds, full, undecided and status
	feeds []*feed
	full  bool // a full pass was asked for
	// undecided says that what was loaded was not compared with what is under way yet.
	undecided bool
	state     Status
	shown     Shown
	changed   chan struct{} // closed when there is something else to show, and made anew
	timeline  timeline
	runs      []*progress // under way

	// What follows belongs to the one goroutine that runs passes.
	leading  leading
	others   others
	heldHere heldPlans       // plans of late
	lettings []*letting      // plans that are let through
	apart    map[string]bool // sources of which this member waits for the others
	offering []string        // the accounts that it has said it can lead
	desired  declared
	marks    marks // as the store had them when the pass began
	replica  replica
	// recalling guards replica where it is written, and where others read it.
	recalling sync.Mutex
	ledger    plan.Ledger
	seen      noted[resource.Observation]
	met       map[resource.ID]bool      // touched since a pass was settled
	wake      map[resource.ID]time.Time // when to read and judge again
	failures  map[resource.ID]failure
	drifted   map[resource.ID]bool
	fights    map[resource.ID]plan.Fight // as told
	toldOf    toldOf
	// own is what this process has made true or seen as declared, see plan.Input:
	// with it two processes on one store know each other's writes from edits.
	own      noted[resource.Spec]
	written  written                   // what it, or another, wrote without a record
	refused  map[resource.ID]bool      // removals that a guard or the policy did not let happen
	unsure   map[resource.ID]time.Time // removed, or written without an answer, no longer ago than a lag
	odd      map[resource.ID]bool      // hold what weir does not know, as metered
	ends     map[resource.ID]time.Time // of leases that are not renewed, as metered
	scan     scan
	aired    map[resource.ID]airing
	gone     gone
	lanes    []*lane                   // runs under way
	began    bool                      // a run, since a pass was published
	under    map[resource.ID]*lane     // which of them changes a resource
	wrote    map[resource.ID]time.Time // when this process last did
	unshown  unshown
	rests    map[resource.ID]time.Time // until when what was refused is not handed out
	memory   memory                    // as the last pass had it
	pace     time.Duration             // between passes for which nobody waits
	waiting  time.Time                 // since when what is due waits for the rest of its plan
	news     []apply.Result            // since the last pass was published
	made     map[string]made           // by source
	readers  readers
	heldTold map[string]bool // hashes of plans that were told to be held
	planned  time.Time       // when Plan or Restore last made a plan
	// distrusted is until when others wrote as well, see Distrust.
	distrusted time.Time
	lifted     string  // hash of the plan of a new mode that a consent let through
	counted    []Count // of the last pass, as metered
	unmarked   bool    // the marks of former feeds are removed
	resides    bool    // Run has begun: a crash would come again at the next start
	// unreadTold is what was last logged of resources nothing is known of.
	unreadTold Unread
	headsTold  time.Time // when the journal's heads were last logged
	heldLogged string    // hash of the plan that was last logged as held

	revoked   revoked
	inbox     inbox
	sights    *sights
	poster    *poster // nil where there are no others
	following following
	busy      busy
	scrubs    map[string]*scrub // by account
	workers   sync.WaitGroup    // those who work beside the passes

	offered map[resource.ID]resource.Observation // by another process; for Plan
	cached  *Cached                              // how much of it the last plan took over, nil where nothing is offered
}

// New checks opts by field name and returns a Reconciler.
func New(opts Options) (*Reconciler, error) {
	switch {
	case len(opts.Feeds) == 0:
		return nil, fmt.Errorf("reconcile: Feeds is empty")
	case opts.Outlook == nil:
		return nil, fmt.Errorf("reconcile: Outlook is missing")
	case opts.Policy.Mode == "":
		return nil, fmt.Errorf("reconcile: Policy.Mode is missing")
	case opts.Interval < 0:
		return nil, fmt.Errorf("reconcile: Interval is negative")
	}
	if opts.Interval == 0 {
		opts.Interval = DefaultInterval
	}
	if opts.ReadOnly == nil {
		opts.ReadOnly = func() string { return "" }
	}
	if opts.Trouble == nil {
		opts.Trouble = func() error { return nil }
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	r := &Reconciler{
		opts: opts, dirty: make(chan struct{}, 1), changed: make(chan struct{}), kinds: map[string]map[string]provider.Kind{},
		replica: newReplica(), seen: newNoted[resource.Observation](), met: map[resource.ID]bool{},
		wake:     map[resource.ID]time.Time{},
		failures: map[resource.ID]failure{}, drifted: map[resource.ID]bool{},
		fights: map[resource.ID]plan.Fight{}, toldOf: newToldOf(), own: newNoted[resource.Spec](),
		refused: map[resource.ID]bool{},
		aired:   map[resource.ID]airing{}, heldTold: map[string]bool{},
		unsure:  map[resource.ID]time.Time{},
		odd:     map[resource.ID]bool{},
		ends:    map[resource.ID]time.Time{},
		sights:  newSights(),
		under:   map[resource.ID]*lane{},
		wrote:   map[resource.ID]time.Time{},
		rests:   map[resource.ID]time.Time{},
		unshown: unshown{},
		made:    map[string]made{},
		readers: readers{of: map[resource.ID]*job{}, lines: map[accountKind]string{}},
	}
	r.reads.tell = opts.Reading
	opts.Accounts = r.reads.counted(opts.Accounts)
	r.opts.Accounts = opts.Accounts
	for name, a := range opts.Accounts {
		r.kinds[name] = a.Provider.Kinds()
	}
	r.scrubs = r.newScrubs()
	r.beginFollowing()
	for _, f := range opts.Feeds {
		r.feeds = append(r.feeds, &feed{Feed: f})
	}
	r.showReadOnly()
	var err error
	r.applier, err = apply.New(apply.Options{
		Accounts: opts.Accounts, Store: opts.Store, Logger: opts.Logger, Done: opts.Applied,
		Against: r.against, Outlook: opts.Outlook, Expect: opts.Expect, Begins: opts.Begins, Ended: r.carriedOut,
		Priority: opts.Priority,
	})
	return r, err
}

// showReadOnly tells in the metrics whether nothing is applied: a pass may be long in
// coming after many crashes.
func (r *Reconciler) showReadOnly() {
	if m := r.opts.Metrics; m != nil {
		m.readOnly.Set(oneIf(r.opts.ReadOnly() != ""))
	}
}

// judge returns the judgement of id's kind, nil where its account or kind is
// not configured.
func (r *Reconciler) judge(id resource.ID) plan.Judge {
	return r.kinds[id.Account][id.Kind].Judge
}

// MarkDirty asks for a look at what has changed.
func (r *Reconciler) MarkDirty() {
	select {
	case r.dirty <- struct{}{}:
	default:
	}
}

// MarkFull asks for a full pass, which reads everything again, and for a look
// at the sources.
func (r *Reconciler) MarkFull() {
	r.mu.Lock()
	r.full = true
	r.mu.Unlock()
	for _, f := range r.feeds {
		poke(f.Source)
	}
	r.MarkDirty()
}

// Fetch reads every feed once and loads what it holds. It returns the problems
// of all feeds; where one is an error, nothing is in force.
func (r *Reconciler) Fetch(ctx context.Context) ([]manifest.Problem, error) {
	r.takeTerms()
	if err := r.recallMarks(ctx); err != nil {
		return nil, err
	}
	for _, f := range r.feeds {
		snap, err := f.Source.Next(ctx, nil)
		if err != nil {
			return nil, fmt.Errorf("source %s: %w", f.Name, err)
		}
		f.arrive(snap, time.Now())
	}
	r.load(ctx, func(*feed, bool) {}, r.notePin)
	return r.Problems(), nil
}

// Plan reads everything declared or applied and says what is due. Fetch comes
// first.
func (r *Reconciler) Plan(ctx context.Context) (*plan.Plan, error) {
	if !r.desired.ready {
		return nil, fmt.Errorf("no revision is in force")
	}
	r.takeTerms()
	memory, err := r.remember(ctx)
	if err != nil {
		return nil, err
	}
	if err := r.observe(ctx, r.lacking(r.everything(memory), memory)); err != nil {
		return nil, err
	}
	p := r.decide(memory, time.Now())
	r.planned = time.Now()
	r.trace(ctx, p, memory)
	return p, r.guard(ctx, p, memory)
}

// Apply carries out p, a plan made by Plan or Restore. What Fetch put in force is
// marked as such first, where p is of it: a process that begins later must not
// fall back behind it. A saved plan is carried out once. What was read too long ago
// is read again, and refused alone where it has moved.
func (r *Reconciler) Apply(ctx context.Context, p *plan.Plan) (*apply.Report, error) {
	if why := r.revocation(ctx, p.Revision); why != "" {
		return nil, errors.New(why)
	}
	p, moved, err := r.reread(call.WithPriority(ctx, r.opts.Priority), p)
	if err != nil {
		return nil, err
	}
	if err := r.claim(ctx, p); err != nil {
		return nil, err
	}
	if r.desired.ready && p.Revision == r.desired.revision {
		r.mark(ctx)
		m, err := r.remember(ctx)
		if err != nil {
			return nil, err
		}
		r.markMode(ctx, p, m)
	}
	rep, err := r.applier.Apply(ctx, p)
	r.tellApplied(p, rep, r.forceOf)
	rep.Add(moved...)
	return rep, err
}

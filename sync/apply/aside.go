package apply

import (
	"context"
	"slices"
	"sync"
	"time"

	"weir/sync/call"
	"weir/sync/plan"
	"weir/sync/resource"
)

// lineMost is how many changes of one kind of an Aside wait for quota at a time:
// enough that a quota never waits for them, few enough that one which is begun
// beside them, or that is not wanted any more, does not wait for a hundred others.
const lineMost = 32

// AsideOptions says what an Aside carries out, and whom it tells.
type AsideOptions struct {
	// Changes are those of the plan that it makes, all of one account. The others
	// of the account only say what stands against removals and many updates.
	Changes []plan.Change
	// Beside is how many updates of each kind others carry out that no first of
	// them has spoken for: they count as these here.
	Beside map[string]int
	// Fresh is how old what was read of a resource may be where it is changed by
	// it; what is older is read once more.
	Fresh time.Duration
	// Seen is told what was read so. It and Done are called from several goroutines
	// at once.
	Seen func([]resource.Observation)
	Done func(Result)
	// Stands reports whether changes may begin, asked right before each does; one that
	// may not is the business of another process. Nil: they may.
	Stands func() bool
	// Begins is told how it is to go, once, where that can be foreseen. May be nil.
	Begins func(Forecast)
	// Proven is told when more of the updates of a kind may be begun beside these.
	Proven func()
}

// Aside is a part of a plan that is carried out beside others. While it is under
// way, what has not begun can be taken out of it.
type Aside struct {
	run *run
	*aside
}

// Aside returns the carrying out of a part of p, which Run does.
func (a *Applier) Aside(p *plan.Plan, o AsideOptions) *Aside {
	s := &aside{
		opts: o, stages: map[resource.ID]stage{}, lines: map[string]chan struct{}{}, waits: map[resource.ID]func(){},
		proving: map[string]bool{}, updates: map[string]int{},
	}
	kinds := map[string][]plan.Change{}
	for _, c := range o.Changes {
		s.stages[c.ID] = ahead
		kinds[c.ID.Kind] = append(kinds[c.ID.Kind], c)
	}
	for name, list := range kinds {
		s.lines[name] = make(chan struct{}, lineMost)
		n := updatesOf(list)
		s.proving[name] = n > 0 && n+o.Beside[name] > canaryAbove
		if !s.proving[name] {
			s.updates[name] = n
		}
	}
	return &Aside{&run{Applier: a, plan: p, aside: s}, s}
}

// Run makes the changes and returns when each has ended or was taken out. When
// ctx ends, what has begun ends, and nothing more begins.
func (a *Aside) Run(ctx context.Context) *Report {
	ctx = call.WithPriority(ctx, a.run.opts.Priority)
	rep := &Report{Revision: a.run.plan.Revision, Plan: a.run.plan.Hash, Started: time.Now()}
	own := *a.run.plan
	own.Changes, own.Calm = a.opts.Changes, plan.Calm{}
	ended := a.run.foretell(&own, rep, a.opts.Fresh)
	defer ended()
	if rep.Foreseen != nil && a.opts.Begins != nil {
		a.opts.Begins(*rep.Foreseen)
	}
	a.looks = a.run.grouped(a.opts.Changes)
	a.run.all(ctx)
	rep.Results = a.run.results
	a.run.opts.Ended(rep.finish())
	return rep
}

// TakeOut takes a change out of it and reports whether that was in time: no call
// of it has been made, none will be, and Done is not told of it.
func (a *Aside) TakeOut(id resource.ID) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.stages[id] != ahead {
		return false
	}
	a.stages[id] = outside
	return true
}

// Proving reports whether the first of many updates of a kind have not succeeded
// yet: until then no others of the kind may begin anywhere.
func (a *Aside) Proving(kind string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.proving[kind]
}

// Unproven returns how many updates of a kind it makes without a first one that
// would speak for the others.
func (a *Aside) Unproven(kind string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.updates[kind]
}

// stage is how far a change of an Aside is.
type stage int8

// The stages.
const (
	foreign stage = iota // it is none of these
	ahead                // no call of it has been made
	begun                // a call of it is about to go out, or has
	ended                // its result was told
	outside              // it was taken out before it began
)

// aside is what a run knows of those beside it; a nil one knows of none.
type aside struct {
	opts  AsideOptions
	looks map[resource.ID]*look

	mu      sync.Mutex // guards what follows
	stages  map[resource.ID]stage
	lines   map[string]chan struct{} // places of those that wait for quota, by kind
	waits   map[resource.ID]func()   // gives the place of a change back
	proving map[string]bool
	updates map[string]int // without a canary, by kind
}

// stage returns how far the change of a resource is: of a whole plan each is ahead.
func (a *aside) stage(id resource.ID) stage {
	if a == nil {
		return ahead
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.stages[id]
}

// takes reports whether the run makes the change of a resource.
func (a *aside) takes(id resource.ID) bool { return a.stage(id) == ahead }

// own returns those of changes that the run makes.
func (a *aside) own(changes []plan.Change) []plan.Change {
	if a == nil {
		return changes
	}
	return slices.DeleteFunc(slices.Clone(changes), func(c plan.Change) bool { return !a.takes(c.ID) })
}

// out reports whether a change was taken out.
func (a *aside) out(id resource.ID) bool { return a.stage(id) == outside }

// begin reports whether a change may make its calls: it was not taken out, and
// cannot be any more.
func (a *aside) begin(id resource.ID) bool {
	a.leaveLine(id)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.stages[id] == ahead {
		a.stages[id] = begun
	}
	return a.stages[id] == begun
}

// end reports whether what became of a change is to be told.
func (a *aside) end(id resource.ID) bool {
	if a == nil {
		return true
	}
	a.leaveLine(id)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.stages[id] == outside {
		return false
	}
	a.stages[id] = ended
	return true
}

func (a *aside) tell(res Result) {
	if a != nil {
		a.opts.Done(res)
	}
}

// lost is the cause of a change that did not begin, since another process may lead the
// account.
type lost struct{}

func (lost) Error() string { return "another process may lead the account" }

// Fenced says so to call.Lapsed.
func (lost) Fenced() bool { return true }

// stands reports whether a change may begin, or has.
func (a *aside) stands(id resource.ID) bool {
	return a.opts.Stands == nil || a.stage(id) != ahead || a.opts.Stands()
}

// asked returns req so that it is not sent where its change was taken out while
// it waited for quota.
func (a *aside) asked(id resource.ID, req *call.Request) *call.Request {
	if a == nil || !req.Write {
		return req
	}
	asked := *req
	asked.Begin = func(ctx context.Context) error {
		switch {
		case !a.stands(id):
			return &call.Error{Code: call.Stopped, Message: "not sent", Err: lost{}}
		case !a.begin(id):
			return &call.Error{Code: call.Stopped, Message: "not sent, it was planned again"}
		}
		if req.Begin == nil {
			return nil
		}
		return req.Begin(ctx)
	}
	return &asked
}

// line waits for a place among those of a kind that wait for quota.
func (a *aside) line(id resource.ID) {
	if a == nil {
		return
	}
	place := a.lines[id.Kind]
	place <- struct{}{}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.waits[id] = func() { <-place }
}

func (a *aside) leaveLine(id resource.ID) {
	a.mu.Lock()
	leave := a.waits[id]
	delete(a.waits, id)
	a.mu.Unlock()
	if leave != nil {
		leave()
	}
}

// beside returns how many updates of a kind are made elsewhere.
func (a *aside) beside(kind string) int {
	if a == nil {
		return 0
	}
	return a.opts.Beside[kind]
}

// proven notes that the updates of a kind need nobody's leave any more.
func (a *aside) proven(kind string) {
	if a == nil {
		return
	}
	a.mu.Lock()
	was := a.proving[kind]
	a.proving[kind] = false
	a.mu.Unlock()
	if was {
		a.opts.Proven()
	}
}

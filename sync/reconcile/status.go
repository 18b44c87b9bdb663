package reconcile

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"weir/sync/apply"
	"weir/sync/call"
	"weir/sync/manifest"
	"weir/sync/plan"
	"weir/sync/resource"
	"weir/sync/state"
)

// failuresShown bounds the failures a Status lists.
const failuresShown = 50

// Status is what the loop can say of itself. It is a value: a reader may keep it.
type Status struct {
	Ready    bool           `json:"ready"` // a full pass was completed, source and store can be used
	Mode     plan.Mode      `json:"mode"`
	DryRun   bool           `json:"dryRun"`
	ReadOnly string         `json:"readOnly,omitempty"` // why nothing is applied for now
	Revision string         `json:"revision"`
	Sources  []SourceStatus `json:"sources"`
	Passes   int            `json:"passes"`
	LastPass PassStatus     `json:"lastPass"`
	LastFull time.Time      `json:"lastFullPass"`
	Counts   []Count        `json:"resources"`
	Plan     PlanStatus     `json:"plan"`
	Failures []Failure      `json:"failures"`
	UnderWay []UnderWay     `json:"underWay"`        // changes that are being made now, by account
	Fights   []FightStatus  `json:"fights"`          // resources that weir has stopped putting back
	Unread   []Unread       `json:"unreadable"`      // could be read, but were not
	Error    string         `json:"error,omitempty"` // why the last pass could not be made, or the cluster is not known
	// ErrorSince is since when there is one.
	ErrorSince time.Time `json:"errorSince,omitzero"`
	// LastApply is the last plan that took so long that it was worth foreseeing.
	LastApply *ApplyStatus  `json:"lastApply,omitempty"`
	Journal   state.Heads   `json:"journal"` // ends of its chains, to be noted elsewhere
	Scrub     []ScrubStatus `json:"scrub"`   // how the search for drift goes, by account
}

// SourceStatus is what is in force of a source, and what stands against its
// newest revision.
type SourceStatus struct {
	Name        string             `json:"name"`
	Revision    string             `json:"revision"` // newest seen
	InForce     string             `json:"inForce"`  // newest accepted
	LastSuccess time.Time          `json:"lastSuccess"`
	Documents   int                `json:"documents"`
	Problems    []manifest.Problem `json:"problems"`
	Error       string             `json:"error,omitempty"`
	Code        string             `json:"code,omitempty"`     // of Error
	Degraded    string             `json:"degraded,omitempty"` // why it is watched less closely than it could be
	Pinned      *Pin               `json:"pinned,omitempty"`   // its newest revision was rolled back
	// Waits says why this member of a cluster applies nothing of it: another revision is
	// in force for all.
	Waits string `json:"waits,omitempty"`
}

// PassStatus is the last pass.
type PassStatus struct {
	Started time.Time             `json:"started"`
	Seconds float64               `json:"seconds"`
	Full    bool                  `json:"full"`
	Results map[apply.Outcome]int `json:"results,omitempty"`
}

// PlanStatus is the last plan.
type PlanStatus struct {
	Hash    string       `json:"hash"`
	Held    []plan.Hold  `json:"held"`
	Summary plan.Summary `json:"summary"`
}

// UnderWay is how many changes of an account are being made, or wait for their
// turn.
type UnderWay struct {
	Account string `json:"account"`
	Count   int    `json:"count"`
}

// Count is how many resources of an account and kind are in a state.
type Count struct {
	Account string     `json:"account"`
	Kind    string     `json:"kind"`
	State   plan.State `json:"state"`
	Count   int        `json:"count"`
}

// Failure is a change that could not be made.
type Failure struct {
	ID       string    `json:"id"`
	Code     call.Code `json:"code"`
	Error    string    `json:"error"`
	Attempts int       `json:"attempts"` // that have failed
	Retries  time.Time `json:"nextTry"`
}

// Unread is a resource nothing is known of, and why.
type Unread struct {
	ID  string `json:"id"`
	Why string `json:"why"`
	// InDoubt says that a person is to settle an act of it.
	InDoubt bool `json:"inDoubt,omitempty"`
}

func unreadOf(c plan.Change) Unread { return Unread{c.ID.String(), c.Note, c.InDoubt} }

// Status returns the newest status.
func (r *Reconciler) Status() Status {
	scrub, away, since := r.scrubStatus(), "", time.Time{}
	if r.opts.Cluster != nil {
		view := r.opts.Cluster.View()
		away, since = view.Error, time.Now().Add(-view.Age)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.state
	s.Scrub = scrub
	s.Mode, s.DryRun, s.Sources = r.opts.Policy.Mode, r.opts.DryRun, r.sources()
	s.ReadOnly = r.opts.ReadOnly()
	s.Ready = r.ready() && away == ""
	if away != "" && s.Error == "" {
		s.Error, s.ErrorSince = "the cluster is not known: "+away, since
	}
	return s
}

// fail says why a pass could not be made, "" where it could.
func (s *Status) fail(why string, now time.Time) {
	if s.Error = why; why == "" {
		s.ErrorSince = time.Time{}
	} else if s.ErrorSince.IsZero() {
		s.ErrorSince = now
	}
}

// ready reports whether a full pass was completed, and sources and store can be used.
func (r *Reconciler) ready() bool {
	return r.state.Ready && !slices.ContainsFunc(r.feeds, func(f *feed) bool { return f.err != nil })
}

func (r *Reconciler) sources() []SourceStatus {
	var out []SourceStatus
	for _, f := range r.feeds {
		s := SourceStatus{
			Name: f.Name, InForce: f.force.revision, LastSuccess: f.checked(),
			Documents: f.documents, Problems: f.standing(), Pinned: f.pin,
			Waits: f.accord.waits,
		}
		if f.latest != nil {
			s.Revision = f.latest.Revision
		}
		if f.err != nil {
			s.Error, s.Code = f.err.Error(), sourceCode(f.err)
		}
		if d, ok := f.Source.(interface{ Degraded() string }); ok {
			s.Degraded = d.Degraded()
		}
		out = append(out, s)
	}
	return out
}

func (r *Reconciler) publish(set func(*Status)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	set(&r.state)
	r.tellChanged()
}

type passTimes struct {
	began time.Time
	full  bool // a full read was complete
}

// finish publishes what a pass found, and what has been done since the last.
func (r *Reconciler) finish(p *plan.Plan, m memory, began time.Time, err error) {
	t := passTimes{began: began, full: r.scan.ended}
	r.scan.ended = false
	rep := r.report(p)
	counts, unread := r.count(p), r.unread(p, m)
	if why := r.opts.Trouble(); why != nil && len(unread) > 0 {
		err = errors.Join(err, fmt.Errorf("no call can be written down, so none is made: %w", why))
	}
	r.logUnread(unread)
	former := r.shown.Plan
	r.tellFights(p, former)
	r.tellNews(p, former)
	pass := PassStatus{Started: t.began, Seconds: time.Since(t.began).Seconds(), Full: t.full}
	sum, fights, underWay := p.Summary(), fightList(p), r.underWay()
	shown := r.showing(p)
	failures := shown.firstFailures()
	if rep != nil {
		pass.Results = rep.Summary
	}
	r.publish(func(s *Status) {
		was := *s
		s.Passes++
		s.Revision, s.LastPass, s.Counts = p.Revision, pass, counts
		s.Plan = PlanStatus{Hash: p.Hash, Held: p.Held, Summary: sum}
		s.Failures, s.Fights, s.UnderWay = failures, fights, underWay
		s.Unread = unread
		s.fail(textOf(err), began)
		if t.full {
			s.LastFull = r.scan.finish
		}
		s.Ready = !s.LastFull.IsZero() && err == nil
		r.timeline.add(passOf(was, *s, t, r.began))
		r.shown = shown
	})
	r.began = false
	r.follow(p, former, time.Now())
	r.logPass(p, sum, rep, t)
	r.tellPass(p, rep, m)
	r.timeEdits(p)
	r.meter(p, former, rep, t, counts, err)
}

func textOf(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// underWay counts what is being made.
func (r *Reconciler) underWay() []UnderWay {
	n := map[string]int{}
	for id := range r.under {
		n[id.Account]++
	}
	out := make([]UnderWay, 0, len(n))
	for _, account := range sortedKeys(n) {
		out = append(out, UnderWay{account, n[account]})
	}
	return out
}

func (r *Reconciler) count(p *plan.Plan) []Count {
	n := map[Count]int{}
	for sum, k := range p.Sums() {
		n[Count{Account: sum.Account, Kind: sum.Kind, State: sum.State}] += k
	}
	out := make([]Count, 0, len(n))
	for c, k := range maps.All(n) {
		c.Count = k
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b Count) int {
		return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.State, b.State))
	})
	return out
}

// unread lists what could not be read though its kind can, and acts in doubt,
// which only a person can settle.
func (r *Reconciler) unread(p *plan.Plan, m memory) []Unread {
	out := []Unread{}
	for _, c := range p.Changes {
		if c.State != plan.Unknown || len(out) == failuresShown {
			continue
		}
		if r.seen.of[c.ID].Unreadable != "" || slices.ContainsFunc(m.acts[c.ID], resource.Act.InDoubt) {
			out = append(out, unreadOf(c))
		}
	}
	return out
}

// logUnread tells what cannot be read when the first of it changes, not at
// every pass.
func (r *Reconciler) logUnread(unread []Unread) {
	var first Unread
	if len(unread) > 0 {
		first = unread[0]
	}
	if first == r.unreadTold {
		return
	}
	r.unreadTold = first
	if first.ID == "" {
		r.opts.Logger.Info("everything that can be read was read again")
		return
	}
	r.opts.Logger.Warn("nothing is known of some resources; they are left alone",
		"count", len(unread), "first", first.ID, "why", first.Why)
}

func (r *Reconciler) logPass(p *plan.Plan, s plan.Summary, rep *apply.Report, t passTimes) {
	attrs := []any{
		"revision", p.Revision, "seconds", time.Since(t.began).Seconds(), "full", t.full,
		"unchanged", s.Unchanged, "waiting", s.Waiting, "unknown", s.Unknown, "withheld", s.Withheld,
	}
	for _, h := range r.heldAnew(p, t) {
		r.opts.Logger.Warn("plan held", "guard", h.Guard, "reason", h.Message, "plan", p.Hash,
			"consent", "weir apply --consent "+p.Hash)
	}
	if rep != nil {
		attrs = append(attrs, "applied", rep.Summary[apply.Done],
			"failed", rep.Summary[apply.Failed], "refused", rep.Summary[apply.Refused])
	}
	if t.full {
		r.opts.Logger.Info("full pass", attrs...)
		return
	}
	r.opts.Logger.Debug("pass", attrs...)
}

// heldAnew returns what holds p where that was not logged of the same plan since
// the last full read.
func (r *Reconciler) heldAnew(p *plan.Plan, t passTimes) []plan.Hold {
	if len(p.Held) == 0 {
		r.heldLogged = ""
		return nil
	}
	if r.heldLogged == p.Hash && !t.full {
		return nil
	}
	r.heldLogged = p.Hash
	return p.Held
}

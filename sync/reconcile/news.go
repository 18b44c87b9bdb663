package reconcile

import (
	"time"

	"weir/sync/apply"
	"weir/sync/call"
	"weir/sync/plan"
	"weir/sync/resource"
)

// News are told what happens to single resources, each once. Any may be nil; none may
// block.
type News struct {
	Made    func(Made)
	Failing func(Failing)
	Drift   func(Drifting)
	Lease   func(Lease)
}

// Subject is a resource that something happens to.
type Subject struct {
	ID     resource.ID
	Origin resource.Origin // of the declaration
	Labels map[string]string
}

func subjectOf(c plan.Change) Subject { return Subject{c.ID, c.Origin, c.Labels} }

// Made is a change that was carried out.
type Made struct {
	Subject
	Action   plan.Action
	Reason   plan.Reason
	Revision string // of its source
	Calls    int    // that it took
}

// Failing is a change that could not be made and is tried again later. It is over
// when it is made, or not wanted any more.
type Failing struct {
	Subject
	Over   bool
	Action plan.Action
	Reason plan.Reason
	Code   call.Code
	Why    string
}

// Drifting is a resource that was changed behind weir's back. It is over when it is
// as declared, or not declared any more.
type Drifting struct {
	Subject
	Over   bool
	Gone   bool // nobody declares it any more
	Reason plan.Reason
	Fields []string // that differ, or did
}

// Lease is when what was applied of a resource runs out, and nothing renews it.
type Lease struct {
	Subject
	Since time.Time
	Ends  time.Time // zero where it does not run out any more
	Gone  bool      // nobody declares it any more
}

// toldOf is what was told of resources and is not over.
type toldOf struct {
	failing map[resource.ID]Subject
	drift   map[resource.ID]Drifting
	leases  map[resource.ID]Lease
}

func newToldOf() toldOf {
	return toldOf{map[resource.ID]Subject{}, map[resource.ID]Drifting{}, map[resource.ID]Lease{}}
}

// tellMade tells of a change that has been carried out.
func (r *Reconciler) tellMade(revision string, c plan.Change, res apply.Result) {
	if r.opts.News.Made == nil || res.Outcome != apply.Done || len(res.Calls) == 0 {
		return
	}
	r.opts.News.Made(Made{subjectOf(c), c.Action, c.Reason, revision, len(res.Calls)})
}

// tellApplied tells what was carried out of a plan without a loop, with the revisions
// of its sources.
func (r *Reconciler) tellApplied(p *plan.Plan, rep *apply.Report, revision func(source string) string) {
	if rep == nil {
		return
	}
	for _, res := range rep.Results {
		if c, ok := p.Find(res.ID); ok {
			r.tellMade(revision(c.Origin.Source), c, res)
		}
	}
}

// tellNews tells what p says otherwise of resources than a former plan.
func (r *Reconciler) tellNews(p, former *plan.Plan) {
	if r.opts.DryRun {
		return
	}
	if r.opts.News.Failing != nil {
		r.tellFailing(p)
	}
	if r.opts.News.Drift != nil {
		r.tellDrift(p, former)
	}
	if r.opts.News.Lease != nil {
		r.tellLeases(p, former)
	}
	for id := range p.Gone(former) {
		r.tellGone(id)
	}
}

// tellGone ends what was told of a resource that nobody declares any more.
func (r *Reconciler) tellGone(id resource.ID) {
	if d, told := r.toldOf.drift[id]; told {
		d.Gone = true
		r.endDrift(d)
	}
	if l, told := r.toldOf.leases[id]; told {
		delete(r.toldOf.leases, id)
		r.opts.News.Lease(Lease{Subject: l.Subject, Gone: true})
	}
}

func (r *Reconciler) tellFailing(p *plan.Plan) {
	for id, f := range r.failures {
		c, found := p.Find(id)
		if _, told := r.toldOf.failing[id]; told || !found {
			continue
		}
		r.toldOf.failing[id] = subjectOf(c)
		r.opts.News.Failing(Failing{Subject: subjectOf(c), Action: c.Action, Reason: c.Reason, Code: f.code, Why: f.why})
	}
	for id, of := range r.toldOf.failing {
		if _, still := r.failures[id]; !still && r.under[id] == nil && mended(p, id) {
			delete(r.toldOf.failing, id)
			r.opts.News.Failing(Failing{Subject: of, Over: true})
		}
	}
}

// mended reports whether p has nothing left to do of what failed: it is known to be
// made, or is not wanted any more. What cannot be read may be as it was, and what is
// withheld or due is not made yet.
func mended(p *plan.Plan, id resource.ID) bool {
	c, found := p.Find(id)
	return !found || !c.Unread && c.Action == plan.None
}

func (r *Reconciler) tellDrift(p, former *plan.Plan) {
	for c := range p.News(former) {
		told, known := r.toldOf.drift[c.ID]
		is := c.Reason == plan.Drifted || c.Reason == plan.Conflict
		switch {
		case is && !known && !c.Ineffective():
			d := Drifting{Subject: subjectOf(c), Reason: c.Reason}
			for _, f := range c.Fields {
				d.Fields = append(d.Fields, f.Path)
			}
			r.toldOf.drift[c.ID] = d
			r.opts.News.Drift(d)
		case !is && known && c.State == plan.InSync:
			r.endDrift(told)
		}
	}
}

func (r *Reconciler) endDrift(d Drifting) {
	delete(r.toldOf.drift, d.ID)
	d.Over = true
	r.opts.News.Drift(d)
}

func (r *Reconciler) tellLeases(p, former *plan.Plan) {
	for c := range p.News(former) {
		told := r.toldOf.leases[c.ID]
		if told.Ends.Equal(c.Ends) || c.Unread {
			continue
		}
		l := Lease{Subject: subjectOf(c), Ends: c.Ends}
		if c.Last != nil {
			l.Since = c.Last.At
		}
		r.toldOf.leases[c.ID] = l
		if c.Ends.IsZero() {
			delete(r.toldOf.leases, c.ID)
		}
		r.opts.News.Lease(l)
	}
}

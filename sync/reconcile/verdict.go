package reconcile

import (
	"errors"
	"slices"
	"time"

	"weir/sync/apply"
	"weir/sync/manifest"
	"weir/sync/plan"
	"weir/sync/plan/guard"
	"weir/sync/resource"
	"weir/sync/source"
)

// Outcome is what became of a revision.
type Outcome string

// The outcomes of a revision.
const (
	Rejected Outcome = "rejected" // its documents have errors
	Stopped  Outcome = "stopped"  // the source holds it back, or a guard its plan
	Applied  Outcome = "applied"  // everything that was due is done
	Unmade   Outcome = "unmade"   // calls failed
)

// Verdict tells a git host, or whoever asked, what became of a revision.
type Verdict struct {
	Source   string
	Revision string
	Outcome  Outcome
	By       string             // where it is stopped: the guard, or the source's code
	Plan     string             // hash of the plan that a guard holds
	Text     string             // one line: the first error, or why it is held
	Problems int                // errors of its documents
	Errors   []manifest.Problem // the first of them, or what the source says is wrong
	Summary  plan.Summary       // of the plan's changes that come from this source
	Done     int                // of them, how many were carried out
	Failed   int                // and how many could not be
	Behind   bool               // the source holds back a newer one, which was told
}

// errorsTold bounds the problems that a Verdict names.
const errorsTold = 20

// said is what was last told of a feed.
type said struct {
	revision string
	outcome  Outcome
	text     string
}

// tell hands a verdict on where it says something new. The text of a success is
// not: it counts what that one pass did.
func (r *Reconciler) tell(f *feed, v Verdict) { r.tellOnce(f, &f.said, v) }

// tellOnce hands a verdict on that says something else than the last of its sort.
func (r *Reconciler) tellOnce(f *feed, last *said, v Verdict) {
	now := said{v.Revision, v.Outcome, v.Text}
	if r.opts.Verdict == nil || r.opts.DryRun || v.Revision == "" {
		return
	}
	r.mu.Lock()
	v.Source, v.Behind = f.Name, last == &f.said && f.stopped != said{}
	news := *last != now
	*last = now
	r.mu.Unlock()
	if news {
		r.opts.Verdict(v)
	}
}

// tellLoaded tells of newest revisions whose documents have errors, or declare
// what another source declares.
func (r *Reconciler) tellLoaded() {
	for _, f := range r.feeds {
		problems := f.standing()
		if f.loaded == nil || !manifest.Failed(problems) {
			continue
		}
		errs := slices.DeleteFunc(slices.Clone(problems), func(p manifest.Problem) bool { return p.Severity != manifest.Error })
		r.tell(f, Verdict{
			Revision: f.loaded.Revision, Outcome: Rejected, Text: firstError(problems), Problems: len(errs),
			Errors: errs[:min(len(errs), errorsTold)],
		})
	}
}

// tellStopped tells of a revision that its source does not give out. Each look
// finds it so again, and each pass what was delivered before: the two are
// remembered apart, so that neither is news because of the other.
func (r *Reconciler) tellStopped(f *feed, err error) {
	if e, ok := errors.AsType[*source.Error](err); ok {
		r.tellOnce(f, &f.stopped, Verdict{
			Revision: e.Revision, Outcome: Stopped, By: e.Code, Text: placed(e),
			Errors: []manifest.Problem{{File: e.Path, Message: e.Err.Error(), Code: e.Code, Severity: manifest.Error}},
		})
	}
}

// placed is what is wrong, with the file where it is in one.
func placed(e *source.Error) string {
	if e.Path == "" {
		return e.Err.Error()
	}
	return e.Path + ": " + e.Err.Error()
}

// byReadOnly is what stops a revision while nothing may be applied.
const byReadOnly = "read-only"

// tellPass tells what a pass made of the revisions in force. A newer revision
// that is refused has its own verdict.
func (r *Reconciler) tellPass(p *plan.Plan, rep *apply.Report, m memory) {
	open, refused := r.unfinished(p)
	for _, f := range r.feeds {
		switch {
		case f.pin != nil && f.loaded != nil && f.loaded.Revision == f.pin.Revision:
			r.tell(f, Verdict{Revision: f.pin.Revision, Outcome: Stopped, By: guard.RolledBack, Text: f.pin.Text})
		case len(f.clashes) > 0 || f.loaded == nil || f.force.revision != f.loaded.Revision:
		case len(p.Held) > 0:
			v := r.verdict(f, p, m)
			v.Outcome, v.By, v.Text, v.Plan = Stopped, p.Held[0].Guard, p.Held[0].Message, p.Hash
			r.tell(f, v)
		case r.opts.ReadOnly() != "" && p.Summary().Withheld > 0:
			v := r.verdict(f, p, m)
			v.Outcome, v.By, v.Text = Stopped, byReadOnly, r.opts.ReadOnly()
			r.tell(f, v)
		case rep != nil && !r.scan.finish.IsZero() && !open[f.Name]: // before the first scan little is known
			v := r.verdict(f, p, m)
			v.count(r.made[f.Name], p)
			if v.Failed > 0 || !refused[f.Name] {
				r.tell(f, v)
			}
		}
	}
}

// unfinished returns the sources of which something is under way, due or read for
// the first time, and those of which something was refused and is tried again.
func (r *Reconciler) unfinished(p *plan.Plan) (open, refused map[string]bool) {
	open, refused = map[string]bool{}, map[string]bool{}
	now := time.Now()
	for _, c := range p.Changes {
		switch {
		case r.others.failed[c.ID] != "" && c.Due() && !r.leads(c.ID.Account): // tried again by who leads it
		case c.Due() && r.rests[c.ID].After(now):
			refused[c.Origin.Source] = true
		case c.UnderWay || r.under[c.ID] != nil || c.Due() && !r.resting(c, now):
			open[c.Origin.Source] = true
		}
	}
	for id, due := range r.others.due {
		open[due.Origin.Source] = open[due.Origin.Source] || r.unseenYet(id, p)
	}
	for _, j := range r.readers.jobs {
		for _, res := range j.want {
			open[res.Origin.Source] = open[res.Origin.Source] || j.first
		}
	}
	return open, refused
}

// made is what was carried out of a revision of a source.
type made struct {
	revision string
	actions  map[resource.ID]plan.Action
	edits    map[resource.ID]bool // updates that it asked for, and to which nobody has consented
}

// tally counts a change of a lane that has been carried out.
func (r *Reconciler) tally(l *lane, c plan.Change, res apply.Result) {
	name := c.Origin.Source
	of := r.made[name]
	switch {
	case of.actions != nil && of.revision == l.revisions[name]:
	case of.actions != nil && of.revision == r.forceOf(name):
		return // a lane of a former revision ends
	default:
		of = made{l.revisions[name], map[resource.ID]plan.Action{}, map[resource.ID]bool{}}
		r.made[name] = of
	}
	if res.Outcome != apply.Done {
		return
	}
	of.actions[c.ID] = c.Action
	if editing(c) && !l.let {
		of.edits[c.ID] = true
	}
}

// forceOf returns the revision of a source that is in force.
func (r *Reconciler) forceOf(name string) string {
	for _, f := range r.feeds {
		if f.Name == name {
			return f.force.revision
		}
	}
	return ""
}

// editing reports whether c is an update that an edit asks for.
func editing(c plan.Change) bool {
	return c.Action == plan.Update && (c.Reason == plan.Edited || c.Reason == plan.Conflict || c.Reason == plan.New)
}

// recentEdits counts by source what else was updated of the revisions in force
// without anybody's consent, where p makes more of their edits true: what is read
// late is part of the same.
func (r *Reconciler) recentEdits(p *plan.Plan) map[string]int {
	met := map[resource.ID]bool{}
	for c := range p.Due() {
		if editing(c) {
			met[c.ID] = true
		}
	}
	if len(met) == 0 {
		return nil
	}
	n := map[string]int{}
	for _, f := range r.feeds {
		if of := r.made[f.Name]; of.revision == f.force.revision {
			for id := range of.edits {
				if !met[id] {
					n[f.Name]++
				}
			}
		}
	}
	return n
}

// consentedTo forgets what was updated before somebody consented to the rest.
func (r *Reconciler) consentedTo() {
	for _, of := range r.made {
		clear(of.edits)
	}
}

// verdict counts what p says of the resources of f, and which of them could not
// be made so.
func (r *Reconciler) verdict(f *feed, p *plan.Plan, m memory) Verdict {
	v := Verdict{Revision: f.force.revision, Outcome: Applied, Summary: p.Of(f.Name)}
	for _, c := range p.Changes {
		if c.Origin.Source != f.Name {
			continue
		}
		why, failed := r.unmade(c, m)
		if !failed {
			continue
		}
		if v.Failed++; v.Text == "" {
			v.Outcome, v.Text = Unmade, c.ID.String()+": "+why
		}
	}
	return v
}

// unmade returns why the resource of c is not as declared though weir should
// have made it so: the calls failed, no read shows what they did, or nothing is
// known of it, so that none was tried.
func (r *Reconciler) unmade(c plan.Change, m memory) (string, bool) {
	if fail, failed := r.failures[c.ID]; failed {
		return fail.why, true
	}
	if why := r.others.failed[c.ID]; why != "" && c.Due() && !r.leads(c.ID.Account) {
		return why, true
	}
	if c.Ineffective() {
		return c.Note, true
	}
	blind := c.State == plan.Unknown && (c.Unread || slices.ContainsFunc(m.acts[c.ID], resource.Act.InDoubt))
	return c.Note, blind && !m.last[c.ID].Spec.Equal(c.After)
}

// count adds what was carried out of its revision.
func (v *Verdict) count(of made, p *plan.Plan) {
	if of.revision != v.Revision {
		return
	}
	v.Done = len(of.actions)
	for id, action := range of.actions {
		if c, ok := p.Find(id); ok && c.Action == plan.None { // counted as what was done to it
			switch c.State {
			case plan.InSync:
				v.Summary.Unchanged--
			case plan.Pending, plan.Unknown:
				v.Summary.Unknown--
			}
		}
		switch action {
		case plan.Create:
			v.Summary.Create++
		case plan.Update:
			v.Summary.Update++
		case plan.Delete:
			v.Summary.Delete++
		}
	}
}

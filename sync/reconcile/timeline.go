package reconcile

import (
	"slices"
	"time"

	"weir/sync/apply"
	"weir/sync/plan"
)

// timelineKept is how much of what was done is remembered for people.
const timelineKept = 200

// The kinds of what is on the timeline.
const (
	KindPass  = "pass"  // a pass that found something else than the one before, or began something
	KindFull  = "full"  // such a pass at the end of a read of everything
	KindRun   = "run"   // changes of an account, from the first call to the last
	KindQuiet = "quiet" // passes that found nothing new
)

// Pass is one pass, one run of changes, or several passes that found nothing new.
type Pass struct {
	Number   int                   `json:"number"` // greater than that of all before
	Kind     string                `json:"kind"`
	Started  time.Time             `json:"started"`
	Ended    time.Time             `json:"ended"`
	Seconds  float64               `json:"seconds"` // that it took, or all of them together
	Passes   int                   `json:"passes"`  // 0 for a run
	Account  string                `json:"account,omitempty"`
	Revision string                `json:"revision"`
	Plan     string                `json:"plan"`              // hash of the plan made, or carried out
	Summary  *plan.Summary         `json:"summary,omitempty"` // of the plan made
	Held     bool                  `json:"held,omitempty"`
	Results  map[apply.Outcome]int `json:"results,omitempty"` // of a run
	Error    string                `json:"error,omitempty"`
}

// timeline is what was done lately, the newest last.
type timeline struct {
	last int // number
	list []Pass
}

// add puts p at the end. Quiet passes that follow each other are one.
func (t *timeline) add(p Pass) {
	t.last++
	p.Number = t.last
	if n := len(t.list); n > 0 && p.Kind == KindQuiet && t.list[n-1].Kind == KindQuiet {
		was := t.list[n-1]
		p.Started, p.Seconds, p.Passes = was.Started, was.Seconds+p.Seconds, was.Passes+p.Passes
		t.list[n-1] = p
		return
	}
	if len(t.list) == timelineKept {
		t.list = slices.Delete(t.list, 0, 1)
	}
	t.list = append(t.list, p)
}

// Timeline returns what was done lately, the newest first.
func (r *Reconciler) Timeline() []Pass {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := slices.Clone(r.timeline.list)
	slices.Reverse(out)
	return out
}

// passOf returns a pass as it is shown, by the status before it and after. What it
// began makes it one that did something.
func passOf(was, is Status, t passTimes, began bool) Pass {
	now, summary := time.Now(), is.Plan.Summary
	out := Pass{
		Kind: KindQuiet, Started: t.began, Ended: now, Seconds: now.Sub(t.began).Seconds(), Passes: 1,
		Revision: is.Revision, Plan: is.Plan.Hash, Summary: &summary, Held: len(is.Plan.Held) > 0, Error: is.Error,
	}
	switch {
	case was.Passes > 0 && !began && out.Error == was.Error && is.Revision == was.Revision &&
		out.Held == (len(was.Plan.Held) > 0) && summary.Withheld == was.Plan.Summary.Withheld &&
		summary.Waiting == was.Plan.Summary.Waiting:
	case t.full:
		out.Kind = KindFull
	default:
		out.Kind = KindPass
	}
	return out
}

// failedPass returns a pass that made no plan.
func failedPass(began time.Time, err error) Pass {
	now := time.Now()
	return Pass{
		Kind: KindPass, Started: began, Ended: now, Seconds: now.Sub(began).Seconds(), Passes: 1, Error: err.Error(),
	}
}

// runOf returns a run that has ended as it is shown.
func runOf(l *lane, rep *apply.Report) Pass {
	return Pass{
		Kind: KindRun, Started: rep.Started, Ended: rep.Started.Add(rep.Took), Seconds: rep.Took.Seconds(),
		Account: l.account, Revision: rep.Revision, Plan: rep.Plan, Results: rep.Summary,
	}
}

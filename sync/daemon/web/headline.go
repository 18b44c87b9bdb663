package web

import (
	"slices"
	"strings"

	"weir/sync/apply"
	"weir/sync/daemon/view"
	"weir/sync/plan"
)

// Headline says in a sentence what the condition is about.
func (o overview) Headline() string {
	st := o.over.Status
	count := func(key string, s plan.State) string { return o.N(key, o.over.States[view.State(s)]) }
	switch o.Condition() {
	case view.NotReady:
		return o.whyNotReady()
	case view.Held:
		return o.T("headline.held")
	case view.Refused:
		return o.whatRefused()
	case view.Failing:
		return o.N("headline.failing", o.over.Failing())
	case view.Fought:
		return o.N("headline.fought", len(st.Fights))
	case view.Applying:
		return o.HowFar()
	case view.Drift:
		return count("headline.drift", plan.Differs)
	case view.Due:
		return o.whyDue()
	case view.Unread:
		return o.N("headline.unread", len(st.Unread))
	case view.Pinned:
		return o.whatPinned()
	case view.Waits:
		return count("headline.waits", plan.Waiting)
	case view.Unknown:
		return count("headline.unknown", plan.Unknown)
	}
	return o.howMuchInSync()
}

func (o overview) whyNotReady() string {
	st := o.over.Status
	switch {
	case st.ReadOnly != "":
		return o.T("headline.read-only")
	case st.Error != "":
		return o.T("headline.pass-failed")
	}
	for _, s := range o.over.Sources {
		switch {
		case s.HeldBack():
			return o.T("headline.source-held", o.Text(s.Name))
		case s.Error != "":
			return o.T("headline.source-failed", o.Text(s.Name))
		}
	}
	return o.T("headline.starting")
}

func (o overview) whatRefused() string {
	s := o.source(view.Source.Refused)
	if s.InForce == "" {
		return o.T("headline.refused-first", o.Text(s.Name))
	}
	return o.T("headline.refused", o.Text(s.Name), o.Short(s.InForce))
}

func (o overview) whatPinned() string {
	s := o.source(func(s view.Source) bool { return s.Pinned != nil })
	if s.InForce == "" {
		return o.T("headline.pinned-none", o.Text(s.Name))
	}
	return o.T("headline.pinned", o.Text(s.Name), o.Short(s.InForce))
}

// HowFar says how much of what is being made is done.
func (o overview) HowFar() string {
	if run := o.over.Run; run != nil && run.Left > 0 {
		return o.T("headline.applying-left", Number(run.Done), Number(run.Total), o.Span(run.Left))
	} else if run != nil {
		return o.T("headline.applying", Number(run.Done), Number(run.Total))
	}
	return o.N("headline.under-way", o.over.UnderWay())
}

func (o overview) whyDue() string {
	n := o.over.States[view.State(plan.Pending)]
	switch o.over.WhyNotDue() {
	case "dry-run":
		return o.N("headline.due-dry-run", n)
	case "observe":
		return o.N("headline.due-observe", n)
	case "led":
		return o.N("headline.due-led", n)
	case "unled":
		return o.N("headline.due-unled", n)
	case "withheld":
		return o.N("headline.due-withheld", n)
	}
	return o.N("headline.due", n)
}

func (o overview) howMuchInSync() string {
	unknown := o.over.States[view.State(plan.Unknown)]
	switch {
	case o.over.Total == 0:
		return o.T("headline.nothing")
	case unknown > 0:
		return o.T("headline.in-sync-unknown", Number(o.over.Total-unknown), Number(unknown))
	}
	return o.N("headline.in-sync", o.over.Total)
}

// holding is what holds a plan, and the command that lets it through.
type holding struct {
	Held    []plan.Hold
	Consent string
}

// Holding is what holds the current plan.
func (o overview) Holding() holding { return holding{o.over.Status.Plan.Held, o.over.Consent()} }

// Guard says what a guard is there for; one that nobody knows has its name.
func (p *page) Guard(name string) string {
	if _, known := p.h.texts["guard."+name]; known {
		return p.T("guard." + name)
	}
	return p.Text(name)
}

// HowTo introduces the command that lets a plan through.
func (p *page) HowTo(command string) string {
	if strings.HasSuffix(command, " --unpin") {
		return p.T("held.unpin")
	}
	return p.T("held.how")
}

// Refusals are the sources whose newest revision is not in force for what is
// written in it.
func (o overview) Refusals() []view.Source {
	return slices.DeleteFunc(slices.Clone(o.over.Sources), func(s view.Source) bool { return !s.Refused() })
}

// IsCommit reports whether a revision is a commit, of which more is told once it is
// known.
func (p *page) IsCommit(revision string) bool { return len(revision) >= 40 && isHex(revision) }

// More is how many problems of a source are not shown.
func (p *page) More(s view.Source) int { return len(s.SourceStatus.Problems) - len(s.Problems) }

// Pair gives a template two texts.
func (p *page) Pair(a, b string) [2]string { return [2]string{a, b} }

// AsState is a plan's state as it is shown.
func (p *page) AsState(s plan.State) view.State { return view.State(s) }

// marked is a line with the word marked that a problem is about.
type marked struct{ Before, Mark, After string }

// Marked marks the word of a line that begins at a column, counted from 1 in
// characters.
func (p *page) Marked(line string, column int) marked {
	runes := []rune(line)
	from := min(max(column-1, 0), len(runes))
	to := from
	for to < len(runes) && !strings.ContainsRune(" \t,[]{}:#", runes[to]) {
		to++
	}
	if to == from {
		to = min(from+1, len(runes))
	}
	return marked{
		clean(string(runes[:from]), longText), clean(string(runes[from:to]), longText), clean(string(runes[to:]), longText),
	}
}

// PassName says what a pass, or a run, was.
func (p *page) PassName(pass view.Pass) string {
	switch {
	case pass.Kind == "run" && pass.Account != "":
		return p.T("pass.run-of", p.Text(pass.Account))
	case pass.Kind == "quiet":
		return p.N("pass.quiet-n", pass.Passes)
	}
	return p.T("pass." + pass.Kind)
}

// PassResult says what came of it.
func (p *page) PassResult(pass view.Pass) string {
	var out []string
	for _, outcome := range apply.Outcomes() {
		if n := pass.Results[outcome]; n > 0 {
			out = append(out, p.T("outcome."+string(outcome), Number(n)))
		}
	}
	if s := pass.Summary; s != nil {
		for _, part := range []struct {
			sign string
			n    int
		}{{"+", s.Create}, {"~", s.Update}, {"−", s.Delete}} {
			if part.n > 0 {
				out = append(out, part.sign+Number(part.n))
			}
		}
	}
	if pass.Held {
		out = append(out, p.T("condition.held"))
	}
	if len(out) == 0 {
		return "–"
	}
	return strings.Join(out, ", ")
}

// PassTitle is all of a pass on a line.
func (p *page) PassTitle(pass view.Pass) string {
	parts := []string{p.PassName(pass), p.Ago(pass.Started), p.Span(pass.Seconds)}
	if result := p.PassResult(pass); result != "–" {
		parts = append(parts, result)
	}
	if pass.Error != "" {
		parts = append(parts, p.Text(pass.Error))
	}
	return strings.Join(parts, " · ")
}

// Price says what carrying out the plan costs.
func (p planPage) Price() string {
	calls := 0
	for _, c := range p.Cost.Calls {
		calls += c.Count
	}
	if calls == 0 {
		return p.T("plan.free")
	}
	return p.N("plan.price-calls", calls) + " · " + p.Span(p.Cost.Seconds)
}

package view

import (
	"time"

	"weir/sync/plan"
	"weir/sync/reconcile"
)

// Headline is what changes of an Overview from moment to moment: small enough to be
// told to everybody who looks.
type Headline struct {
	Now      time.Time            `json:"now"`
	Ready    bool                 `json:"ready"`
	Error    string               `json:"error,omitempty"`
	ReadOnly string               `json:"readOnly,omitempty"`
	Revision string               `json:"revision"`
	Total    int                  `json:"total"`
	States   map[State]int        `json:"states"`
	Plan     reconcile.PlanStatus `json:"plan"`
	Sources  []SourceHeadline     `json:"sources"`
	Run      *Run                 `json:"run,omitempty"`
	Cluster  *ClusterHeadline     `json:"cluster,omitempty"`
}

// SourceHeadline is that of a Source.
type SourceHeadline struct {
	Name     string `json:"name"`
	Revision string `json:"revision"`
	InForce  string `json:"inForce"`
	Problems int    `json:"problems"`
	Error    string `json:"error,omitempty"`
}

// Headline returns what an Overview would say first.
func (v *Viewer) Headline() Headline {
	s := v.Loop.Status()
	h := Headline{
		Now: time.Now().UTC(), Ready: s.Ready, Error: s.Error, ReadOnly: s.ReadOnly, Revision: s.Revision,
		Plan: s.Plan, Sources: []SourceHeadline{}, Run: v.run(), Cluster: v.led().headline(),
	}
	h.Plan.Held = append([]plan.Hold{}, s.Plan.Held...)
	h.Total, h.States = counts(s, v.Loop.Shown())
	for _, src := range s.Sources {
		h.Sources = append(h.Sources, SourceHeadline{src.Name, src.Revision, src.InForce, len(src.Problems), src.Error})
	}
	return h
}

// News is what is other than it was.
type News struct {
	Plan    bool   // there is another plan
	Passes  []Pass // the oldest first
	Rows    []Row  // of resources of which something else is known, the first ones
	Gone    []string
	Changed int // how many resources there are of both kinds
}

// Told is how far somebody knows the news; the zero value knows nothing.
type Told struct {
	loop  *reconcile.Reconciler
	shown reconcile.Shown
	pass  int
}

// News returns what there is since it was last asked for with the same told, with at
// most so many resources by name. Who knows nothing yet has no news.
func (v *Viewer) News(told *Told, most int) News {
	now := Told{loop: v.Loop, shown: v.Loop.Shown()}
	timeline := v.Loop.Timeline()
	if len(timeline) > 0 {
		now.pass = timeline[0].Number
	}
	was := *told
	*told = now
	if was.loop != v.Loop {
		return News{}
	}
	var n News
	for _, p := range timeline {
		if p.Number > was.pass {
			n.Passes = append([]Pass{p}, n.Passes...)
		}
	}
	if now.shown.Plan != was.shown.Plan && was.shown.Plan != nil {
		n.Plan = was.shown.Plan.Hash != now.shown.Plan.Hash
		n.compare(was.shown, now.shown, most)
	}
	return n
}

func (n *News) compare(was, now reconcile.Shown, most int) {
	for c := range now.Plan.News(was.Plan) {
		if old, known := was.Plan.Find(c.ID); known && sameRow(old, c) && was.Failures[c.ID] == now.Failures[c.ID] {
			continue
		}
		if n.Changed++; n.Changed <= most {
			n.Rows = append(n.Rows, rowOf(c, now.Failure(c.ID)))
		}
	}
	for id := range now.Plan.Gone(was.Plan) {
		if n.Changed++; n.Changed <= most {
			n.Gone = append(n.Gone, id.String())
		}
	}
}

// sameRow reports whether a resource looks the same in two plans, but for when it
// was read.
func sameRow(a, b plan.Change) bool {
	return a.State == b.State && a.Action == b.Action && a.Reason == b.Reason && a.Note == b.Note &&
		a.Withheld == b.Withheld && a.UnderWay == b.UnderWay && a.Before == b.Before && a.After == b.After &&
		a.Origin == b.Origin
}

package web

import (
	"cmp"
	"math"
	"net/http"
	"slices"

	"weir/sync/apply"
	"weir/sync/daemon/view"
	"weir/sync/plan"
)

// overview is the front page.
type overview struct {
	*page
	Times   timeline
	Notable []notable
}

func (h *Handler) overview(w http.ResponseWriter, r *http.Request) {
	p := h.page(r, "overview", 0)
	h.render(w, r, http.StatusOK, "overview.html",
		overview{p, timelineOf(p.over.Passes), h.notable(p.over)})
}

// notable are the first resources in a state that somebody wants to look at.
type notable struct {
	State view.State
	List  view.List
}

// notableShown is how many are named of each state.
const notableShown = 5

func (h *Handler) notable(o view.Overview) []notable {
	var out []notable
	for _, s := range []plan.State{plan.Differs, plan.Waiting} {
		state := view.State(s)
		if o.States[state] > 0 {
			out = append(out, notable{state, h.viewer().List(view.Query{State: state, Limit: notableShown})})
		}
	}
	return out
}

// Gauges are the quotas that say something: those in use, waited for or refused,
// the fullest first.
func (o overview) Gauges() []view.Gauge {
	list := slices.DeleteFunc(slices.Clone(o.over.Quota), idle)
	slices.SortStableFunc(list, func(a, b view.Gauge) int {
		return cmp.Or(cmp.Compare(b.Waiting, a.Waiting), cmp.Compare(b.Used, a.Used))
	})
	return list
}

// Idle are the other quotas.
func (o overview) Idle() []view.Gauge {
	return slices.DeleteFunc(slices.Clone(o.over.Quota), func(g view.Gauge) bool { return !idle(g) })
}

func idle(g view.Gauge) bool { return g.Used < 0.005 && g.Waiting == 0 && g.Throttled == 0 }

// Filled is the part of a gauge that is full, of 100.
func (p *page) Filled(g view.Gauge) int { return int(math.Round(100 * min(1, max(0, g.Used)))) }

// timeline is what was done lately as bars, the newest on the right: how high
// says how long it took, on a scale of powers of ten.
type timeline struct {
	Bars []bar
	Rows []view.Pass // the newest first
}

// bar is one pass, or one run.
type bar struct {
	X, Y, Height int
	Tone         Tone
	Pass         view.Pass
}

// The measures of the timeline's picture.
const (
	barsShown = 60
	barStep   = 10
	barFloor  = 64 // y of the ground line
	rowsShown = 30
)

func timelineOf(passes []view.Pass) timeline {
	t := timeline{Rows: passes[:min(len(passes), rowsShown)]}
	shown := passes[:min(len(passes), barsShown)]
	for i, p := range shown {
		height := barHeight(p.Seconds)
		t.Bars = append(t.Bars, bar{
			X: (barsShown - 1 - i) * barStep, Y: barFloor - height, Height: height, Tone: passTone(p), Pass: p,
		})
	}
	return t
}

// barHeight makes a millisecond 6 high and each ten times 11 more, to 61 for two
// minutes.
func barHeight(seconds float64) int {
	h := 6 + 11*math.Log10(max(seconds, 0.001)/0.001)
	return int(min(61, h))
}

func passTone(p view.Pass) Tone {
	switch {
	case p.Error != "" || p.Results[apply.Failed] > 0:
		return toneBad
	case p.Held:
		return toneHeld
	case p.Kind == "run":
		return toneBusy
	case p.Kind == "quiet":
		return toneWait
	}
	return toneOK
}

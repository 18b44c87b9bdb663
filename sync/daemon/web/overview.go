package web

import (
	"cmp"
	"maps"
	"math"
	"net/http"
	"slices"
	"strings"

	"weir/sync/daemon/view"
	"weir/sync/plan"
)

// overview is the front page.
type overview struct {
	*page
	Kinds   []kindRow
	Times   timeline
	Notable []notable
}

func (h *Handler) overview(w http.ResponseWriter, r *http.Request) {
	p := h.page(r, "overview", 0)
	h.render(w, r, http.StatusOK, "overview.html",
		overview{p, kindRows(p.over), timelineOf(p.over.Passes), h.notable(p.over)})
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

// kindRow is how the resources of a kind in an account are.
type kindRow struct {
	Account, Kind string
	Total         int
	Counts        map[view.State]int
}

// kindRows counts by account and kind. What failed is pending there: the counts
// are the plan's, which knows no failures.
func kindRows(o view.Overview) []kindRow {
	type key struct{ account, kind string }
	rows := map[key]*kindRow{}
	for _, c := range o.Status.Counts {
		k := key{c.Account, c.Kind}
		if rows[k] == nil {
			rows[k] = &kindRow{Account: c.Account, Kind: c.Kind, Counts: map[view.State]int{}}
		}
		rows[k].Counts[view.State(c.State)] += c.Count
		rows[k].Total += c.Count
	}
	var out []kindRow
	for _, row := range maps.All(rows) {
		out = append(out, *row)
	}
	slices.SortFunc(out, func(a, b kindRow) int {
		return cmp.Or(strings.Compare(a.Account, b.Account), strings.Compare(a.Kind, b.Kind))
	})
	return out
}

// PlanStates are the states that kinds are counted in.
func (overview) PlanStates() []view.State {
	var out []view.State
	for _, s := range plan.States() {
		out = append(out, view.State(s))
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
	case p.Error != "" || p.Results["failed"] > 0:
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

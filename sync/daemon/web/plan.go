package web

import (
	"math"
	"net/http"

	"weir/sync/daemon/view"
	"weir/sync/plan"
)

// planPage is the current plan as a diff.
type planPage struct {
	*page
	view.Plan
	Known bool
	Pager pager
}

func (h *Handler) plan(w http.ResponseWriter, r *http.Request) {
	p := h.page(r, "plan", 0)
	shown, known, err := h.viewer().Plan(offsetOf(r), rowsPage)
	if err != nil {
		h.log.ErrorContext(r.Context(), "plan cannot be shown", "error", err)
		http.Error(w, "the plan cannot be shown; the log says why", http.StatusInternalServerError)
		return
	}
	h.render(w, r, http.StatusOK, "plan.html", planPage{p, shown, known, pager{p, shown.Offset, shown.Total}})
}

// Sign is how a diff writes an action.
func (planPage) Sign(a plan.Action) string {
	switch a {
	case plan.Create:
		return "+"
	case plan.Update:
		return "~"
	case plan.Delete:
		return "−"
	}
	return "·"
}

// Done is the part of a run that is done, of 100.
func (p *page) Done(r view.Run) int {
	if r.Total == 0 {
		return 0
	}
	return int(math.Floor(100 * float64(r.Done) / float64(r.Total)))
}

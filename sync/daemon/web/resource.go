package web

import (
	"net/http"
	"strings"

	"weir/sync/daemon/view"
	"weir/sync/resource"
)

// resourcePage is all about one resource.
type resourcePage struct {
	*page
	view.Resource
}

// missing says that there is nothing of a name.
type missing struct {
	*page
	What string
}

func (h *Handler) resource(w http.ResponseWriter, r *http.Request) {
	text := r.PathValue("id")
	p := h.page(r, "resource", strings.Count(text, "/")+1)
	id, err := resource.ParseID(text)
	if err != nil {
		h.render(w, r, http.StatusNotFound, "missing.html", missing{p, text})
		return
	}
	res, known, err := h.viewer().Resource(r.Context(), id)
	switch {
	case err != nil:
		h.log.ErrorContext(r.Context(), "resource cannot be shown", "resource", text, "error", err)
		http.Error(w, "the resource cannot be shown; the log says why", http.StatusInternalServerError)
	case !known:
		h.render(w, r, http.StatusNotFound, "missing.html", missing{p, text})
	default:
		h.render(w, r, http.StatusOK, "resource.html", resourcePage{p, res})
	}
}

// Sides are the three that a resource is made of, in the order of the columns.
func (r resourcePage) Sides() []namedSide {
	return []namedSide{{"desired", r.Desired}, {"applied", r.Applied}, {"observed", r.Observed}}
}

// namedSide is one of the three and its name.
type namedSide struct {
	Name string
	view.Side
}

// Cells are the values of a field in the order of the columns.
func (r resourcePage) Cells(f view.Field) []cell {
	return []cell{{"desired", f.Desired}, {"applied", f.Applied}, {"observed", f.Observed}}
}

// cell is a value of one side.
type cell struct {
	Side  string
	Value any
}

package web

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"weir/sync/daemon/view"
	"weir/sync/resource"
)

// rowsPage is how many resources or changes a page lists.
const rowsPage = 100

// offsetMost is the last row that a page may begin with.
const offsetMost = 1 << 30

// resourcesPage lists resources.
type resourcesPage struct {
	*page
	Query view.Query
	List  view.List
	Pager pager
}

func (h *Handler) resources(w http.ResponseWriter, r *http.Request) {
	p := h.page(r, "resources", 0)
	get := r.URL.Query().Get
	q := view.Query{
		Account: get("account"), Kind: get("kind"), Source: get("source"), State: view.State(get("state")),
		Text: strings.TrimSpace(get("q")), Label: strings.TrimSpace(get("label")),
		Offset: offsetOf(r), Limit: rowsPage,
	}
	list := h.viewer().List(q)
	h.render(w, r, http.StatusOK, "resources.html", resourcesPage{p, q, list, pager{p, list.Offset, list.Total}})
}

func offsetOf(r *http.Request) int {
	n, err := strconv.Atoi(r.URL.Query().Get("offset"))
	if err != nil || n < 0 || n > offsetMost {
		return 0
	}
	return n - n%rowsPage
}

// Filtered reports whether anything is asked for.
func (p resourcesPage) Filtered() bool { return !p.Query.All() }

// Accounts are those that there are resources of.
func (p resourcesPage) Accounts() []string {
	var out []string
	for _, c := range p.over.Kinds {
		out = append(out, c.Account)
	}
	return distinct(out)
}

// Kinds are those that there are resources of.
func (p resourcesPage) Kinds() []string {
	var out []string
	for _, c := range p.over.Kinds {
		out = append(out, c.Kind)
	}
	return distinct(out)
}

// Sources are all that are configured.
func (p resourcesPage) Sources() []string {
	var out []string
	for _, s := range p.over.Sources {
		out = append(out, s.Name)
	}
	return distinct(out)
}

func distinct(list []string) []string {
	slices.Sort(list)
	return slices.Compact(list)
}

// pager leads through the parts of a list.
type pager struct {
	page   *page
	Offset int
	Total  int
}

// First is the number of the first row shown, from 1.
func (p pager) First() string { return Number(min(p.Offset+1, p.Total)) }

// Last is the number of the last row shown.
func (p pager) Last() string { return Number(min(p.Offset+rowsPage, p.Total)) }

// All is how many rows there are.
func (p pager) All() string { return Number(p.Total) }

// Before returns the address of the part before, "" for none.
func (p pager) Before() string {
	switch {
	case p.Offset == 0:
		return ""
	case p.Offset <= rowsPage:
		return p.page.Here("offset", "")
	}
	return p.page.Here("offset", strconv.Itoa(p.Offset-rowsPage))
}

// After returns the address of the next part, "" for none.
func (p pager) After() string {
	if p.Offset+rowsPage >= p.Total {
		return ""
	}
	return p.page.Here("offset", strconv.Itoa(p.Offset+rowsPage))
}

// name is an identity in the parts that people read.
type name struct{ Account, Kind, Key string }

// Name splits the text of an identity.
func (p *page) Name(id string) name {
	parsed, err := resource.ParseID(id)
	if err != nil {
		return name{Key: id}
	}
	return name(parsed)
}

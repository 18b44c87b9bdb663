package daemon

import (
	"net/http"
	"strings"

	"weir/sync/daemon/access"
	"weir/sync/daemon/view"
	"weir/sync/resource"
	"weir/sync/state"
)

// The sizes of what a page of the API holds.
const (
	pageDefault    = 100
	pageMost       = 1000
	journalDefault = 50
	journalMost    = 500
	offsetMost     = 1<<31 - 1
)

// route is one operation of the API, and the only one of its path. Handle is given
// the parameters that it names.
type route struct {
	method, path string
	params       []string
	handle       func(w http.ResponseWriter, r *http.Request, q *query)
}

// api lists what is below /api/v1.
func (d *Daemon) api() []route {
	return []route{
		{"GET", "/api/v1/status", nil, d.status},
		{"GET", "/api/v1/resources", listParams(), d.resources},
		{"GET", "/api/v1/resources/{account}/{kind}/{key...}", nil, d.resource},
		{"GET", "/api/v1/plan", []string{"offset", "limit"}, d.plan},
		{"GET", "/api/v1/passes", nil, d.passes},
		{"GET", "/api/v1/problems", nil, d.problems},
		{"GET", "/api/v1/quota", nil, d.quota},
		{"GET", "/api/v1/cluster", nil, d.cluster},
		{"GET", "/api/v1/journal", []string{"resource", "account", "plan", "below", "limit"}, d.journal},
		{"GET", "/api/v1/observations", []string{"account"}, d.observations},
		{"GET", "/api/v1/events", nil, d.events},
		{"GET", "/api/v1/openapi.json", nil, d.openapi},
		{"POST", "/api/v1/sync", nil, d.sync},
	}
}

func listParams() []string {
	return []string{"account", "kind", "state", "source", "label", "q", "offset", "limit"}
}

// addAPI lets mux serve the API. What is asked for in another way than it is known
// is refused.
func (d *Daemon) addAPI(mux *http.ServeMux) {
	for _, r := range d.api() {
		mux.HandleFunc(r.method+" "+r.path, func(w http.ResponseWriter, req *http.Request) {
			q := readQuery(req, r.params)
			if q.err != nil {
				refuse(w, http.StatusBadRequest, q.err.Error())
				return
			}
			r.handle(w, req, q)
		})
		allow := r.method
		if allow == http.MethodGet {
			allow = "GET, HEAD"
		}
		mux.HandleFunc(r.path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Allow", allow)
			refuse(w, http.StatusMethodNotAllowed, "allowed is "+allow)
		})
	}
	mux.HandleFunc(apiPrefix, missing)
}

func (d *Daemon) status(w http.ResponseWriter, r *http.Request, _ *query) {
	answer(w, http.StatusOK, d.viewer().Overview(r.Context()))
}

// resources lists a page of resources.
func (d *Daemon) resources(w http.ResponseWriter, _ *http.Request, q *query) {
	sel := view.Query{
		Account: q.text("account"), Kind: q.text("kind"), Source: q.text("source"), Text: q.text("q"),
		State: choice(q, "state", view.States()), Label: q.text("label"),
		Offset: q.number("offset", 0, 0, offsetMost), Limit: q.number("limit", pageDefault, 1, pageMost),
	}
	if key, _, ok := strings.Cut(sel.Label, "="); sel.Label != "" && (!ok || key == "") {
		q.fail(`parameter "label": want key=value`)
	}
	if q.err != nil {
		refuse(w, http.StatusBadRequest, q.err.Error())
		return
	}
	answer(w, http.StatusOK, d.viewer().List(sel))
}

// resource tells all of one resource.
func (d *Daemon) resource(w http.ResponseWriter, r *http.Request, _ *query) {
	id := resource.ID{Account: r.PathValue("account"), Kind: r.PathValue("kind"), Key: r.PathValue("key")}
	v := d.viewer()
	res, ok, err := v.Resource(r.Context(), id)
	switch {
	case err != nil:
		refuse(w, http.StatusServiceUnavailable, "the journal cannot be read: "+err.Error())
	case !ok:
		refuse(w, http.StatusNotFound, "weir knows no resource "+id.String(), v.Near(id.String())...)
	default:
		answer(w, http.StatusOK, res)
	}
}

// plan tells what is due, all of it or a page.
func (d *Daemon) plan(w http.ResponseWriter, _ *http.Request, q *query) {
	offset, limit := q.number("offset", 0, 0, offsetMost), q.number("limit", 0, 1, pageMost)
	if q.err != nil {
		refuse(w, http.StatusBadRequest, q.err.Error())
		return
	}
	p, ok, err := d.viewer().Plan(offset, limit)
	switch {
	case err != nil:
		refuse(w, http.StatusInternalServerError, err.Error())
	case !ok:
		w.Header().Set("Retry-After", "1")
		refuse(w, http.StatusServiceUnavailable, "no plan yet")
	default:
		answer(w, http.StatusOK, p)
	}
}

func (d *Daemon) passes(w http.ResponseWriter, _ *http.Request, _ *query) {
	answer(w, http.StatusOK, map[string]any{"passes": d.viewer().Passes()})
}

func (d *Daemon) problems(w http.ResponseWriter, _ *http.Request, _ *query) {
	answer(w, http.StatusOK, map[string]any{"sources": d.viewer().Problems()})
}

func (d *Daemon) quota(w http.ResponseWriter, _ *http.Request, _ *query) {
	answer(w, http.StatusOK, map[string]any{"quota": d.viewer().Quota()})
}

// cluster tells who is there and who leads what.
func (d *Daemon) cluster(w http.ResponseWriter, _ *http.Request, _ *query) {
	c := d.viewer().Cluster()
	if c == nil {
		refuse(w, http.StatusNotFound, "this weir works alone: it is no member of a cluster")
		return
	}
	answer(w, http.StatusOK, c)
}

// journal tells which calls were made, the newest first.
func (d *Daemon) journal(w http.ResponseWriter, r *http.Request, q *query) {
	sel := state.Query{
		Resource: q.text("resource"), Account: q.text("account"), Plan: q.text("plan"),
		Below: int64(q.number("below", 0, 1, 1<<62)), Limit: q.number("limit", journalDefault, 1, journalMost),
	}
	if q.err != nil {
		refuse(w, http.StatusBadRequest, q.err.Error())
		return
	}
	entries, err := d.viewer().Journal(r.Context(), sel)
	if err != nil {
		refuse(w, http.StatusServiceUnavailable, "the journal cannot be read: "+err.Error())
		return
	}
	answer(w, http.StatusOK, map[string]any{"entries": entries})
}

// sync asks for a full pass; its answer says only that it was asked for.
func (d *Daemon) sync(w http.ResponseWriter, req *http.Request, _ *query) {
	if who := access.Caller(req.Context()); who != "" {
		d.opts.Logger.InfoContext(req.Context(), "a pass was asked for", "by", who, "remote", req.RemoteAddr)
	}
	l := d.loop()
	l.MarkFull()
	l.tell("")
	if strings.Contains(req.Header.Get("Accept"), "text/html") { // the page's button, without script
		w.Header().Set("Location", "../../") // relative: a proxy may have the page below another path
		w.WriteHeader(http.StatusSeeOther)
		return
	}
	answer(w, http.StatusAccepted, map[string]bool{"accepted": true})
}

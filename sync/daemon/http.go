package daemon

import (
	"encoding/json"
	"net/http"
	"path"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"weir/sync/plan"
	"weir/sync/resource"
)

// The sizes of a page of /api/v1/resources.
const (
	pageDefault = 100
	pageMost    = 1000
)

// scrapesInFlight bounds what a storm of scrapes can cost.
const scrapesInFlight = 2

func (d *Daemon) routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(d.opts.Registry, promhttp.HandlerOpts{
		MaxRequestsInFlight: scrapesInFlight, EnableOpenMetrics: true,
	}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { text(w, http.StatusOK, "ok\n") })
	mux.HandleFunc("GET /readyz", d.readyz)
	mux.HandleFunc("GET /api/v1/status", d.status)
	mux.HandleFunc("GET /api/v1/plan", d.plan)
	mux.HandleFunc("GET /api/v1/resources", d.resources)
	mux.HandleFunc("GET /api/v1/observations", d.observations)
	mux.HandleFunc("POST /api/v1/sync", d.sync)
	mux.HandleFunc("POST /webhook/{source}", func(w http.ResponseWriter, r *http.Request) {
		d.webhooks.Load().ServeHTTP(w, r)
	})
	mux.HandleFunc("GET /{$}", d.page())
	return headers(exact(http.NewCrossOriginProtection().Handler(mux)))
}

// exact lets only paths through that are written as the routes are: the mux
// would lead others there.
func exact(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := r.URL.EscapedPath()
		if strings.Contains(p, "%") || (p != "/" && p != path.Clean("/"+p)) {
			http.NotFound(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// headers sets what every answer carries: nothing here is to be framed, cached
// or run.
func headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

func text(w http.ResponseWriter, code int, body string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	_, _ = w.Write([]byte(body))
}

func answer(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	_ = enc.Encode(v)
}

func (d *Daemon) readyz(w http.ResponseWriter, _ *http.Request) {
	s := d.reconciler().Status()
	if s.Ready {
		text(w, http.StatusOK, "ready\n")
		return
	}
	why := "no complete pass yet"
	for _, src := range s.Sources {
		if src.Error != "" {
			why = "source " + src.Name + ": " + src.Error
		}
	}
	if s.Error != "" {
		why = s.Error
	}
	text(w, http.StatusServiceUnavailable, "not ready: "+why+"\n")
}

func (d *Daemon) status(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, struct {
		Version string `json:"version"`
		Status  any    `json:"status"`
	}{d.opts.Version, d.reconciler().Status()})
}

func (d *Daemon) plan(w http.ResponseWriter, _ *http.Request) {
	r := d.reconciler()
	p := r.LastPlan()
	if p == nil {
		answer(w, http.StatusServiceUnavailable, map[string]string{"error": "no plan yet"})
		return
	}
	doc, err := r.Document(p, false)
	if err != nil {
		answer(w, http.StatusInternalServerError, map[string]string{"error": err.Error()})
		return
	}
	answer(w, http.StatusOK, doc)
}

// resourceRow is a resource as /api/v1/resources lists it.
type resourceRow struct {
	ID       string          `json:"id"`
	State    plan.State      `json:"state"`
	Action   plan.Action     `json:"action"`
	Reason   plan.Reason     `json:"reason,omitempty"`
	Note     string          `json:"note,omitempty"`
	Withheld string          `json:"withheld,omitempty"`
	Origin   resource.Origin `json:"origin"`
}

// resources lists a page of resources, filtered by account, kind and state.
func (d *Daemon) resources(w http.ResponseWriter, req *http.Request) {
	q := req.URL.Query()
	offset := number(q.Get("offset"), 0, 1<<31-1)
	limit := number(q.Get("limit"), pageDefault, pageMost)
	rows, total := []resourceRow{}, 0
	if p := d.reconciler().LastPlan(); p != nil {
		for c := range p.All() {
			if !matches(c, q.Get("account"), q.Get("kind"), q.Get("state")) {
				continue
			}
			if total++; total > offset && len(rows) < limit {
				rows = append(rows, row(c))
			}
		}
	}
	answer(w, http.StatusOK, map[string]any{"total": total, "offset": offset, "resources": rows})
}

func row(c plan.Change) resourceRow {
	return resourceRow{
		ID: c.ID.String(), State: c.State, Action: c.Action, Reason: c.Reason,
		Note: c.Note, Withheld: c.Withheld, Origin: c.Origin,
	}
}

func matches(c plan.Change, account, kind, state string) bool {
	return (account == "" || c.ID.Account == account) &&
		(kind == "" || c.ID.Kind == kind) &&
		(state == "" || string(c.State) == state)
}

func number(s string, def, most int) int {
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		return def
	}
	return min(n, most)
}

// sync asks for a full pass; its answer says only that it was asked for.
func (d *Daemon) sync(w http.ResponseWriter, _ *http.Request) {
	d.reconciler().MarkFull()
	answer(w, http.StatusAccepted, map[string]bool{"accepted": true})
}

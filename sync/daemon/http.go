package daemon

import (
	"encoding/json"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"weir/sync/daemon/access"
	"weir/sync/daemon/web"
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
	d.addAPI(mux)
	mux.HandleFunc("POST /webhook/{source}", func(w http.ResponseWriter, r *http.Request) {
		d.loop().webhooks.ServeHTTP(w, r)
	})
	for _, path := range []string{"GET /{$}", "GET /resources", "GET /resources/", "GET /plan", "GET /assets/"} {
		mux.Handle(path, d.page)
	}
	guarded := http.NewCrossOriginProtection()
	guarded.SetDenyHandler(http.HandlerFunc(denied))
	return headers(exact(d.door.Guard(guarded.Handler(mux), access.Routes{
		Open: []string{"/healthz", "/readyz"}, Signed: []string{"/webhook/"},
	}, turnedAway)))
}

// exact lets only paths through that are written as the routes are: the mux
// would lead others there. The one character of an identity that may be written in
// another way is the star.
func exact(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := strings.ReplaceAll(r.URL.EscapedPath(), "%2A", "*")
		if strings.Contains(p, "%") || (p != "/" && p != path.Clean("/"+p)) {
			missing(w, r)
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
		h.Set("Content-Security-Policy", web.Policy)
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

// readyz says to anybody whether weir is ready, and why it is not only to who may
// read the status: an error names hosts and paths.
func (d *Daemon) readyz(w http.ResponseWriter, req *http.Request) {
	s := d.reconciler().Status()
	if s.Ready {
		text(w, http.StatusOK, "ready\n")
		return
	}
	if access.IsStranger(req.Context()) {
		text(w, http.StatusServiceUnavailable, "not ready\n")
		return
	}
	why := "no complete pass yet"
	for _, src := range s.Sources {
		if src.Error != "" {
			why = "source " + src.Name + ": " + src.Error
		}
	}
	if s.Error != "" {
		why = s.Error + ", since " + s.ErrorSince.UTC().Format(time.RFC3339)
	}
	text(w, http.StatusServiceUnavailable, "not ready: "+why+"\n")
}

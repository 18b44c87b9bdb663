// Package web is the page for people: what the daemon knows, as HTML of the
// server. A page needs no script; with it, one small file keeps the page new
// over server-sent events. Nothing comes from anywhere else, nothing here
// changes a state, and every text from a manifest or a cloud is hostile: it is
// html/template's to escape, and what would read otherwise than it is written is
// shown by its code.
//
// The texts of both languages are in texts.json, and only there.
package web

import (
	"bytes"
	"context"
	"embed"
	"html/template"
	"log/slog"
	"math"
	"net/http"
	"sync"
	"time"

	"weir/sync/daemon/view"
	"weir/sync/resource"
)

//go:embed templates/*.html
var templates embed.FS

// Viewer is what the page shows, as the API does.
type Viewer interface {
	Overview(ctx context.Context) view.Overview
	List(q view.Query) view.List
	Resource(ctx context.Context, id resource.ID) (view.Resource, bool, error)
	Plan(offset, limit int) (view.Plan, bool, error)
}

// Policy is the Content-Security-Policy of the page: style, script, pictures and
// events are the daemon's own, and nothing else is loaded, sent or run.
const Policy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; " +
	"img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// Handler serves the pages and what they are made of.
type Handler struct {
	viewer func() Viewer
	log    *slog.Logger
	mux    *http.ServeMux
	assets assets
	texts  texts
	pages  *template.Template

	mu    sync.Mutex // guards what follows
	shown Viewer
	over  view.Overview // of shown
	made  time.Time
}

// fresh is how long the state of everything is shown without being asked for
// anew: when something happens, every open page asks at about the same time. It is
// shorter than what a page waits before it asks, so that it never misses the news
// that it asks for.
const fresh = 200 * time.Millisecond

// now returns the state of everything. It must not be changed.
func (h *Handler) now(ctx context.Context) view.Overview {
	v := h.viewer()
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.shown != v || time.Since(h.made) > fresh {
		h.over = v.Overview(context.WithoutCancel(ctx)) // it is for all, also if the one who asked is gone
		h.shown, h.made = v, time.Now()
	}
	return h.over
}

var _ http.Handler = (*Handler)(nil)

// New returns what serves "/", "/resources", "/resources/{id}", "/plan" and
// "/assets/". Each
// page asks viewer for what to show, since a reload puts another in its place.
func New(viewer func() Viewer, log *slog.Logger) (*Handler, error) {
	h := &Handler{viewer: viewer, log: log, mux: http.NewServeMux()}
	var err error
	if h.texts, err = readTexts(); err != nil {
		return nil, err
	}
	if h.assets, err = readAssets(); err != nil {
		return nil, err
	}
	if h.pages, err = template.New("").Funcs(functions()).ParseFS(templates, "templates/*.html"); err != nil {
		return nil, err
	}
	h.mux.HandleFunc("GET /{$}", h.overview)
	h.mux.HandleFunc("GET /resources", h.resources)
	h.mux.HandleFunc("GET /resources/{id...}", h.resource)
	h.mux.HandleFunc("GET /plan", h.plan)
	h.mux.Handle("GET /assets/{name}", h.assets)
	return h, nil
}

// ServeHTTP serves a page or an asset. That nothing but Policy allows is loaded is
// for the server to say, of all its answers.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.mux.ServeHTTP(w, r) }

// render writes a page whole, or the error that kept it from being made.
func (h *Handler) render(w http.ResponseWriter, r *http.Request, code int, name string, data any) {
	began := time.Now()
	var b bytes.Buffer
	if err := h.pages.ExecuteTemplate(&b, name, data); err != nil {
		h.log.ErrorContext(r.Context(), "page cannot be rendered", "page", name, "error", err)
		http.Error(w, "the page cannot be rendered; the log says why", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Vary", "Accept-Language")
	w.WriteHeader(code)
	_, _ = w.Write(b.Bytes())
	h.log.DebugContext(r.Context(), "page", "page", name, "bytes", b.Len(), "seconds", time.Since(began).Seconds())
}

// functions are what templates call that needs no page.
func functions() template.FuncMap {
	return template.FuncMap{
		"isNil": func(v any) bool { return v == nil },
		"int":   func(n uint64) int { return int(min(n, math.MaxInt)) },
	}
}

package daemon

import (
	"bytes"
	_ "embed"
	"html/template"
	"net/http"
	"time"

	"weir/sync/reconcile"
)

//go:embed page.html
var pageText string

// pageData is what the page shows.
type pageData struct {
	Version string
	reconcile.Status
}

// page returns what renders the status for people: one static page that needs
// no script.
func (d *Daemon) page() http.HandlerFunc {
	tmpl := template.Must(template.New("page").Funcs(template.FuncMap{"ago": ago, "short": short}).Parse(pageText))
	return func(w http.ResponseWriter, _ *http.Request) {
		var b bytes.Buffer
		if err := tmpl.Execute(&b, pageData{d.opts.Version, d.reconciler().Status()}); err != nil {
			text(w, http.StatusInternalServerError, err.Error())
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(b.Bytes())
	}
}

func ago(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return time.Since(t).Round(time.Second).String() + " ago"
}

// short cuts a revision to what people compare.
func short(s string) string {
	if len(s) > 20 {
		return s[:20]
	}
	return s
}

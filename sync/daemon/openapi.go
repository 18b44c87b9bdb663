package daemon

import (
	_ "embed"
	"net/http"
)

// openAPI describes the API. A test holds it against the routes and their answers.
//
//go:embed openapi.json
var openAPI []byte

func (d *Daemon) openapi(w http.ResponseWriter, _ *http.Request, _ *query) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(openAPI)
}

package daemon

import (
	"encoding/json"
	"net/http"
	"strings"
)

// apiPrefix begins the paths of which also what goes wrong is answered in JSON.
const apiPrefix = "/api/"

// problem is why a request is not answered, as RFC 9457 has it.
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"` // of the status
	Status int    `json:"status"`
	Detail string `json:"detail"`
	// Near are ids like one that there is not.
	Near []string `json:"near,omitempty"`
}

// refuse answers a request of the API with why it is not answered.
func refuse(w http.ResponseWriter, status int, detail string, near ...string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(problem{"about:blank", http.StatusText(status), status, detail, near})
}

// missing answers a path that there is not.
func missing(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, apiPrefix) {
		refuse(w, http.StatusNotFound, "there is no such path")
		return
	}
	http.NotFound(w, r)
}

// denied answers a request that another site made a browser send.
func denied(w http.ResponseWriter, _ *http.Request) {
	refuse(w, http.StatusForbidden, "a page of another origin may not ask for this")
}

// turnedAway answers a request that the door does not let in.
func turnedAway(w http.ResponseWriter, r *http.Request, status int, why string) {
	if strings.HasPrefix(r.URL.Path, apiPrefix) {
		refuse(w, status, why)
		return
	}
	text(w, status, why+"\n")
}

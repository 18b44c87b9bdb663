package commitstatus

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"
)

const (
	token  = "glpat-c4n4ry-Hunter2"
	commit = "1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d"
	target = "https://weir.example.com/plan"
)

// stated is what a host was told.
type stated struct{ commit, state, text, name, target string }

// gitHost serves the part of a git host's API that takes statuses, as strictly
// as its documents have it: path, method, headers, form of the body, limits.
type gitHost struct {
	kind  string
	repo  string
	base  string // path it is served below
	token string

	mu      sync.Mutex
	got     []stated
	faults  []string                                          // requests that were not as documented
	before  func(w http.ResponseWriter, r *http.Request) bool // true where it has answered
	current map[string]string                                 // of GitLab: the state of what is not done yet
}

func newGitHost(kind string) *gitHost {
	repo := "acme/live"
	if kind == "gitlab" {
		repo = "acme/media/live"
	}
	return &gitHost{kind: kind, repo: repo, token: token, current: map[string]string{}}
}

func (h *gitHost) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	before := h.before
	h.mu.Unlock()
	if before != nil && before(w, r) {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	s, status, text := h.take(r)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if status != http.StatusCreated {
		if status != http.StatusUnauthorized {
			h.faults = append(h.faults, text)
		}
		_ = json.NewEncoder(w).Encode(map[string]string{"message": text})
		return
	}
	h.got = append(h.got, s)
	_, _ = fmt.Fprintf(w, `{"id":1,"sha":%q,"state":%q,"status":%q,"created_at":"2026-01-02T03:04:05Z"}`, s.commit, s.state, s.state)
}

func (h *gitHost) take(r *http.Request) (stated, int, string) {
	if r.Method != http.MethodPost {
		return stated{}, http.StatusMethodNotAllowed, r.Method
	}
	if r.UserAgent() != "weir" {
		return stated{}, http.StatusForbidden, "User-Agent " + r.UserAgent()
	}
	switch h.kind {
	case "github":
		return h.json(r, "/repos/"+h.repo+"/statuses/", "Bearer "+h.token, 140, []string{"created_at", "updated_at"})
	case "gitea":
		return h.json(r, "/api/v1/repos/"+h.repo+"/statuses/", "token "+h.token, 255, nil)
	case "gitlab":
		return h.gitlab(r)
	}
	return h.gitee(r)
}

func (h *gitHost) commit(r *http.Request, prefix string) (string, bool) {
	sha, ok := strings.CutPrefix(r.URL.EscapedPath(), h.base+prefix)
	return sha, ok && len(sha) == 40
}

// json is GitHub's "Create a commit status", which Gitea's repoCreateStatus follows.
func (h *gitHost) json(r *http.Request, prefix, auth string, longest int, ignored []string) (stated, int, string) {
	sha, ok := h.commit(r, prefix)
	switch {
	case !ok || r.URL.RawQuery != "":
		return stated{}, http.StatusNotFound, r.URL.String()
	case r.Header.Get("Authorization") != auth:
		return stated{}, http.StatusUnauthorized, "Bad credentials"
	case r.Header.Get("Content-Type") != "application/json":
		return stated{}, http.StatusUnsupportedMediaType, r.Header.Get("Content-Type")
	case h.kind == "github" && r.Header.Get("Accept") != "application/vnd.github+json":
		return stated{}, http.StatusNotAcceptable, r.Header.Get("Accept")
	case h.kind == "github" && r.Header.Get("X-GitHub-Api-Version") != "2022-11-28":
		return stated{}, http.StatusBadRequest, "no version"
	}
	body := map[string]string{}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		return stated{}, http.StatusBadRequest, err.Error()
	}
	s := stated{sha, body["state"], body["description"], body["context"], body["target_url"]}
	for key := range body {
		if !slices.Contains(append(ignored, "state", "description", "context", "target_url"), key) {
			return s, http.StatusUnprocessableEntity, "unknown field " + key
		}
	}
	if !slices.Contains([]string{"error", "failure", "pending", "success"}, s.state) {
		return s, http.StatusUnprocessableEntity, "state " + s.state
	}
	return s, h.fits(s, longest), "description is too long"
}

func (h *gitHost) fits(s stated, longest int) int {
	if utf8.RuneCountInString(s.text) > longest || s.text == "" || s.name == "" {
		return http.StatusUnprocessableEntity
	}
	return http.StatusCreated
}

// gitlab is "Set commit pipeline status", with the transitions GitLab refuses.
func (h *gitHost) gitlab(r *http.Request) (stated, int, string) {
	sha, ok := h.commit(r, "/api/v4/projects/"+strings.ReplaceAll(h.repo, "/", "%2F")+"/statuses/")
	switch {
	case !ok:
		return stated{}, http.StatusNotFound, r.URL.String()
	case r.Header.Get("Private-Token") != h.token || r.Header.Get("Authorization") != "":
		return stated{}, http.StatusUnauthorized, "401 Unauthorized"
	}
	q := r.URL.Query()
	s := stated{sha, q.Get("state"), q.Get("description"), q.Get("name"), q.Get("target_url")}
	for key := range q {
		if !slices.Contains([]string{"state", "description", "name", "target_url"}, key) {
			return s, http.StatusBadRequest, key + " does not exist"
		}
	}
	if body, _ := io.ReadAll(r.Body); len(body) > 0 {
		return s, http.StatusBadRequest, "a body"
	}
	if q.Has("target_url") && !strings.HasPrefix(s.target, "https://") {
		return s, http.StatusBadRequest, "target_url is blocked: only allowed schemes are http, https"
	}
	if !slices.Contains([]string{"pending", "running", "success", "failed", "canceled"}, s.state) {
		return s, http.StatusBadRequest, "state does not have a valid value"
	}
	if was := h.current[sha]; was != "" && (s.state == "pending" || s.state == was) {
		return s, http.StatusBadRequest, "Cannot transition status via :run from :" + was
	}
	delete(h.current, sha)
	if s.state == "pending" || s.state == "running" {
		h.current[sha] = s.state
	}
	return s, h.fits(s, 255), "description is too long (maximum is 255 characters)"
}

// gitee is "创建检查项" (create a check run) of the API v5: form data.
func (h *gitHost) gitee(r *http.Request) (stated, int, string) {
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	_ = r.ParseForm()
	f := r.PostForm
	switch {
	case r.URL.EscapedPath() != h.base+"/api/v5/repos/"+h.repo+"/check-runs" || r.URL.RawQuery != "":
		return stated{}, http.StatusNotFound, r.URL.String()
	case f.Get("access_token") != h.token:
		return stated{}, http.StatusUnauthorized, "401 Unauthorized: Access token does not exist"
	}
	s := stated{f.Get("head_sha"), f.Get("status"), f.Get("output[title]"), f.Get("name"), f.Get("details_url")}
	conclusion, summary := f.Get("conclusion"), f.Get("output[summary]")
	if conclusion != "" {
		s.state = conclusion
	}
	switch {
	case len(s.commit) != 40:
		return s, http.StatusBadRequest, "head_sha"
	case f.Get("status") == "completed" && !slices.Contains([]string{"action_required", "failure", "success"}, conclusion):
		return s, http.StatusBadRequest, "conclusion"
	case f.Get("status") != "completed" && (f.Get("status") != "in_progress" || conclusion != ""):
		return s, http.StatusBadRequest, "status"
	case conclusion == "action_required" && s.target == "":
		return s, http.StatusBadRequest, "details_url"
	case summary != "    "+s.text:
		return s, http.StatusBadRequest, "output[summary]"
	}
	return s, h.fits(s, 255), "title is too long"
}

func (h *gitHost) statuses() []stated {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.got)
}

func (h *gitHost) complaints() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.faults)
}

// answerWith has each request answered by f until it is nil again.
func (h *gitHost) answerWith(f func(w http.ResponseWriter, r *http.Request) bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.before = f
}

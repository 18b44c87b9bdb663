package webhook

import (
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// How much of what a sender wrote goes into the log.
const maxLogged = 128

// events are the events of a kind after which a fetch may show something,
// nil for all.
var events = map[Kind][]string{
	GitHub:  {"push", "create"},
	Gitea:   {"push", "create"},
	GitLab:  {"Push Hook", "Tag Push Hook"},
	Gitee:   {"Push Hook", "Tag Push Hook"},
	Generic: nil,
}

// headers are where a kind names the event, and the delivery; the first that
// is there counts.
var headers = map[Kind]struct{ event, delivery []string }{
	GitHub:  {[]string{"X-GitHub-Event"}, []string{"X-GitHub-Delivery"}},
	Gitea:   {[]string{"X-Gitea-Event", "X-GitHub-Event"}, []string{"X-Gitea-Delivery", "X-GitHub-Delivery"}},
	GitLab:  {[]string{"X-Gitlab-Event"}, []string{"Webhook-Id", "Idempotency-Key", "X-Gitlab-Event-UUID"}},
	Gitee:   {[]string{"X-Gitee-Event"}, []string{"X-Gitee-Timestamp"}},
	Generic: {nil, []string{"X-Delivery-Id"}},
}

// moves reports whether the event may have moved a branch or tag.
func (k Kind) moves(h http.Header) bool {
	return events[k] == nil || slices.Contains(events[k], first(h, headers[k].event))
}

// delivery returns the delivery's id, "" where it has none.
func (k Kind) delivery(h http.Header) string { return first(h, headers[k].delivery) }

func first(h http.Header, names []string) string {
	for _, n := range names {
		if v := h.Get(n); v != "" {
			return v
		}
	}
	return ""
}

// payload is all that is read of a delivery.
type payload struct {
	Ref        string      `json:"ref"`
	Repository *repository `json:"repository"`
}

// repository has the addresses under which hosts name a repository. GitHub,
// Gitea and Gitee use the first three and html_url, GitLab the others. What a
// project calls its homepage is not among them: anybody may write anything
// there.
type repository struct {
	CloneURL   string `json:"clone_url"`
	SSHURL     string `json:"ssh_url"`
	GitURL     string `json:"git_url"`
	GitHTTPURL string `json:"git_http_url"`
	GitSSHURL  string `json:"git_ssh_url"`
	HTMLURL    string `json:"html_url"`
	URL        string `json:"url"`
}

func (r *repository) addresses() []string {
	return []string{r.CloneURL, r.SSHURL, r.GitURL, r.GitHTTPURL, r.GitSSHURL, r.HTMLURL, r.URL}
}

// parse reads a payload; all but a generic one must name a repository and a
// ref.
func parse(kind Kind, h http.Header, body []byte) (payload, error) {
	var p payload
	if media, _, err := mime.ParseMediaType(h.Get("Content-Type")); err == nil && media == "application/x-www-form-urlencoded" {
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return p, fmt.Errorf("form: %w", err)
		}
		body = []byte(form.Get("payload"))
	}
	text := strings.TrimSpace(string(body))
	if text == "" && kind == Generic {
		return p, nil
	}
	if !strings.HasPrefix(text, "{") {
		return p, errors.New("no JSON object")
	}
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return p, err
	}
	if kind != Generic && (p.Repository == nil || p.Ref == "") {
		return p, errors.New("repository or ref is missing")
	}
	return p, nil
}

// concerns reports whether p is about what k follows.
func (p payload) concerns(k *hook) bool {
	return p.isRef(k.Ref) && p.isRepository(k.repository)
}

// isRef compares whole names where both are, else the last part: which of
// branch and tag "v1" is, a "create" event does not say in its ref.
func (p payload) isRef(followed string) bool {
	if followed == "" || p.Ref == "" || p.Ref == followed {
		return true
	}
	if strings.HasPrefix(p.Ref, "refs/") && strings.HasPrefix(followed, "refs/") {
		return false
	}
	return short(p.Ref) == short(followed)
}

func short(ref string) string {
	for _, prefix := range []string{"refs/heads/", "refs/tags/"} {
		if s, ok := strings.CutPrefix(ref, prefix); ok {
			return s
		}
	}
	return ref
}

func (p payload) isRepository(followed string) bool {
	if followed == "" || p.Repository == nil {
		return true
	}
	return slices.ContainsFunc(p.Repository.addresses(), func(s string) bool {
		a, ok := Address(s)
		return ok && strings.EqualFold(a, followed)
	})
}

// name returns an address of the repository for the log.
func (p payload) name() string {
	if p.Repository == nil {
		return ""
	}
	for _, s := range p.Repository.addresses() {
		if a, ok := Address(s); ok {
			return a
		}
	}
	return ""
}

// Address returns host and path of a repository's URL, which may be
// user@host:path. Scheme, user, port and a trailing ".git" say how it is
// reached, not which it is. The case of letters is for the caller to ignore:
// hosts do, in paths too, and a fetch too many does no harm.
func Address(s string) (string, bool) {
	var host, path string
	if strings.Contains(s, "://") {
		u, err := url.Parse(s)
		if err != nil {
			return "", false
		}
		host, path = u.Hostname(), u.Path
	} else {
		host, path, _ = strings.Cut(s, ":")
		host = host[strings.LastIndex(host, "@")+1:]
	}
	path = strings.TrimSuffix(strings.Trim(path, "/"), ".git")
	if host == "" || path == "" || strings.Contains(host, "/") {
		return "", false
	}
	return host + "/" + path, true
}

// redact cuts the user from a URL that is going to be printed.
func redact(s string) string { return s[strings.LastIndex(s, "@")+1:] }

// clean makes what a sender wrote fit for a log.
func clean(s string) string {
	s = s[:min(len(s), maxLogged)]
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}

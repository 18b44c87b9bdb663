package commitstatus

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/drone/go-scm/scm"
	"github.com/drone/go-scm/scm/driver/gitea"
	"github.com/drone/go-scm/scm/driver/github"
	"github.com/drone/go-scm/scm/driver/gitlab"

	"weir/sync/delivery"
	"weir/sync/secret"
)

// shortest is the least that any host takes as a status's text, in characters.
const shortest = 140

// speech is what is a host's own.
type speech struct {
	longest int // of a text, in characters
	header  func(http.Header, secret.Secret)
	client  func(api string) (*scm.Client, error) // nil: the library cannot
	held    scm.State
}

// speechOf returns a kind's speech.
//
// GitHub's limit of 140 characters and GitLab's of 255 are theirs; Gitea and
// Gitee name none.
func speechOf(kind string) (speech, bool) {
	switch kind {
	case "github":
		return speech{shortest, func(h http.Header, token secret.Secret) {
			h.Set("Authorization", "Bearer "+token.Reveal())
			h.Set("Accept", "application/vnd.github+json")
			h.Set("X-Github-Api-Version", "2022-11-28")
		}, github.New, scm.StatePending}, true
	case "gitlab":
		return speech{255, func(h http.Header, token secret.Secret) {
			h.Set("Private-Token", token.Reveal())
		}, gitlab.New, scm.StateFailure}, true
	case "gitea":
		return speech{255, func(h http.Header, token secret.Secret) {
			h.Set("Authorization", "token "+token.Reveal())
		}, gitea.New, scm.StatePending}, true
	case "gitee":
		return speech{255, func(http.Header, secret.Secret) {}, nil, 0}, true
	}
	return speech{}, false
}

// host is a git host with a repository.
type host struct {
	opt    Options
	place  place
	speaks speech
	base   http.RoundTripper
}

func newHost(opt Options) (host, error) {
	speaks, ok := speechOf(opt.Kind)
	if !ok {
		return host{}, errors.New("kind must be github, gitlab, gitea or gitee")
	}
	if opt.Token == (secret.Ref{}) {
		return host{}, errors.New("token is required")
	}
	if opt.Name != delivery.OneLine(opt.Name, maxName) {
		return host{}, fmt.Errorf("name must be one line of at most %d characters", maxName)
	}
	if err := checkTarget(opt.Target); err != nil {
		return host{}, err
	}
	at, err := newPlace(opt)
	if err != nil {
		return host{}, err
	}
	base := opt.Transport
	if base == nil {
		base, err = delivery.Transport(opt.CAFile)
	}
	return host{opt, at, speaks, base}, err
}

// checkTarget holds what hosts ask of a link; 255 characters is GitLab's bound.
func checkTarget(target string) error {
	if target == "" {
		return nil
	}
	if _, err := address("target", target); err != nil {
		return err
	}
	if len(target) > 255 {
		return errors.New("target must have at most 255 characters")
	}
	return nil
}

// close ends connections that are kept open.
func (h host) close() {
	if t, ok := h.base.(*http.Transport); ok && h.opt.Transport == nil {
		t.CloseIdleConnections()
	}
}

// send tells the host, once. A nil error means that it said yes.
func (h host) send(ctx context.Context, s Status) *fault {
	token, err := h.opt.Token.Read()
	if err != nil {
		return &fault{kind: refused, err: fmt.Errorf("token: %w", err)}
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if s.Text = h.clean(s.Text, token); s.Text == "" {
		s.Text = s.State.String()
	}
	t := &trip{base: h.base, at: h.place.api, token: token, header: h.speaks.header}
	client := &http.Client{Transport: t, CheckRedirect: t.follow}
	if h.speaks.client == nil {
		err = h.checkRun(ctx, client, s, token)
	} else {
		err = h.status(ctx, client, t, s)
	}
	return t.verdict(s, err)
}

// clean takes the token out of a text, should a document's text hold it.
func (h host) clean(text string, token secret.Secret) string {
	return delivery.OneLine(delivery.Redact(text, token), h.speaks.longest)
}

// status sends a commit status through the library.
func (h host) status(ctx context.Context, client *http.Client, t *trip, s Status) error {
	lib, err := h.speaks.client(h.place.api.String())
	if err != nil {
		return err
	}
	lib.Client = client
	if h.opt.Kind == "gitlab" {
		t.query = gitlabQuery(s.Text)
	}
	_, _, err = lib.Repositories.CreateStatus(ctx, h.place.repo, s.Commit, &scm.StatusInput{
		State: h.state(s.State), Label: h.opt.Name, Desc: s.Text, Target: h.opt.Target,
	})
	return err
}

// state maps a state. The library makes "running" pending where a host has no
// such state.
func (h host) state(s State) scm.State {
	switch s {
	case Pending:
		return scm.StateRunning
	case Success:
		return scm.StateSuccess
	case Held:
		return h.speaks.held
	}
	return scm.StateFailure
}

// gitlabQuery repairs what the library asks of GitLab: it leaves the description
// out, and sends an empty link, which GitLab takes for a wrong one.
func gitlabQuery(text string) func(url.Values) {
	return func(q url.Values) {
		q.Set("description", text)
		if q.Get("target_url") == "" {
			q.Del("target_url")
		}
	}
}

// checkRun sends a check run to Gitee: POST /repos/{owner}/{repo}/check-runs of
// its API v5, with form data, the token among it. It has no commit statuses, and
// the library no check runs. A conclusion cannot be changed, so each is a run of
// its own; Gitee shows the newest of a name. The summary is Markdown: the text
// is a block of code in it.
func (h host) checkRun(ctx context.Context, client *http.Client, s Status, token secret.Secret) error {
	form := url.Values{
		"access_token": {token.Reveal()}, "name": {h.opt.Name}, "head_sha": {s.Commit}, "status": {"completed"},
		"output[title]": {s.Text}, "output[summary]": {"    " + s.Text},
	}
	if h.opt.Target != "" {
		form.Set("details_url", h.opt.Target)
	}
	switch {
	case s.State == Pending:
		form.Set("status", "in_progress")
	case s.State == Success:
		form.Set("conclusion", "success")
	case s.State == Held && h.opt.Target != "":
		form.Set("conclusion", "action_required")
	default:
		form.Set("conclusion", "failure")
	}
	to := h.place.api.JoinPath("repos", h.place.repo, "check-runs").String()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

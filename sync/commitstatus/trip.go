package commitstatus

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"weir/sync/delivery"
	"weir/sync/secret"
)

// trip is one request to a host's API, with the redirects the host answers. It
// carries the token, bounds the answer and keeps it: what the library says of
// an answer is less than the answer.
type trip struct {
	base   http.RoundTripper
	at     *url.URL
	token  secret.Secret
	header func(http.Header, secret.Secret)
	query  func(url.Values) // nil: it stays as it is

	status int // of the last answer, 0 for none
	head   http.Header
	body   []byte
}

var errElsewhere = errors.New("the host sends weir to another host")

// RoundTrip sends a request to the configured origin and no other.
func (t *trip) RoundTrip(req *http.Request) (*http.Response, error) {
	t.status = 0
	if !t.here(req.URL) {
		return nil, errElsewhere
	}
	req = req.Clone(req.Context())
	req.URL.Opaque = "" // the library sets it, and a proxy could not be used
	t.header(req.Header, t.token)
	req.Header.Set("User-Agent", "weir")
	if t.query != nil {
		q := req.URL.Query()
		t.query(q)
		req.URL.RawQuery = q.Encode()
	}
	resp, err := t.base.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	_ = resp.Body.Close()
	t.status, t.head, t.body = resp.StatusCode, resp.Header, body
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}

func (t *trip) here(u *url.URL) bool { return u.Scheme == t.at.Scheme && u.Host == t.at.Host }

// follow lets a repository that moved within its host be found. Other redirects
// would lose the body, or show the token to someone else.
func (t *trip) follow(req *http.Request, via []*http.Request) error {
	status := req.Response.StatusCode
	if !t.here(req.URL) || len(via) > 3 || status != http.StatusTemporaryRedirect && status != http.StatusPermanentRedirect {
		return http.ErrUseLastResponse
	}
	return nil
}

// kind says what can be done about a fault.
type kind int

const (
	passing kind = iota // the host cannot answer now
	refused             // a person must change something, and may do so at any time
	final               // this status is not taken, whatever happens
)

// fault is a try that did not succeed.
type fault struct {
	kind  kind
	ours  bool          // it is of this commit, not of the host
	after time.Duration // the host asks for, 0 where it does not
	err   error
}

// verdict says what became of the status: nil where the host has it.
func (t *trip) verdict(s Status, err error) *fault {
	switch {
	case t.status == 0:
		return &fault{kind: passing, err: t.clean(err)}
	case (t.status == http.StatusOK || t.status == http.StatusCreated) && isObject(t.body):
		return nil // the library may still have stumbled over the answer; the status is set
	case t.status == http.StatusBadRequest && s.State == Pending && bytes.Contains(t.body, []byte("Cannot transition status")):
		return nil // GitLab: it is running already
	}
	f := &fault{after: t.retryAfter(time.Now()), err: errors.New(t.says())}
	switch {
	case t.status < 300:
		f.err = fmt.Errorf("the answer is not that of a git host's API (status %d, %s)", t.status, t.contentType())
	case t.status < 400:
		f.kind, f.err = refused, fmt.Errorf("the host sends weir elsewhere (status %d); is the address right?", t.status)
	case t.limited():
	case t.status == http.StatusUnauthorized, t.status == http.StatusForbidden:
		f.kind = refused
	case t.status == http.StatusNotFound:
		f.kind, f.ours = refused, true // no such repository, no right to see it, or no such commit
	case t.status < 500 && !again(t.status):
		f.kind = final
	}
	return f
}

// limited reports whether an answer is about the number of requests. GitHub says
// so with 403 as well.
func (t *trip) limited() bool {
	return t.status == http.StatusTooManyRequests || t.status == http.StatusForbidden &&
		(t.head.Get("Retry-After") != "" || t.head.Get("X-RateLimit-Remaining") == "0")
}

// again are the answers below 500 that pass; GitLab's 409 is another request
// for the same commit.
func again(status int) bool {
	return status == http.StatusRequestTimeout || status == http.StatusConflict || status == http.StatusTooEarly
}

func isObject(body []byte) bool {
	var o map[string]json.RawMessage
	return json.Unmarshal(body, &o) == nil && o != nil
}

// retryAfter returns how long the host wants to be left alone. GitHub says so in
// a header of its own too.
func (t *trip) retryAfter(now time.Time) time.Duration {
	if t.head.Get("Retry-After") == "" && t.head.Get("X-RateLimit-Remaining") == "0" {
		if unix, err := strconv.ParseInt(t.head.Get("X-RateLimit-Reset"), 10, 64); err == nil {
			return delivery.AtMost(time.Unix(unix, 0).Sub(now))
		}
	}
	return delivery.RetryAfter(t.head, now)
}

func (t *trip) contentType() string {
	name, _, _ := strings.Cut(t.head.Get("Content-Type"), ";")
	return strconv.Quote(delivery.Redact(delivery.OneLine(name, 60), t.token))
}

// says quotes what the host says is wrong, where its answer is an object with a
// message or an error.
func (t *trip) says() string {
	var o struct {
		Message any `json:"message"`
		Error   any `json:"error"`
	}
	text := fmt.Sprintf("the host answers with status %d", t.status)
	if json.Unmarshal(t.body, &o) != nil {
		return text
	}
	for _, part := range []any{o.Message, o.Error} {
		if part != nil {
			return text + ": " + delivery.OneLine(delivery.Redact(fmt.Sprint(part), t.token), 200)
		}
	}
	return text
}

// clean returns an error's text without the token; it may quote an address. A
// deadline keeps its name.
func (t *trip) clean(err error) error {
	switch {
	case err == nil:
		return errors.New("no answer")
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("no answer within %s", timeout)
	case errors.Is(err, context.Canceled):
		return context.Canceled
	}
	if inner, ok := errors.AsType[*url.Error](err); ok {
		err = inner.Err
	}
	return errors.New(delivery.OneLine(delivery.Redact(err.Error(), t.token), 200))
}

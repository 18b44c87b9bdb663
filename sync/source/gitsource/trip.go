package gitsource

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"unicode"

	"weir/sync/secret"
	"weir/sync/source"
)

// trip is one operation at the remote: it carries the credentials, counts what
// arrives, and keeps the first thing that went wrong, which layers above wrap
// beyond recognition.
type trip struct {
	base   http.RoundTripper
	at     *url.URL
	header secret.Secret
	left   int64 // bytes that may still arrive
	limit  int64
	fault  *source.Error
}

// RoundTrip answers only for the origin that was configured. A redirect within
// it is followed by the client above; any other is refused before a byte is
// sent.
func (t *trip) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme != t.at.Scheme || req.URL.Host != t.at.Host {
		return nil, t.fail(source.CodeRedirect, errors.New("the remote sends weir to another host"))
	}
	req = req.Clone(req.Context())
	req.Header.Del("Authorization")
	if !t.header.Empty() {
		req.Header.Set("Authorization", t.header.Reveal())
	}
	resp, err := t.base.RoundTrip(req)
	if err != nil {
		return nil, t.fail(codeOf(req.Context(), err), err) //nolint:contextcheck // it is the request's
	}
	if err := t.refuse(req, resp); err != nil {
		_ = resp.Body.Close()
		return nil, err
	}
	resp.Body = &counted{resp.Body, req.Context(), t}
	return resp, nil
}

// refuse returns the fault of an answer that cannot be git's. Its body is not
// looked at: it may quote what was sent.
func (t *trip) refuse(req *http.Request, resp *http.Response) error {
	if resp.StatusCode >= 300 && resp.StatusCode < 400 && req.Method == http.MethodGet {
		return nil
	}
	if code, text := statusFault(resp.StatusCode); code != "" {
		return t.fail(code, fmt.Errorf("%s (status %d)", text, resp.StatusCode))
	}
	want := "application/x-git-upload-pack-advertisement"
	if req.Method == http.MethodPost {
		want = "application/x-git-upload-pack-result"
	}
	if got, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";"); got != want {
		return t.fail(source.CodeProtocol, fmt.Errorf("the answer is %q, want git's", got))
	}
	return nil
}

func (t *trip) fail(code string, err error) error {
	if t.fault == nil {
		t.fault = &source.Error{Code: code, Err: errors.New(t.clean(err.Error()))}
	}
	return t.fault
}

// longestText is what is kept of a text that a remote or a library wrote.
const longestText = 512

// clean makes a foreign text fit for a log: without the credentials, without
// control characters, short.
func (t *trip) clean(text string) string {
	if !t.header.Empty() {
		_, credentials, _ := strings.Cut(t.header.Reveal(), " ")
		text = strings.ReplaceAll(text, credentials, secret.Redacted)
	}
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	if len(text) > longestText {
		text = strings.ToValidUTF8(text[:longestText], "") + "…"
	}
	return text
}

// codeOf tells a remote that does not answer in time from one that is not
// there.
func codeOf(ctx context.Context, err error) string {
	var timeout net.Error
	if errors.Is(ctx.Err(), context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout() {
		return source.CodeTimeout
	}
	return source.CodeRemote
}

// counted is an answer's body within the trip's allowance.
type counted struct {
	io.ReadCloser
	ctx  context.Context
	trip *trip
}

// Read reads from the body and fails once more than the limit has arrived.
func (c *counted) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.trip.left -= int64(n)
	if c.trip.left < 0 {
		return 0, c.trip.fail(source.CodeFetchSize, fmt.Errorf("more than %d bytes", c.trip.limit))
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return n, c.trip.fail(codeOf(c.ctx, err), err)
	}
	return n, err
}

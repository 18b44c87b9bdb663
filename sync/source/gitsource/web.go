package gitsource

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/transport"
	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"

	"weir/sync/source"
)

// web is a link over http or https. It carries the credentials.
type web struct {
	*trip
	base    http.RoundTripper
	at      *url.URL
	session transport.UploadPackSession
}

var _ link = (*web)(nil)

// web prepares a link with the credentials as they are now.
func (r *remote) web() (*web, error) {
	header, err := r.auth.header()
	if err != nil {
		return nil, &source.Error{Code: source.CodeAuth, Err: err}
	}
	id, err := r.auth.identity()
	if err != nil {
		return nil, &source.Error{Code: source.CodeAuth, Err: err}
	}
	if r.base == nil || !r.id.equal(id) {
		base, err := id.transport()
		if err != nil {
			return nil, &source.Error{Code: source.CodeAuth, Err: err}
		}
		r.close()
		r.id, r.base = id, base
	}
	t := r.trip()
	t.header = header
	return &web{trip: t, base: r.base, at: r.at}, nil
}

func (w *web) advertised(ctx context.Context) (*packp.AdvRefs, error) {
	end, err := transport.NewEndpoint(w.at.String())
	if err != nil {
		return nil, err
	}
	w.session, err = githttp.NewClient(&http.Client{Transport: w}).NewUploadPackSession(end, nil)
	if err != nil {
		return nil, err
	}
	refs, err := w.session.AdvertisedReferencesContext(ctx)
	if w.trip.fault == nil && errors.Is(err, transport.ErrEmptyRemoteRepository) {
		return packp.NewAdvRefs(), nil
	}
	return refs, err
}

func (w *web) pack(ctx context.Context, req *packp.UploadPackRequest) (io.ReadCloser, error) {
	return w.session.UploadPack(ctx, req)
}

func (w *web) fault(_ context.Context, err error) error { return w.fail(source.CodeProtocol, err) }

func (w *web) close() {}

// RoundTrip answers only for the origin that was configured. A redirect within
// it is followed by the client above; any other is refused before a byte is
// sent.
func (w *web) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme != w.at.Scheme || req.URL.Host != w.at.Host {
		return nil, w.fail(source.CodeRedirect, errors.New("the remote sends weir to another host"))
	}
	ctx, cancel := context.WithCancel(req.Context())
	req = req.Clone(ctx)
	req.Header.Del("Authorization")
	if !w.header.Empty() {
		req.Header.Set("Authorization", w.header.Reveal())
	}
	resp, err := w.base.RoundTrip(req)
	if err != nil {
		cancel()
		return nil, w.fail(codeOf(req.Context(), err), err) //nolint:contextcheck // it is the request's
	}
	if err := w.refuse(req, resp); err != nil {
		_ = resp.Body.Close()
		cancel()
		return nil, err
	}
	limit := w.limit
	if req.Method == http.MethodGet {
		limit = mostAdvertised
	}
	resp.Body = &webBody{resp.Body, w.answer(resp.Body, limit, cancel), ctx, cancel, w.trip}
	return resp, nil
}

// refuse returns the fault of an answer that cannot be git's. Its body is not
// looked at: it may quote what was sent.
func (w *web) refuse(req *http.Request, resp *http.Response) error {
	if resp.StatusCode >= 300 && resp.StatusCode < 400 && req.Method == http.MethodGet {
		return nil
	}
	if code, text := statusFault(resp.StatusCode); code != "" {
		return w.fail(code, fmt.Errorf("%s (status %d)", text, resp.StatusCode))
	}
	want := "application/x-git-upload-pack-advertisement"
	if req.Method == http.MethodPost {
		want = "application/x-git-upload-pack-result"
	}
	if got, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";"); got != want {
		return w.fail(source.CodeProtocol, fmt.Errorf("the answer is %q, want git's", got))
	}
	return nil
}

// webBody is an answer's body within the trip's allowance.
type webBody struct {
	io.Closer
	answer *answer
	ctx    context.Context
	cancel func()
	trip   *trip
}

// Read reads from the body and fails once more than the limit has arrived, or
// too little.
func (b *webBody) Read(p []byte) (int, error) {
	n, err := b.answer.Read(p)
	if err := b.trip.count(n); err != nil {
		return 0, b.trip.fail(codeOf(b.ctx, err), err)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return n, b.trip.fail(codeOf(b.ctx, err), err)
	}
	return n, err
}

// Close ends the answer, read or not.
func (b *webBody) Close() error {
	b.answer.end()
	defer b.cancel()
	return b.Closer.Close()
}

// statusFault says what an answer other than 200 means, "" where it is none.
func statusFault(status int) (code, text string) {
	switch {
	case status == http.StatusOK:
		return "", ""
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return source.CodeAuth, "the remote refuses the credentials"
	case status == http.StatusNotFound:
		return source.CodeAuth, "the remote knows no such repository, or hides it from these credentials"
	case status >= 300 && status < 400:
		return source.CodeRedirect, "the remote sends weir elsewhere"
	}
	return source.CodeRemote, "the remote cannot answer"
}

package gitsource

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/sideband"
	"github.com/go-git/go-git/v5/plumbing/transport"
	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"

	"weir/sync/source"
)

// remote is the repository at the other end.
type remote struct {
	at      *url.URL
	auth    Auth
	timeout time.Duration
	limit   int64

	id   identity
	base *http.Transport // nil before the first try
}

func newRemote(at *url.URL, opt Options) *remote {
	return &remote{at: at, auth: opt.Auth, timeout: opt.Timeout, limit: opt.Limits.FetchBytes}
}

func (r *remote) close() {
	if r.base != nil {
		r.base.CloseIdleConnections()
	}
}

// trip prepares an operation with the credentials as they are now.
func (r *remote) trip() (*trip, error) {
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
	return &trip{base: r.base, at: r.at, header: header, left: r.limit, limit: r.limit}, nil
}

// visit is a session with the remote: what it advertises, and a fetch of it.
type visit struct {
	remote  *remote
	trip    *trip
	session transport.UploadPackSession
	refs    *packp.AdvRefs
}

// visit asks the remote for its references. An empty repository has none.
func (r *remote) visit(ctx context.Context) (*visit, error) {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	t, err := r.trip()
	if err != nil {
		return nil, err
	}
	end, err := transport.NewEndpoint(r.at.String())
	if err != nil {
		return nil, t.fail(source.CodeProtocol, err)
	}
	session, err := githttp.NewClient(&http.Client{Transport: t}).NewUploadPackSession(end, nil)
	if err != nil {
		return nil, t.fail(source.CodeProtocol, err)
	}
	refs, err := session.AdvertisedReferencesContext(ctx)
	if t.fault == nil && errors.Is(err, transport.ErrEmptyRemoteRepository) {
		refs, err = packp.NewAdvRefs(), nil
	}
	if err != nil {
		return nil, t.fail(source.CodeProtocol, err)
	}
	return &visit{r, t, session, refs}, nil
}

// fetch writes a pack with all that leads to the wanted objects, and is not in
// the history of those that we have, to w.
func (v *visit) fetch(ctx context.Context, wants, haves []plumbing.Hash, w io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, v.remote.timeout)
	defer cancel()
	req := packp.NewUploadPackRequestFromCapabilities(v.refs.Capabilities)
	req.Wants, req.Haves = wants, haves
	if v.refs.Capabilities.Supports(capability.NoProgress) {
		if err := req.Capabilities.Set(capability.NoProgress); err != nil {
			return v.trip.fail(source.CodeProtocol, err)
		}
	}
	resp, err := v.session.UploadPack(ctx, req)
	if err != nil {
		return v.trip.fail(source.CodeProtocol, err)
	}
	defer func() { _ = resp.Close() }()
	return v.spool(w, demux(req.Capabilities, resp))
}

// spool copies the pack. What fails in writing is the mirror's fault, all else
// the remote's.
func (v *visit) spool(w io.Writer, pack io.Reader) error {
	target := &written{w: w}
	_, err := io.Copy(target, pack)
	switch {
	case target.err != nil:
		return target.err
	case err != nil:
		return v.trip.fail(source.CodeProtocol, err)
	}
	return nil
}

// written remembers what went wrong in writing.
type written struct {
	w   io.Writer
	err error
}

// Write writes to the writer below.
func (w *written) Write(p []byte) (int, error) {
	n, err := w.w.Write(p)
	w.err = err
	return n, err
}

func demux(caps *capability.List, r io.Reader) io.Reader {
	switch {
	case caps.Supports(capability.Sideband64k):
		return sideband.NewDemuxer(sideband.Sideband64k, r)
	case caps.Supports(capability.Sideband):
		return sideband.NewDemuxer(sideband.Sideband, r)
	}
	return r
}

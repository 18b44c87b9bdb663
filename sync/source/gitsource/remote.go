package gitsource

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/sideband"

	"weir/sync/source"
)

// remote is the repository at the other end.
type remote struct {
	at      *url.URL
	auth    Auth
	timeout time.Duration
	limit   int64
	window  time.Duration
	rate    int64

	id   identity
	base *http.Transport // nil before the first try over http
}

func newRemote(at *url.URL, opt Options) *remote {
	return &remote{
		at: at, auth: opt.Auth, timeout: opt.Timeout, limit: opt.Limits.FetchBytes, window: opt.slowWindow, rate: opt.slowRate,
	}
}

func (r *remote) close() {
	if r.base != nil {
		r.base.CloseIdleConnections()
	}
}

func (r *remote) trip() *trip { return &trip{limit: r.limit, window: r.window, rate: r.rate} }

// link is what carries one visit to the remote. Its methods are called in this
// order, pack at most once.
type link interface {
	// advertised asks what the remote has; an empty repository has nothing.
	advertised(ctx context.Context) (*packp.AdvRefs, error)
	// pack asks for a pack, which ends with ctx.
	pack(ctx context.Context, req *packp.UploadPackRequest) (io.ReadCloser, error)
	// fault returns what went wrong, of which err may only be a consequence.
	fault(ctx context.Context, err error) error
	close()
}

// connect returns a link with the credentials as they are now.
func (r *remote) connect(ctx context.Context) (link, error) {
	switch r.at.Scheme {
	case "ssh":
		return r.ssh(ctx)
	case "git":
		return r.daemon(ctx)
	}
	return r.web()
}

// visit is a session with the remote: what it advertises, and one fetch of it.
type visit struct {
	timeout time.Duration
	link    link
	refs    *packp.AdvRefs
}

// visit asks the remote for its references. An empty repository has none. What
// is returned must be closed.
func (r *remote) visit(ctx context.Context) (*visit, error) {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	l, err := r.connect(ctx)
	if err != nil {
		return nil, err
	}
	refs, err := l.advertised(ctx)
	if err != nil {
		defer l.close()
		return nil, l.fault(ctx, err)
	}
	return &visit{r.timeout, l, refs}, nil
}

func (v *visit) close() { v.link.close() }

// fetch writes a pack with all that leads to the wanted objects, and is not in
// the history of those that we have, to w.
func (v *visit) fetch(ctx context.Context, wants, haves []plumbing.Hash, w io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, v.timeout)
	defer cancel()
	req := packp.NewUploadPackRequestFromCapabilities(v.refs.Capabilities)
	req.Wants, req.Haves = wants, haves
	if v.refs.Capabilities.Supports(capability.NoProgress) {
		if err := req.Capabilities.Set(capability.NoProgress); err != nil {
			return &source.Error{Code: source.CodeProtocol, Err: err}
		}
	}
	resp, err := v.link.pack(ctx, req)
	if err != nil {
		return v.link.fault(ctx, err)
	}
	defer func() { _ = resp.Close() }()
	return v.spool(ctx, w, demux(req.Capabilities, resp))
}

// spool copies the pack. What fails in writing is the mirror's fault, all else
// the remote's.
func (v *visit) spool(ctx context.Context, w io.Writer, pack io.Reader) error {
	target := &written{w: w}
	_, err := io.Copy(target, pack)
	switch {
	case target.err != nil:
		return target.err
	case err != nil:
		return v.link.fault(ctx, err)
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

package gitsource

import (
	"context"
	"net"

	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
)

const daemonPort = "9418"

// daemon returns a link to git's own daemon, which asks for no credentials.
func (r *remote) daemon(ctx context.Context) (link, error) {
	t := r.trip()
	l, err := t.dial(ctx, address(r.at, daemonPort))
	if err != nil {
		return nil, t.fail(codeOf(ctx, err), err)
	}
	s := &stream{trip: t, line: l, in: l, out: l.whole(l)}
	release := l.under(ctx)
	defer release()
	req := packp.GitProtoRequest{RequestCommand: "git-upload-pack", Pathname: r.at.Path, Host: hostHeader(r.at.Host)}
	if err := req.Encode(l); err != nil {
		defer s.close()
		return nil, s.fault(ctx, err)
	}
	return s, nil
}

// hostHeader names the host as git does, without the port that is usual.
func hostHeader(host string) string {
	if name, port, err := net.SplitHostPort(host); err == nil && port == daemonPort {
		return name
	}
	return host
}

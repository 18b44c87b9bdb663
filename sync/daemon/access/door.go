package access

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"weir/sync/daemon/gate"
)

// Door lets requests in as its rules say; others may be put in force at any time.
type Door struct {
	rules    atomic.Pointer[Rules]
	local    bool // only its own machine can reach it
	refusals gate.Seldom
}

// Set puts rules in force, for new connections and for the next request of each.
// What those before have let in and is still answered, a stream of events, is
// canceled: whoever reads it has to prove itself again.
func (d *Door) Set(r *Rules) {
	if before := d.rules.Swap(r); before != nil && before != r {
		before.end()
	}
}

// Listen returns l with the TLS that is in force when a connection comes. It comes
// before the first request.
func (d *Door) Listen(l net.Listener) net.Listener {
	tcp, ok := l.Addr().(*net.TCPAddr)
	d.local = ok && tcp.IP.IsLoopback()
	return listener{l, d}
}

type listener struct {
	net.Listener
	door *Door
}

// Accept returns the next connection. Its handshake is made by the server, with
// the server's deadlines.
func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if config := l.door.rules.Load().tls; config != nil {
		return tls.Server(c, config), nil
	}
	return c, nil
}

// Routes are paths with a rule of their own; one that ends in "/" is all below.
type Routes struct {
	Open   []string // asked by probes, which prove nothing: see IsStranger
	Signed []string // whose requests prove themselves in another way
}

// Refuse answers a request that is not let in.
type Refuse func(w http.ResponseWriter, r *http.Request, code int, why string)

// guarded is a handler behind a door.
type guarded struct {
	door   *Door
	next   http.Handler
	routes Routes
	refuse Refuse
}

// Guard returns next behind the door. Paths must be clean.
//
// Where only its own machine can reach the daemon and nothing has to be proved, a
// request must be for an address, for localhost or for one of the names that the
// rules have: a site whose name leads to this machine could have a browser here
// read what only its user may. A proxy that passes such a name on is told so.
func (d *Door) Guard(next http.Handler, routes Routes, refuse Refuse) http.Handler {
	return guarded{d, next, routes, refuse}
}

// ServeHTTP lets a request in, or refuses it.
func (g guarded) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r := g.door.rules.Load()
	for _, h := range r.headers {
		w.Header().Set(h[0], h[1])
	}
	open := matches(g.routes.Open, req.URL.Path)
	switch {
	case !r.connected(req.TLS):
		w.Header().Set("Connection", "close")
		g.refuse(w, req, http.StatusMisdirectedRequest, "the connection is older than the rules for it: connect again")
	case matches(g.routes.Signed, req.URL.Path):
		g.next.ServeHTTP(w, req)
	case g.door.local && !r.authenticates() && !r.named(req.Host):
		g.misled(w, req, r, open)
	case !r.authenticates() && open:
		g.next.ServeHTTP(w, req)
	case !open && r.limiter != nil && !r.limiter.Allow():
		g.busy(w, req, r, refusedLimited, "too many requests")
	case !r.authenticates():
		g.next.ServeHTTP(w, req)
	default:
		g.admit(w, req, r, open)
	}
}

// admit serves a request whose sender has proved who it is, and one that anybody
// may send.
func (g guarded) admit(w http.ResponseWriter, req *http.Request, r *Rules, open bool) {
	who, err := r.whoSent(req)
	switch {
	case who != "" || open:
		ctx, cancel := context.WithCancel(context.WithValue(req.Context(), callerKey{}, caller{who}))
		defer cancel()
		stop := context.AfterFunc(r.inForce, cancel) //nolint:contextcheck // it is that of the rules
		defer stop()
		g.next.ServeHTTP(w, req.WithContext(ctx))
	case err != nil:
		g.door.log(r, req, err.Error())
		g.busy(w, req, r, refusedBusy, err.Error())
	default:
		g.door.log(r, req, "no user, password or token that is known")
		g.challenge(w, req, r)
	}
}

// misled serves a request that is for another host what anybody may ask.
func (g guarded) misled(w http.ResponseWriter, req *http.Request, r *Rules, open bool) {
	if open {
		g.next.ServeHTTP(w, req.WithContext(context.WithValue(req.Context(), callerKey{}, caller{})))
		return
	}
	r.metrics.count(refusedHost)
	g.door.log(r, req, "it is for another host than this, "+strconv.Quote(req.Host))
	g.refuse(w, req, http.StatusMisdirectedRequest,
		"this is no name of the daemon: ask for localhost, or say the name as externalURL in its config")
}

// named reports whether a request for host, with or without a port, is one for
// the daemon. What is no browser may say none.
func (r *Rules) named(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return host == "" || net.ParseIP(strings.Trim(host, "[]")) != nil ||
		host == "localhost" || strings.HasSuffix(host, ".localhost") ||
		slices.ContainsFunc(r.names, func(name string) bool { return strings.EqualFold(name, host) })
}

// busy refuses a request that may come again in a moment.
func (g guarded) busy(w http.ResponseWriter, req *http.Request, r *Rules, reason refused, why string) {
	r.metrics.count(reason)
	w.Header().Set("Retry-After", "1")
	g.refuse(w, req, http.StatusTooManyRequests, why)
}

// connected reports whether a connection is as the rules want it: one that is
// older than they are may not be.
func (r *Rules) connected(state *tls.ConnectionState) bool {
	switch {
	case r.tls == nil:
		return true
	case state == nil:
		return false
	}
	return !r.certs || len(state.VerifiedChains) > 0
}

// whoSent names whoever sent a request, "" where that is not proved. Where users
// or tokens are there a client certificate is asked for beside them, as
// Prometheus does, and proves nothing alone.
func (r *Rules) whoSent(req *http.Request) (string, error) {
	if r.users == nil && r.tokens == nil {
		if r.certs {
			return "certificate " + req.TLS.PeerCertificates[0].Subject.String(), nil
		}
		return "", nil
	}
	if name, password, ok := req.BasicAuth(); ok && r.users != nil {
		right, err := r.users.check(name, password, req.RemoteAddr)
		if right {
			return "user " + name, nil
		}
		return "", err
	}
	if token, ok := bearer(req); ok && r.tokens != nil {
		if name := r.tokens.check(token); name != "" {
			return "token " + name, nil
		}
	}
	return "", nil
}

// bearer returns the token of a request.
func bearer(req *http.Request) (string, bool) {
	scheme, token, ok := strings.Cut(req.Header.Get("Authorization"), " ")
	return strings.TrimSpace(token), ok && strings.EqualFold(scheme, "Bearer")
}

// challenge says how to prove something; a browser then asks for a password.
func (g guarded) challenge(w http.ResponseWriter, req *http.Request, r *Rules) {
	if r.users != nil {
		w.Header().Add("WWW-Authenticate", `Basic realm="weir", charset="UTF-8"`)
	}
	if r.tokens != nil {
		w.Header().Add("WWW-Authenticate", `Bearer realm="weir"`)
	}
	reason := refusedMissing
	if req.Header.Get("Authorization") != "" {
		reason = refusedWrong
	}
	r.metrics.count(reason)
	g.refuse(w, req, http.StatusUnauthorized, "a user and password, or a token, is wanted that is known here")
}

// log tells of what is refused, at most once a minute.
func (d *Door) log(r *Rules, req *http.Request, why string) {
	if before, due := d.refusals.Due(); due {
		r.log.WarnContext(req.Context(), "request refused", "why", why,
			"path", req.URL.Path, "remote", req.RemoteAddr, "unlogged", before)
	}
}

func matches(paths []string, path string) bool {
	for _, p := range paths {
		if p == path || strings.HasSuffix(p, "/") && strings.HasPrefix(path, p) {
			return true
		}
	}
	return false
}

package gitsource

import (
	"context"
	"errors"
	"net"
	"net/url"
	"os"
	"strings"

	"golang.org/x/net/proxy"
)

// address returns the URL's host and port for dialling, as known_hosts has it.
func address(at *url.URL, port string) string {
	if p := at.Port(); p != "" {
		port = p
	}
	return net.JoinHostPort(strings.ToLower(at.Hostname()), port)
}

// dial connects, through the environment's proxy if there is one.
func (t *trip) dial(ctx context.Context, addr string) (*line, error) {
	d, err := dialer()
	if err != nil {
		return nil, err
	}
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return &line{Conn: conn, trip: t}, nil
}

var errProxy = errors.New("ALL_PROXY is not a socks5:// address: name a SOCKS5 proxy, or the host in NO_PROXY")

// dialer returns what connects by the environment as it is now. A proxy that
// cannot be used is an error: a connection around it could be one that must
// not be.
func dialer() (proxy.ContextDialer, error) {
	direct := &net.Dialer{}
	name := environment("ALL_PROXY", "all_proxy")
	if name == "" {
		return direct, nil
	}
	var through proxy.Dialer = refuser{}
	if at, err := url.Parse(name); err == nil && (at.Scheme == "socks5" || at.Scheme == "socks5h") {
		if through, err = proxy.FromURL(at, direct); err != nil {
			return nil, errProxy
		}
	}
	hosts := proxy.NewPerHost(through, direct)
	for entry := range strings.SplitSeq(environment("NO_PROXY", "no_proxy"), ",") {
		entry = strings.TrimPrefix(strings.TrimSpace(entry), "*.")
		if entry == "*" {
			return direct, nil
		}
		hosts.AddFromString(entry)
		if entry != "" && net.ParseIP(entry) == nil && !strings.Contains(entry, "/") {
			hosts.AddZone(entry) // as for http: a name stands for all below it, too
		}
	}
	return hosts, nil
}

func environment(names ...string) string {
	for _, name := range names {
		if v := os.Getenv(name); v != "" {
			return v
		}
	}
	return ""
}

// refuser stands for a proxy that cannot be used.
type refuser struct{}

// Dial refuses.
func (refuser) Dial(string, string) (net.Conn, error) { return nil, errProxy }

// DialContext refuses.
func (refuser) DialContext(context.Context, string, string) (net.Conn, error) { return nil, errProxy }

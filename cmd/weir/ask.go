package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"weir/sync/config"
	"weir/sync/daemon/access"
	"weir/sync/delivery"
)

// maxComplaint is how much is read of an answer that is not the wanted one.
const maxComplaint = 4 << 10

// errUnproved says that the daemon answers, but not to whom it does not know.
var errUnproved = errors.New("HTTP 401 Unauthorized")

// askedDaemon is a daemon that commands ask.
type askedDaemon struct {
	name   string // how messages call it
	base   string // URL without a path at the end
	sender *http.Client
	client config.Client
	err    error // why it cannot be asked
}

// daemonOf returns the daemon of a configuration. What is wrong with how to
// reach it is told when it is asked.
func daemonOf(cfg *config.Config) *askedDaemon {
	c, name := cfg.Web.Client, askedAs(cfg)
	if c.URL != "" {
		return newAsked(name, c.URL, c)
	}
	secure, err := access.ServesTLS(cfg.Web.ConfigFile)
	if err != nil {
		return &askedDaemon{name: name, err: fmt.Errorf("%w; web.client.url says where the daemon is without that file", err)}
	}
	scheme := "http://"
	if secure {
		scheme = "https://"
	}
	return newAsked(name, scheme+reachable(cfg.Listen), c)
}

// askedAs is how messages call the daemon of a configuration.
func askedAs(cfg *config.Config) string { return cmp.Or(cfg.Web.Client.URL, cfg.Listen) }

// daemonAt returns the daemon on host:port or at a URL.
func daemonAt(address string, c config.Client) *askedDaemon {
	if strings.Contains(address, "://") {
		return newAsked(address, address, c)
	}
	return newAsked(address, "http://"+reachable(address), c)
}

func newAsked(name, base string, c config.Client) *askedDaemon {
	if u, err := url.Parse(base); err == nil && u.User != nil {
		name = u.Redacted()
	}
	d := &askedDaemon{name: name, base: strings.TrimSuffix(base, "/"), client: c}
	d.sender, d.err = newSender(c)
	if d.err == nil {
		d.err = keepsSecrets(base, c)
	}
	return d
}

// reachable is where a daemon that listens everywhere is found on its machine.
func reachable(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return listen
	}
	switch ip := net.ParseIP(host); {
	case host == "" || ip.Equal(net.IPv4zero):
		host = "127.0.0.1"
	case ip.Equal(net.IPv6unspecified):
		host = "::1"
	}
	return net.JoinHostPort(host, port)
}

// newSender returns what sends requests: to where they are addressed, and no
// further.
func newSender(c config.Client) (*http.Client, error) {
	transport, err := delivery.Transport(c.CAFile)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.CAFile, err)
	}
	transport.TLSClientConfig.ServerName = c.ServerName
	if c.CertFile != "" || c.KeyFile != "" {
		pair, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("client certificate: %w", err)
		}
		transport.TLSClientConfig.Certificates = []tls.Certificate{pair}
	}
	return delivery.Client(transport, 0), nil
}

// keepsSecrets refuses to send a password or token where others can read it.
func keepsSecrets(base string, c config.Client) error {
	u, err := url.Parse(base)
	if err != nil {
		return err
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("%q: want host:port, http://host:port or https://host:port", base)
	}
	if u.User != nil { // it would be sent, and stand in every message
		return errors.New("a password does not belong in the daemon's address: " +
			"web.client in the config, or --user and --password-file")
	}
	ip := net.ParseIP(u.Hostname())
	here := u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
	if u.Scheme == "http" && !here && c.Proves() {
		return fmt.Errorf("a password or token is not sent to %s without TLS: write https://", u.Host)
	}
	return nil
}

// ask asks the daemon, and returns the body of its answer where that has the
// status that is wanted.
func (d *askedDaemon) ask(ctx context.Context, method, path string, want int) (io.ReadCloser, error) {
	if d.err != nil {
		return nil, d.err
	}
	req, err := http.NewRequestWithContext(ctx, method, d.base+path, http.NoBody)
	if err != nil {
		return nil, err
	}
	if err := d.prove(req); err != nil {
		return nil, err
	}
	resp, err := d.sender.Do(req)
	if err != nil {
		return nil, advised(err)
	}
	if resp.StatusCode == want {
		return resp.Body, nil
	}
	defer resp.Body.Close()
	said, _ := io.ReadAll(io.LimitReader(resp.Body, maxComplaint))
	return nil, d.complaint(resp, string(said))
}

// prove adds to a request what says who asks.
func (d *askedDaemon) prove(req *http.Request) error {
	token, err := d.client.Token.Read()
	if err != nil {
		return fmt.Errorf("token: %w", err)
	}
	if !token.Empty() {
		req.Header.Set("Authorization", "Bearer "+token.Reveal())
	}
	if d.client.User == "" {
		return nil
	}
	password, err := d.client.Password.Read()
	if err != nil {
		return fmt.Errorf("password: %w", err)
	}
	req.SetBasicAuth(d.client.User, password.Reveal())
	return nil
}

// complaint says what an answer with another status means for whoever asked.
func (d *askedDaemon) complaint(resp *http.Response, said string) error {
	switch {
	case resp.StatusCode == http.StatusUnauthorized && d.client.Proves():
		return fmt.Errorf("%w: it does not know the user and password, or the token, that were sent", errUnproved)
	case resp.StatusCode == http.StatusUnauthorized:
		return fmt.Errorf("%w: it wants to know who asks: web.client in the config, --token-file, or --user and --password-file",
			errUnproved)
	case resp.StatusCode == http.StatusBadRequest && strings.Contains(said, "HTTP request to an HTTPS server"):
		return errors.New("it speaks TLS: its address begins with https://")
	}
	refused := &refusal{status: resp.StatusCode, line: resp.Status}
	_ = json.Unmarshal([]byte(said), refused) // of what is not the API's nothing more is told
	return refused
}

// refusal is an answer with another status than the wanted one, and what it says.
type refusal struct {
	status int
	line   string
	Detail string   `json:"detail"`
	Near   []string `json:"near"`
}

// Error returns the status, and why where the daemon says so.
func (r *refusal) Error() string {
	if r.Detail == "" {
		return "HTTP " + r.line
	}
	return "HTTP " + r.line + ": " + legible(r.Detail)
}

// The TLS alerts of a server that wants another client certificate.
const (
	alertBadCertificate      = 42
	alertCertificateRequired = 116
)

// advised adds to an error of the connection what to write.
func advised(err error) error {
	var unknown x509.UnknownAuthorityError
	var otherName x509.HostnameError
	var alert tls.AlertError
	var advice string
	switch {
	case errors.As(err, &unknown):
		advice = "name the authority that signed its certificate: web.client.caFile, or --ca-file"
	case errors.As(err, &otherName):
		advice = "ask it by a name of its certificate, or say which it has: web.client.serverName, or --server-name"
	case errors.Is(err, http.ErrSchemeMismatch):
		advice = "it speaks no TLS: its address begins with http://"
	case errors.As(err, &alert) && (alert == alertCertificateRequired || alert == alertBadCertificate):
		advice = "it wants a client certificate that it knows: web.client.certFile and keyFile, or --cert-file and --key-file"
	default:
		return err
	}
	return fmt.Errorf("%w; %s", err, advice)
}

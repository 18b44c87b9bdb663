// Package wire is the HTTP half of a cloud's client: it sends one signed
// request, once, and tells apart what never left this process from what may
// have had an effect. It knows no cloud: signing, operations and error codes
// are the providers'.
//
// Every call has a total deadline and a body limit. Redirects are never
// followed, cookies never kept, and nothing is sent anywhere but to the
// configured endpoint.
package wire

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"weir/sync/call"
	"weir/sync/secret"
)

// The limits of a call where Options name none.
const (
	DefaultDeadline  = call.LongestCall
	DefaultBodyLimit = 4 << 20
)

// KeySource returns the account's access key. It is asked for each call, so a
// rotated key is used at once.
type KeySource func() (secret.Key, error)

// Options say where a Client leads and what it may spend.
type Options struct {
	// Endpoint is the address of the cloud. Plain http is for emulators: it is
	// used only where the endpoint itself says http.
	Endpoint *url.URL
	Keys     KeySource
	// Transport makes the exchange; nil for one of NewTransport.
	Transport http.RoundTripper
	Deadline  time.Duration // for the whole call, 0 for DefaultDeadline
	BodyLimit int64         // bytes of an answer once inflated, 0 for DefaultBodyLimit
	Nonce     func() string // nil for 128 random bits in hex
}

// Client sends requests to one endpoint. It may be used by several goroutines.
type Client struct {
	opt        Options
	skew       atomic.Int64 // nanoseconds the cloud's clock is ahead, as last seen
	correction atomic.Int64 // nanoseconds added to our clock when signing
}

// New checks opt by field name and returns a Client.
func New(opt Options) (*Client, error) {
	if err := checkEndpoint(opt.Endpoint); err != nil {
		return nil, fmt.Errorf("endpoint: %w", err)
	}
	if opt.Keys == nil {
		return nil, fmt.Errorf("keys: there is no source of access keys")
	}
	if opt.Deadline < 0 || opt.BodyLimit < 0 {
		return nil, fmt.Errorf("deadline, bodyLimit: must not be negative")
	}
	if opt.Deadline == 0 {
		opt.Deadline = DefaultDeadline
	}
	if opt.BodyLimit == 0 {
		opt.BodyLimit = DefaultBodyLimit
	}
	if opt.Transport == nil {
		opt.Transport = NewTransport()
	}
	if opt.Nonce == nil {
		opt.Nonce = randomNonce
	}
	return &Client{opt: opt}, nil
}

// checkEndpoint accepts scheme://host[:port][/]: userinfo would be sent as a
// credential, and both clouds sign the path "/".
func checkEndpoint(u *url.URL) error {
	switch {
	case u == nil:
		return fmt.Errorf("there is none")
	case u.Scheme != "https" && u.Scheme != "http":
		return fmt.Errorf("scheme must be https, or http for an emulator")
	case u.Host == "" || u.User != nil:
		return fmt.Errorf("want https://host[:port] without user and password")
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		return fmt.Errorf("want https://host[:port] without path, query and fragment")
	}
	return nil
}

// Stamp is what a signature is made of; each attempt has its own.
type Stamp struct {
	Now   time.Time // UTC, by the cloud's clock where ours was found to be off
	Nonce string
	Key   secret.Key
}

// Build makes a signed request.
type Build func(Stamp) (*http.Request, error)

// Do sends the request that build makes, once, and returns the answer whatever
// its status. Otherwise the error's code says what is known: Canceled and
// Unavailable where nothing was sent, Unknown where the request was written
// and no whole answer came back, Unauthentic where no key could be read.
func (c *Client) Do(ctx context.Context, operation string, build Build) (*Answer, *call.Error) {
	if err := ctx.Err(); err != nil {
		return nil, canceled(operation, err)
	}
	key, err := c.opt.Keys()
	if err != nil {
		return nil, &call.Error{Code: call.Unauthentic, Operation: operation, Message: Clean(err.Error(), key), Err: err}
	}
	req, err := c.request(key, build)
	if err != nil {
		return nil, &call.Error{Code: call.Internal, Operation: operation, Message: Clean(err.Error(), key), Err: err}
	}
	limited, cancel := context.WithTimeout(ctx, c.opt.Deadline)
	defer cancel()
	return c.exchange(ctx, operation, req.WithContext(limited), key)
}

func (c *Client) request(key secret.Key, build Build) (*http.Request, error) {
	now := time.Now().Add(time.Duration(c.correction.Load())).UTC()
	req, err := build(Stamp{Now: now, Nonce: c.opt.Nonce(), Key: key})
	if err != nil {
		return nil, fmt.Errorf("build request: %w", err)
	}
	if req.URL.Scheme != c.opt.Endpoint.Scheme || req.URL.Host != c.opt.Endpoint.Host {
		return nil, fmt.Errorf("build request: %s://%s is not the endpoint", req.URL.Scheme, req.URL.Host)
	}
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", "weir")
	}
	return unrepeatable(req), nil
}

// unrepeatable keeps net/http from sending req a second time by itself when a
// kept connection breaks: such a copy would spend quota nobody counted and
// carry a nonce that was used. It never does so for a POST, and for other
// methods not while there is a body that cannot be had again. A request of
// which no byte was written is still moved to a new connection.
func unrepeatable(req *http.Request) *http.Request {
	if req.Method == http.MethodPost {
		return req
	}
	req.GetBody = nil
	if req.Body == nil || req.Body == http.NoBody {
		req.Body = io.NopCloser(strings.NewReader(""))
	}
	return req
}

// exchange sends req, whose context carries the deadline; ctx is the caller's.
func (c *Client) exchange(
	ctx context.Context, operation string, req *http.Request, key secret.Key,
) (*Answer, *call.Error) {
	tr := newTrace()
	resp, err := c.opt.Transport.RoundTrip(req.WithContext(tr.attach(req.Context())))
	if err != nil {
		return nil, tr.failure(ctx, operation, err, c.explain(req.Context(), err, key))
	}
	tr.headers()
	defer resp.Body.Close()
	c.watchClock(resp.Header)
	body, err := io.ReadAll(io.LimitReader(resp.Body, c.opt.BodyLimit+1))
	if err == nil && int64(len(body)) > c.opt.BodyLimit {
		err = fmt.Errorf("answer is longer than %d bytes", c.opt.BodyLimit)
	}
	if err != nil {
		e := unknown(ctx, operation, "answer not read: "+c.explain(req.Context(), err, key))
		e.Status, e.RTT = resp.StatusCode, tr.rtt()
		return nil, e
	}
	return &Answer{Status: resp.StatusCode, Header: resp.Header, Body: body, RTT: tr.rtt(), key: key}, nil
}

// explain returns the text of a transport's error, without secrets; one that
// only says "deadline exceeded" is told with its length.
func (c *Client) explain(ctx context.Context, err error, key secret.Key) string {
	if ctx.Err() == context.DeadlineExceeded {
		return fmt.Sprintf("no whole answer within %s", c.opt.Deadline)
	}
	return Clean(err.Error(), key)
}

// Close closes connections that are kept for later calls.
func (c *Client) Close() {
	if t, ok := c.opt.Transport.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}

func randomNonce() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // documented never to fail
	return hex.EncodeToString(b[:])
}

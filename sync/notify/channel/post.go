package channel

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"weir/sync/delivery"
	"weir/sync/secret"
)

// The bounds of one request.
const (
	timeout   = 15 * time.Second
	maxAnswer = 16 << 10
	maxQuoted = 200 // characters of an answer in an error
)

// Address is where a receiver is: an address that everybody may see, or a secret
// one, as those of robots are.
type Address struct {
	URL    string
	Secret secret.Ref // read anew at each try
}

// read returns the address, and what of it must not be told.
func (a Address) read() (*url.URL, []secret.Secret, error) {
	if a.URL != "" {
		u, err := parseAddress(a.URL)
		return u, nil, err
	}
	s, err := a.Secret.Read()
	if err != nil {
		return nil, nil, err
	}
	if s.Empty() {
		return nil, nil, errors.New("no address is configured")
	}
	u, err := parseAddress(s.Reveal())
	if err != nil {
		return nil, nil, err
	}
	return u, append([]secret.Secret{s}, pieces(u)...), nil
}

// leastPiece is how many characters a piece of an address has that may be a key.
const leastPiece = 8

// pieces are what servers quote of an address: its path, and what may be a key in it.
func pieces(u *url.URL) []secret.Secret {
	texts := append([]string{u.Path}, strings.Split(u.Path, "/")...)
	return append(keys(u.Query()), long(texts)...)
}

// keys are what may be a key, or a signature, in the parameters of an address.
func keys(query url.Values) []secret.Secret {
	var out []secret.Secret
	for _, values := range query {
		out = append(out, long(values)...)
	}
	return out
}

func long(texts []string) []secret.Secret {
	var out []secret.Secret
	for _, text := range texts {
		if len(text) >= leastPiece {
			out = append(out, secret.New(text))
		}
	}
	return out
}

// parseAddress reads where messages go. Its text is not quoted in errors, as it may
// hold what others must not know.
func parseAddress(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil, u.Hostname() == "", u.User != nil:
		return nil, errors.New("address: want one with a host and without a user")
	case u.Scheme == "https", u.Scheme == "http" && loopback(u.Hostname()):
		return u, nil
	}
	return nil, errors.New("address: want https, or http to this machine")
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// poster sends by HTTP.
type poster struct {
	address Address
	client  *http.Client
}

// newPoster checks the address where it can be seen. A transport is for tests, nil
// for the network.
func newPoster(a Address, caFile string, transport http.RoundTripper) (poster, error) {
	if a.URL != "" {
		if _, err := parseAddress(a.URL); err != nil {
			return poster{}, err
		}
	} else if a.Secret == (secret.Ref{}) {
		return poster{}, errors.New("address is missing")
	}
	if transport == nil {
		t, err := delivery.Transport(caFile)
		if err != nil {
			return poster{}, err
		}
		transport = t
	}
	return poster{a, delivery.Client(transport, timeout)}, nil
}

// Close ends connections that are kept open.
func (p poster) Close() { p.client.CloseIdleConnections() }

// request is what is sent: a body, its headers, and how the address is completed.
type request struct {
	body  []byte
	head  map[string]string
	query url.Values // added to the address
	path  string     // below it
	hide  []secret.Secret
}

// answer is what a receiver said with a status of success.
type answer struct {
	body []byte
	hide []secret.Secret
}

// post makes one try.
func (p poster) post(ctx context.Context, r request) (answer, error) {
	u, hidden, err := p.address.read()
	if err != nil {
		return answer{}, err
	}
	a := answer{hide: slices.Concat(r.hide, hidden, keys(r.query))}
	req, err := r.build(ctx, u)
	if err != nil {
		return a, &Fault{Final: true, Err: errors.New("the address cannot be called")}
	}
	resp, err := p.client.Do(req)
	if err != nil {
		if inner, ok := errors.AsType[*url.Error](err); ok {
			err = inner.Err // without the address
		}
		if errors.Is(err, context.Canceled) {
			return a, err
		}
		return a, errors.New(a.quote(err.Error()))
	}
	defer resp.Body.Close()
	a.body, _ = io.ReadAll(io.LimitReader(resp.Body, maxAnswer)) // what can be read of it
	return a, a.statusFault(resp)
}

func (r request) build(ctx context.Context, u *url.URL) (*http.Request, error) {
	at := *u
	if r.path != "" {
		at = *u.JoinPath(r.path)
	}
	query := at.Query()
	maps.Copy(query, r.query)
	at.RawQuery = query.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, at.String(), bytes.NewReader(r.body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	req.Header.Set("User-Agent", "weir")
	for name, value := range r.head {
		req.Header.Set(name, value)
	}
	return req, nil
}

// quote makes one line of what others say, without what is secret.
func (a answer) quote(text string) string {
	for _, s := range a.hide {
		text = delivery.Redact(text, s)
	}
	return delivery.OneLine(text, maxQuoted)
}

// statusFault says what a status means: nil where the receiver has the message.
func (a answer) statusFault(resp *http.Response) error {
	s := resp.StatusCode
	if s >= 200 && s < 300 {
		return nil
	}
	err := fmt.Errorf("the receiver answers with status %d", s)
	if text := a.quote(string(a.body)); text != "" {
		err = fmt.Errorf("%w: %s", err, text)
	}
	f := &Fault{After: delivery.RetryAfter(resp.Header, time.Now()), Err: err}
	switch {
	case s == http.StatusUnauthorized, s == http.StatusForbidden, s == http.StatusNotFound, // which a person may mend
		s == http.StatusRequestTimeout, s == http.StatusTooEarly, s == http.StatusTooManyRequests, s >= 500:
	default:
		f.Final = true
	}
	return f
}

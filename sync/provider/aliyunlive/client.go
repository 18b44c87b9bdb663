package aliyunlive

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"weir/sync/call"
	"weir/sync/provider/wire"
	"weir/sync/secret"
)

// apiVersion is the version of Live's API.
const apiVersion = "2016-11-01"

// timestampLayout is the API's form of a time, in UTC.
const timestampLayout = "2006-01-02T15:04:05Z"

// ClientOptions says which account a client speaks for. Keys is required.
type ClientOptions struct {
	Account  string                     // name in weir's config, for messages
	Endpoint string                     // "" for the one of Region
	Region   string                     // "" for the global endpoint
	Keys     func() (secret.Key, error) // asked before every call, so that a rotated key is seen
	// Transport replaces the usual one, for the emulator in process; may be nil.
	Transport http.RoundTripper
}

// client is the raw caller: one HTTP attempt per Call.
type client struct {
	endpoint *url.URL
	wire     *wire.Client
}

var _ call.Caller = (*client)(nil)

// NewClient returns the caller for one account. Each Call is one signed HTTP
// request; retries, quotas and the journal are wrappers' work.
func NewClient(o ClientOptions) (call.Caller, error) {
	if o.Endpoint == "" {
		o.Endpoint = defaultEndpoint(o.Region)
	}
	endpoint, err := url.Parse(o.Endpoint)
	if err != nil {
		return nil, fmt.Errorf("account %s: endpoint: %w", o.Account, err)
	}
	w, err := wire.New(wire.Options{Endpoint: endpoint, Keys: o.Keys, Transport: o.Transport})
	if err != nil {
		return nil, fmt.Errorf("account %s: %w", o.Account, err)
	}
	return &client{endpoint: endpoint, wire: w}, nil
}

// Skew returns by how much the cloud's clock was ahead at the last answer.
func (c *client) Skew() time.Duration { return c.wire.Skew() }

// defaultEndpoint returns the address that the product's metadata names for a
// region. The vendor's SDKs use the global one everywhere, so the sources
// disagree about the two exceptions; the config may name either.
func defaultEndpoint(region string) string {
	switch region {
	case "ap-southeast-1", "eu-central-1":
		return "https://live." + region + ".aliyuncs.com"
	}
	return "https://live.aliyuncs.com"
}

// Call sends req once.
func (c *client) Call(ctx context.Context, req *call.Request) (*call.Response, error) {
	params, err := stringParams(req.Params)
	if err != nil {
		return nil, &call.Error{Code: call.Internal, Operation: req.Operation, Message: err.Error(), Err: err}
	}
	answer, failure := c.wire.Do(ctx, req.Operation, func(s wire.Stamp) (*http.Request, error) {
		return c.build(req.Operation, params, s)
	})
	if failure != nil {
		return nil, failure
	}
	resp, failure := judgeAnswer(req.Operation, answer)
	if failure == nil {
		return resp, nil
	}
	switch {
	case failure.Code == call.Clock:
		c.wire.CorrectClock() // the next attempt is signed with the cloud's time
	case stopsNothing(params, failure):
		failure.Code = call.AlreadyDone
	case brokeInside(req, failure):
		failure.Code = call.Unknown
	}
	return nil, failure
}

// brokeInside reports whether a call that must not happen twice failed inside
// the cloud, which does not say whether before its effect or after it.
func brokeInside(req *call.Request, e *call.Error) bool {
	return req.Write && !req.Repeatable && e.Code == call.Unavailable && e.CloudCode == "InternalError"
}

// stopsNothing reports whether a recording was to be stopped or finished that
// does not run. The order of the commands is documented, the code for breaking
// it is not; of those listed only MalformedParam fits, as the names in the call
// were checked against their patterns long before. Read the other way, as a
// wrong name, the code would come on start as well, where it stays an error.
func stopsNothing(params map[string]string, e *call.Error) bool {
	command := params["Command"]
	return e.Operation == opRecord && e.CloudCode == "MalformedParam" &&
		(command == commandStop || command == commandCancelDelay)
}

// stringParams checks that every value is a string: Live has no others.
func stringParams(params map[string]any) (map[string]string, error) {
	out := make(map[string]string, len(params))
	for name, value := range params {
		text, ok := value.(string)
		if !ok {
			return nil, fmt.Errorf("parameter %s is a %T, not a string", name, value)
		}
		out[name] = text
	}
	return out, nil
}

// build makes the signed request. All operations are sent as GET with their
// parameters in the query: every one allows it, and the dual-stream family
// allows nothing else.
func (c *client) build(operation string, params map[string]string, s wire.Stamp) (*http.Request, error) {
	u := url.URL{Scheme: c.endpoint.Scheme, Host: c.endpoint.Host, Path: "/", RawQuery: canonicalQuery(params)}
	req, err := http.NewRequest(http.MethodGet, u.String(), http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	req.Header.Set("Accept", "application/json") // without it errors are XML
	stamp(req, operation, s.Now, s.Nonce)
	sign(req, s.Key)
	return req, nil
}

// stamp sets what makes a signature valid for one operation at one time, once.
func stamp(req *http.Request, operation string, now time.Time, nonce string) {
	req.Header.Set("x-acs-action", operation)
	req.Header.Set("x-acs-version", apiVersion)
	req.Header.Set("x-acs-date", now.UTC().Format(timestampLayout))
	req.Header.Set("x-acs-signature-nonce", nonce)
}

// envelope is what every answer has.
type envelope struct {
	RequestID string `json:"RequestId"`
	Code      string `json:"Code"`
	Message   string `json:"Message"`
}

// judgeAnswer accepts an answer only where it has status 200, a RequestId and
// no Code: an error may come with any status.
func judgeAnswer(operation string, a *wire.Answer) (*call.Response, *call.Error) {
	var body envelope
	if err := a.Decode(&body); err != nil {
		return nil, a.Foreign(operation, err)
	}
	if body.Code != "" {
		return nil, refusal(operation, a, body)
	}
	if a.Status != http.StatusOK || strings.TrimSpace(body.RequestID) == "" {
		return nil, a.Foreign(operation, fmt.Errorf("it has neither a Code nor what makes a success"))
	}
	return &call.Response{RequestID: clean(body.RequestID), Status: a.Status, Body: a.Body, RTT: a.RTT}, nil
}

func refusal(operation string, a *wire.Answer, body envelope) *call.Error {
	e := a.Error(operation, classify(body.Code, a.Status), body.Code, body.Message)
	e.RequestID = clean(body.RequestID)
	if e.Code == call.Throttled {
		e.After = max(e.After, retryAfter(a.Header))
	}
	return e
}

// clean makes a RequestId fit for logs; it has no room for a secret.
func clean(id string) string { return wire.Clean(id, secret.Key{}) }

package volcenginelive

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"weir/sync/call"
	"weir/sync/provider/wire"
	"weir/sync/secret"
)

// The endpoint and region where the options name none. BytePlus is
// https://open.byteplusapi.com; its documents show ap-singapore-1, its SDK
// signs with cn-north-1.
const (
	DefaultEndpoint = "https://live.volcengineapi.com"
	DefaultRegion   = "cn-north-1"
)

// version is the version of Live's API.
const version = "2023-01-01"

// ClientOptions says which account a client speaks for. Keys is required.
type ClientOptions struct {
	Account  string                     // name in weir's config; "" lets requests of any account through
	Endpoint string                     // "" for DefaultEndpoint
	Region   string                     // "" for DefaultRegion
	Keys     func() (secret.Key, error) // asked before every call, so that a rotated key is seen
	// Transport replaces the usual one, for the emulator in process; may be nil.
	Transport http.RoundTripper
}

// Client is the raw caller of one account: one HTTP attempt per Call.
type Client struct {
	opt      ClientOptions
	endpoint *url.URL
	wire     *wire.Client
}

var _ call.Caller = (*Client)(nil)

// bodyLimit is for the one answer that holds all apps of a vhost, which has no
// pages: 100,000 apps of four servers each are about 45 MB.
const bodyLimit = 128 << 20

// NewClient returns the caller for one account. Each Call is one signed HTTP
// request; retries, quotas and the journal are the work of wrappers.
func NewClient(o ClientOptions) (*Client, error) {
	if o.Endpoint == "" {
		o.Endpoint = DefaultEndpoint
	}
	if o.Region == "" {
		o.Region = DefaultRegion
	}
	endpoint, err := url.Parse(o.Endpoint)
	if err != nil {
		return nil, fmt.Errorf("account %s: endpoint cannot be read as a URL", o.Account)
	}
	w, err := wire.New(wire.Options{Endpoint: endpoint, Keys: o.Keys, Transport: o.Transport, BodyLimit: bodyLimit})
	if err != nil {
		return nil, fmt.Errorf("account %s: %w", o.Account, err)
	}
	return &Client{opt: o, endpoint: endpoint, wire: w}, nil
}

// Skew returns by how much the cloud's clock was ahead at the last answer.
func (c *Client) Skew() time.Duration { return c.wire.Skew() }

// Close closes connections kept for later calls.
func (c *Client) Close() { c.wire.Close() }

// Call makes one attempt of req. Where the error is Clock, later calls sign
// with the time of the cloud.
func (c *Client) Call(ctx context.Context, req *call.Request) (*call.Response, error) {
	body, err := c.body(req)
	if err != nil {
		return nil, err
	}
	a, fail := c.wire.Do(ctx, req.Operation, func(s wire.Stamp) (*http.Request, error) {
		if req.Operation == opOnline {
			return c.query(req, s)
		}
		return c.request(req.Operation, body, s)
	})
	if fail != nil {
		return nil, fail
	}
	return c.judge(req.Operation, a)
}

// body returns the JSON of req's parameters, or why req is not sent.
func (c *Client) body(req *call.Request) ([]byte, error) {
	refuse := func(code call.Code, message string) ([]byte, error) {
		return nil, &call.Error{Code: code, Operation: req.Operation, Message: "not sent: " + message}
	}
	if c.opt.Account != "" && req.Account != c.opt.Account {
		return refuse(call.Internal, "the request is for another account")
	}
	if req.Operation == opDelete && tooWide(req.Params) {
		return refuse(call.Invalid, "a removal without an app may hit the whole vhost, one with an empty group the app")
	}
	if req.Params == nil {
		return []byte("{}"), nil
	}
	body, err := json.Marshal(req.Params)
	if err != nil {
		return refuse(call.Internal, "parameters: "+err.Error())
	}
	return body, nil
}

// tooWide reports whether a removal may take more than it seems to name: App
// left out stands for the whole vhost, Group left empty for the whole app.
func tooWide(params map[string]any) bool {
	app, _ := params["App"].(string)
	group, grouped := params["Group"]
	return global(app) || grouped && (group == nil || group == "")
}

func (c *Client) request(operation string, body []byte, s wire.Stamp) (*http.Request, error) {
	u := url.URL{Scheme: c.endpoint.Scheme, Host: c.endpoint.Host, Path: "/"}
	u.RawQuery = url.Values{"Action": {operation}, "Version": {version}}.Encode()
	req, err := http.NewRequest(http.MethodPost, u.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	sign(req, body, s.Now, c.opt.Region, s.Key)
	return req, nil
}

// query returns the one operation that is asked with GET, its parameters in the
// query (page 1126841).
func (c *Client) query(r *call.Request, s wire.Stamp) (*http.Request, error) {
	q := url.Values{"Action": {r.Operation}, "Version": {version}}
	for name, value := range r.Params {
		q.Set(name, fmt.Sprint(value))
	}
	u := url.URL{Scheme: c.endpoint.Scheme, Host: c.endpoint.Host, Path: "/"}
	u.RawQuery = strings.ReplaceAll(q.Encode(), "+", "%20")
	req, err := http.NewRequest(http.MethodGet, u.String(), http.NoBody)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	sign(req, nil, s.Now, c.opt.Region, s.Key)
	return req, nil
}

// envelope is round every answer.
type envelope struct {
	ResponseMetadata *struct {
		RequestID string `json:"RequestId"`
		Error     *struct {
			CodeN   json.RawMessage // a number; as text it is read too
			Code    string
			Message string
		}
	}
}

// judge decides what an answer says. Success is a status 200 without an error
// object and with a request id; all three are needed.
func (c *Client) judge(operation string, a *wire.Answer) (*call.Response, error) {
	var e envelope
	if err := a.Decode(&e); err != nil {
		return nil, a.Foreign(operation, err)
	}
	meta := e.ResponseMetadata
	switch {
	case meta == nil:
		return nil, a.Foreign(operation, fmt.Errorf("it has no ResponseMetadata"))
	case meta.Error != nil:
		number := codeNumber(meta.Error.CodeN)
		code := classify(a.Status, meta.Error.Code, number)
		fail := a.Error(operation, code, cloudCode(meta.Error.Code, number), c.message(code, meta.Error.Message))
		fail.RequestID = a.Clean(meta.RequestID)
		return nil, fail
	case a.Status != http.StatusOK:
		return nil, a.Foreign(operation, fmt.Errorf("it has no error"))
	case meta.RequestID == "":
		return nil, a.Foreign(operation, fmt.Errorf("it has no RequestId"))
	}
	id := a.Clean(meta.RequestID)
	return &call.Response{RequestID: id, Status: a.Status, Body: a.Body, RTT: a.RTT}, nil
}

// message adds to a refusal of our time how far it is off, and takes the
// cloud's for later calls.
func (c *Client) message(code call.Code, text string) string {
	if code != call.Clock {
		return text
	}
	c.wire.CorrectClock()
	return fmt.Sprintf("%s (the cloud's clock is %s ahead of ours)", text, c.Skew().Round(time.Second))
}

// codeNumber reads CodeN, 0 where it is none.
func codeNumber(raw json.RawMessage) int {
	var n json.Number // takes 100018 and "100018"
	if json.Unmarshal(raw, &n) != nil {
		return 0
	}
	i, err := n.Int64()
	if err != nil {
		return 0
	}
	return int(i)
}

// cloudCode names an error without a name by its number.
func cloudCode(name string, number int) string {
	if name == "" && number != 0 {
		return fmt.Sprintf("CodeN %d", number)
	}
	return name
}

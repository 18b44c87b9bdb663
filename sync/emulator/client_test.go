package emulator_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"weir/sync/emulator"
)

// client signs as the vendors' SDKs do. It is written for these tests alone.
type client struct {
	key, secret, token string
	host, version      string
	now                func() time.Time
	transport          http.RoundTripper
	nonce              atomic.Int64
}

func newClient(e *emulator.Emulator) *client {
	return &client{
		key: "weir-emulator", secret: "weir-emulator", host: "live.example.net:8181", version: "2016-11-01",
		now: time.Now, transport: e.Transport(),
	}
}

// got is an answer, taken apart.
type got struct {
	status int
	code   string
	id     string
	header http.Header
	body   string
	err    error
}

func (c *client) do(r *http.Request) got {
	resp, err := c.transport.RoundTrip(r)
	if err != nil {
		return got{err: err}
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	g := got{status: resp.StatusCode, header: resp.Header, body: string(body), err: err}
	var any struct {
		Code, RequestId  string //nolint:revive // the clouds' names
		ResponseMetadata struct {
			RequestId string //nolint:revive // the clouds' names
			Error     struct{ Code string }
		}
	}
	_ = json.Unmarshal(body, &any)
	g.code, g.id = any.Code+any.ResponseMetadata.Error.Code, any.RequestId+any.ResponseMetadata.RequestId
	return g
}

func encoded(v url.Values) string { return strings.ReplaceAll(v.Encode(), "+", "%20") }

func sum(b string) string {
	h := sha256.Sum256([]byte(b))
	return hex.EncodeToString(h[:])
}

func mac256(key []byte, text string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(text))
	return m.Sum(nil)
}

func request(method, rawURL, body string) *http.Request {
	r, err := http.NewRequest(method, rawURL, strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	return r
}

func pairs(list []string) url.Values {
	v := url.Values{}
	for i := 0; i+1 < len(list); i += 2 {
		v.Set(list[i], list[i+1])
	}
	return v
}

// v3 makes an ApsaraVideo request with the signature method V3.
func (c *client) v3(method, action string, params ...string) *http.Request {
	query := encoded(pairs(params))
	r := request(method, "http://"+c.host+"/?"+query, "")
	headers := map[string]string{
		"host": c.host, "x-acs-action": action, "x-acs-version": c.version,
		"x-acs-date": c.now().UTC().Format("2006-01-02T15:04:05Z"), "x-acs-content-sha256": sum(""),
		"x-acs-signature-nonce": fmt.Sprint("n", c.nonce.Add(1)),
	}
	if c.token != "" {
		headers["x-acs-security-token"] = c.token
	}
	var names []string
	for name, value := range headers {
		names = append(names, name)
		r.Header.Set(name, value)
	}
	r.Header.Del("host")
	slices.Sort(names)
	canonical := method + "\n/\n" + query + "\n"
	for _, name := range names {
		canonical += name + ":" + headers[name] + "\n"
	}
	signed := strings.Join(names, ";")
	canonical += "\n" + signed + "\n" + sum("")
	signature := hex.EncodeToString(mac256([]byte(c.secret), "ACS3-HMAC-SHA256\n"+sum(canonical)))
	r.Header.Set("Authorization", "ACS3-HMAC-SHA256 Credential="+c.key+",SignedHeaders="+signed+",Signature="+signature)
	return r
}

// rpc makes an ApsaraVideo request signed with HMAC-SHA1; a POST has its
// parameters in a form.
func (c *client) rpc(method, action, format string, params ...string) *http.Request {
	v := pairs(params)
	common := []string{
		"Action", action, "Version", c.version, "AccessKeyId", c.key, "SignatureMethod", "HMAC-SHA1",
		"SignatureVersion", "1.0", "SignatureNonce", fmt.Sprint("r", c.nonce.Add(1)),
		"Timestamp", c.now().UTC().Format("2006-01-02T15:04:05Z"), "Format", format, "SecurityToken", c.token,
	}
	for name, values := range pairs(common) {
		if values[0] != "" {
			v[name] = values
		}
	}
	text := method + "&%2F&" + strings.ReplaceAll(url.QueryEscape(encoded(v)), "+", "%20")
	m := hmac.New(sha1.New, []byte(c.secret+"&"))
	m.Write([]byte(text))
	v.Set("Signature", base64.StdEncoding.EncodeToString(m.Sum(nil)))
	if method == http.MethodGet {
		return request(method, "http://"+c.host+"/?"+v.Encode(), "")
	}
	r := request(method, "http://"+c.host+"/", v.Encode())
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8")
	return r
}

// volc makes a Volcengine request.
func (c *client) volc(action, body string) *http.Request {
	return c.volcScope(action, "2023-01-01", "live", body)
}

func (c *client) volcScope(action, version, service, body string) *http.Request {
	query := encoded(url.Values{"Action": {action}, "Version": {version}})
	r := request(http.MethodPost, "http://"+c.host+"?"+query, body)
	date := c.now().UTC().Format("20060102T150405Z")
	headers := [][2]string{
		{"content-type", "application/json"}, {"host", c.host}, {"x-content-sha256", sum(body)}, {"x-date", date},
	}
	if c.token != "" {
		headers = append(headers, [2]string{"x-security-token", c.token})
	}
	canonical, names := "POST\n/\n"+query+"\n", []string{}
	for _, h := range headers {
		canonical += h[0] + ":" + h[1] + "\n"
		names = append(names, h[0])
		r.Header.Set(h[0], h[1])
	}
	r.Header.Del("host")
	signed := strings.Join(names, ";")
	canonical += "\n" + signed + "\n" + sum(body)
	scope := date[:8] + "/cn-north-1/" + service + "/request"
	key := []byte(c.secret)
	for part := range strings.SplitSeq(scope, "/") {
		key = mac256(key, part)
	}
	signature := hex.EncodeToString(mac256(key, "HMAC-SHA256\n"+date+"\n"+scope+"\n"+sum(canonical)))
	r.Header.Set("Authorization",
		"HMAC-SHA256 Credential="+c.key+"/"+scope+", SignedHeaders="+signed+", Signature="+signature)
	return r
}

// aliyun calls an operation with GET and V3.
func (c *client) aliyun(action string, params ...string) got {
	return c.do(c.v3(http.MethodGet, action, params...))
}

// relay calls one of Volcengine's operations.
func (c *client) relay(action, body string) got { return c.do(c.volc(action, body)) }

// ok fails the test unless the call succeeded.
func (g got) ok(t *testing.T) got {
	t.Helper()
	g.is(t, "", http.StatusOK)
	if g.id == "" {
		t.Errorf("no request id in %s", g.body)
	}
	return g
}

// is fails the test unless the answer has the code and status.
func (g got) is(t *testing.T, code string, status int) got {
	t.Helper()
	if g.err != nil {
		t.Fatal(g.err)
	}
	if g.code != code || g.status != status {
		t.Fatalf("got %q with status %d, want %q with %d: %s", g.code, g.status, code, status, g.body)
	}
	return g
}

// without returns the JSON body without its request id.
func (g got) without(t *testing.T) string {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal([]byte(g.body), &v); err != nil {
		t.Fatalf("%v: %s", err, g.body)
	}
	delete(v, "RequestId")
	b, _ := json.Marshal(v)
	return string(b)
}

// admin calls an endpoint of the emulator itself.
func (c *client) admin(method, path, body string) got {
	return c.do(request(method, "http://"+c.host+"/_emulator/"+path, body))
}

func start(change func(*emulator.World)) (*emulator.Emulator, *client) {
	w := emulator.DefaultWorld()
	if change != nil {
		change(&w)
	}
	e := emulator.New(w)
	return e, newClient(e)
}

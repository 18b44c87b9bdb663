package emulator

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"weir/sync/emulator/signature"
)

// Bounds of a request's body.
const (
	maxCallBytes  = 1 << 20
	maxAdminBytes = maxWorldBytes
)

// message is a request as it was read from the wire.
type message struct {
	*http.Request
	query url.Values
	body  []byte
}

func readMessage(r *http.Request) (*message, error) {
	limit := int64(maxCallBytes)
	if strings.HasPrefix(r.URL.Path, adminPath) {
		limit = maxAdminBytes
	}
	m := &message{Request: r, query: r.URL.Query()}
	if r.Body == nil {
		return m, nil
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, limit+1))
	if err != nil {
		return nil, fmt.Errorf("reading the body: %w", err)
	}
	if int64(len(body)) > limit {
		return nil, fmt.Errorf("body above %d bytes", limit)
	}
	m.body = body
	return m, nil
}

// apiCall is a call of one of the clouds' APIs.
type apiCall struct {
	cloud     string
	operation string
	op        operation
	params    url.Values // ApsaraVideo: query and form; Volcengine: the query of a GET
	body      []byte     // Volcengine: JSON
	host      string
	asXML     bool   // ApsaraVideo
	region    string // Volcengine: of the credential's scope
	signed    *signature.Signed
	keyID     string
	account   string

	// Set on arrival.
	id   string
	at   time.Time     // this machine's clock
	view time.Time     // the moment whose state a read shows
	skew time.Duration // how far the cloud's clock is ahead
}

// wall returns a moment as the cloud's clock shows it.
func (c *apiCall) wall(t time.Time) time.Time { return t.Add(c.skew) }

// param returns a parameter of an ApsaraVideo call.
func (c *apiCall) param(name string) string { return c.params.Get(name) }

// cloud is what differs between the two clouds in carrying a call.
type cloud struct {
	name string
	// read finds out what is asked and checks all that needs no key.
	read func(m *message, ops map[string]operation) (*apiCall, *failure)
	// refusal names the code for a signature that cannot be read.
	refusal func(p *signature.Problem) string
	// The codes for one that can be read.
	unknownKey, wrongToken, wrongSignature, expired string
	// code returns what is documented of a code.
	code func(code string) documented
	// hint returns the headers of a throttling answer.
	throttling string
	hint       func(limit int, wait time.Duration) map[string]string
	// write puts a result or a failure in the cloud's form.
	write func(c *apiCall, d *decision)
}

// fail makes a failure with what is documented of its code.
func (c *cloud) fail(code, message string) *failure {
	d := c.code(code)
	return &failure{code: code, status: d.status, number: d.number, message: message}
}

// throttle is the cloud's own answer to a call above a quota.
func (c *cloud) throttle(limit int, wait time.Duration) *failure {
	f := c.fail(c.throttling, "the call is above the quota of the account for this operation")
	f.header = c.hint(limit, wait)
	return f
}

// cloudOf tells whose API a request calls, or nil. A request without any mark
// of a signature belongs to an API only if it names a version of one.
func cloudOf(m *message) *cloud {
	auth := m.Header.Get("Authorization")
	action, version := m.query.Get("Action"), m.query.Get("Version")
	switch {
	case strings.HasPrefix(auth, "ACS3-"), m.Header.Get("X-Acs-Action") != "":
		return aliyunHeaders()
	case strings.HasPrefix(auth, "HMAC-SHA256"), action != "" && version == volcengineVersion:
		return volcengineCloud()
	case isRPC(m.query), isForm(m) && isRPC(form(m)):
		return aliyunParams()
	}
	return nil
}

// isRPC says whether parameters are those of ApsaraVideo's RPC protocol.
func isRPC(v url.Values) bool {
	return v.Has("Signature") || v.Has("SignatureMethod") ||
		v.Has("Action") && (v.Has("AccessKeyId") || v.Get("Version") == aliyunVersion)
}

func isForm(m *message) bool {
	return strings.HasPrefix(m.Header.Get("Content-Type"), "application/x-www-form-urlencoded")
}

// form returns the parameters of a form body; what cannot be read is left out,
// so that the signature fails.
func form(m *message) url.Values {
	if !isForm(m) {
		return nil
	}
	values, _ := url.ParseQuery(string(m.body))
	return values
}

// allows says whether the operation may be called with an HTTP method.
func (o operation) allows(method string) bool {
	for allowed := range strings.FieldsSeq(o.methods) {
		if allowed == method {
			return true
		}
	}
	return false
}

// serial numbers the calls. Its ids are unique in an emulator, look random as
// the clouds' do, and are the same again under a simulated clock.
type serial struct {
	seed, last uint64
}

func (s *serial) next(cloud string, at time.Time) string {
	s.last++
	high, low := mix(s.seed+s.last), mix(s.seed^mix(s.last))
	if cloud == Volcengine {
		return at.UTC().Format("20060102150405") + strings.ToUpper(pad(high, 16)) + strconv.FormatUint(s.last, 16)
	}
	text := strings.ToUpper(pad(high, 16) + pad(low, 16))
	return text[:8] + "-" + text[8:12] + "-" + text[12:16] + "-" + text[16:20] + "-" + text[20:]
}

func pad(n uint64, width int) string {
	text := strconv.FormatUint(n, 16)
	return strings.Repeat("0", width-len(text)) + text
}

// mix spreads a number's bits (splitmix64).
func mix(n uint64) uint64 {
	n += 0x9e3779b97f4a7c15
	n = (n ^ n>>30) * 0xbf58476d1ce4e5b9
	n = (n ^ n>>27) * 0x94d049bb133111eb
	return n ^ n>>31
}

// Package signature verifies the three ways in which the clouds' clients sign
// a request: ApsaraVideo's ACS3-HMAC-SHA256 (headers) and HMAC-SHA1 (RPC
// parameters), and Volcengine's HMAC-SHA256. It is the server's side of it,
// written apart from weir's own clients so that each proves the other.
package signature

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Signed is what a signed request says of its signer. Nothing of it may be
// trusted before Valid.
type Signed struct {
	KeyID  string
	Token  string    // STS token, "" for a plain key
	Nonce  string    // "" where the scheme has none
	Time   time.Time // when the client signed
	Scope  []string  // the parts of Volcengine's credential after the key: date, region, service, "request"
	expect func(secret string) string
	sent   string
}

// Valid says whether the request was signed with secret.
func (s *Signed) Valid(secret string) bool {
	return hmac.Equal([]byte(s.expect(secret)), []byte(s.sent))
}

// Fault is the kind of a Problem.
type Fault int

// The faults a request can have before a key is looked up.
const (
	Missing   Fault = iota + 1 // a part is not there
	Malformed                  // a part cannot be read
	BadTime                    // the time is not in the scheme's form
	Mismatch                   // what was signed is not what was sent
)

// Problem says why a request is not a signed one.
type Problem struct {
	Fault Fault
	Part  string // name of the header or parameter
}

// Error names fault and part.
func (p *Problem) Error() string {
	words := map[Fault]string{
		Missing: "missing", Malformed: "malformed", BadTime: "not a time of the scheme", Mismatch: "does not match",
	}
	return "signature: " + p.Part + ": " + words[p.Fault]
}

// authorization is a parsed Authorization header.
type authorization struct {
	credential string
	headers    []string // lower-case names that were signed, in the order given
	signature  string
}

// parseAuthorization reads "<scheme> Credential=a, SignedHeaders=b;c, Signature=d".
func parseAuthorization(value, scheme string) (authorization, error) {
	rest, found := strings.CutPrefix(value, scheme+" ")
	if !found {
		return authorization{}, &Problem{Malformed, "Authorization"}
	}
	fields := map[string]string{}
	for part := range strings.SplitSeq(rest, ",") {
		name, text, _ := strings.Cut(strings.TrimSpace(part), "=")
		fields[name] = text
	}
	a := authorization{credential: fields["Credential"], signature: fields["Signature"]}
	if a.credential == "" || a.signature == "" || fields["SignedHeaders"] == "" {
		return authorization{}, &Problem{Malformed, "Authorization"}
	}
	a.headers = strings.Split(strings.ToLower(fields["SignedHeaders"]), ";")
	return a, nil
}

// canonical returns the text that both header schemes hash: method, path,
// query, signed headers, their names, and the hash of the body.
func (a authorization) canonical(r *http.Request, query url.Values, bodyHash string) string {
	var b strings.Builder
	b.WriteString(r.Method + "\n" + path(r.URL) + "\n" + encode(query) + "\n")
	for _, name := range a.headers {
		b.WriteString(name + ":" + headerValue(r, name) + "\n")
	}
	b.WriteString("\n" + strings.Join(a.headers, ";") + "\n" + bodyHash)
	return b.String()
}

// covers says whether every one of names that the request carries was signed.
func (a authorization) covers(r *http.Request, names ...string) error {
	for _, name := range names {
		if headerValue(r, name) != "" && !slices.Contains(a.headers, name) {
			return &Problem{Mismatch, name}
		}
	}
	return nil
}

// headerValue returns a header as signed; host is the raw Host with its port.
func headerValue(r *http.Request, name string) string {
	if name == "host" {
		return r.Host
	}
	return strings.TrimSpace(strings.Join(r.Header.Values(name), ","))
}

func path(u *url.URL) string {
	if p := u.EscapedPath(); p != "" {
		return p
	}
	return "/"
}

// encode writes parameters sorted by name and percent-encoded as RFC 3986 has
// it, which is Go's form but for the space.
func encode(values url.Values) string {
	return strings.ReplaceAll(values.Encode(), "+", "%20")
}

func sha256Hex(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func mac(h func() hash.Hash, key []byte, text string) []byte {
	m := hmac.New(h, key)
	m.Write([]byte(text))
	return m.Sum(nil)
}

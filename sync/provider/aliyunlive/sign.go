package aliyunlive

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"net/http"
	"slices"
	"strings"

	"weir/sync/secret"
)

// signatureMethod is the gateway's current method, which its documents call V3.
const signatureMethod = "ACS3-HMAC-SHA256"

// acsPrefix begins the names of the headers that are signed besides host.
const acsPrefix = "x-acs-"

// sign puts key's authorization on req, which has an empty body, the canonical
// query, and every x-acs-* header but the token and the hash of the body.
func sign(req *http.Request, key secret.Key) {
	if !key.Token.Empty() {
		req.Header.Set("x-acs-security-token", key.Token.Reveal())
	}
	req.Header.Set("x-acs-content-sha256", hexSum(""))
	names, canonical := canonicalRequest(req)
	mac := hmac.New(sha256.New, []byte(key.Secret.Reveal()))
	mac.Write([]byte(signatureMethod + "\n" + hexSum(canonical)))
	req.Header.Set("Authorization", signatureMethod+" Credential="+key.ID+
		",SignedHeaders="+names+",Signature="+hex.EncodeToString(mac.Sum(nil)))
}

// canonicalRequest returns the names of the signed headers and the text of
// which the signature is made.
func canonicalRequest(req *http.Request) (names, text string) {
	names, lines := signedHeaders(req)
	return names, strings.Join([]string{req.Method, "/", req.URL.RawQuery, lines, names, hexSum("")}, "\n")
}

// signedHeaders returns the names of the signed headers joined by semicolons,
// and their canonical lines, each ended by a line feed.
func signedHeaders(req *http.Request) (names, lines string) {
	values := map[string]string{"host": hostOf(req)}
	for name := range req.Header {
		if lower := strings.ToLower(name); strings.HasPrefix(lower, acsPrefix) {
			values[lower] = strings.TrimSpace(req.Header.Get(name))
		}
	}
	sorted := sortedKeys(values)
	var b strings.Builder
	for _, name := range sorted {
		b.WriteString(name + ":" + values[name] + "\n")
	}
	return strings.Join(sorted, ";"), b.String()
}

func hostOf(req *http.Request) string {
	if req.Host != "" {
		return req.Host
	}
	return req.URL.Host
}

// canonicalQuery joins params in the order of their names, each part escaped.
// It serves as the query that is sent, too.
func canonicalQuery(params map[string]string) string {
	parts := make([]string, 0, len(params))
	for _, name := range sortedKeys(params) {
		parts = append(parts, escape(name)+"="+escape(params[name]))
	}
	return strings.Join(parts, "&")
}

// escape percent-encodes all but the unreserved characters of RFC 3986.
// net/url's functions differ in the space, the star and the tilde.
func escape(s string) string {
	const upperHex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if isUnreserved(c) {
			b.WriteByte(c)
			continue
		}
		b.Write([]byte{'%', upperHex[c>>4], upperHex[c&15]})
	}
	return b.String()
}

func isUnreserved(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	return strings.IndexByte("-_.~", c) >= 0
}

func hexSum(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

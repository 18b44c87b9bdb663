package signature

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const volcengine = "HMAC-SHA256"

// VolcengineTime is the form of the X-Date header.
const VolcengineTime = "20060102T150405Z"

// Volcengine reads a request signed with HMAC-SHA256. query is the parsed
// query, body the whole body.
func Volcengine(r *http.Request, query url.Values, body []byte) (*Signed, error) {
	if err := needHeaders(r, "Authorization", "X-Date"); err != nil {
		return nil, err
	}
	auth, err := parseAuthorization(r.Header.Get("Authorization"), volcengine)
	if err != nil {
		return nil, err
	}
	scope := strings.Split(auth.credential, "/")
	if len(scope) != 5 || scope[4] != "request" {
		return nil, &Problem{Malformed, "Credential"}
	}
	date := r.Header.Get("X-Date")
	at, err := time.Parse(VolcengineTime, date)
	if err != nil {
		return nil, &Problem{BadTime, "X-Date"}
	}
	if scope[1] != date[:8] {
		return nil, &Problem{Malformed, "Credential"}
	}
	if err := coverVolcengine(r, auth, body); err != nil {
		return nil, err
	}
	hashed := sha256Hex([]byte(auth.canonical(r, query, sha256Hex(body))))
	text := strings.Join([]string{volcengine, date, strings.Join(scope[1:], "/"), hashed}, "\n")
	return &Signed{
		KeyID:  scope[0],
		Token:  r.Header.Get("X-Security-Token"),
		Time:   at,
		Scope:  scope[1:],
		sent:   auth.signature,
		expect: func(secret string) string { return volcengineSign(secret, scope[1:], text) },
	}, nil
}

// coverVolcengine checks that what names the request was signed, and that the
// body is the one whose hash was sent.
func coverVolcengine(r *http.Request, auth authorization, body []byte) error {
	if err := auth.covers(r, "host", "x-date", "x-security-token"); err != nil {
		return err
	}
	sent := r.Header.Get("X-Content-Sha256")
	if sent != "" && sent != sha256Hex(body) {
		return &Problem{Mismatch, "X-Content-Sha256"}
	}
	return nil
}

func volcengineSign(secret string, scope []string, text string) string {
	key := []byte(secret)
	for _, part := range scope {
		key = mac(sha256.New, key, part)
	}
	return hex.EncodeToString(mac(sha256.New, key, text))
}

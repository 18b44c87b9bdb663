package signature

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const acs3 = "ACS3-HMAC-SHA256"

// AliyunTime is the form of ApsaraVideo's times, always UTC.
const AliyunTime = "2006-01-02T15:04:05Z"

// ACS3 reads a request signed as ApsaraVideo's signature method V3 has it.
// query is the parsed query, body the whole body.
func ACS3(r *http.Request, query url.Values, body []byte) (*Signed, error) {
	if err := needHeaders(r, "Authorization", "X-Acs-Action", "X-Acs-Version", "X-Acs-Date",
		"X-Acs-Signature-Nonce", "X-Acs-Content-Sha256"); err != nil {
		return nil, err
	}
	auth, err := parseAuthorization(r.Header.Get("Authorization"), acs3)
	if err != nil {
		return nil, err
	}
	if err := auth.covers(r, append(acsHeaders(r), "host")...); err != nil {
		return nil, err
	}
	if sha256Hex(body) != r.Header.Get("X-Acs-Content-Sha256") {
		return nil, &Problem{Mismatch, "x-acs-content-sha256"}
	}
	at, err := time.Parse(AliyunTime, r.Header.Get("X-Acs-Date"))
	if err != nil {
		return nil, &Problem{BadTime, "x-acs-date"}
	}
	text := acs3 + "\n" + sha256Hex([]byte(auth.canonical(r, query, sha256Hex(body))))
	return &Signed{
		KeyID: auth.credential,
		Token: r.Header.Get("X-Acs-Security-Token"),
		Nonce: r.Header.Get("X-Acs-Signature-Nonce"),
		Time:  at,
		sent:  auth.signature,
		expect: func(secret string) string {
			return hex.EncodeToString(mac(sha256.New, []byte(secret), text))
		},
	}, nil
}

// acsHeaders names the x-acs-* headers of a request, all of which are signed.
func acsHeaders(r *http.Request) []string {
	var names []string
	for name := range r.Header {
		if lower := strings.ToLower(name); strings.HasPrefix(lower, "x-acs-") {
			names = append(names, lower)
		}
	}
	return names
}

func needHeaders(r *http.Request, names ...string) error {
	for _, name := range names {
		if r.Header.Get(name) == "" {
			return &Problem{Missing, name}
		}
	}
	return nil
}

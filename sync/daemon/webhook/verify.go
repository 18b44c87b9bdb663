package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// How far the clock of a host that signs its time may be from ours.
const (
	standardWindow = 5 * time.Minute // Standard Webhooks
	giteeWindow    = time.Hour       // Gitee, "WebHook 密钥验证和验证算法"
)

// signingPrefix is how GitLab's signing tokens begin.
const signingPrefix = "whsec_"

// usable says what is wrong with a secret as a key of kind, nil for nothing.
func usable(kind Kind, key string) error {
	if key == "" {
		return errors.New("the secret is empty")
	}
	if kind != GitLab || !strings.HasPrefix(key, signingPrefix) {
		return nil
	}
	if k, err := signingKey(key); err != nil || len(k) == 0 {
		return fmt.Errorf("the signing token is not %s and base64", signingPrefix)
	}
	return nil
}

func signingKey(key string) ([]byte, error) {
	return base64.StdEncoding.DecodeString(strings.TrimPrefix(key, signingPrefix))
}

// verify reports whether a delivery proves that its sender knows key. It does
// the same work whatever the headers hold.
func verify(kind Kind, h http.Header, body []byte, key string, now time.Time) bool {
	if key == "" {
		return false
	}
	switch kind {
	case GitHub:
		return signed(key, body, prefixed(h.Get("X-Hub-Signature-256")))
	case Gitea:
		return signed(key, body, either(h.Get("X-Gitea-Signature"), prefixed(h.Get("X-Hub-Signature-256"))))
	case GitLab:
		if strings.HasPrefix(key, signingPrefix) {
			return signedStandard(key, h, body, now)
		}
		return same(key, h.Get("X-Gitlab-Token"))
	case Gitee:
		// Both are tried: which of the two the token is, nothing says.
		password, signature := same(key, h.Get("X-Gitee-Token")), signedGitee(key, h, now)
		return password || signature
	case Generic:
		return signed(key, body, either(prefixed(h.Get("X-Signature-256")), prefixed(h.Get("X-Hub-Signature-256"))))
	}
	return false
}

func either(first, second string) string {
	if first != "" {
		return first
	}
	return second
}

// prefixed returns the hex digits of "sha256=HEX", "" for another algorithm.
func prefixed(header string) string {
	digits, ok := strings.CutPrefix(header, "sha256=")
	if !ok {
		return ""
	}
	return digits
}

// mac is HMAC-SHA256 over the parts.
func mac(key []byte, parts ...[]byte) []byte {
	m := hmac.New(sha256.New, key)
	for _, p := range parts {
		m.Write(p)
	}
	return m.Sum(nil)
}

func signed(key string, body []byte, digits string) bool {
	want := mac([]byte(key), body)
	got, err := hex.DecodeString(digits)
	return hmac.Equal(want, got) && err == nil
}

// same compares two secrets; their hashes, so that lengths stay unknown.
func same(key, sent string) bool {
	a, b := sha256.Sum256([]byte(key)), sha256.Sum256([]byte(sent))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// signedStandard checks the signature of the Standard Webhooks specification,
// which GitLab's signing tokens make. The header may hold several signatures.
func signedStandard(key string, h http.Header, body []byte, now time.Time) bool {
	id, stamp := h.Get("Webhook-Id"), h.Get("Webhook-Timestamp")
	k, err := signingKey(key)
	if err != nil || len(k) == 0 {
		return false
	}
	want := mac(k, []byte(id+"."+stamp+"."), body)
	found := false
	for sig := range strings.FieldsSeq(h.Get("Webhook-Signature")) {
		digits, v1 := strings.CutPrefix(sig, "v1,")
		got, err := base64.StdEncoding.DecodeString(digits)
		if hmac.Equal(want, got) && v1 && err == nil {
			found = true
		}
	}
	return found && id != "" && near(stamp, time.Second, standardWindow, now)
}

// signedGitee checks base64(HMAC(secret, timestamp "\n" secret)), URL-escaped
// or not.
func signedGitee(key string, h http.Header, now time.Time) bool {
	stamp, token := h.Get("X-Gitee-Timestamp"), h.Get("X-Gitee-Token")
	want := mac([]byte(key), []byte(stamp+"\n"+key))
	if plain, err := url.PathUnescape(token); err == nil { // leaves the "+" of base64 alone
		token = plain
	}
	got, err := base64.StdEncoding.DecodeString(token)
	return hmac.Equal(want, got) && err == nil && near(stamp, time.Millisecond, giteeWindow, now)
}

// near reports whether stamp, counted in unit since 1970, is within window of
// now.
func near(stamp string, unit, window time.Duration, now time.Time) bool {
	n, err := strconv.ParseInt(stamp, 10, 64)
	at := now.UnixNano() / int64(unit)
	width := int64(window / unit)
	return err == nil && n >= at-width && n <= at+width
}

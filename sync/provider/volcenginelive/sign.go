package volcenginelive

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"time"

	"weir/sync/secret"
)

// service is the name that requests for Live are signed with.
const service = "live"

// sign signs req, whose body is body, with HMAC-SHA256 as pages 1126803 and
// 1126804 describe; at is in UTC. It signs the least that is asked for, so a
// proxy may add headers of its own.
func sign(req *http.Request, body []byte, at time.Time, region string, key secret.Key) {
	stamp := at.Format("20060102T150405Z")
	req.Header.Set("X-Date", stamp)
	req.Header.Set("X-Content-Sha256", hexSum(body))
	names := []string{"content-type", "host", "x-content-sha256", "x-date"}
	if !key.Token.Empty() {
		req.Header.Set("X-Security-Token", key.Token.Reveal())
		names = append(names, "x-security-token")
	}
	signed := strings.Join(names, ";")
	scope := stamp[:8] + "/" + region + "/" + service + "/request"
	text := "HMAC-SHA256\n" + stamp + "\n" + scope + "\n" + hexSum([]byte(canonical(req, names, signed)))
	signature := hex.EncodeToString(mac(signingKey(key, stamp[:8], region), text))
	req.Header.Set("Authorization",
		"HMAC-SHA256 Credential="+key.ID+"/"+scope+", SignedHeaders="+signed+", Signature="+signature)
}

// canonical returns the canonical request; X-Content-Sha256 is set already.
func canonical(req *http.Request, names []string, signed string) string {
	var headers strings.Builder
	for _, name := range names {
		value := req.Header.Get(name)
		if name == "host" {
			value = signedHost(req)
		}
		headers.WriteString(name + ":" + strings.TrimSpace(value) + "\n")
	}
	query := strings.ReplaceAll(req.URL.Query().Encode(), "+", "%20")
	return strings.Join([]string{
		req.Method, "/", query, headers.String(), signed, req.Header.Get("X-Content-Sha256"),
	}, "\n")
}

// signedHost leaves out the ports that go without saying.
func signedHost(req *http.Request) string {
	return strings.TrimSuffix(strings.TrimSuffix(req.URL.Host, ":443"), ":80")
}

func signingKey(key secret.Key, date, region string) []byte {
	k := mac([]byte(key.Secret.Reveal()), date)
	for _, part := range []string{region, service, "request"} {
		k = mac(k, part)
	}
	return k
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

func hexSum(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

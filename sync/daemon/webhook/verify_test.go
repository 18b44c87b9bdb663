package webhook

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// headersOf makes a header of pairs.
func headersOf(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i < len(pairs); i += 2 {
		h.Add(pairs[i], pairs[i+1])
	}
	return h
}

const (
	hello     = "Hello, World!"
	everybody = "It's a Secret to Everybody"
	helloHex  = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
)

// TestGoldenSignatures: the first is published by GitHub, the standard one by
// the Standard Webhooks specification; the others were made with `openssl
// dgst -sha256 -hmac`.
func TestGoldenSignatures(t *testing.T) {
	const (
		whsec     = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
		whsecBody = `{"test": 2432232314}`
		whsecSig  = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
		gitee     = "2D978FIy4DMMTbiN80zQkNH1Eq/kMBt3gL6OnWfGzzY="
	)
	standard := func(sig string) http.Header {
		return headersOf("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek", "webhook-timestamp", "1614265330", "webhook-signature", sig)
	}
	signedAt, giteeAt := time.Unix(1614265330, 0), time.UnixMilli(1576754827988)
	giteeHeader := func(token string) http.Header {
		return headersOf("X-Gitee-Timestamp", "1576754827988", "X-Gitee-Token", token)
	}
	tests := map[string]struct {
		kind      Kind
		header    http.Header
		body, key string
		now       time.Time
		want      bool
	}{
		"github":               {GitHub, headersOf("X-Hub-Signature-256", "sha256="+helloHex), hello, everybody, giteeAt, true},
		"github, other body":   {GitHub, headersOf("X-Hub-Signature-256", "sha256="+helloHex), hello + " ", everybody, giteeAt, false},
		"github, empty key":    {GitHub, headersOf("X-Hub-Signature-256", "sha256="+helloHex), hello, "", giteeAt, false},
		"github, gitea's":      {GitHub, headersOf("X-Gitea-Signature", helloHex), hello, everybody, giteeAt, false},
		"gitea":                {Gitea, headersOf("X-Gitea-Signature", helloHex), hello, everybody, giteeAt, true},
		"gitea as github":      {Gitea, headersOf("X-Hub-Signature-256", "sha256="+helloHex), hello, everybody, giteeAt, true},
		"gitea, one bad":       {Gitea, headersOf("X-Gitea-Signature", "00", "X-Hub-Signature-256", "sha256="+helloHex), hello, everybody, giteeAt, false},
		"generic":              {Generic, headersOf("X-Signature-256", "sha256="+helloHex), hello, everybody, giteeAt, true},
		"generic as github":    {Generic, headersOf("X-Hub-Signature-256", "sha256="+helloHex), hello, everybody, giteeAt, true},
		"generic, bare hex":    {Generic, headersOf("X-Signature-256", helloHex), hello, everybody, giteeAt, false},
		"gitlab token":         {GitLab, headersOf("X-Gitlab-Token", everybody), hello, everybody, giteeAt, true},
		"gitlab, other token":  {GitLab, headersOf("X-Gitlab-Token", everybody+"x"), hello, everybody, giteeAt, false},
		"gitlab signed":        {GitLab, standard(whsecSig), whsecBody, whsec, signedAt, true},
		"gitlab, several":      {GitLab, standard("v1a,xx v1,AAAA " + whsecSig), whsecBody, whsec, signedAt, true},
		"gitlab, other scheme": {GitLab, standard(strings.Replace(whsecSig, "v1", "v2", 1)), whsecBody, whsec, signedAt, false},
		"gitlab, other body":   {GitLab, standard(whsecSig), whsecBody + " ", whsec, signedAt, false},
		"gitlab, late":         {GitLab, standard(whsecSig), whsecBody, whsec, signedAt.Add(301 * time.Second), false},
		"gitlab, early":        {GitLab, standard(whsecSig), whsecBody, whsec, signedAt.Add(-301 * time.Second), false},
		"gitlab, in time":      {GitLab, standard(whsecSig), whsecBody, whsec, signedAt.Add(299 * time.Second), true},
		"gitlab, token for it": {GitLab, headersOf("X-Gitlab-Token", whsec), whsecBody, whsec, signedAt, false},
		"gitee signed":         {Gitee, giteeHeader(gitee), hello, "this is secret", giteeAt, true},
		"gitee escaped":        {Gitee, giteeHeader("2D978FIy4DMMTbiN80zQkNH1Eq%2FkMBt3gL6OnWfGzzY%3D"), hello, "this is secret", giteeAt, true},
		"gitee, in the hour":   {Gitee, giteeHeader(gitee), hello, "this is secret", giteeAt.Add(59 * time.Minute), true},
		"gitee, late":          {Gitee, giteeHeader(gitee), hello, "this is secret", giteeAt.Add(61 * time.Minute), false},
		"gitee, other secret":  {Gitee, giteeHeader(gitee), hello, "that is secret", giteeAt, false},
		"gitee password":       {Gitee, headersOf("X-Gitee-Token", "pwd%41"), hello, "pwd%41", giteeAt, true},
		"gitee, no password":   {Gitee, headersOf(), hello, "pwd", giteeAt, false},
		"another kind":         {"svn", headersOf("X-Hub-Signature-256", "sha256="+helloHex), hello, everybody, giteeAt, false},
	}
	for name, tc := range tests {
		if got := verify(tc.kind, tc.header, []byte(tc.body), tc.key, tc.now); got != tc.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestNearIsNoOverflow(t *testing.T) {
	now := time.Unix(1700000000, 0)
	for stamp, want := range map[string]bool{
		"1700000000": true, "": false, "x": false, "1700000000.5": false, "-1": false,
		"9223372036854775807": false, "-9223372036854775808": false, "99999999999999999999": false,
	} {
		if got := near(stamp, time.Second, standardWindow, now); got != want {
			t.Errorf("%q: %v", stamp, got)
		}
	}
}

func TestUsable(t *testing.T) {
	for key, want := range map[string]bool{"": false, "whsec_": false, "whsec_!": false, "whsec_AAAA": true, "AAAA": true} {
		if err := usable(GitLab, key); (err == nil) != want {
			t.Errorf("%q: %v", key, err)
		}
	}
	if err := usable(GitHub, "whsec_!"); err != nil {
		t.Error("only GitLab has signing tokens:", err)
	}
}

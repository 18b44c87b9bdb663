package aliyunlive

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"weir/sync/secret"
)

// vector is a request whose signature is known.
type vector struct {
	name, method, host, action, version, date, nonce string
	params                                           map[string]string
	key                                              secret.Key
	canonical                                        string // SHA-256 of the canonical request, "" where not given
	signature                                        string
}

func vectors() []vector {
	forbid := map[string]string{
		"DomainName": "push.example.com", "AppName": "*", "StreamName": "a b/c~d+e",
		"LiveStreamType": "publisher", "ResumeTime": "2026-12-01T10:37:00Z",
	}
	temporary := secret.Key{ID: "testid", Secret: secret.New("testsecret"), Token: secret.New("tok/en==")}
	return []vector{
		{
			name: "official", method: "POST", host: "ecs.cn-shanghai.aliyuncs.com",
			action: "RunInstances", version: "2014-05-26",
			date: "2023-10-26T10:22:32Z", nonce: "3156853299f313e23d1673dc12e1703d",
			params: map[string]string{
				"ImageId": "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd", "RegionId": "cn-shanghai",
			},
			key:       secret.Key{ID: "YourAccessKeyId", Secret: secret.New("YourAccessKeySecret")},
			canonical: "7ea06492da5221eba5297e897ce16e55f964061054b7695beedaac1145b1e259",
			signature: "06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0",
		},
		{
			name: "live GET", method: "GET", host: "live.aliyuncs.com", action: opForbid, version: apiVersion,
			date: "2026-11-22T17:00:00Z", nonce: "nonce-1", params: forbid, key: temporary,
			signature: "a14dd01f271aba6051b9561c983ad9bf51b6a18fbc940ab08db62ed4e3eb8d5d",
		},
		{
			name: "live POST", method: "POST", host: "live.aliyuncs.com", action: opForbid, version: apiVersion,
			date: "2026-11-22T17:00:00Z", nonce: "nonce-1", params: forbid, key: temporary,
			signature: "b19fb5ff80bd7a5143970672f2fc7fcb5052342e0021f6caa95a09c77082ac68",
		},
	}
}

func (v vector) request(t *testing.T) *http.Request {
	t.Helper()
	req, err := http.NewRequest(v.method, "https://"+v.host+"/?"+canonicalQuery(v.params), http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	date, err := time.Parse(time.RFC3339, v.date)
	if err != nil {
		t.Fatal(err)
	}
	stamp(req, v.action, date, v.nonce)
	req.Header.Set("x-acs-version", v.version)
	return req
}

func TestSignEqualsTheGoldenVectors(t *testing.T) {
	for _, v := range vectors() {
		t.Run(v.name, func(t *testing.T) {
			req := v.request(t)
			sign(req, v.key)
			_, got, _ := strings.Cut(req.Header.Get("Authorization"), "Signature=")
			if got != v.signature {
				t.Errorf("signature %s, want %s", got, v.signature)
			}
			if _, text := canonicalRequest(req); v.canonical != "" && hexSum(text) != v.canonical {
				t.Errorf("canonical request has hash %s, want %s:\n%s", hexSum(text), v.canonical, text)
			}
		})
	}
}

func TestSignNamesTheSignedHeaders(t *testing.T) {
	req := vectors()[1].request(t)
	req.Header.Set("Accept", "application/json")
	sign(req, vectors()[1].key)
	got := req.Header.Get("Authorization")
	want := "ACS3-HMAC-SHA256 Credential=testid,SignedHeaders=host;x-acs-action;x-acs-content-sha256;x-acs-date;" +
		"x-acs-security-token;x-acs-signature-nonce;x-acs-version," +
		"Signature=a14dd01f271aba6051b9561c983ad9bf51b6a18fbc940ab08db62ed4e3eb8d5d"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestSignWithoutTokenSendsNone(t *testing.T) {
	req := vectors()[0].request(t)
	sign(req, vectors()[0].key)
	if _, sent := req.Header["X-Acs-Security-Token"]; sent {
		t.Error("an empty token was sent")
	}
}

// TestEscapeServesTheOlderSignature holds the escaping against the vectors of
// the HMAC-SHA1 scheme, which is made of the same rules and published by the
// vendor with other values.
func TestEscapeServesTheOlderSignature(t *testing.T) {
	base := map[string]string{
		"AccessKeyId": "testid", "SignatureMethod": "HMAC-SHA1", "SignatureVersion": "1.0",
	}
	tests := []struct {
		name, method, want string
		params             map[string]string
	}{
		{"regions", "GET", "OLeaidS1JvxuMvnyHOwuJ+uX5qY=", map[string]string{
			"Action": "DescribeRegions", "Format": "XML", "Version": "2014-05-26",
			"SignatureNonce": "3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf", "Timestamp": "2016-02-23T12:46:24Z",
		}},
		{"hosts", "GET", "9NaGiOspFP5UPcwX8Iwt2YJXXuk=", map[string]string{
			"Action": "DescribeDedicatedHosts", "Format": "JSON", "RegionId": "cn-beijing", "Version": "2014-05-26",
			"SignatureNonce": "edb2b34af0af9a6d14deaf7c1a5315eb", "Timestamp": "2023-03-13T08:34:30Z",
		}},
		{"live GET", "GET", "IXXc/AIYcQe7ltQxqAv3PH3OJOw=", nil},
		{"live POST", "POST", "+zbN6D6F0Oo9aKGcsCe8Ntxop1Q=", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			params := tt.params
			if params == nil {
				params = liveParams()
			}
			maps.Copy(params, base)
			text := tt.method + "&" + escape("/") + "&" + escape(canonicalQuery(params))
			mac := hmac.New(sha1.New, []byte("testsecret&"))
			mac.Write([]byte(text))
			if got := base64.StdEncoding.EncodeToString(mac.Sum(nil)); got != tt.want {
				t.Errorf("signature %s, want %s", got, tt.want)
			}
		})
	}
}

func liveParams() map[string]string {
	return map[string]string{
		"Action": opForbid, "Version": apiVersion, "Format": "JSON",
		"SignatureNonce": "nonce-1", "Timestamp": "2026-11-22T17:00:00Z", "SecurityToken": "tok/en==",
		"DomainName": "push.example.com", "AppName": "*", "StreamName": "a b/c~d+e",
		"LiveStreamType": "publisher", "ResumeTime": "2026-12-01T10:37:00Z",
	}
}

func TestCanonicalQuery(t *testing.T) {
	tests := []struct {
		name   string
		params map[string]string
		want   string
	}{
		{"none", nil, ""},
		{"empty value", map[string]string{"k": ""}, "k="},
		{"order of bytes", map[string]string{"b": "1", "a": "2", "B": "3", "a-": "4"}, "B=3&a=2&a-=4&b=1"},
		{"reserved", map[string]string{"k": "a b*c~d+e/f=&"}, "k=a%20b%2Ac~d%2Be%2Ff%3D%26"},
		{"not ASCII", map[string]string{"k": "直播"}, "k=%E7%9B%B4%E6%92%AD"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := canonicalQuery(tt.params); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func FuzzEscapeIsDecodedByServers(f *testing.F) {
	for _, s := range []string{"", "a b/c~d+e", "*", "%2A", "\x00\xff", "直播"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		values, err := url.ParseQuery(canonicalQuery(map[string]string{"k": s}))
		if err != nil {
			t.Fatalf("a server cannot read the query: %v", err)
		}
		if got := values.Get("k"); got != s {
			t.Errorf("a server reads %q, want %q", got, s)
		}
	})
}

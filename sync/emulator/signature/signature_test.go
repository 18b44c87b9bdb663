package signature

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

const emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// forbid is the vector made for the corners of the encoding.
func forbid() url.Values {
	return url.Values{
		"DomainName": {"push.example.com"}, "AppName": {"*"}, "StreamName": {"a b/c~d+e"},
		"LiveStreamType": {"publisher"}, "ResumeTime": {"2026-12-01T10:37:00Z"},
	}
}

type acsVector struct {
	method, host, action, version, date, nonce, token string
	key, signature                                    string
	query                                             url.Values
}

func (v acsVector) request() *http.Request {
	r := httptest.NewRequest(v.method, "http://"+v.host+"/?"+v.query.Encode(), nil)
	names := "host;x-acs-action;x-acs-content-sha256;x-acs-date"
	if v.token != "" {
		r.Header.Set("X-Acs-Security-Token", v.token)
		names += ";x-acs-security-token"
	}
	names += ";x-acs-signature-nonce;x-acs-version"
	r.Header.Set("X-Acs-Action", v.action)
	r.Header.Set("X-Acs-Version", v.version)
	r.Header.Set("X-Acs-Date", v.date)
	r.Header.Set("X-Acs-Signature-Nonce", v.nonce)
	r.Header.Set("X-Acs-Content-Sha256", emptyHash)
	r.Header.Set("Authorization", "ACS3-HMAC-SHA256 Credential="+v.key+",SignedHeaders="+names+",Signature="+v.signature)
	return r
}

func acsVectors() map[string]acsVector {
	live := acsVector{
		host: "live.aliyuncs.com", action: "ForbidLiveStream", version: "2016-11-01",
		date: "2026-11-22T17:00:00Z", nonce: "nonce-1", token: "tok/en==", key: "testid", query: forbid(),
	}
	get, post := live, live
	get.method, get.signature = "GET", "a14dd01f271aba6051b9561c983ad9bf51b6a18fbc940ab08db62ed4e3eb8d5d"
	post.method, post.signature = "POST", "b19fb5ff80bd7a5143970672f2fc7fcb5052342e0021f6caa95a09c77082ac68"
	return map[string]acsVector{
		"live GET": get, "live POST": post,
		"official": {
			method: "POST", host: "ecs.cn-shanghai.aliyuncs.com", action: "RunInstances", version: "2014-05-26",
			date: "2023-10-26T10:22:32Z", nonce: "3156853299f313e23d1673dc12e1703d", key: "YourAccessKeyId",
			query: url.Values{
				"ImageId": {"win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd"}, "RegionId": {"cn-shanghai"},
			},
			signature: "06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0",
		},
	}
}

func acsSecret(key string) string {
	return map[string]string{"testid": "testsecret", "YourAccessKeyId": "YourAccessKeySecret"}[key]
}

func TestACS3GoldenVectors(t *testing.T) {
	for name, v := range acsVectors() {
		t.Run(name, func(t *testing.T) {
			r := v.request()
			s, err := ACS3(r, r.URL.Query(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if !s.Valid(acsSecret(v.key)) {
				t.Error("the vector's signature is refused")
			}
			if s.Valid(acsSecret(v.key) + "x") {
				t.Error("another secret is accepted")
			}
			if s.KeyID != v.key || s.Nonce != v.nonce || s.Token != v.token {
				t.Errorf("read key %q, nonce %q, token %q", s.KeyID, s.Nonce, s.Token)
			}
			if got := s.Time.Format("2006-01-02T15:04:05Z"); got != v.date {
				t.Errorf("time %s, want %s", got, v.date)
			}
		})
	}
}

func TestACS3AnyChangeBreaksTheSignature(t *testing.T) {
	changes := map[string]func(*http.Request){
		"host":    func(r *http.Request) { r.Host = "live.aliyuncs.com:80" },
		"method":  func(r *http.Request) { r.Method = "PUT" },
		"path":    func(r *http.Request) { r.URL.Path = "/x" },
		"query":   func(r *http.Request) { r.URL.RawQuery += "&Oneshot=yes" },
		"action":  func(r *http.Request) { r.Header.Set("X-Acs-Action", "ResumeLiveStream") },
		"nonce":   func(r *http.Request) { r.Header.Set("X-Acs-Signature-Nonce", "nonce-2") },
		"date":    func(r *http.Request) { r.Header.Set("X-Acs-Date", "2026-11-22T17:00:01Z") },
		"version": func(r *http.Request) { r.Header.Set("X-Acs-Version", "2016-11-02") },
		"token":   func(r *http.Request) { r.Header.Set("X-Acs-Security-Token", "other") },
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			r := acsVectors()["live GET"].request()
			change(r)
			s, err := ACS3(r, r.URL.Query(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if s.Valid("testsecret") {
				t.Error("accepted")
			}
		})
	}
}

type problemCase struct {
	change func(*http.Request)
	body   string
	want   Problem
}

func acsProblems() map[string]problemCase {
	drop := func(name string) func(*http.Request) { return func(r *http.Request) { r.Header.Del(name) } }
	set := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	return map[string]problemCase{
		"no authorization": {drop("Authorization"), "", Problem{Missing, "Authorization"}},
		"no nonce":         {drop("X-Acs-Signature-Nonce"), "", Problem{Missing, "X-Acs-Signature-Nonce"}},
		"no hash":          {drop("X-Acs-Content-Sha256"), "", Problem{Missing, "X-Acs-Content-Sha256"}},
		"other scheme":     {set("Authorization", "Bearer x"), "", Problem{Malformed, "Authorization"}},
		"half a signature": {
			set("Authorization", "ACS3-HMAC-SHA256 Credential=x"), "", Problem{Malformed, "Authorization"},
		},
		"date of no form":   {set("X-Acs-Date", "yesterday"), "", Problem{BadTime, "x-acs-date"}},
		"unsigned header":   {set("X-Acs-Extra", "1"), "", Problem{Mismatch, "x-acs-extra"}},
		"body not as named": {func(*http.Request) {}, "x", Problem{Mismatch, "x-acs-content-sha256"}},
	}
}

func TestACS3Problems(t *testing.T) {
	for name, c := range acsProblems() {
		t.Run(name, func(t *testing.T) {
			r := acsVectors()["live GET"].request()
			c.change(r)
			_, err := ACS3(r, r.URL.Query(), []byte(c.body))
			checkProblem(t, err, c.want)
		})
	}
}

func checkProblem(t *testing.T, err error, want Problem) {
	t.Helper()
	var got *Problem
	if !errors.As(err, &got) {
		t.Fatalf("got %v, want a Problem", err)
	}
	if *got != want {
		t.Errorf("got %v, want %v", got, &want)
	}
	if !strings.Contains(got.Error(), want.Part) {
		t.Errorf("%q does not name %q", got.Error(), want.Part)
	}
}

func rpcLive(signature string) url.Values {
	v := forbid()
	for name, value := range map[string]string{
		"Action": "ForbidLiveStream", "Version": "2016-11-01", "Format": "JSON", "AccessKeyId": "testid",
		"SignatureMethod": "HMAC-SHA1", "SignatureVersion": "1.0", "SignatureNonce": "nonce-1",
		"Timestamp": "2026-11-22T17:00:00Z", "SecurityToken": "tok/en==", "Signature": signature,
	} {
		v.Set(name, value)
	}
	return v
}

func rpcOfficial(action, format, nonce, timestamp, signature string) url.Values {
	return url.Values{
		"Action": {action}, "Format": {format}, "Version": {"2014-05-26"}, "AccessKeyId": {"testid"},
		"SignatureMethod": {"HMAC-SHA1"}, "SignatureVersion": {"1.0"}, "SignatureNonce": {nonce},
		"Timestamp": {timestamp}, "Signature": {signature},
	}
}

func TestRPCGoldenVectors(t *testing.T) {
	second := rpcOfficial("DescribeDedicatedHosts", "JSON", "edb2b34af0af9a6d14deaf7c1a5315eb",
		"2023-03-13T08:34:30Z", "9NaGiOspFP5UPcwX8Iwt2YJXXuk=")
	second.Set("RegionId", "cn-beijing")
	cases := map[string]struct {
		method string
		params url.Values
	}{
		"official": {"GET", rpcOfficial("DescribeRegions", "XML", "3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf",
			"2016-02-23T12:46:24Z", "OLeaidS1JvxuMvnyHOwuJ+uX5qY=")},
		"official second": {"GET", second},
		"live GET":        {"GET", rpcLive("IXXc/AIYcQe7ltQxqAv3PH3OJOw=")},
		"live POST":       {"POST", rpcLive("+zbN6D6F0Oo9aKGcsCe8Ntxop1Q=")},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s, err := RPC(c.method, c.params)
			if err != nil {
				t.Fatal(err)
			}
			if !s.Valid("testsecret") {
				t.Error("the vector's signature is refused")
			}
			if s.Valid("testsecre") {
				t.Error("another secret is accepted")
			}
			if c.params.Get("Signature") == "" {
				t.Error("the parameters were changed")
			}
		})
	}
}

func TestRPCProblems(t *testing.T) {
	cases := map[string]struct {
		name, value string
		want        Problem
	}{
		"no key":         {"AccessKeyId", "", Problem{Missing, "AccessKeyId"}},
		"no signature":   {"Signature", "", Problem{Missing, "Signature"}},
		"no nonce":       {"SignatureNonce", "", Problem{Missing, "SignatureNonce"}},
		"no timestamp":   {"Timestamp", "", Problem{Missing, "Timestamp"}},
		"time of a sort": {"Timestamp", "2026-11-22 17:00", Problem{BadTime, "Timestamp"}},
		"other method":   {"SignatureMethod", "HMAC-MD5", Problem{Malformed, "SignatureMethod"}},
		"other version":  {"SignatureVersion", "2.0", Problem{Malformed, "SignatureVersion"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			params := rpcLive("x")
			params.Set(c.name, c.value)
			_, err := RPC("GET", params)
			checkProblem(t, err, c.want)
		})
	}
}

const volcBody = `{"Vhost":"push.example.com","App":"live"}`

func volcRequest(query, token, signature string) *http.Request {
	r := httptest.NewRequest("POST", "http://live.volcengineapi.com/?"+query, nil)
	names := "content-type;host;x-content-sha256;x-date"
	if token != "" {
		r.Header.Set("X-Security-Token", token)
		names += ";x-security-token"
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Date", "20260102T030405Z")
	r.Header.Set("X-Content-Sha256", "35480c27ea590899986b1d70859eb06b9f03c394a63020a934d236d51c761018")
	r.Header.Set("Authorization", "HMAC-SHA256 Credential=AKLTexample/20260102/cn-north-1/live/request, SignedHeaders="+
		names+", Signature="+signature)
	return r
}

const (
	volcDescribe = "Action=DescribeRelaySourceV3&Version=2023-01-01"
	volcPage     = "Action=DescribeForbiddenStreamInfoByPage&PageNum=1&PageSize=1000&Stream=a%20b~c%2Bd&Version=2023-01-01"
	volcPlain    = "d40a3c2771c8f75e6059310139b4d12839cd6385c450500e5945793254bcd894"
)

func TestVolcengineGoldenVectors(t *testing.T) {
	cases := map[string]struct{ query, token, signature string }{
		"plain":    {volcDescribe, "", volcPlain},
		"encoding": {volcPage, "", "096ec8d66693be49f97b05d06744d78e7e4473d020d9322bd1bc83acd2a8862b"},
		"token": {
			volcDescribe, "STSexampletoken", "1a6dbfde0f2b0270eb2eea6505dcfb63f95ff4fe71bb22d64bba5f3115efee9f",
		},
		"encoding token": {
			volcPage, "STSexampletoken", "01e1d2ce7d9c1004fcec16e2442cf70313ef0d34810a12787100cca1478a10d8",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r := volcRequest(c.query, c.token, c.signature)
			s, err := Volcengine(r, r.URL.Query(), []byte(volcBody))
			if err != nil {
				t.Fatal(err)
			}
			if !s.Valid("SKexample==") {
				t.Error("the vector's signature is refused")
			}
			if s.Valid("SKexample=") {
				t.Error("another secret is accepted")
			}
			scope := strings.Join(s.Scope, "/")
			if s.KeyID != "AKLTexample" || s.Token != c.token || scope != "20260102/cn-north-1/live/request" {
				t.Errorf("read key %q, token %q, scope %q", s.KeyID, s.Token, scope)
			}
		})
	}
}

func TestVolcengineProblems(t *testing.T) {
	signed := func(credential string) func(*http.Request) {
		return func(r *http.Request) {
			r.Header.Set("Authorization", "HMAC-SHA256 Credential="+credential+", SignedHeaders=host;x-date, Signature=00")
		}
	}
	cases := map[string]problemCase{
		"no date":     {func(r *http.Request) { r.Header.Del("X-Date") }, volcBody, Problem{Missing, "X-Date"}},
		"short scope": {signed("AK/20260102/live"), volcBody, Problem{Malformed, "Credential"}},
		"other day":   {signed("AK/20260103/cn-north-1/live/request"), volcBody, Problem{Malformed, "Credential"}},
		"other scheme": {
			func(r *http.Request) { r.Header.Set("Authorization", "Basic x") }, volcBody,
			Problem{Malformed, "Authorization"},
		},
		"other body": {func(*http.Request) {}, "{}", Problem{Mismatch, "X-Content-Sha256"}},
		"date no form": {
			func(r *http.Request) { r.Header.Set("X-Date", "2026-01-02") }, volcBody, Problem{BadTime, "X-Date"},
		},
		"token outside": {
			func(r *http.Request) { r.Header.Set("X-Security-Token", "t") }, volcBody,
			Problem{Mismatch, "x-security-token"},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r := volcRequest(volcDescribe, "", volcPlain)
			c.change(r)
			_, err := Volcengine(r, r.URL.Query(), []byte(c.body))
			checkProblem(t, err, c.want)
		})
	}
}

func FuzzAuthorization(f *testing.F) {
	f.Add("ACS3-HMAC-SHA256 Credential=a,SignedHeaders=host;x,Signature=b", "2026-11-22T17:00:00Z", "20260102T030405Z")
	f.Add("HMAC-SHA256 Credential=a/20260102/r/live/request, SignedHeaders=host, Signature=b", "", "20260102T030405Z")
	f.Fuzz(func(_ *testing.T, auth, date, xdate string) {
		r := acsVectors()["live GET"].request()
		r.Header.Set("Authorization", auth)
		r.Header.Set("X-Acs-Date", date)
		r.Header.Set("X-Date", xdate)
		if s, err := ACS3(r, r.URL.Query(), nil); err == nil {
			s.Valid("secret")
		}
		if s, err := Volcengine(r, r.URL.Query(), nil); err == nil {
			s.Valid("secret")
		}
	})
}

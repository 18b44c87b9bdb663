package emulator_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"weir/sync/emulator"
)

func TestAliyunAcceptsEveryWayToCall(t *testing.T) {
	_, c := start(nil)
	params := []string{
		"DomainName", "push.example.com", "AppName", "*", "StreamName", "a b/c~d+e", "LiveStreamType", "publisher",
	}
	for name, r := range map[string]*http.Request{
		"v3 GET":   c.v3("GET", "ResumeLiveStream", params...),
		"v3 POST":  c.v3("POST", "ResumeLiveStream", params...),
		"rpc GET":  c.rpc("GET", "ResumeLiveStream", "JSON", params...),
		"rpc POST": c.rpc("POST", "ResumeLiveStream", "JSON", params...),
	} {
		t.Run(name, func(t *testing.T) { c.do(r).ok(t) })
	}
}

func TestAliyunGetOnlyOperations(t *testing.T) {
	_, c := start(nil)
	for operation, params := range map[string][]string{
		"SetLiveDomainMultiStreamConfig":      {"Domain", "live.example.com", "Switch", "on"},
		"DescribeLiveDomainMultiStreamConfig": {"Domain", "live.example.com"},
		"DescribeLiveDomainMapping":           {"DomainName", "live.example.com"},
	} {
		c.do(c.v3("POST", operation, params...)).is(t, "UnsupportedHTTPMethod", 400)
		c.do(c.rpc("POST", operation, "JSON", params...)).is(t, "UnsupportedHTTPMethod", 400)
		c.do(c.v3("GET", operation, params...)).ok(t)
		c.do(c.rpc("GET", operation, "JSON", params...)).ok(t)
	}
	c.do(c.v3("PUT", "ResumeLiveStream")).is(t, "UnsupportedHTTPMethod", 400)
}

// authCase is a request with something wrong in how it was signed.
type authCase struct {
	request func(c *client) *http.Request
	code    string
	status  int
}

func aliyunAuthCases() map[string]authCase {
	v3 := func(change func(c *client), spoil func(*http.Request)) func(c *client) *http.Request {
		return func(c *client) *http.Request {
			change(c)
			r := c.v3("GET", "DescribeLiveStreamState")
			spoil(r)
			return r
		}
	}
	same, nothing := func(*http.Request) {}, func(*client) {}
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	at := func(d time.Duration) func(*client) {
		return func(c *client) { c.now = func() time.Time { return time.Now().Add(d) } }
	}
	return map[string]authCase{
		"unknown key":  {v3(func(c *client) { c.key = "nobody" }, same), "InvalidAccessKeyId.NotFound", 404},
		"wrong secret": {v3(func(c *client) { c.secret = "x" }, same), "SignatureDoesNotMatch", 400},
		"other host": {
			v3(nothing, func(r *http.Request) { r.Host = "live.example.net" }), "SignatureDoesNotMatch", 400,
		},
		"token of none": {
			v3(func(c *client) { c.token = "t" }, same), "InvalidSecurityToken.MismatchWithAccessKey", 400,
		},
		"old":             {v3(at(-15*time.Minute-time.Second), same), "InvalidTimeStamp.Expired", 400},
		"from the future": {v3(at(15*time.Minute+time.Second), same), "InvalidTimeStamp.Expired", 400},
		"time of no form": {v3(nothing, header("X-Acs-Date", "now")), "InvalidTimeStamp.Format", 400},
		"no authorization": {
			v3(nothing, func(r *http.Request) { r.Header.Del("Authorization") }), "MissingAuthorization", 400,
		},
		"no nonce": {
			v3(nothing, func(r *http.Request) { r.Header.Del("X-Acs-Signature-Nonce") }), "MissingSignatureNonce", 400,
		},
		"half": {
			v3(nothing, header("Authorization", "ACS3-HMAC-SHA256 Credential=x")), "InvalidAuthorization", 400,
		},
		"unsigned header": {v3(nothing, header("X-Acs-Security-Token", "x")), "SignatureDoesNotMatch", 400},
		"unknown operation": {
			func(c *client) *http.Request { return c.v3("GET", "DropEverything") }, "InvalidApi.NotFound", 404,
		},
		"other cloud's": {
			func(c *client) *http.Request { return c.v3("GET", "UpdateRelaySourceV3") }, "InvalidApi.NotFound", 404,
		},
		"rpc unsigned": {func(c *client) *http.Request {
			return request("GET", "http://"+c.host+"/?Action=ResumeLiveStream&Version=2016-11-01&Format=JSON", "")
		}, "MissingAccessKeyId", 400},
		"rpc other method": {func(c *client) *http.Request {
			return request("GET", "http://"+c.host+"/?Format=JSON&AccessKeyId=a&Signature=s&SignatureMethod=HMAC-MD5"+
				"&SignatureNonce=n&Timestamp=t", "")
		}, "InvalidSignatureMethod", 400},
		"other version": {func(c *client) *http.Request {
			c.version = "2014-05-26"
			return c.v3("GET", "DescribeLiveStreamState")
		}, "InvalidVersion", 400},
		"rpc other version": {func(c *client) *http.Request {
			c.version = "2014-05-26"
			return c.rpc("GET", "DescribeLiveStreamState", "JSON")
		}, "InvalidVersion", 400},
		"rpc wrong secret": {func(c *client) *http.Request {
			c.secret = "x"
			return c.rpc("POST", "ResumeLiveStream", "JSON")
		}, "SignatureDoesNotMatch", 400},
	}
}

func TestAliyunAuthRefusals(t *testing.T) {
	for name, k := range aliyunAuthCases() {
		t.Run(name, func(t *testing.T) {
			e, c := start(nil)
			c.do(k.request(c)).is(t, k.code, k.status)
			journal := e.Journal()
			if len(journal) != 1 || journal[0].Code != k.code || journal[0].Status != k.status {
				t.Errorf("journal: %+v", journal)
			}
		})
	}
}

func volcengineAuthCases() map[string]authCase {
	const op, body = "DescribeRelaySourceV3", `{"Vhost":"v.example.com"}`
	volc := func(change func(c *client), spoil func(*http.Request)) func(c *client) *http.Request {
		return func(c *client) *http.Request {
			change(c)
			r := c.volc(op, body)
			spoil(r)
			return r
		}
	}
	same, nothing := func(*http.Request) {}, func(*client) {}
	at := func(d time.Duration) func(*client) {
		return func(c *client) { c.now = func() time.Time { return time.Now().Add(d) } }
	}
	scoped := func(action, version, service string) func(c *client) *http.Request {
		return func(c *client) *http.Request { return c.volcScope(action, version, service, body) }
	}
	return map[string]authCase{
		"unknown key":  {volc(func(c *client) { c.key = "nobody" }, same), "InvalidAccessKey", 401},
		"wrong secret": {volc(func(c *client) { c.secret = "x" }, same), "SignatureDoesNotMatch", 401},
		"other host": {
			volc(nothing, func(r *http.Request) { r.Host = "live.example.net" }), "SignatureDoesNotMatch", 401,
		},
		"other body hash": {
			volc(nothing, func(r *http.Request) { r.Header.Set("X-Content-Sha256", "0") }), "SignatureDoesNotMatch", 401,
		},
		"token of none":   {volc(func(c *client) { c.token = "t" }, same), "InvalidSecretToken", 401},
		"old":             {volc(at(-15*time.Minute-time.Second), same), "InvalidTimestamp", 400},
		"from the future": {volc(at(15*time.Minute+time.Second), same), "InvalidTimestamp", 400},
		"no date": {
			volc(nothing, func(r *http.Request) { r.Header.Del("X-Date") }), "MissingRequestInfo", 400,
		},
		"date of no form": {
			volc(nothing, func(r *http.Request) { r.Header.Set("X-Date", "now") }), "InvalidTimestamp", 400,
		},
		"no authorization": {
			volc(nothing, func(r *http.Request) { r.Header.Del("Authorization") }), "MissingAuthenticationToken", 401,
		},
		"half": {
			volc(nothing, func(r *http.Request) { r.Header.Set("Authorization", "HMAC-SHA256 x") }),
			"InvalidAuthorization", 400,
		},
		"short credential": {volc(nothing, func(r *http.Request) {
			r.Header.Set("Authorization", "HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=c")
		}), "InvalidCredential", 400},
		"other service":  {scoped(op, "2023-01-01", "vod"), "ServiceNotFound", 404},
		"other version":  {scoped(op, "2020-08-01", "live"), "InvalidActionOrVersion", 404},
		"unknown action": {scoped("DropEverything", "2023-01-01", "live"), "InvalidActionOrVersion", 404},
		"other cloud's":  {scoped("HotLiveRtcStream", "2023-01-01", "live"), "InvalidActionOrVersion", 404},
		"with GET": {func(c *client) *http.Request {
			r := c.volc(op, body)
			r.Method = "GET"
			return r
		}, "InvalidActionOrVersion", 404},
	}
}

func TestVolcengineAuthRefusals(t *testing.T) {
	for name, k := range volcengineAuthCases() {
		t.Run(name, func(t *testing.T) {
			e, c := start(nil)
			g := c.do(k.request(c)).is(t, k.code, k.status)
			if !strings.Contains(g.body, `"CodeN":1000`) {
				t.Errorf("a code of the gateway without its number: %s", g.body)
			}
			if journal := e.Journal(); len(journal) != 1 || journal[0].Code != k.code {
				t.Errorf("journal: %+v", journal)
			}
		})
	}
}

func TestTimesJustWithinTolerance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, c := start(nil)
		for _, d := range []time.Duration{-15 * time.Minute, 15 * time.Minute} {
			c.now = func() time.Time { return time.Now().Add(d) }
			c.call("DescribeLiveStreamState").ok(t)
			c.call("DescribeRelaySourceV3").ok(t)
		}
	})
}

func TestClockSkew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, c := start(func(w *emulator.World) { w.Settings.ClockSkew = emulator.Duration(time.Hour) })
		g := c.call("DescribeLiveStreamState").is(t, "InvalidTimeStamp.Expired", 400)
		server, err := http.ParseTime(g.header.Get("Date"))
		if err != nil {
			t.Fatal(err)
		}
		if ahead := time.Until(server); ahead != time.Hour {
			t.Errorf("the Date header is %s ahead, want 1h", ahead)
		}
		c.now = func() time.Time { return server }
		c.call("DescribeLiveStreamState").ok(t)
		c.call("DescribeRelaySourceV3").ok(t)
	})
}

func TestNonceIsTakenOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, c := start(nil)
		r := c.v3("GET", "DescribeLiveDomainMapping", "DomainName", "live.example.com")
		c.do(r).ok(t)
		c.do(r).is(t, "SignatureNonceUsed", 400)
		rpc := c.rpc("GET", "DescribeLiveDomainMapping", "JSON", "DomainName", "live.example.com")
		c.do(rpc).ok(t)
		time.Sleep(15 * time.Minute)
		c.do(rpc).is(t, "SignatureNonceUsed", 400)
		time.Sleep(time.Hour + time.Second)
		c.nonce.Store(0) // by now the first nonces can be used again
		c.call("DescribeLiveDomainMapping").ok(t)
	})
}

func TestForgedRequestDoesNotUseUpANonce(t *testing.T) {
	_, c := start(nil)
	good := c.v3("GET", "DescribeLiveDomainMapping", "DomainName", "live.example.com")
	forged := good.Clone(t.Context())
	forged.URL.RawQuery = "DomainName=live2.example.com"
	c.do(forged).is(t, "SignatureDoesNotMatch", 400)
	c.do(good).ok(t)
}

func TestSecurityTokens(t *testing.T) {
	_, c := start(func(w *emulator.World) {
		for _, cloud := range []string{emulator.Aliyun, emulator.Volcengine} {
			w.Credentials = append(w.Credentials, emulator.Credential{
				Cloud: cloud, AccessKeyID: "STS.a", AccessKeySecret: "s", SecurityToken: "tok/en==",
			})
		}
	})
	c.key, c.secret = "STS.a", "s"
	c.call("DescribeLiveStreamState").is(t, "InvalidAccessKeyId.NotFound", 404)
	c.call("DescribeRelaySourceV3").is(t, "InvalidAccessKey", 401)
	c.token = "another"
	c.call("DescribeLiveStreamState").is(t, "InvalidSecurityToken.MismatchWithAccessKey", 400)
	c.call("DescribeRelaySourceV3").is(t, "InvalidSecretToken", 401)
	c.token = "tok/en=="
	c.call("DescribeLiveStreamState").ok(t)
	c.call("DescribeRelaySourceV3").ok(t)
	c.do(c.rpc("GET", "DescribeLiveDomainMapping", "JSON", "DomainName", "live.example.com")).ok(t)
	c.do(c.rpc("POST", "DescribeLiveStreamState", "JSON", "DomainName", "live.example.com", "AppName", "a",
		"StreamName", "s")).ok(t)
}

func TestAliyunXML(t *testing.T) {
	_, c := start(func(w *emulator.World) {
		w.Blocked = []emulator.Block{
			{Domain: "push.example.com", App: "a", Stream: "x<y"}, {Domain: "push.example.com", App: "a", Stream: "b"},
		}
	})
	const head = "<?xml version='1.0' encoding='UTF-8'?>"
	id := func(body string) string {
		_, rest, _ := strings.Cut(body, "<RequestId>")
		id, _, _ := strings.Cut(rest, "</RequestId>")
		return id
	}
	g := c.do(c.rpc("GET", "DescribeLiveStreamsBlockList", "", "DomainName", "live.example.com"))
	want := head + "<DescribeLiveStreamsBlockListResponse><RequestId>" + id(g.body) + "</RequestId>" +
		"<DomainName>live.example.com</DomainName><PageNum>1</PageNum><PageSize>2000</PageSize><TotalNum>2</TotalNum>" +
		"<TotalPage>1</TotalPage><StreamUrls><StreamUrl>live.example.com/a/b</StreamUrl>" +
		"<StreamUrl>live.example.com/a/x&lt;y</StreamUrl></StreamUrls></DescribeLiveStreamsBlockListResponse>"
	if g.body != want || g.status != 200 || id(g.body) == "" {
		t.Errorf("got  %d %s\nwant %s", g.status, g.body, want)
	}
	g = c.do(c.rpc("POST", "ResumeLiveStream", "XML"))
	want = head + "<Error><RequestId>" + id(g.body) + "</RequestId><HostId>live.example.net:8181</HostId>" +
		"<Code>MissingDomainName</Code><Message>DomainName is mandatory for this action</Message>" +
		"<Recommend>https://api.aliyun.com/troubleshoot?q=MissingDomainName&amp;product=live</Recommend></Error>"
	if g.body != want || g.status != 400 {
		t.Errorf("got  %d %s\nwant %s", g.status, g.body, want)
	}
	if got := g.header.Get("Content-Type"); got != "text/xml;charset=utf-8" {
		t.Errorf("content type %q", got)
	}
}

func TestAliyunFormat(t *testing.T) {
	_, c := start(nil)
	v3 := func(accept string) *http.Request {
		r := c.v3("GET", "DescribeLiveStreamState")
		r.Header.Set("Accept", accept)
		return r
	}
	rpc := func(format, accept string) *http.Request {
		r := c.rpc("GET", "DescribeLiveStreamState", format)
		r.Header.Set("Accept", accept)
		return r
	}
	cases := map[string]struct {
		request *http.Request
		xml     bool
	}{
		"v3":                  {v3(""), false},
		"v3 json":             {v3("application/json"), false},
		"v3 anything":         {v3("*/*"), false},
		"v3 xml":              {v3("application/xml"), true},
		"rpc":                 {rpc("", ""), true},
		"rpc json":            {rpc("json", ""), false},
		"rpc accept json":     {rpc("", "application/json"), false},
		"rpc xml before json": {rpc("XML", "application/json"), true},
	}
	for name, k := range cases {
		t.Run(name, func(t *testing.T) {
			g := c.do(k.request)
			if g.status != 400 || strings.HasPrefix(g.body, "<?xml") != k.xml {
				t.Errorf("got %d %s", g.status, g.body)
			}
		})
	}
}

func TestAliyunErrorBody(t *testing.T) {
	_, c := start(nil)
	g := c.aliyun("DescribeLiveStreamState").is(t, "InvalidParam", 400)
	want := `{"RequestId":"` + g.id + `","HostId":"live.example.net:8181","Code":"InvalidParam",` +
		`"Message":"DomainName is missing",` +
		`"Recommend":"https://api.aliyun.com/troubleshoot?q=InvalidParam\u0026product=live"}`
	if g.body != want {
		t.Errorf("got  %s\nwant %s", g.body, want)
	}
	if strings.Count(g.id, "-") != 4 || len(g.id) != 36 || g.id != strings.ToUpper(g.id) {
		t.Errorf("request id %q is not of the cloud's form", g.id)
	}
}

func TestRequestIDsAreUnique(t *testing.T) {
	e, c := start(nil)
	for range 500 {
		c.call("DescribeLiveStreamState")
		c.call("DescribeRelaySourceV3")
	}
	seen := map[string]bool{}
	for _, one := range e.Journal() {
		if one.RequestID == "" || seen[one.RequestID] {
			t.Fatalf("request id %q twice", one.RequestID)
		}
		seen[one.RequestID] = true
	}
	if len(seen) != 1000 {
		t.Errorf("%d ids, want 1000", len(seen))
	}
}

package emulator_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"weir/sync/emulator"
)

// FuzzRequest sends anything to the emulator: it answers, and never panics.
func FuzzRequest(f *testing.F) {
	f.Add("GET", "/?Action=DescribeLiveStreamState&Version=2016-11-01", "", "", "", "")
	f.Add("POST", "/?Action=UpdateRelaySourceV3&Version=2023-01-01",
		"HMAC-SHA256 Credential=a/20260102/r/live/request, SignedHeaders=host, Signature=0", "20260102T030405Z", "",
		`{"Vhost":1}`)
	f.Add("GET", "/?DomainName=x", "ACS3-HMAC-SHA256 Credential=weir-emulator,SignedHeaders=host,Signature=0", "",
		"ForbidLiveStream", "")
	f.Add("PATCH", "/_emulator/world", "", "", "", `{"streams":[{"domain":"live.example.com","app":"a","stream":"s"}]}`)
	f.Add("PUT", "/_emulator/faults", "", "", "", `[{"operation":"*","kind":"latency","delay":"1ns"}]`)
	f.Add("POST", "/", "", "", "", "Action=ForbidLiveStream&Signature=x&AccessKeyId=y")
	f.Fuzz(func(t *testing.T, method, target, auth, date, action, body string) {
		r, err := http.NewRequest(method, "http://emulator", strings.NewReader(body))
		if err != nil || !strings.HasPrefix(target, "/") {
			return
		}
		if u, err := r.URL.Parse(target); err == nil {
			r.URL = u
		}
		for name, value := range map[string]string{"Authorization": auth, "X-Date": date, "X-Acs-Action": action} {
			if value != "" {
				r.Header.Set(name, value)
			}
		}
		if !strings.HasPrefix(r.URL.Path, "/_emulator/") {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		e, _ := start(nil)
		w := httptest.NewRecorder()
		e.ServeHTTP(w, r)
		if w.Code < 200 || w.Code > 599 {
			t.Errorf("status %d", w.Code)
		}
		if w.Header().Get("Content-Type") == "" {
			t.Error("an answer without a content type")
		}
	})
}

// FuzzParams sends any parameters and bodies under a good signature.
func FuzzParams(f *testing.F) {
	f.Add(uint8(0), "live.example.com", "a", "s", "on", `{"Vhost":"v.example.com"}`)
	f.Add(uint8(3), "push.example.com", "*", "s", "publisher",
		relay("v.example.com", "live", group("a", server("x", "flv"))))
	operations := []string{
		"SetLiveDomainMultiStreamConfig", "DescribeLiveDomainMapping", "DescribeLiveStreamsBlockList", "ForbidLiveStream",
		"ResumeLiveStream", "RealTimeRecordCommand", "DescribeLiveStreamsOnlineList", "DescribeLiveStreamState",
		"HotLiveRtcStream", "DescribeLiveDomainMultiStreamConfig", "DescribeLiveUserDomains",
	}
	f.Fuzz(func(t *testing.T, n uint8, domain, app, stream, word, body string) {
		e, c := start(nil)
		operation := operations[int(n)%len(operations)]
		answers := []got{
			c.aliyun(operation, "Domain", domain, "DomainName", domain, "AppName", app, "StreamName", stream,
				"Switch", word, "LiveStreamType", "publisher", "Command", word, "RegionCode", word, "AudioMsid", app,
				"VideoMsid", app, "ConnectionTimeout", word, "ResumeTime", word, "PageNum", word, "QueryType", word),
			c.relay("UpdateRelaySourceV3", body), c.relay("DescribeRelaySourceV3", body),
			c.relay("DeleteRelaySourceV3", body), c.relay("ListDomainDetail", body),
			c.do(c.rpc(http.MethodGet, operation, "XML", "DomainName", domain, "AppName", app, "StreamName", stream)),
		}
		for i, g := range answers {
			if g.err != nil || g.code == "InternalError" || g.code == "SignatureDoesNotMatch" {
				t.Errorf("answer %d: %+v", i, g)
			}
		}
		if len(e.Journal()) != len(answers) {
			t.Errorf("%d calls in the journal", len(e.Journal()))
		}
	})
}

// benchmark measures calls of one operation in process, signing left out.
func benchmark(b *testing.B, operation string, change func(*emulator.World)) {
	e, c := start(change)
	if err := e.SetQuotas(emulator.Quota{Operation: operation}); err != nil {
		b.Fatal(err)
	}
	requests := make([]*http.Request, b.N)
	for i := range requests {
		requests[i] = benchRequest(c, operation)
	}
	transport := e.Transport()
	b.ReportAllocs()
	b.ResetTimer()
	for _, r := range requests {
		resp, err := transport.RoundTrip(r)
		if err != nil || resp.StatusCode != http.StatusOK {
			b.Fatal(resp, err)
		}
	}
}

func benchRequest(c *client, operation string) *http.Request {
	switch operation {
	case "UpdateRelaySourceV3":
		return c.volc(operation, relay("v.example.com", "live", group("a", server("1.example.net", "rtmp"))))
	case "DescribeRelaySourceV3":
		return c.volc(operation, `{"Vhost":"v.example.com"}`)
	}
	return c.v3(http.MethodGet, operation, "DomainName", "push.example.com", "AppName", "a", "StreamName", "s",
		"LiveStreamType", "publisher")
}

func BenchmarkForbid(b *testing.B) { benchmark(b, "ForbidLiveStream", nil) }

func BenchmarkUpdateRelay(b *testing.B) { benchmark(b, "UpdateRelaySourceV3", nil) }

func BenchmarkDescribeRelay10000(b *testing.B) {
	benchmark(b, "DescribeRelaySourceV3", func(w *emulator.World) {
		servers := []emulator.RelayServer{{Address: "1.example.net", Protocol: "rtmp"}}
		for i := range 10_000 {
			w.RelaySources = append(w.RelaySources, emulator.RelaySource{
				Vhost: "v.example.com", App: time.Duration(i).String(),
				Groups: []emulator.RelayGroup{{Name: "a", Servers: servers}},
			})
		}
	})
}

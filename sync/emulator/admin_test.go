package emulator_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"weir/sync/emulator"
)

// patch changes the world through the endpoint.
func (c *client) patch(t *testing.T, body string) {
	t.Helper()
	if g := c.admin("PATCH", "world", body); g.err != nil || g.status != http.StatusOK {
		t.Fatalf("got %d %s %v", g.status, g.body, g.err)
	}
}

func TestJournalOverHTTP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, c := start(nil)
		time.Sleep(1500 * time.Millisecond)
		a := c.do(c.rpc("POST", "ForbidLiveStream", "JSON", "DomainName", "push.example.com", "AppName", "a",
			"StreamName", "s", "LiveStreamType", "publisher", "RegionId", "cn-shanghai")).ok(t)
		b := c.aliyun("DescribeLiveStreamState", "DomainName", "live.example.com").is(t, "InvalidParam", 400)
		v := c.relay("DescribeRelaySourceV3", `{"Vhost":"v.example.com","N":[1]}`).ok(t)
		entry := func(cloud, operation, params, status, code, id string) string {
			return `{"time":"2000-01-01T00:00:01.5Z","cloud":"` + cloud + `","accessKeyId":"weir-emulator",` +
				`"account":"weir-emulator","operation":"` + operation + `","params":` + params + `,"status":` + status +
				`,"code":"` + code + `","requestId":"` + id + `"}`
		}
		first := entry("aliyun", "ForbidLiveStream", `{"AppName":"a","DomainName":"push.example.com",`+
			`"LiveStreamType":"publisher","RegionId":"cn-shanghai","StreamName":"s"}`, "200", "", a.id)
		second := entry("aliyun", "DescribeLiveStreamState", `{"DomainName":"live.example.com"}`, "400",
			"InvalidParam", b.id)
		third := entry("volcengine", "DescribeRelaySourceV3", `{"N":[1],"Vhost":"v.example.com"}`, "200", "", v.id)
		cases := map[string]string{
			"calls":                                 "[" + first + "," + second + "," + third + "]",
			"calls?operation=DescribeRelaySourceV3": "[" + third + "]",
			"calls?account=weir-emulator&operation=Nothing":          "[]",
			"calls?account=nobody":                                   "[]",
			"calls?account=weir-emulator&operation=ForbidLiveStream": "[" + first + "]",
		}
		for path, want := range cases {
			if got := compact(t, c.admin("GET", path, "").body); got != want {
				t.Errorf("%s\ngot  %s\nwant %s", path, got, want)
			}
		}
		c.admin("DELETE", "calls", "")
		if got := compact(t, c.admin("GET", "calls", "").body); got != "[]" {
			t.Errorf("after DELETE: %s", got)
		}
	})
}

func compact(t *testing.T, body string) string {
	t.Helper()
	var v json.RawMessage
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	b, _ := json.Marshal(v)
	return string(b)
}

func TestEndpointsAndPaths(t *testing.T) {
	_, c := start(nil)
	cases := map[string]int{
		"GET /_emulator/world": 200, "GET /_emulator/calls": 200, "GET /_emulator/faults": 200,
		"DELETE /_emulator/calls": 200, "POST /_emulator/world": 404, "PUT /_emulator/world": 404,
		"GET /_emulator/": 404, "GET /_emulator/nothing": 404, "GET /": 404, "GET /index.html": 404, "POST /": 404,
		"GET /?Action=X": 404, "PUT /_emulator/streams": 400, "PATCH /_emulator/world": 400,
	}
	for line, want := range cases {
		method, path, _ := strings.Cut(line, " ")
		if g := c.do(request(method, "http://"+c.host+path, "")); g.status != want {
			t.Errorf("%s: %d, want %d: %s", line, g.status, want, g.body)
		}
	}
}

func TestSignedRequestIsNeverAnAdminCall(t *testing.T) {
	e, c := start(nil)
	r := c.v3("GET", "DescribeLiveStreamState")
	r.URL.Path = "/_emulator/world"
	c.do(r).is(t, "InvalidApi.NotFound", 404)
	r = c.volc("DescribeRelaySourceV3", "{}")
	r.URL.Path = "/_emulator/calls"
	r.Method = "DELETE"
	c.do(r).is(t, "InvalidActionOrVersion", 404)
	if len(e.Journal()) != 2 {
		t.Error("a signed request reached an endpoint")
	}
}

func TestBodyLimits(t *testing.T) {
	e, c := start(nil)
	g := c.relay("UpdateRelaySourceV3", `{"Vhost":"`+strings.Repeat("a", 1<<20)+`"}`)
	if g.status != http.StatusRequestEntityTooLarge || len(e.Journal()) != 0 {
		t.Errorf("got %d", g.status)
	}
	if g := c.admin("PUT", "streams", "["+strings.Repeat(" ", 2<<20)+"]"); g.status != http.StatusOK {
		t.Errorf("2 MiB for an endpoint: %d %s", g.status, g.body)
	}
}

func TestPutStreams(t *testing.T) {
	_, c := start(nil)
	put := func(body string, status int) string {
		t.Helper()
		g := c.admin("PUT", "streams", body)
		if g.status != status {
			t.Errorf("%s: %d %s, want %d", body, g.status, g.body, status)
		}
		return g.body
	}
	put(`[{"domain":"live.example.com","app":"a","stream":"s","online":true},`+
		`{"domain":"push.example.com","app":"a","stream":"t","online":true}]`, 200)
	put(`[{"domain":"live.example.com","app":"a","stream":"s","online":false}]`, 200)
	if got := onlineNames(c.call("DescribeLiveStreamsOnlineList")); got != "a/t" {
		t.Errorf("online: %q, want a/t", got)
	}
	got := put(`[{"domain":"x.example.net","app":"a","stream":"s"}]`, 400)
	if want := `streams[0].domain: \"x.example.net\" is not among the domains`; !strings.Contains(got, want) {
		t.Errorf("%s lacks %s", got, want)
	}
	put(`[{"domain":"live.example.com","app":"a"}]`, 400)
	put(`[{"domain":"live.example.com","app":"a","stream":"s","Online":1}]`, 400)
	put(`{}`, 400)
	if got := onlineNames(c.call("DescribeLiveStreamsOnlineList")); got != "a/t" {
		t.Errorf("after refusals online: %q, want a/t", got)
	}
}

// TestSomebodyInTheConsole plays changes behind the back of the APIs' caller.
func TestSomebodyInTheConsole(t *testing.T) {
	e, c := start(nil)
	c.call("SetLiveDomainMultiStreamConfig").ok(t)
	c.call("UpdateRelaySourceV3").ok(t)
	c.forbid("push.example.com", "a", "s").ok(t)
	e.ClearJournal()
	c.patch(t, `{"domains":[{"name":"live.example.com","multiStream":"off"}],
		"blocked":[{"domain":"push.example.com","app":"a","stream":"s","deleted":true},
			{"domain":"push.example.com","app":"a","stream":"other","until":"2999-01-01T00:00:00Z"}],
		"relaySources":[{"vhost":"v.example.com","app":"live","groups":[{"name":"x","servers":[
			{"address":"9.example.net","protocol":"flv","params":{"k":"v"}}]}]},
			{"vhost":"v.example.com","app":"more","groups":[]}],
		"recordings":[{"domain":"live.example.com","app":"a","stream":"r","state":"recording"}],
		"prefetches":[{"domain":"live.example.com","app":"a","stream":"p","region":"BEJ","count":3}],
		"streams":[{"domain":"live.example.com","app":"a","stream":"r","online":true}]}`)
	if len(e.Journal()) != 0 {
		t.Error("the patch is in the journal")
	}
	if got := c.call("DescribeLiveDomainMultiStreamConfig").without(t); got != `{"Switch":"off"}` {
		t.Errorf("multi stream: %s", got)
	}
	c.listIs(t, "live.example.com/a/other")
	want := `{"Vhost":"v.example.com","App":"live","GroupDetails":[{"Group":"x","Servers":[{"RelaySourceProtocol":"flv",` +
		`"RelaySourceDomain":"9.example.net","RelaySourceParams":{"k":"v"}}]}]}`
	if got := listed(t, c.relay("DescribeRelaySourceV3", `{"Vhost":"v.example.com","App":"live"}`)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if w := e.World(); w.Prefetches[0].Count != 3 || w.Recordings[0].State != "recording" {
		t.Errorf("recordings %+v, prefetches %+v", w.Recordings, w.Prefetches)
	}
	c.patch(t, `{"relaySources":[{"vhost":"v.example.com","app":"live","deleted":true}],
		"recordings":[{"domain":"live.example.com","app":"a","stream":"r","deleted":true}],
		"streams":[{"domain":"live.example.com","app":"a","stream":"r","deleted":true}],
		"prefetches":[{"domain":"live.example.com","app":"a","stream":"p","region":"BEJ","deleted":true}]}`)
	w := e.World()
	if len(w.RelaySources) != 1 || len(w.Recordings) != 0 || len(w.Prefetches) != 0 || len(w.Streams) != 0 {
		t.Errorf("left: %+v", w)
	}
}

func TestPatchSettingsQuotasAndKeys(t *testing.T) {
	e, c := start(func(w *emulator.World) { w.Settings.Lag = emulator.Duration(time.Second) })
	c.patch(t, `{"settings":{"relayUpdate":"merge"},"quotas":[{"operation":"HotLiveRtcStream","limit":1}],
		"credentials":[{"cloud":"aliyun","accessKeyId":"weir-emulator","account":"shared"},
			{"cloud":"aliyun","accessKeyId":"second","accessKeySecret":"x","account":"shared"}],
		"vhosts":[{"name":"v.example.com","account":"other"}]}`)
	s := e.World().Settings
	if s.RelayUpdate != "merge" || time.Duration(s.Lag) != time.Second || !s.AcceptExampleDomains {
		t.Errorf("settings: %+v", s)
	}
	second := newClient(e)
	second.key, second.secret = "second", "x"
	second.nonce.Store(1000)
	if got := c.count("HotLiveRtcStream", 2) + second.count("HotLiveRtcStream", 2); got != 1 {
		t.Errorf("%d calls of the shared account pass, want 1", got)
	}
	c.call("UpdateRelaySourceV3").is(t, "RequestForbidden.AccountIDNotAllow", 403)
	c.patch(t, `{"credentials":[{"cloud":"aliyun","accessKeyId":"second","deleted":true}]}`)
	second.call("DescribeLiveStreamState").is(t, "InvalidAccessKeyId.NotFound", 404)
	if err := e.SetSettings(emulator.Settings{RelayEmpty: "perhaps"}); err == nil {
		t.Error("a setting of no meaning is taken")
	}
	err := e.SetSettings(emulator.Settings{RelayEmpty: "omitted"})
	if got := e.World().Settings.RelayEmpty; err != nil || got != "omitted" {
		t.Errorf("SetSettings: %v, then %q", err, got)
	}
}

func TestPatchIsTakenWholeOrNotAtAll(t *testing.T) {
	good := `"domains":[{"name":"live.example.com","multiStream":"on"}]`
	for name, body := range map[string]string{
		"unknown section": `{` + good + `,"domain":[]}`,
		"unknown field":   `{` + good + `,"vhosts":[{"name":"x","owner":"y"}]}`,
		"unknown setting": `{` + good + `,"settings":{"speed":1}}`,
		"bad setting":     `{` + good + `,"settings":{"relayUpdate":"both"}}`,
		"bad lag":         `{` + good + `,"settings":{"lag":"3h"}}`,
		"bad quota":       `{` + good + `,"quotas":[{"operation":"X","limit":-1}]}`,
		"no such domain":  `{` + good + `,"streams":[{"domain":"a.example.net","app":"a","stream":"s"}]}`,
		"no such vhost": `{` + good + `,"settings":{"acceptExampleDomains":false},` +
			`"relaySources":[{"vhost":"v.example.com"}]}`,
		"bad state": `{` + good + `,"recordings":[{"domain":"live.example.com","app":"a","stream":"s","state":"x"}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			e, c := start(nil)
			if g := c.admin("PATCH", "world", body); g.status != http.StatusBadRequest {
				t.Errorf("got %d %s", g.status, g.body)
			}
			w := e.World()
			if len(w.Domains) != 0 || !w.Settings.AcceptExampleDomains || len(w.Quotas) != 0 {
				t.Errorf("something was taken: %+v", w)
			}
		})
	}
}

// TestWorldPatchedWithItself changes nothing.
func TestWorldPatchedWithItself(t *testing.T) {
	w := exampleWorld(t)
	e := emulator.New(w)
	c := newClient(e)
	c.prefetch("live.sports.example.org", "BEJ", "ConnectionTimeout", "600000").ok(t)
	c.call("SetLiveDomainMultiStreamConfig").ok(t)
	c.aliyun("RealTimeRecordCommand", "DomainName", "live.sports.example.org", "AppName", "live", "StreamName", "final",
		"Command", "restart").ok(t)
	if len(e.World().Files) != 1 {
		t.Fatal("no file of the recording")
	}
	before := c.admin("GET", "world", "").body
	if strings.Contains(before, "-secret") || strings.Contains(before, "sts-token") {
		t.Error("a secret is shown")
	}
	c.patch(t, before)
	if after := c.admin("GET", "world", "").body; after != before {
		t.Errorf("before %s\nafter %s", before, after)
	}
	c.call("DescribeLiveStreamState").ok(t) // the secrets stay
}

func TestConcurrentCallsOverSockets(t *testing.T) {
	e, _ := start(func(w *emulator.World) {
		w.Quotas = []emulator.Quota{{Operation: "UpdateRelaySourceV3", Limit: 40, Per: emulator.Duration(time.Hour)}}
	})
	srv := httptest.NewServer(e)
	defer srv.Close()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	var group sync.WaitGroup
	for i := range 8 {
		c := newClient(e)
		c.host, c.transport = strings.TrimPrefix(srv.URL, "http://"), transport
		c.nonce.Store(int64(i) * 1000)
		group.Go(func() {
			for range 10 {
				c.call("UpdateRelaySourceV3")
				c.call("DescribeLiveStreamState")
				c.admin("GET", "world", "")
			}
		})
	}
	group.Wait()
	passed, throttled, previous := 0, 0, time.Time{}
	for _, one := range e.Journal() {
		if one.Time.Before(previous) {
			t.Fatal("the journal is not in the order of arrival")
		}
		previous = one.Time
		switch {
		case one.Operation == "UpdateRelaySourceV3" && one.Code == "":
			passed++
		case one.Code == "FlowLimitExceeded":
			throttled++
		}
	}
	if passed != 40 || throttled != 40 {
		t.Errorf("%d passed and %d throttled, want 40 and 40", passed, throttled)
	}
}

package emulator_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"weir/sync/emulator"
)

func server(address, protocol string) string {
	return `{"RelaySourceProtocol":"` + protocol + `","RelaySourceDomain":"` + address + `"}`
}

func group(name string, servers ...string) string {
	return `{"Group":"` + name + `","Servers":[` + strings.Join(servers, ",") + `]}`
}

func relay(vhost, app string, groups ...string) string {
	return `{"Vhost":"` + vhost + `","App":"` + app + `","GroupDetails":[` + strings.Join(groups, ",") + `]}`
}

// listed returns what Describe lists, as JSON.
func listed(t *testing.T, g got) string {
	t.Helper()
	var e struct {
		Result struct{ RelaySourceConfigList []json.RawMessage }
	}
	if err := json.Unmarshal([]byte(g.ok(t).body), &e); err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, one := range e.Result.RelaySourceConfigList {
		texts = append(texts, string(one))
	}
	return strings.Join(texts, "\n")
}

func TestRelayUpdateReplacesOrMerges(t *testing.T) {
	a, b, b2 := group("a", server("1.example.net", "rtmp")), group("b", server("2.example.net", "flv")),
		group("b", server("3.example.net:1935", "rtmp"))
	c3 := group("c", server("4.example.net", "flv"))
	for mode, want := range map[string]string{
		"":        relay("v.example.com", "live", b2, c3),
		"replace": relay("v.example.com", "live", b2, c3),
		"merge":   relay("v.example.com", "live", a, b2, c3),
	} {
		t.Run("mode "+mode, func(t *testing.T) {
			_, c := start(func(w *emulator.World) { w.Settings.RelayUpdate = mode })
			c.relay("UpdateRelaySourceV3", relay("v.example.com", "live", a, b)).ok(t)
			c.relay("UpdateRelaySourceV3", relay("v.example.com", "live", b2, c3)).ok(t)
			got := listed(t, c.relay("DescribeRelaySourceV3", `{"Vhost":"v.example.com"}`))
			if got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

func TestRelayDescribeFiltersAndSorts(t *testing.T) {
	_, c := start(nil)
	g1, g2 := group("g1", server("1.example.net", "rtmp")), group("g2", server("2.example.net", "flv"))
	zed, global := relay("v.example.com", "zed", g1, g2), relay("v.example.com", "", g2)
	abc := relay("v.example.com", "abc", g2)
	for _, body := range []string{zed, abc, global, relay("w.example.com", "abc", g1)} {
		c.relay("UpdateRelaySourceV3", body).ok(t)
	}
	cases := map[string]string{
		`{"Vhost":"v.example.com"}`:                           global + "\n" + abc + "\n" + zed,
		`{"Vhost":"v.example.com","App":"abc"}`:               abc,
		`{"Vhost":"v.example.com","App":"zed","Group":"g2"}`:  relay("v.example.com", "zed", g2),
		`{"Vhost":"v.example.com","Group":"g1"}`:              relay("v.example.com", "zed", g1),
		`{"Vhost":"v.example.com","App":"none"}`:              "",
		`{"Vhost":"u.example.com"}`:                           "",
		`{"vhost":"w.example.com","Unknown":{"ignored":[1]}}`: relay("w.example.com", "abc", g1),
	}
	for body, want := range cases {
		if got := listed(t, c.relay("DescribeRelaySourceV3", body)); got != want {
			t.Errorf("%s\ngot  %s\nwant %s", body, got, want)
		}
	}
}

func TestRelayKeepsParamsAndOrder(t *testing.T) {
	_, c := start(nil)
	body := `{"Vhost":"v.example.com","App":"live","GroupDetails":[{"Group":"z","Servers":[` +
		`{"RelaySourceProtocol":"flv","RelaySourceDomain":"9.example.net","RelaySourceParams":{"a":"1","b":"&=\"x"}},` +
		server("1.example.net", "rtmp") + `]},` + group("a", server("10.0.0.1:80", "rtmp")) + `]}`
	c.relay("UpdateRelaySourceV3", body).ok(t)
	got := listed(t, c.relay("DescribeRelaySourceV3", `{"Vhost":"v.example.com","App":"live"}`))
	if want := strings.ReplaceAll(body, "&", `\u0026`); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestRelayDelete(t *testing.T) {
	_, c := start(nil)
	a, b := group("a", server("1.example.net", "rtmp")), group("b", server("2.example.net", "flv"))
	c.relay("UpdateRelaySourceV3", relay("v.example.com", "live", a, b)).ok(t)
	c.relay("UpdateRelaySourceV3", relay("v.example.com", "", a)).ok(t)
	del := func(body string) got { return c.relay("DeleteRelaySourceV3", body) }
	left := func(want string) {
		t.Helper()
		if got := listed(t, c.relay("DescribeRelaySourceV3", `{"Vhost":"v.example.com"}`)); got != want {
			t.Errorf("left %s\nwant %s", got, want)
		}
	}
	del(`{"Vhost":"v.example.com","App":"live","Group":"x"}`).is(t, "ResourceNotFound", 404)
	del(`{"Vhost":"v.example.com","App":"live","Group":"a"}`).ok(t)
	left(relay("v.example.com", "", a) + "\n" + relay("v.example.com", "live", b))
	del(`{"Vhost":"v.example.com"}`).ok(t)
	left(relay("v.example.com", "live", b))
	del(`{"Vhost":"v.example.com","App":"live","Group":"b"}`).ok(t)
	left("")
	del(`{"Vhost":"v.example.com","App":"live"}`).is(t, "ResourceNotFound", 404)
}

func TestRelayRefusals(t *testing.T) {
	var eleven []string
	for i := range 11 {
		eleven = append(eleven, server(fmt.Sprintf("%d.example.net", i), "rtmp"))
	}
	one := server("1.example.net", "rtmp")
	good := group("a", one)
	cases := map[string]struct {
		body, code string
		status     int
	}{
		"empty":      {``, "InvalidParam.BindError", 400},
		"cut":        {`{"Vhost":"v.ex`, "InvalidParam.BindError", 400},
		"an array":   {`[]`, "InvalidParam.BindError", 400},
		"wrong type": {`{"Vhost":"v.example.com","App":1}`, "InvalidParam.BindError", 400},
		"params of numbers": {
			`{"Vhost":"v.example.com","GroupDetails":[{"Group":"a","Servers":[{"RelaySourceParams":{"a":1}}]}]}`,
			"InvalidParam.BindError", 400,
		},
		"no vhost":           {`{"App":"live"}`, "InvalidParam.BindError", 400},
		"no groups":          {`{"Vhost":"v.example.com","App":"live"}`, "InvalidParam.BindError", 400},
		"empty groups":       {relay("v.example.com", "live"), "InvalidParam.BindError", 400},
		"vhost of no form":   {relay("v/example", "live", good), "InvalidParam", 400},
		"star app":           {relay("v.example.com", "*", good), "InvalidParam", 400},
		"app of 31":          {relay("v.example.com", strings.Repeat("a", 31), good), "InvalidParam", 400},
		"group without name": {relay("v.example.com", "live", group("", one)), "InvalidParam", 400},
		"group twice":        {relay("v.example.com", "live", good, good), "InvalidParam", 400},
		"group of none":      {relay("v.example.com", "live", group("a")), "InvalidParam", 400},
		"eleven servers":     {relay("v.example.com", "live", group("a", eleven...)), "InvalidParam", 400},
		"eleven in two": {
			relay("v.example.com", "live", group("a", eleven[:6]...), group("b", eleven[6:]...)), "InvalidParam", 400,
		},
		"hls": {
			relay("v.example.com", "live", group("a", server("1.example.net", "hls"))), "InvalidParam", 400,
		},
		"no protocol": {
			relay("v.example.com", "live", group("a", server("1.example.net", ""))), "InvalidParam.BindError", 400,
		},
		"no address": {
			relay("v.example.com", "live", group("a", server("", "flv"))), "InvalidParam.BindError", 400,
		},
		"address with a path": {
			relay("v.example.com", "live", group("a", server("1.example.net/x", "flv"))), "InvalidParam", 400,
		},
		"unknown vhost":   {relay("x.example.com", "live", good), "ResourceNotFound", 404},
		"another's vhost": {relay("theirs", "live", good), "RequestForbidden.AccountIDNotAllow", 403},
		"good":            {relay("v.example.com", strings.Repeat("a", 30), group("a", eleven[:10]...)), "", 200},
	}
	for name, k := range cases {
		t.Run(name, func(t *testing.T) {
			e, c := start(func(w *emulator.World) {
				w.Settings.AcceptExampleDomains = false
				w.Vhosts = []emulator.Vhost{{Name: "v.example.com"}, {Name: "theirs", Account: "other"}}
			})
			c.relay("UpdateRelaySourceV3", k.body).is(t, k.code, k.status)
			if held := len(e.World().RelaySources); (k.code == "") != (held == 1) {
				t.Errorf("%d relay sources held afterwards", held)
			}
		})
	}
}

func TestRelayEmptyAnswers(t *testing.T) {
	cases := map[string]struct{ vhostOnly, withApp string }{
		"list":     {`"Result":{"RelaySourceConfigList":[]}`, `"Result":{"RelaySourceConfigList":[]}`},
		"omitted":  {`"Region":"cn-north-1"}}`, `"Region":"cn-north-1"}}`},
		"notFound": {`"Region":"cn-north-1"}}`, `"Code":"ResourceNotFound"`},
	}
	for mode, want := range cases {
		t.Run(mode, func(t *testing.T) {
			_, c := start(func(w *emulator.World) { w.Settings.RelayEmpty = mode })
			got := c.relay("DescribeRelaySourceV3", `{"Vhost":"v.example.com"}`)
			if !strings.Contains(got.body, want.vhostOnly) || got.status != 200 {
				t.Errorf("vhost: got %d %s", got.status, got.body)
			}
			got = c.relay("DescribeRelaySourceV3", `{"Vhost":"v.example.com","App":"live"}`)
			if !strings.Contains(got.body, want.withApp) {
				t.Errorf("app: got %d %s", got.status, got.body)
			}
		})
	}
}

func TestVolcengineEnvelope(t *testing.T) {
	_, c := start(nil)
	g := c.relay("UpdateRelaySourceV3", relay("v.example.com", "live", group("a", server("1.example.net", "flv")))).ok(t)
	want := `{"ResponseMetadata":{"RequestId":"` + g.id +
		`","Action":"UpdateRelaySourceV3_1h0pbmhmb","Version":"2023-01-01","Service":"live","Region":"cn-north-1"}}`
	if g.body != want {
		t.Errorf("got  %s\nwant %s", g.body, want)
	}
	g = c.relay("DeleteRelaySourceV3", `{"Vhost":"v.example.com","App":"x"}`).is(t, "ResourceNotFound", 404)
	want = `{"ResponseMetadata":{"RequestId":"` + g.id +
		`","Action":"DeleteRelaySourceV3_1h0pchjqf","Version":"2023-01-01","Service":"live","Region":"cn-north-1",` +
		`"Error":{"Code":"ResourceNotFound","Message":"no relay source for this App"}}}`
	if g.body != want {
		t.Errorf("got  %s\nwant %s", g.body, want)
	}
}

package emulator_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"weir/sync/emulator"
)

func exampleWorld(t *testing.T) emulator.World {
	t.Helper()
	b, err := os.ReadFile("../../examples/world/world.yaml")
	if err != nil {
		t.Fatal(err)
	}
	w, err := emulator.ParseWorld(b)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// TestExampleWorld holds the example to what its comments say.
func TestExampleWorld(t *testing.T) {
	e := emulator.New(exampleWorld(t))
	c := newClient(e)
	record := func(domain string) got {
		return c.aliyun("RealTimeRecordCommand", "DomainName", domain, "AppName", "live", "StreamName", "final",
			"Command", "start")
	}
	multi := func(domain string) got { return c.aliyun("DescribeLiveDomainMultiStreamConfig", "Domain", domain) }
	if got := multi("live.sports.example.org").ok(t).without(t); got != `{"Switch":"on"}` {
		t.Errorf("multi stream: %s", got)
	}
	multi("live.lonely.example.org").is(t, "CodeGetPushbackDomainError", 400)
	multi("anything.example.com").ok(t)
	record("live.sports.example.org").is(t, "TaskAlreadyStarted", 409)
	record("live.news.example.org").is(t, "CodeConfigNotFound", 400)
	c.prefetch("live.news.example.org", "BEJ").is(t, "NoSpecialConfiguration", 400)
	c.prefetch("live.sports.example.org", "KP").is(t, "CodeRegionHasNoNode", 400)
	c.prefetch("play.sports.example.org", "BEJ").ok(t)
	if got := c.blocked(t, "live.sports.example.org"); got != "live.sports.example.org/live/pirate" {
		t.Errorf("blocked: %s", got)
	}
	g := c.aliyun("DescribeLiveStreamsOnlineList", "DomainName", "live.sports.example.org").ok(t)
	if got := onlineNames(g); got != "live/final" || !strings.Contains(g.body, `"PublishTime":"2026-01-02T03:04:05Z"`) {
		t.Errorf("online: %s", g.body)
	}
	g = c.relay("DescribeRelaySourceV3", `{"Vhost":"push.sports.example.org"}`).ok(t)
	if !strings.Contains(g.body, `"RelaySourceDomain":"origin-2.example.net:8080","RelaySourceParams":{"token":"abc"}`) {
		t.Errorf("relay: %s", g.body)
	}
	c.relay("DescribeRelaySourceV3", `{"Vhost":"push.partner.example.org"}`).
		is(t, "RequestForbidden.AccountIDNotAllow", 403)
	c.key, c.secret = "STS.demo", "sts-secret"
	multi("live.sports.example.org").is(t, "InvalidAccessKeyId.NotFound", 404)
	c.token = "sts-token"
	multi("live.sports.example.org").ok(t)
}

func TestParseWorldKeepsDefaults(t *testing.T) {
	for name, text := range map[string]string{
		"empty": "", "comment": "# nothing\n", "empty mapping": "{}", "settings": "settings: {lag: 1s}",
	} {
		t.Run(name, func(t *testing.T) {
			w, err := emulator.ParseWorld([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			if len(w.Credentials) != 2 || !w.Settings.AcceptExampleDomains {
				t.Errorf("got %+v", w)
			}
			if want := name == "settings"; (time.Duration(w.Settings.Lag) == time.Second) != want {
				t.Errorf("lag %s", time.Duration(w.Settings.Lag))
			}
		})
	}
	w, err := emulator.ParseWorld([]byte(`{"credentials":[{"cloud":"aliyun","accessKeyId":"a","accessKeySecret":"b"}]}`))
	if err != nil || len(w.Credentials) != 1 || w.Credentials[0].AccessKeyID != "a" {
		t.Errorf("the file's keys do not replace the default ones: %+v, %v", w.Credentials, err)
	}
}

func TestParseWorldProblems(t *testing.T) {
	cases := map[string]struct{ text, want string }{
		"not yaml":         {"a: [", "world: "},
		"unknown section":  {"stream: []", "stream"},
		"unknown field":    {"streams: [{domian: x}]", "domian"},
		"unknown of vhost": {"vhosts: [{nam: x}]", "nam"},
		"two documents":    {"{}\n---\n{}", "more than one document"},
		"duplicate key":    {"vhosts: []\nvhosts: []", "vhosts"},
		"cloud":            {"credentials: [{cloud: aws, accessKeyId: a}]", `credentials[0].cloud: "aws", want one of`},
		"no key id":        {"credentials: [{cloud: aliyun}]", "credentials[0].accessKeyId: missing"},
		"domain type":      {"domains: [{name: a, type: ingest}]", `domains[0].type: "ingest", want one of`},
		"no main":          {"domains: [{name: a, type: publish}]", "domains[0].main: missing"},
		"main of a main":   {"domains: [{name: a, type: vhost, main: b}]", "domains[0].main: only for"},
		"no type":          {"domains: [{name: a}]", "domains[0].type"},
		"switch":           {"domains: [{name: a, type: vhost, multiStream: true}]", `domains[0].multiStream: "true"`},
		"no stream":        {"streams: [{domain: live.example.com, app: a}]", "streams[0].stream: missing"},
		"unknown domain": {
			"streams: [{domain: b.example.net, app: a, stream: s}]", `streams[0].domain: "b.example.net" is not among`,
		},
		"blocked nowhere": {"blocked: [{domain: b.example.net, app: a, stream: s}]", "blocked[0].domain"},
		"recording state": {
			"recordings: [{domain: live.example.com, app: a, stream: s, state: on}]", `recordings[0].state: "on"`,
		},
		"unknown vhost": {"relaySources: [{vhost: v.example.net}]", "relaySources[0].vhost"},
		"no group name": {
			"relaySources: [{vhost: v.example.com, groups: [{servers: []}]}]", "relaySources[0].groups[0].name: missing",
		},
		"no address": {
			"relaySources: [{vhost: v.example.com, groups: [{name: a, servers: [{}]}]}]",
			"groups[0].servers[0].address: missing",
		},
		"no region":        {"prefetches: [{domain: d, app: a, stream: s}]", "prefetches[0].region: missing"},
		"relay mode":       {"settings: {relayUpdate: add}", `settings.relayUpdate: "add"`},
		"list mode":        {"settings: {blockListDomain: both}", "settings.blockListDomain"},
		"lag":              {"settings: {lag: 61m}", "settings.lag: want 0s to 1h0m0s"},
		"lag of no unit":   {"settings: {lag: 5}", "duration"},
		"quota":            {"quotas: [{operation: X, limit: 1000001}]", "quotas[0].limit: want 0 to 1000000"},
		"quota of nothing": {"quotas: [{limit: 1}]", "quotas[0].operation: missing"},
		"quota window":     {"quotas: [{operation: X, limit: 1, per: -1s}]", "quotas[0].per"},
	}
	for name, k := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := emulator.ParseWorld([]byte(k.text))
			if err == nil || !strings.Contains(err.Error(), k.want) {
				t.Errorf("got %v, want %q", err, k.want)
			}
		})
	}
}

func TestParseWorldReportsEveryProblem(t *testing.T) {
	_, err := emulator.ParseWorld([]byte("credentials: [{cloud: x}]\nvhosts: [{}]\nsettings: {lag: 2h}"))
	for _, want := range []string{
		"credentials[0].cloud", "credentials[0].accessKeyId", "vhosts[0].name", "settings.lag",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %s in %v", want, err)
		}
	}
}

func TestParseWorldLimit(t *testing.T) {
	_, err := emulator.ParseWorld([]byte(strings.Repeat("#", 32<<20+1)))
	if err == nil || !strings.Contains(err.Error(), "at most") {
		t.Errorf("got %v", err)
	}
}

func FuzzParseWorld(f *testing.F) {
	f.Add("streams: [{domain: live.example.com, app: a, stream: s, online: true}]")
	f.Add("domains: [{name: a, type: vhost}]\nsettings: {lag: 1s}\nquotas: [{operation: X, limit: 2}]")
	f.Add("a: &a [*a]")
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 4096 {
			return
		}
		w, err := emulator.ParseWorld([]byte(text))
		if err != nil {
			return
		}
		c := newClient(emulator.New(w))
		if g := c.admin("GET", "world", ""); g.status != 200 {
			t.Errorf("a world that was taken cannot be shown: %d %s", g.status, g.body)
		}
	})
}

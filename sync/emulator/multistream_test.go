package emulator_test

import (
	"testing"

	"weir/sync/emulator"
)

func TestMultiStreamSwitch(t *testing.T) {
	_, c := start(nil)
	read := func(want string) {
		t.Helper()
		g := c.aliyun("DescribeLiveDomainMultiStreamConfig", "Domain", "live.example.com").ok(t)
		if got := g.without(t); got != `{"Switch":"`+want+`"}` {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	read("off")
	for _, to := range []string{"on", "on", "off", "off", "on"} {
		c.aliyun("SetLiveDomainMultiStreamConfig", "Domain", "live.example.com", "Switch", to).ok(t)
		read(to)
	}
}

func TestMultiStreamRefusals(t *testing.T) {
	_, c := start(func(w *emulator.World) {
		w.Domains = []emulator.Domain{
			{Name: "lonely.example.org", Type: "vhost"},
			{Name: "main.example.org", Type: "vhost", MultiStream: "on"},
			{Name: "in.example.org", Type: "publish", Main: "main.example.org"},
		}
	})
	set := func(params ...string) got { return c.aliyun("SetLiveDomainMultiStreamConfig", params...) }
	get := func(params ...string) got { return c.aliyun("DescribeLiveDomainMultiStreamConfig", params...) }
	set("Switch", "on").is(t, "InvalidParameter", 400)
	set("Domain", "live.example.com").is(t, "InvalidParameter", 400)
	set("Domain", "live.example.com", "Switch", "ON").is(t, "InvalidParameter", 400)
	set("Domain", "lonely.example.org", "Switch", "on").is(t, "CodeGetPushbackDomainError", 400)
	set("Domain", "nobody.example.org", "Switch", "on").is(t, "InvalidDomain.NotFound", 404)
	set("Domain", "in.example.org", "Switch", "on").is(t, "InvalidDomain.NotFound", 404)
	set("Domain", "push.example.com", "Switch", "on").is(t, "InvalidDomain.NotFound", 404)
	get("Domain", "lonely.example.org").is(t, "CodeGetPushbackDomainError", 400)
	get().is(t, "InvalidParameter", 400)
	if got := get("Domain", "main.example.org").ok(t).without(t); got != `{"Switch":"on"}` {
		t.Errorf("the declared switch is read as %s", got)
	}
}

func TestMapping(t *testing.T) {
	_, c := start(func(w *emulator.World) {
		w.Domains = []emulator.Domain{
			{Name: "main.example.org", Type: "vhost"},
			{Name: "in2.example.org", Type: "publish", Main: "main.example.org"},
			{Name: "in1.example.org", Type: "publish", Main: "main.example.org"},
			{Name: "sub.example.org", Type: "play", Main: "main.example.org"},
		}
	})
	model := func(list string) string { return `{"LiveDomainModels":{"LiveDomainModel":[` + list + `]}}` }
	one := func(name, kind string) string { return `{"DomainName":"` + name + `","Type":"` + kind + `"}` }
	declared := model(one("main.example.org", "vhost") + "," + one("in1.example.org", "publish") + "," +
		one("in2.example.org", "publish") + "," + one("sub.example.org", "play"))
	live := model(one("live-a.example.com", "vhost") + "," + one("push-a.example.com", "publish") + "," +
		one("live-a.example.com", "publish") + "," + one("live-a.example.com", "play"))
	cases := map[string]string{
		"main.example.org": declared, "in1.example.org": declared, "sub.example.org": declared,
		"live-a.example.com": live, "push-a.example.com": live,
		"any.example.com": model(one("any.example.com", "vhost") + "," + one("any.example.com", "publish") + "," +
			one("any.example.com", "play")),
	}
	for name, want := range cases {
		t.Run(name, func(t *testing.T) {
			if got := c.aliyun("DescribeLiveDomainMapping", "DomainName", name).ok(t).without(t); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
	c.aliyun("DescribeLiveDomainMapping").is(t, "MissingDomainName", 400)
	c.aliyun("DescribeLiveDomainMapping", "DomainName", "x.example.org").is(t, "InvalidDomain.NotFound", 404)
	c.aliyun("DescribeLiveDomainMapping", "DomainName", "example.com.org").is(t, "InvalidDomain.NotFound", 404)
}

package emulator_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"weir/sync/emulator"
)

func onAir(domain, app, stream string) emulator.Stream {
	return emulator.Stream{Domain: domain, App: app, Stream: stream, Online: true}
}

// onlineNames returns app/stream of an online list.
func onlineNames(g got) string {
	var names []string
	for _, part := range strings.Split(g.body, `{"AppName":"`)[1:] {
		app, rest, _ := strings.Cut(part, `"`)
		_, rest, _ = strings.Cut(rest, `"StreamName":"`)
		stream, _, _ := strings.Cut(rest, `"`)
		names = append(names, app+"/"+stream)
	}
	return strings.Join(names, " ")
}

func TestOnlineList(t *testing.T) {
	_, c := start(func(w *emulator.World) {
		w.Streams = []emulator.Stream{
			onAir("push.example.com", "live", "b"), onAir("live.example.com", "live", "a1"),
			onAir("push.example.com", "vod", "a12"),
			{Domain: "push.example.com", App: "live", Stream: "off"},
			onAir("other.example.com", "live", "x"),
		}
	})
	cases := map[string]struct {
		params []string
		want   string
		total  string
	}{
		"all":            {nil, "live/a1 live/b vod/a12", `"TotalNum":3`},
		"app":            {[]string{"AppName", "live"}, "live/a1 live/b", `"TotalNum":2`},
		"part of a name": {[]string{"StreamName", "a1"}, "live/a1 vod/a12", `"TotalNum":2`},
		"strict":         {[]string{"StreamName", "a1", "QueryType", "strict"}, "live/a1", `"TotalNum":1`},
		"none":           {[]string{"AppName", "none"}, "", `"TotalNum":0`},
		"transcoded":     {[]string{"StreamType", "trans"}, "", `"TotalNum":0`},
		"second page": {
			[]string{"PageNum", "2", "PageSize", "2"}, "vod/a12", `"PageNum":2,"PageSize":2,"TotalNum":3,"TotalPage":2`,
		},
	}
	for name, k := range cases {
		t.Run(name, func(t *testing.T) {
			g := c.aliyun("DescribeLiveStreamsOnlineList", append(k.params, "DomainName", "live.example.com")...).ok(t)
			if got := onlineNames(g); got != k.want || !strings.Contains(g.body, k.total) {
				t.Errorf("got %q, want %q and %s in %s", got, k.want, k.total, g.body)
			}
		})
	}
	c.aliyun("DescribeLiveStreamsOnlineList").is(t, "MissingDomainName", 400)
	c.aliyun("DescribeLiveStreamsOnlineList", "DomainName", "push.example.com").is(t, "InvalidDomain.NotFound", 404)
	c.aliyun("DescribeLiveStreamsOnlineList", "DomainName", "live.example.com", "PageSize", "4000").
		is(t, "InvalidPageSize", 400)
}

func TestPublishTimeTellsPushesApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // the bubble begins at 2000-01-01T00:00:00Z
		e, c := start(func(w *emulator.World) {
			w.Domains = []emulator.Domain{
				{Name: "main.example.org", Type: "vhost"},
				{Name: "in1.example.org", Type: "publish", Main: "main.example.org"},
				{Name: "in2.example.org", Type: "publish", Main: "main.example.org"},
			}
		})
		set := func(s emulator.Stream) {
			t.Helper()
			if err := e.SetStreams(s); err != nil {
				t.Fatal(err)
			}
		}
		expect := func(want string) {
			t.Helper()
			g := c.aliyun("DescribeLiveStreamsOnlineList", "DomainName", "main.example.org").ok(t)
			if got := g.without(t); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		}
		info := func(publishDomain, at string) string {
			return `{"OnlineInfo":{"LiveStreamOnlineInfo":[{"AppName":"a","DomainName":"main.example.org",` +
				`"PublishDomain":"` + publishDomain + `","PublishTime":"` + at +
				`","PublishType":"edge","PublishUrl":"rtmp://` + publishDomain +
				`/a/s","StreamName":"s","Transcoded":"no"}]},"PageNum":1,"PageSize":2000,"TotalNum":1,"TotalPage":1}`
		}
		time.Sleep(5 * time.Second)
		set(onAir("in2.example.org", "a", "s"))
		expect(info("in2.example.org", "2000-01-01T00:00:05Z"))
		time.Sleep(time.Minute)
		set(onAir("in2.example.org", "a", "s")) // goes on
		expect(info("in2.example.org", "2000-01-01T00:00:05Z"))
		set(emulator.Stream{Domain: "in2.example.org", App: "a", Stream: "s"})
		expect(`{"OnlineInfo":{"LiveStreamOnlineInfo":[]},"PageNum":1,"PageSize":2000,"TotalNum":0,"TotalPage":0}`)
		set(onAir("main.example.org", "a", "s"))
		expect(info("in1.example.org", "2000-01-01T00:01:05Z"))
		again := onAir("in1.example.org", "a", "s")
		again.PublishTime = time.Date(2000, 1, 1, 0, 2, 0, 0, time.UTC)
		set(again)
		expect(info("in1.example.org", "2000-01-01T00:02:00Z"))
	})
}

func TestStreamState(t *testing.T) {
	_, c := start(func(w *emulator.World) { w.Streams = []emulator.Stream{onAir("push.example.com", "a", "s")} })
	for _, domain := range []string{"push.example.com", "live.example.com"} {
		if got := c.stateOf(t, domain, "a", "s"); got != `{"StreamState":"online","Type":"push"}` {
			t.Errorf("%s: %s", domain, got)
		}
		if got := c.stateOf(t, domain, "b", "s"); got != `{"StreamState":"offline","Type":"push"}` {
			t.Errorf("%s, other app: %s", domain, got)
		}
	}
	c.aliyun("DescribeLiveStreamState", "DomainName", "live.example.com", "AppName", "a").is(t, "InvalidParam", 400)
	c.aliyun("DescribeLiveStreamState", "DomainName", "x.example.net", "AppName", "a", "StreamName", "s").
		is(t, "InvalidDomain.NotFound", 404)
}

package emulator_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"weir/sync/emulator"
)

func (c *client) forbid(domain, app, stream string, more ...string) got {
	return c.aliyun("ForbidLiveStream", append([]string{
		"DomainName", domain, "AppName", app, "StreamName", stream, "LiveStreamType", "publisher",
	}, more...)...)
}

func (c *client) resume(domain, app, stream string) got {
	return c.aliyun("ResumeLiveStream", "DomainName", domain, "AppName", app, "StreamName", stream,
		"LiveStreamType", "publisher")
}

// blocked returns the block list of a domain.
func (c *client) blocked(t *testing.T, domain string) string {
	t.Helper()
	body := c.aliyun("DescribeLiveStreamsBlockList", "DomainName", domain).ok(t).body
	_, rest, found := strings.Cut(body, `"StreamUrls":{"StreamUrl":[`)
	list, _, closed := strings.Cut(rest, "]")
	if !found || !closed {
		t.Fatalf("no list in %s", body)
	}
	return strings.ReplaceAll(list, `"`, "")
}

func (c *client) listIs(t *testing.T, want string) {
	t.Helper()
	if got := c.blocked(t, "live.example.com"); got != want {
		t.Errorf("blocked: %q, want %q", got, want)
	}
}

func (c *client) stateOf(t *testing.T, domain, app, stream string) string {
	t.Helper()
	g := c.aliyun("DescribeLiveStreamState", "DomainName", domain, "AppName", app, "StreamName", stream).ok(t)
	return g.without(t)
}

func TestForbidAndResume(t *testing.T) {
	_, c := start(nil)
	c.listIs(t, "")
	c.resume("push.example.com", "a", "never-blocked").ok(t)
	c.forbid("push.example.com", "a", "s2").ok(t)
	c.forbid("push.example.com", "a", "s1", "Oneshot", "no").ok(t)
	c.forbid("push.example.com", "b", "s1").ok(t)
	c.forbid("push-2.example.com", "a", "s1").ok(t)
	c.listIs(t, "live.example.com/a/s1,live.example.com/a/s2,live.example.com/b/s1")
	c.resume("push.example.com", "a", "s2").ok(t)
	c.resume("push.example.com", "a", "s2").ok(t)
	c.listIs(t, "live.example.com/a/s1,live.example.com/b/s1")
	c.resume("push.example.com", "*", "s1").ok(t)
	c.listIs(t, "")
	if got := c.blocked(t, "live-2.example.com"); got != "live-2.example.com/a/s1" {
		t.Errorf("the other domain's list is %q", got)
	}
}

func TestBlockListPrintsTheIngestDomain(t *testing.T) {
	_, c := start(func(w *emulator.World) { w.Settings.BlockListDomain = "ingest" })
	c.forbid("push.example.com", "a", "s").ok(t)
	c.listIs(t, "push.example.com/a/s")
}

func TestBlockEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, c := start(nil)
		until := time.Now().Add(time.Hour).UTC().Format("2006-01-02T15:04:05Z")
		c.forbid("push.example.com", "a", "short", "ResumeTime", until).ok(t)
		c.forbid("push.example.com", "a", "long").ok(t)
		c.forbid("push.example.com", "a", "over", "ResumeTime", "1999-01-01T00:00:00Z").ok(t)
		c.listIs(t, "live.example.com/a/long,live.example.com/a/short")
		time.Sleep(time.Hour - 1)
		c.listIs(t, "live.example.com/a/long,live.example.com/a/short")
		time.Sleep(1)
		c.listIs(t, "live.example.com/a/long")
		time.Sleep(180 * 24 * time.Hour)
		c.listIs(t, "live.example.com/a/long")
		time.Sleep(5 * 24 * time.Hour)
		c.listIs(t, "")
	})
}

func TestForbidAgainSetsAnotherEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, c := start(nil)
		for _, hours := range []time.Duration{5, 1} {
			until := time.Now().Add(hours * time.Hour).UTC().Format("2006-01-02T15:04:05Z")
			c.forbid("push.example.com", "a", "s", "ResumeTime", until).ok(t)
		}
		time.Sleep(time.Hour)
		c.listIs(t, "")
	})
}

func TestForbidCutsThePush(t *testing.T) {
	const online, offline = `{"StreamState":"online","Type":"push"}`, `{"StreamState":"offline","Type":"push"}`
	for name, k := range map[string]struct {
		more     []string
		afterPut string
	}{
		"block":   {nil, offline},
		"oneshot": {[]string{"Oneshot", "yes"}, online},
	} {
		t.Run(name, func(t *testing.T) {
			e, c := start(nil)
			push := emulator.Stream{Domain: "push.example.com", App: "a", Stream: "s", Online: true}
			state := func(want string) {
				t.Helper()
				if got := c.stateOf(t, "live.example.com", "a", "s"); got != want {
					t.Errorf("got %s, want %s", got, want)
				}
			}
			put := func() {
				t.Helper()
				if err := e.SetStreams(push); err != nil {
					t.Fatal(err)
				}
			}
			state(offline)
			put()
			state(online)
			c.forbid("push.example.com", "a", "s", k.more...).ok(t)
			state(offline)
			c.resume("push.example.com", "a", "s").ok(t)
			state(offline) // the encoder has to push again
			c.forbid("push.example.com", "a", "s", k.more...).ok(t)
			put()
			state(k.afterPut)
			c.resume("push.example.com", "a", "s").ok(t)
			state(online) // it kept trying
		})
	}
}

func TestIngestRefusals(t *testing.T) {
	_, c := start(func(w *emulator.World) {
		w.Domains = []emulator.Domain{
			{Name: "main.example.org", Type: "vhost"},
			{Name: "in.example.org", Type: "publish", Main: "main.example.org"},
			{Name: "theirs.example.org", Type: "publish", Main: "main.example.org", Account: "other"},
		}
	})
	forbid := func(domain, app, stream, kind string, more ...string) got {
		return c.aliyun("ForbidLiveStream", append([]string{
			"DomainName", domain, "AppName", app, "StreamName", stream, "LiveStreamType", kind,
		}, more...)...)
	}
	forbid("", "a", "s", "publisher").is(t, "MissingDomainName", 400)
	forbid("in.example.org", "", "s", "publisher").is(t, "MissingAppName", 400)
	forbid("in.example.org", "a", "", "publisher").is(t, "MissingStreamName", 400)
	forbid("in.example.org", "a", "s", "").is(t, "MissingLiveStreamType", 400)
	forbid("in.example.org", "a", "s", "player").is(t, "InvalidLiveStreamType", 400)
	forbid("in.example.org", "*", "s", "publisher").is(t, "InvalidAppName", 400)
	forbid("in.example.org", "a", "s", "publisher", "Oneshot", "true").is(t, "InvalidOneshot", 400)
	forbid("in.example.org", "a", "s", "publisher", "ResumeTime", "2030-01-01").is(t, "InvalidResumeTime.Malformed", 400)
	forbid("main.example.org", "a", "s", "publisher").is(t, "InvalidDomain.NotFound", 404)
	forbid("theirs.example.org", "a", "s", "publisher").is(t, "InvalidDomain.NotFound", 404)
	forbid("live.example.net", "a", "s", "publisher").is(t, "InvalidDomain.NotFound", 404)
	c.resume("main.example.org", "a", "s").is(t, "InvalidDomain.NotFound", 404)
	c.resume("in.example.org", "a", "").is(t, "MissingStreamName", 400)
	list := func(params ...string) got { return c.aliyun("DescribeLiveStreamsBlockList", params...) }
	list().is(t, "MissingDomainName", 400)
	list("DomainName", "in.example.org").is(t, "InvalidDomain.NotFound", 404)
	list("DomainName", "main.example.org", "PageNum", "0").is(t, "InvalidPageNum", 400)
	list("DomainName", "main.example.org", "PageNum", "x").is(t, "InvalidPageNum", 400)
	list("DomainName", "main.example.org", "PageSize", "0").is(t, "InvalidPageSize", 400)
	list("DomainName", "main.example.org", "PageSize", "3001").is(t, "InvalidPageSize", 400)
	if got := c.blocked(t, "main.example.org"); got != "" {
		t.Errorf("refused calls blocked %s", got)
	}
}

func manyBlocks(n int) func(*emulator.World) {
	return func(w *emulator.World) {
		for i := range n {
			w.Blocked = append(w.Blocked, emulator.Block{
				Domain: "push.example.com", App: "a", Stream: fmt.Sprintf("s%05d", i),
			})
		}
	}
}

func TestBlockListPages(t *testing.T) {
	_, c := start(manyBlocks(4500))
	cases := []struct {
		num, size   string
		first, last string
		shape       string
	}{
		{"", "", "s00000", "s01999", `"PageNum":1,"PageSize":2000,"TotalNum":4500,"TotalPage":3`},
		{"3", "", "s04000", "s04499", `"PageNum":3,"PageSize":2000,"TotalNum":4500,"TotalPage":3`},
		{"2", "3000", "s03000", "s04499", `"PageNum":2,"PageSize":3000,"TotalNum":4500,"TotalPage":2`},
		{"4500", "1", "s04499", "s04499", `"PageNum":4500,"PageSize":1,"TotalNum":4500,"TotalPage":4500`},
		{"4", "", "", "", `"PageNum":4,"PageSize":2000,"TotalNum":4500,"TotalPage":3`},
		{strconv.Itoa(1 << 62), "3000", "", "", `"TotalNum":4500,"TotalPage":2`},
	}
	for _, k := range cases {
		t.Run(k.num+" of "+k.size, func(t *testing.T) {
			g := c.aliyun("DescribeLiveStreamsBlockList", "DomainName", "live.example.com",
				"PageNum", k.num, "PageSize", k.size).ok(t)
			if !strings.Contains(g.body, k.shape) {
				t.Errorf("no %s in %.300s", k.shape, g.body)
			}
			_, rest, _ := strings.Cut(g.body, `"StreamUrl":[`)
			list, _, _ := strings.Cut(rest, "]")
			urls := strings.Split(strings.ReplaceAll(list, `"`, ""), ",")
			first, last := strings.TrimPrefix(urls[0], "live.example.com/a/"),
				strings.TrimPrefix(urls[len(urls)-1], "live.example.com/a/")
			if first != k.first || last != k.last {
				t.Errorf("page from %q to %q, want %q to %q", first, last, k.first, k.last)
			}
		})
	}
}

func TestBlockListIsFull(t *testing.T) {
	_, c := start(manyBlocks(10_000))
	c.forbid("push.example.com", "b", "new").is(t, "QuotaExceeded.Blacklist", 400)
	c.forbid("push.example.com", "b", "new", "Oneshot", "yes").ok(t)
	c.forbid("push.example.com", "a", "s00000").ok(t)
	c.resume("push.example.com", "a", "s00001").ok(t)
	c.forbid("push.example.com", "b", "new").ok(t)
}

package emulator_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"weir/sync/emulator"
)

// ownDomains returns what DescribeLiveUserDomains lists as "name type", and the total.
func (c *client) ownDomains(t *testing.T, params ...string) (list string, total int) {
	t.Helper()
	var e struct {
		TotalCount int
		Domains    struct {
			PageData []struct{ DomainName, LiveDomainType, LiveDomainStatus string }
		}
	}
	if err := json.Unmarshal([]byte(c.aliyun("DescribeLiveUserDomains", params...).ok(t).body), &e); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, d := range e.Domains.PageData {
		names = append(names, d.DomainName+" "+d.LiveDomainType)
	}
	return strings.Join(names, ", "), e.TotalCount
}

func ownWorld(w *emulator.World) {
	w.Domains = []emulator.Domain{
		{Name: "live.example.org", Type: "vhost"},
		{Name: "push.example.org", Type: "publish", Main: "live.example.org"},
		{Name: "play.example.org", Type: "play", Main: "live.example.org"},
		{Name: "live.partner.org", Type: "vhost", Account: "partner"},
	}
	w.Vhosts = []emulator.Vhost{
		{Name: "v.example.org", Domains: []string{"push.v.example.org", "pull.v.example.org"}},
		{Name: "a.example.org"},
		{Name: "partner.example.org", Account: "partner"},
	}
}

func TestUserDomains(t *testing.T) {
	_, c := start(ownWorld)
	for name, tc := range map[string]struct {
		params []string
		want   string
	}{
		"all":       {nil, "live.example.org liveVideo, play.example.org liveVideo, push.example.org liveEdge"},
		"ingest":    {[]string{"LiveDomainType", "liveEdge"}, "push.example.org liveEdge"},
		"fuzzy":     {[]string{"DomainName", "*play*"}, "play.example.org liveVideo"},
		"prefix":    {[]string{"DomainName", "pu", "DomainSearchType", "pre_match"}, "push.example.org liveEdge"},
		"no suffix": {[]string{"DomainName", "pu", "DomainSearchType", "suf_match"}, ""},
		"full":      {[]string{"DomainName", "live.example.org", "DomainSearchType", "full_match"}, "live.example.org liveVideo"},
		"stopped":   {[]string{"DomainStatus", "offline"}, ""},
	} {
		if got, _ := c.ownDomains(t, tc.params...); got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}

func TestUserDomainsPages(t *testing.T) {
	_, c := start(func(w *emulator.World) {
		for i := range 53 {
			w.Domains = append(w.Domains, emulator.Domain{Name: fmt.Sprintf("d%02d.example.org", i), Type: "vhost"})
		}
	})
	for _, tc := range []struct {
		params  []string
		entries int
	}{
		{nil, 20},
		{[]string{"PageSize", "50"}, 50},
		{[]string{"PageSize", "50", "PageNumber", "2"}, 3},
		{[]string{"PageNumber", "100000"}, 0},
	} {
		list, total := c.ownDomains(t, tc.params...)
		if got := strings.Count(list, "liveVideo"); got != tc.entries || total != 53 {
			t.Errorf("%v: %d of %d domains, want %d of 53", tc.params, got, total, tc.entries)
		}
	}
	c.aliyun("DescribeLiveUserDomains", "PageSize", "51").is(t, "InvalidPageSize", 400)
	c.aliyun("DescribeLiveUserDomains", "PageNumber", "0").is(t, "InvalidPageNumber", 400)
	c.aliyun("DescribeLiveUserDomains", "LiveDomainType", "video").is(t, "InvalidLiveDomainType", 400)
}

// TestExampleDomainsAreListedOnceTheyHoldSomething holds that the default world
// begins empty.
func TestExampleDomainsAreListedOnceTheyHoldSomething(t *testing.T) {
	_, c := start(nil)
	if list, total := c.ownDomains(t); list != "" || total != 0 {
		t.Errorf("the default world lists %q", list)
	}
	c.forbid("push.example.com", "live", "s").ok(t)
	c.aliyun("SetLiveDomainMultiStreamConfig", "Domain", "live.b.example.com", "Switch", "on").ok(t)
	want := "live.b.example.com liveVideo, live.example.com liveVideo, push.example.com liveEdge"
	if list, _ := c.ownDomains(t); list != want {
		t.Errorf("listed are %q, want %q", list, want)
	}
	if got := c.vhostDomains(t, `{"PageNum":1,"PageSize":10}`); got != "" {
		t.Errorf("vhosts %q", got)
	}
	c.relay("UpdateRelaySourceV3", relay("v.example.com", "live", group("a", server("1.example.net", "rtmp")))).ok(t)
	if got := c.vhostDomains(t, `{"PageNum":1,"PageSize":10}`); got != "v.example.com v.example.com push 1" {
		t.Errorf("vhosts %q", got)
	}
}

// vhostDomains returns what ListDomainDetail lists as "vhost domain type total".
func (c *client) vhostDomains(t *testing.T, body string) string {
	t.Helper()
	var e struct {
		Result struct {
			DomainList []struct{ Vhost, Domain, Type string }
			Total      int
		}
	}
	if err := json.Unmarshal([]byte(c.relay("ListDomainDetail", body).ok(t).body), &e); err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, d := range e.Result.DomainList {
		list = append(list, fmt.Sprint(d.Vhost, " ", d.Domain, " ", d.Type, " ", e.Result.Total))
	}
	return strings.Join(list, ", ")
}

func TestListDomainDetail(t *testing.T) {
	_, c := start(ownWorld)
	for name, tc := range map[string]struct{ body, want string }{
		"all": {`{"PageNum":1,"PageSize":1000}`, "a.example.org a.example.org push 3, " +
			"v.example.org pull.v.example.org pull-flv 3, v.example.org push.v.example.org push 3"},
		"a page":   {`{"PageNum":2,"PageSize":2}`, "v.example.org push.v.example.org push 3"},
		"beyond":   {`{"PageNum":9,"PageSize":2}`, ""},
		"a vhost":  {`{"PageNum":1,"PageSize":9,"VhostList":["a.example.org"]}`, "a.example.org a.example.org push 1"},
		"a type":   {`{"PageNum":1,"PageSize":9,"DomainTypeList":["pull-flv"]}`, "v.example.org pull.v.example.org pull-flv 1"},
		"disabled": {`{"PageNum":1,"PageSize":9,"DomainStatusList":[2,3]}`, ""},
	} {
		if got := c.vhostDomains(t, tc.body); got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
	_, c = start(nil)
	for _, body := range []string{`{}`, `{"PageNum":1}`, `{"PageNum":1,"PageSize":1001}`, `{"PageNum":1001,"PageSize":1}`} {
		c.relay("ListDomainDetail", body).is(t, "InvalidParam", 400)
	}
	c.relay("ListDomainDetail", `{"PageNum":"1","PageSize":1}`).is(t, "InvalidParam.BindError", 400)
}

package aliyunlive

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"weir/sync/call"
	"weir/sync/emulator"
	"weir/sync/provider"
)

// told tells a listing in lines: "kind key spec", "# kind key: obstacle" for what
// may not be declared, "! domain kind: why" for what could not be read, and
// "* what" for what no read of ingest rules tells of a domain.
func told(l provider.Listing) string {
	var lines []string
	for _, f := range l.Found {
		line := fmt.Sprintf("%s %s %s", f.ID.Kind, f.ID.Key, f.Spec)
		if f.Obstacle != "" {
			line = fmt.Sprintf("# %s %s: %s", f.ID.Kind, f.ID.Key, f.Obstacle)
		}
		lines = append(lines, line)
	}
	for _, u := range l.Unread {
		lines = append(lines, fmt.Sprintf("! %s %s: %s", u.Domain, u.Kind, u.Why))
	}
	for _, what := range l.Limits[kindIngest] {
		if !strings.HasPrefix(what, "until") {
			lines = append(lines, "* "+what)
		}
	}
	return strings.Join(lines, "\n")
}

func list(t *testing.T, c call.Caller, s provider.Search) provider.Listing {
	t.Helper()
	s.Account = "acc"
	l, err := New().List(soon(t), c, s)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func blockSpec(domain, app, stream string) string {
	return fmt.Sprintf(`StreamIngest %s/%s/%s {"domain":%q,"app":%q,"stream":%q,"allowed":false}`,
		domain, app, stream, domain, app, stream)
}

// TestListBlocksOfSeveralIngestDomains holds both readings of which domain the
// block list prints.
func TestListBlocksOfSeveralIngestDomains(t *testing.T) {
	const twin = "# StreamIngest in2.test/live/s: the block list does not say at which ingest domain of live.test " +
		"the stream is blocked; it is declared at in1.test"
	for printed, want := range map[string]string{
		"streaming": blockSpec("in1.test", "live", "s") + "\n" + twin,
		"ingest":    blockSpec("in2.test", "live", "s"),
	} {
		w := emulator.DefaultWorld()
		w.Settings.BlockListDomain = printed
		w.Domains = []emulator.Domain{
			{Name: "live.test", Type: "vhost", MultiStream: "on"},
			{Name: "in2.test", Type: "publish", Main: "live.test"},
			{Name: "in1.test", Type: "publish", Main: "live.test"},
			{Name: "play.test", Type: "play", Main: "live.test"},
		}
		w.Blocked = []emulator.Block{{Domain: "in2.test", App: "live", Stream: "s"}}
		c := newCloud(t, w)
		for _, domains := range [][]string{nil, {"in1.test"}, {"play.test"}, {"LIVE.test"}} {
			l := list(t, c.caller, provider.Search{Kinds: []string{kindIngest}, Domains: domains})
			if got := told(l); got != want {
				t.Errorf("%s, domains %v:\n%s\nwant\n%s", printed, domains, got, want)
			}
		}
	}
}

func TestListKinds(t *testing.T) {
	w := emulator.DefaultWorld()
	w.Domains = []emulator.Domain{
		{Name: "live.test", Type: "vhost", MultiStream: "on"},
		{Name: "push.test", Type: "publish", Main: "live.test"},
		{Name: "off.test", Type: "vhost"},
		{Name: "push.off.test", Type: "publish", Main: "off.test"},
		{Name: "lonely.test", Type: "vhost"},
	}
	w.Streams = []emulator.Stream{{Domain: "push.test", App: "live", Stream: "s", Online: true}}
	w.Blocked = []emulator.Block{{Domain: "push.test", App: "live", Stream: "b"}}
	c := newCloud(t, w)
	const on = `MultiStream live.test {"domain":"live.test","enabled":true}`
	const air = "# Recording live.test/live/s: the stream is on air; whether it is being recorded is not said"
	block := blockSpec("push.test", "live", "b")
	for name, tc := range map[string]struct {
		search provider.Search
		want   string
	}{
		"all":        {provider.Search{}, on + "\n" + air + "\n" + block},
		"one kind":   {provider.Search{Kinds: []string{kindMultiStream}}, on},
		"prefetches": {provider.Search{Kinds: []string{kindPrefetch}}, ""},
		"defaults": {provider.Search{Kinds: []string{kindMultiStream}, Defaults: true}, on + "\n" +
			`MultiStream off.test {"domain":"off.test","enabled":false}`},
	} {
		l := list(t, c.caller, tc.search)
		if got := told(l); got != tc.want {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, tc.want)
		}
	}
	if l := list(t, c.caller, provider.Search{Kinds: []string{kindPrefetch}}); len(l.Limits[kindPrefetch]) != 1 {
		t.Errorf("prefetches cannot be listed, and it is not said: %+v", l)
	}
}

// mappingOf is a cloud with one ingest and one streaming domain, whose mappings
// are answered as given.
func mappingOf(byDomain map[string]string) call.Caller {
	return call.Func(func(_ context.Context, req *call.Request) (*call.Response, error) {
		body := map[string]string{
			opUserDomains: `{"TotalCount":2,"Domains":{"PageData":[{"DomainName":"a.push.test","LiveDomainType":"liveEdge"},` +
				`{"DomainName":"live.test","LiveDomainType":"liveVideo"}]}}`,
			opMapping:         byDomain[fmt.Sprint(req.Params["DomainName"])],
			opBlockList:       `{"TotalNum":1,"StreamUrls":{"StreamUrl":["live.test/live/s"]}}`,
			opOnlineList:      `{"TotalNum":0}`,
			opReadMultiStream: `{"Switch":"on"}`,
		}[req.Operation]
		return &call.Response{Body: []byte(body)}, nil
	})
}

// TestListMappings holds the readings of what a mapping tells: of the whole
// realm, or of the other domains only.
func TestListMappings(t *testing.T) {
	models := func(pairs ...string) string {
		var list []string
		for i := 0; i < len(pairs); i += 2 {
			list = append(list, fmt.Sprintf(`{"Type":%q,"DomainName":%q}`, pairs[i], pairs[i+1]))
		}
		return `{"LiveDomainModels":{"LiveDomainModel":[` + strings.Join(list, ",") + `]}}`
	}
	whole := models("vhost", "live.test", "publish", "a.push.test")
	block := blockSpec("a.push.test", "live", "s")
	for name, tc := range map[string]struct {
		answers map[string]string
		want    string
	}{
		"whole realm": {map[string]string{"live.test": whole, "a.push.test": whole}, block},
		"others only": {map[string]string{
			"live.test": models("publish", "a.push.test"), "a.push.test": models("vhost", "live.test"),
		}, block},
		"up only": {map[string]string{"live.test": models(), "a.push.test": models("VHOST", "Live.Test")}, block},
		"not mapped": {
			map[string]string{"live.test": models(), "a.push.test": models()},
			"# StreamIngest live.test/live/s: no ingest domain is mapped to live.test, so where it is blocked is not known\n" +
				"* a.push.test is mapped to no main streaming domain: what is blocked there cannot be read",
		},
	} {
		if got := told(list(t, mappingOf(tc.answers), provider.Search{Kinds: []string{kindIngest}})); got != tc.want {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, tc.want)
		}
	}
}

// TestListReadsEachRealmOnce holds the price of a listing.
func TestListReadsEachRealmOnce(t *testing.T) {
	w := emulator.DefaultWorld()
	for i := range 60 {
		main := fmt.Sprintf("live%02d.test", i)
		w.Domains = append(w.Domains, emulator.Domain{Name: main, Type: "vhost"},
			emulator.Domain{Name: "push." + main, Type: "publish", Main: main})
	}
	w.Quotas = []emulator.Quota{{Operation: opReadMultiStream}, {Operation: opBlockList}, {Operation: opMapping}}
	c := newCloud(t, w)
	l := list(t, c.caller, provider.Search{})
	if got := told(l); got != "" {
		t.Errorf("found %s", got)
	}
	n := c.counts()
	if n[opUserDomains] != 3 || n[opMapping] != 60 || n[opBlockList] != 60 || n[opReadMultiStream] != 60 || n[opOnlineList] != 60 {
		t.Errorf("calls %v", n)
	}
}

// TestListGoesOnWithoutTheListOfDomains holds that a missing permission for one
// operation does not hide what is known of otherwise.
func TestListGoesOnWithoutTheListOfDomains(t *testing.T) {
	w := emulator.DefaultWorld()
	w.Domains = []emulator.Domain{{Name: "live.example.com", MultiStream: "on"}}
	c := newCloud(t, w)
	c.faults(t, emulator.Fault{Operation: opUserDomains, Kind: "error", Code: "Forbidden.RAM", Status: 403})
	l := list(t, c.caller, provider.Search{Kinds: []string{kindMultiStream}, Known: []string{"push.example.com", "gone.test"}})
	want := `MultiStream live.example.com {"domain":"live.example.com","enabled":true}` + "\n!  : DescribeLiveUserDomains: Forbidden.RAM"
	if got := told(l); !strings.HasPrefix(got, want) {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}

// FuzzList holds that no answer breaks a listing, and that what it finds free
// has a normal form.
func FuzzList(f *testing.F) {
	f.Add(`{"TotalCount":1,"Domains":{"PageData":[{"DomainName":"p.test","LiveDomainType":"liveEdge"}]}}`,
		`{"LiveDomainModels":{"LiveDomainModel":[{"Type":"vhost","DomainName":"l.test"},{"Type":"publish","DomainName":"p.test"}]}}`,
		`{"TotalNum":1,"StreamUrls":{"StreamUrl":["l.test/a/s"]},"OnlineInfo":{"LiveStreamOnlineInfo":[{"AppName":"a","StreamName":"s"}]}}`)
	f.Add(`{"TotalCount":"1"}`, `[]`, `{}`)
	f.Fuzz(func(t *testing.T, domains, mapping, lists string) {
		c := answers{opUserDomains: domains, opMapping: mapping, opBlockList: lists, opOnlineList: lists, opReadMultiStream: `{"Switch":"on"}`}
		for _, one := range list(t, c, provider.Search{}).Found {
			normal, err := New().Kinds()[one.ID.Kind].Normal(one.Spec)
			if one.Obstacle == "" && (err != nil || normal != one.Spec) {
				t.Errorf("%s: %s is %s in normal form, %v", one.ID, one.Spec, normal, err)
			}
		}
	})
}

package aliyunlive

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"weir/sync/call"
	"weir/sync/emulator"
	"weir/sync/resource"
)

// observe reads what is wanted and returns it by key.
func observe(t *testing.T, p *Provider, c call.Caller, want ...resource.Resource) map[string]resource.Observation {
	t.Helper()
	seen, err := p.Observe(soon(t), c, want)
	if err != nil {
		t.Fatal(err)
	}
	if len(seen) != len(want) {
		t.Fatalf("%d observations of %d resources", len(seen), len(want))
	}
	out := map[string]resource.Observation{}
	for i, o := range seen {
		if o.ID != want[i].ID || o.At.IsZero() {
			t.Errorf("observation %d is of %s at %s, want %s", i, o.ID, o.At, want[i].ID)
		}
		out[o.ID.Key] = o
	}
	return out
}

// says is what a test expects of an observation.
type says struct {
	spec   resource.Spec
	exists bool
	live   bool
	epoch  string
	note   string // part of why it is unreadable
}

func (s says) check(t *testing.T, o resource.Observation) {
	t.Helper()
	got := says{spec: o.Spec, exists: o.Exists, live: o.Live, epoch: o.Epoch}
	want := s
	want.note = ""
	if got != want {
		t.Errorf("%s: got %+v, want %+v", o.ID, got, want)
	}
	if (o.Unreadable == "") != (s.note == "") || !strings.Contains(o.Unreadable, s.note) {
		t.Errorf("%s: unreadable says %q, want %q", o.ID, o.Unreadable, s.note)
	}
}

func multiStreamOf(t *testing.T, domain string) resource.Resource {
	t.Helper()
	return resourceOf(t, kindMultiStream, domain, multiStream{Domain: domain, Enabled: true})
}

func ingestOf(t *testing.T, domain, app, stream string) resource.Resource {
	t.Helper()
	return resourceOf(t, kindIngest, domain+"/"+app+"/"+stream,
		ingest{Domain: domain, App: app, Stream: stream, Allowed: true})
}

func recordingOf(t *testing.T, domain, app, stream string) resource.Resource {
	t.Helper()
	return resourceOf(t, kindRecording, domain+"/"+app+"/"+stream,
		recording{Domain: domain, App: app, Stream: stream, State: stateRecording})
}

func TestObserveMultiStream(t *testing.T) {
	w := emulator.DefaultWorld()
	w.Domains = []emulator.Domain{
		{Name: "live.example.com", MultiStream: "on"}, {Name: "lonely.test", Type: "vhost"},
	}
	c := newCloud(t, w)
	seen := observe(t, New(), c.caller,
		multiStreamOf(t, "live.example.com"), multiStreamOf(t, "live.b.example.com"), multiStreamOf(t, "lonely.test"),
		multiStreamOf(t, "foreign.test"))
	says{spec: specOf(t, multiStream{"live.example.com", true}), exists: true}.check(t, seen["live.example.com"])
	says{spec: specOf(t, multiStream{"live.b.example.com", false})}.check(t, seen["live.b.example.com"])
	says{note: "CodeGetPushbackDomainError"}.check(t, seen["lonely.test"])
	says{note: "InvalidDomain.NotFound"}.check(t, seen["foreign.test"])
}

func blockedWorld() emulator.World {
	w := emulator.DefaultWorld()
	w.Blocked = []emulator.Block{
		{Domain: "push.example.com", App: "live", Stream: "bad"},
		{Domain: "push.example.com", App: "other", Stream: "s1"},
	}
	return w
}

func TestObserveIngest(t *testing.T) {
	for _, domain := range []string{"streaming", "ingest"} {
		t.Run("list names the "+domain+" domain", func(t *testing.T) {
			w := blockedWorld()
			w.Settings.BlockListDomain = domain
			c := newCloud(t, w)
			seen := observe(t, New(), c.caller,
				ingestOf(t, "push.example.com", "live", "bad"), ingestOf(t, "push.example.com", "live", "s1"),
				ingestOf(t, "push.example.com", "*", "bad"), ingestOf(t, "push.example.com", "*", "good"),
				ingestOf(t, "foreign.test", "live", "s1"))
			is := func(app, stream string, allowed bool) says {
				return says{spec: specOf(t, ingest{
					Domain: "push.example.com", App: app, Stream: stream, Allowed: allowed,
				}), exists: !allowed}
			}
			is("live", "bad", false).check(t, seen["push.example.com/live/bad"])
			is("live", "s1", true).check(t, seen["push.example.com/live/s1"])
			is("*", "bad", false).check(t, seen["push.example.com/*/bad"])
			is("*", "good", true).check(t, seen["push.example.com/*/good"])
			says{note: "InvalidDomain.NotFound"}.check(t, seen["foreign.test/live/s1"])
		})
	}
}

func TestObserveRecording(t *testing.T) {
	w := emulator.DefaultWorld()
	w.Streams = []emulator.Stream{{
		Domain: "live.example.com", App: "live", Stream: "s1", Online: true,
		PublishTime: time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC),
	}}
	c := newCloud(t, w)
	seen := observe(t, New(), c.caller,
		recordingOf(t, "live.example.com", "live", "s1"), recordingOf(t, "live.example.com", "live", "s"),
		recordingOf(t, "foreign.test", "live", "s1"))
	says{live: true, epoch: firstIngest}.check(t, seen["live.example.com/live/s1"])
	says{}.check(t, seen["live.example.com/live/s"])
	says{note: "InvalidDomain.NotFound"}.check(t, seen["foreign.test/live/s1"])
}

func TestObservePrefetchReadsNothing(t *testing.T) {
	c := newCloud(t, emulator.DefaultWorld())
	r := resourceOf(t, kindPrefetch, "live.example.com/live/s1", warm("0s", false, "BEJ"))
	says{}.check(t, observe(t, New(), c.caller, r)["live.example.com/live/s1"])
	if n := len(c.Journal()); n != 0 {
		t.Errorf("%d calls for what cannot be read", n)
	}
}

func TestObserveReadsInBulk(t *testing.T) {
	c := newCloud(t, emulator.DefaultWorld())
	var want []resource.Resource
	for i := range 50 {
		stream := fmt.Sprint("s", i)
		want = append(want, ingestOf(t, "push.example.com", "live", stream),
			ingestOf(t, "live.example.com", "live", stream), // maps to itself: two ingest domains of one
			recordingOf(t, "live.example.com", "live", stream))
	}
	want = append(want, multiStreamOf(t, "live.example.com"), multiStreamOf(t, "live.b.example.com"))
	observe(t, New(), c.caller, want...)
	expect := map[string]int{opMapping: 2, opBlockList: 1, opOnlineList: 1, opReadMultiStream: 2}
	if got := c.counts(); !maps.Equal(got, expect) {
		t.Errorf("calls %v, want %v", got, expect)
	}
}

func TestObserveRemembersTheMappingForAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := newCloud(t, emulator.DefaultWorld()), New()
		r := ingestOf(t, "push.example.com", "live", "s1")
		for _, step := range []struct {
			pause    time.Duration
			mappings int
		}{{0, 1}, {mappingAge - time.Second, 1}, {time.Second, 2}} {
			time.Sleep(step.pause)
			reads, before := ingestReads(r), c.counts()[opMapping]
			known := p.Remembers(reads[0])
			observe(t, p, c.caller, r)
			got := c.counts()[opMapping]
			if got != step.mappings {
				t.Errorf("%s later: %d mappings asked, want %d", step.pause, got, step.mappings)
			}
			if known != (got == before) || p.Remembers(reads[1]) {
				t.Errorf("%s later: it says that it knows the mapping: %t, the list: %t", step.pause, known, p.Remembers(reads[1]))
			}
		}
	})
}

func TestMappingIsRememberedByAccount(t *testing.T) {
	var m mappings
	m.put(mappingKey{"a", "push"}, "live", now())
	if got, ok := m.get(mappingKey{"a", "push"}, now()); got != "live" || !ok {
		t.Errorf("got %q, %t", got, ok)
	}
	if got, ok := m.get(mappingKey{"b", "push"}, now()); ok {
		t.Errorf("another account's mapping %q is used", got)
	}
}

func TestMappingsAreBounded(t *testing.T) {
	var m mappings
	for i := range maxMappings + 1 {
		m.put(mappingKey{"a", fmt.Sprint(i)}, "live", now())
	}
	if n := len(m.known); n > maxMappings || n == 0 {
		t.Errorf("%d mappings are kept, want at most %d", n, maxMappings)
	}
}

func TestObserveFailuresStayWithTheirOwn(t *testing.T) {
	c := newCloud(t, emulator.DefaultWorld())
	c.faults(t, emulator.Fault{Operation: opBlockList, Kind: "error", Code: "Throttling.User"},
		emulator.Fault{Operation: opOnlineList, Kind: "garbage"})
	seen := observe(t, New(), c.caller, multiStreamOf(t, "live.example.com"),
		ingestOf(t, "push.example.com", "live", "s1"), recordingOf(t, "live.example.com", "live", "s1"))
	says{spec: specOf(t, multiStream{"live.example.com", false})}.check(t, seen["live.example.com"])
	says{note: opBlockList + ": Throttling.User"}.check(t, seen["push.example.com/live/s1"])
	says{note: opOnlineList + ": "}.check(t, seen["live.example.com/live/s1"])
}

func TestObserveEndsWithItsContext(t *testing.T) {
	c := newCloud(t, emulator.DefaultWorld())
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	seen, err := New().Observe(ctx, c.caller, []resource.Resource{multiStreamOf(t, "live.example.com")})
	if err != context.Canceled || len(seen) != 1 {
		t.Fatalf("got %v, %v", seen, err)
	}
	says{note: opReadMultiStream + ": canceled"}.check(t, seen[0])
}

// TestObserveLongLists reads a block list and an online list of several pages.
func TestObserveLongLists(t *testing.T) {
	w := emulator.DefaultWorld()
	for i := range 2*pageSize + 1 {
		stream := fmt.Sprintf("s%05d", i)
		w.Blocked = append(w.Blocked, emulator.Block{Domain: "push.example.com", App: "live", Stream: stream})
		w.Streams = append(w.Streams, emulator.Stream{
			Domain: "live.b.example.com", App: "live", Stream: stream, Online: true, PublishTime: now(),
		})
	}
	c := newCloud(t, w)
	last := fmt.Sprintf("s%05d", 2*pageSize)
	seen := observe(t, New(), c.caller,
		ingestOf(t, "push.example.com", "live", last), recordingOf(t, "live.b.example.com", "live", last))
	if !seen["push.example.com/live/"+last].Exists || !seen["live.b.example.com/live/"+last].Live {
		t.Errorf("the last page was not read: %+v", seen)
	}
	if got := c.counts(); got[opBlockList] != 3 || got[opOnlineList] != 3 {
		t.Errorf("calls %v, want 3 pages of each list", got)
	}
}

// answers is a cloud that answers each operation with one text.
type answers map[string]string

func (a answers) Call(_ context.Context, req *call.Request) (*call.Response, error) {
	return &call.Response{Body: []byte(a[req.Operation])}, nil
}

func TestObserveStrangeAnswers(t *testing.T) {
	const mapped = `{"LiveDomainModels":{"LiveDomainModel":[{"Type":"vhost","DomainName":"Live.test"}]}}`
	tests := []struct {
		name string
		a    answers
		r    resource.Resource
		want says
	}{
		{
			"A29 new value of the switch",
			answers{opReadMultiStream: `{"Switch":"auto"}`},
			multiStreamOf(t, "live.test"),
			says{note: `Switch is "auto", neither on nor off`},
		},
		{
			"A30 switch is a bool",
			answers{opReadMultiStream: `{"Switch":true}`},
			multiStreamOf(t, "live.test"),
			says{note: "answer is not as documented"},
		},
		{
			"A20 switch in capitals",
			answers{opReadMultiStream: `{"Switch":"ON"}`},
			multiStreamOf(t, "live.test"),
			says{spec: specOf(t, multiStream{"live.test", true}), exists: true},
		},
		{
			"A30 counts as texts",
			answers{
				opMapping: mapped, opBlockList: `{"TotalNum":"1","StreamUrls":{"StreamUrl":["x/a/s"]}}`,
			},
			ingestOf(t, "push.test", "a", "s"),
			says{spec: specOf(t, ingest{Domain: "push.test", App: "a", Stream: "s"}), exists: true},
		},
		{
			"no main domain",
			answers{opMapping: `{}`},
			ingestOf(t, "push.test", "a", "s"),
			says{note: "push.test is mapped to 0 main streaming domains [], not to one"},
		},
		{
			"two main domains",
			answers{opMapping: `{"LiveDomainModels":{"LiveDomainModel":[
			{"Type":"vhost","DomainName":"b.test"},{"Type":"vhost","DomainName":"a.test"},
			{"Type":"play","DomainName":"c.test"}]}}`},
			ingestOf(t, "push.test", "a", "s"),
			says{note: "push.test is mapped to 2 main streaming domains [a.test b.test]"},
		},
		{
			"foreign entry",
			answers{opMapping: mapped, opBlockList: `{"TotalNum":1,"StreamUrls":{"StreamUrl":["?"]}}`},
			ingestOf(t, "push.test", "a", "s"),
			says{note: opBlockList + `: StreamUrl "?" is not domain/app/stream`},
		},
		{
			"A15 fewer entries than said",
			answers{
				opMapping: mapped, opBlockList: `{"TotalNum":2,"StreamUrls":{"StreamUrl":["x/a/s"]}}`,
			},
			ingestOf(t, "push.test", "a", "s"),
			says{note: opBlockList + ": the list changed while its pages were read"},
		},
		{
			"on air, but since when",
			answers{opOnlineList: `{"TotalNum":1,"OnlineInfo":{"LiveStreamOnlineInfo":[
			{"AppName":"a","StreamName":"s"}]}}`},
			recordingOf(t, "live.test", "a", "s"),
			says{live: true, note: "since when is not said"},
		},
		{
			"two ingests of one stream",
			answers{opOnlineList: `{"TotalNum":2,"OnlineInfo":{"LiveStreamOnlineInfo":[
			{"AppName":"a","StreamName":"s","PublishTime":"2026-11-22T11:00:00Z"},
			{"AppName":"a","StreamName":"s","PublishTime":"2026-11-22T16:00:00+08:00"}]}}`},
			recordingOf(t, "live.test", "a", "s"),
			says{live: true, epoch: firstIngest},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.want.check(t, observe(t, New(), tt.a, tt.r)[tt.r.ID.Key])
		})
	}
}

func TestObserveBoundsItsReads(t *testing.T) {
	var mu sync.Mutex
	inFlight, most := 0, 0
	c := call.Func(func(context.Context, *call.Request) (*call.Response, error) {
		mu.Lock()
		inFlight++
		most = max(most, inFlight)
		mu.Unlock()
		time.Sleep(time.Second)
		mu.Lock()
		inFlight--
		mu.Unlock()
		return &call.Response{Body: []byte(`{"Switch":"on"}`)}, nil
	})
	synctest.Test(t, func(t *testing.T) {
		var want []resource.Resource
		for i := range 3 * parallelReads {
			want = append(want, multiStreamOf(t, fmt.Sprintf("d%d.test", i)))
		}
		began := time.Now()
		seen := observe(t, New(), c, want...)
		if at := seen[want[len(want)-1].ID.Key].At; at.Sub(began) != 2*time.Second {
			t.Errorf("the last was asked %s after the first, want 2s", at.Sub(began))
		}
		if took := time.Since(began); took != 3*time.Second || most != parallelReads {
			t.Errorf("took %s with %d reads at once, want 3s with %d", took, most, parallelReads)
		}
	})
}

func FuzzObserveLists(f *testing.F) {
	f.Add(`{"TotalNum":1,"StreamUrls":{"StreamUrl":["x/a/s"]}}`, `{"Switch":"on"}`)
	f.Add(`{"TotalNum":"1","OnlineInfo":{"LiveStreamOnlineInfo":[{"AppName":"a","PublishTime":"t"}]}}`, `[]`)
	f.Fuzz(func(t *testing.T, list, other string) {
		c := answers{
			opMapping:   `{"LiveDomainModels":{"LiveDomainModel":[{"Type":"vhost","DomainName":"l"}]}}`,
			opBlockList: list, opOnlineList: list, opReadMultiStream: other,
		}
		want := []resource.Resource{
			multiStreamOf(t, "l"), ingestOf(t, "p", "a", "s"), ingestOf(t, "p", "*", "s"), recordingOf(t, "l", "a", "s"),
		}
		for _, o := range observe(t, New(), c, want...) {
			if o.Unreadable == "" && o.ID.Kind != kindRecording && o.Spec == "" {
				t.Errorf("%s was read and has no spec", o.ID)
			}
		}
	})
}

package emulator

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"
)

func queryOf(t *testing.T, text string) url.Values {
	t.Helper()
	q, err := url.ParseQuery(text)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func listOf(t *testing.T, result any) []liveStream {
	t.Helper()
	var r struct{ StreamInfoList []liveStream }
	text, ok := result.(json.RawMessage)
	if !ok || json.Unmarshal(text, &r) != nil {
		t.Fatalf("result %v", result)
	}
	return r.StreamInfoList
}

func TestLiveStreamsAtVolcengine(t *testing.T) {
	w := DefaultWorld()
	w.Vhosts = []Vhost{{Name: "theirs", Account: "another"}}
	w.Streams = []Stream{
		{Vhost: "push.example.com", App: "live", Stream: "a", Online: true},
		{Vhost: "push.example.com", App: "live", Stream: "b", Online: true, Source: "push", Domain: "pull.example.com"},
		{Vhost: "push.example.com", App: "vod", Stream: "a", Online: true},
		{Vhost: "theirs", App: "live", Stream: "a", Online: true},
		{Vhost: "push.example.com", App: "live", Stream: "off"},
	}
	tests := map[string]struct {
		query string
		want  string // apps and streams
		code  string
	}{
		"all":            {"", "live/a live/b vod/a", ""},
		"of a vhost":     {"Vhost=push.example.com", "live/a live/b vod/a", ""},
		"pulled":         {"Vhost=push.example.com&SourceType=relay", "live/a vod/a", ""},
		"of an app":      {"Vhost=push.example.com&App=vod", "vod/a", ""},
		"of a domain":    {"Domain=pull.example.com", "live/b", ""},
		"transcoded":     {"StreamType=trans", "", ""},
		"the first page": {"PageNum=1&PageSize=2", "live/a live/b", ""},
		"the second":     {"PageNum=2&PageSize=2", "vod/a", ""},
		"no such page":   {"PageNum=9&PageSize=2", "", ""},
		"page nought":    {"PageNum=0", "", "InvalidParam"},
		"too large":      {"PageSize=1001", "", "InvalidParam"},
		"no such vhost":  {"Vhost=nobody", "", "ResourceNotFound"},
		"another's":      {"Vhost=theirs", "", "RequestForbidden.AccountIDNotAllow"},
	}
	e := New(w)
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			c := &apiCall{params: queryOf(t, tc.query), account: "me"}
			e.arrive(c, time.Now())
			result, f := describeLiveStreams(e.held, c)
			if f != nil || tc.code != "" {
				if f == nil || f.code != tc.code {
					t.Fatalf("failure %+v, want %s", f, tc.code)
				}
				return
			}
			var got []string
			for _, s := range listOf(t, result) {
				got = append(got, s.App+"/"+s.Stream)
			}
			if text := strings.Join(got, " "); text != tc.want {
				t.Errorf("streams %q, want %q", text, tc.want)
			}
		})
	}
}

func TestStreamsAtVolcengineComeAndGo(t *testing.T) {
	e := New(DefaultWorld())
	count := func() (n int) {
		for _, s := range e.World().Streams {
			if s.Vhost != "" {
				n++
			}
		}
		return n
	}
	put := func(body string) error { return e.streamsJSON([]byte(body)) }
	if err := put(`[{"vhost":"push.example.com","app":"live","stream":"a","online":true}]`); err != nil || count() != 1 {
		t.Fatalf("%d streams, %v", count(), err)
	}
	if err := put(`[{"vhost":"push.example.com","app":"live","stream":"a","online":false}]`); err != nil || count() != 0 {
		t.Errorf("%d streams, %v", count(), err)
	}
	for body, want := range map[string]string{
		`[{"vhost":"nobody","app":"live","stream":"a"}]`:                            "not among the vhosts",
		`[{"vhost":"push.example.com","app":"live"}]`:                               "stream: missing",
		`[{"vhost":"push.example.com","app":"live","stream":"a","source":"x"}]`:     "source",
		`[{"domain":"live.example.com","app":"live","stream":"a","source":"push"}]`: "source",
	} {
		if err := put(body); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", body, err, want)
		}
	}
}

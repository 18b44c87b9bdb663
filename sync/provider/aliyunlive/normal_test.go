package aliyunlive

import (
	"encoding/json"
	"testing"

	"weir/sync/resource"
)

func TestNormal(t *testing.T) {
	tests := []struct{ name, kind, spec, want string }{
		{
			"switch", kindMultiStream, `{"enabled":true,"domain":"Play.Example.com"}`,
			`{"domain":"play.example.com","enabled":true}`,
		},
		{"switch that is off", kindMultiStream, `{"domain":"d","enabled":false}`, `{"domain":"d","enabled":false}`},
		{
			"allowed", kindIngest, `{"stream":"S1","app":"*","allowed":true,"domain":"P"}`,
			`{"domain":"p","app":"*","stream":"S1","allowed":true}`,
		},
		{
			"until in another zone", kindIngest,
			`{"domain":"p","app":"a","stream":"s","allowed":false,"until":"2026-12-01T18:37:00.5+08:00"}`,
			`{"domain":"p","app":"a","stream":"s","allowed":false,"until":"2026-12-01T10:37:00Z"}`,
		},
		{
			"finish by default", kindRecording, `{"domain":"D","app":"a","stream":"s","state":"stopped"}`,
			`{"domain":"d","app":"a","stream":"s","state":"stopped","finish":"delayed"}`,
		},
		{
			"finished at once", kindRecording, `{"domain":"d","app":"a","stream":"s","state":"stopped","finish":"immediate"}`,
			`{"domain":"d","app":"a","stream":"s","state":"stopped","finish":"immediate"}`,
		},
		{
			"restart token", kindRecording, `{"domain":"d","app":"a","stream":"s","restart":"7","state":"recording"}`,
			`{"domain":"d","app":"a","stream":"s","state":"recording","restart":"7"}`,
		},
		{
			"prefetch by default", kindPrefetch,
			`{"domain":"D","app":"a","stream":"s","regions":["ZHJ","BEJ","ZHJ"],"audioMsid":"x","videoMsid":"y"}`,
			`{"domain":"d","app":"a","stream":"s","regions":["BEJ","ZHJ"],"audioMsid":"x","videoMsid":"y",` +
				`"connectionTimeout":"0s","mediaTimeout":"0s","renew":false}`,
		},
		{
			"durations", kindPrefetch,
			`{"domain":"d","app":"a","stream":"s","regions":["BEJ"],"audioMsid":"","videoMsid":"",` +
				`"connectionTimeout":"90m","mediaTimeout":"100000ms","renew":true}`,
			`{"domain":"d","app":"a","stream":"s","regions":["BEJ"],"audioMsid":"","videoMsid":"",` +
				`"connectionTimeout":"1h30m","mediaTimeout":"1m40s","renew":true}`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			normal := New().Kinds()[tt.kind].Normal
			got, err := normal(resource.Spec(tt.spec))
			if err != nil {
				t.Fatal(err)
			}
			if got != resource.Spec(tt.want) {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			if again, err := normal(got); err != nil || again != got {
				t.Errorf("not stable: %s, %v", again, err)
			}
		})
	}
}

func TestNormalRefuses(t *testing.T) {
	tests := []struct{ name, kind, spec, want string }{
		{
			"every app blocked", kindIngest, `{"domain":"p","app":"*","stream":"s","allowed":false}`,
			`app "*" needs allowed: true`,
		},
		{
			"until of an allowed stream", kindIngest,
			`{"domain":"p","app":"a","stream":"s","allowed":true,"until":"2026-12-01T10:37:00Z"}`,
			`until needs allowed: false`,
		},
		{
			"until that is no time", kindIngest, `{"domain":"p","app":"a","stream":"s","until":"soon"}`,
			`until: parsing time "soon" as "2006-01-02T15:04:05Z07:00": cannot parse "soon" as "2006"`,
		},
		{
			"less than a millisecond", kindPrefetch, `{"domain":"d","app":"a","stream":"s","connectionTimeout":"1us"}`,
			`connectionTimeout: 1us is not a count of whole milliseconds`,
		},
		{
			"negative", kindPrefetch, `{"domain":"d","app":"a","stream":"s","mediaTimeout":"-1s"}`,
			`mediaTimeout: -1s is not a count of whole milliseconds`,
		},
		{
			"no unit", kindPrefetch, `{"domain":"d","app":"a","stream":"s","mediaTimeout":"5"}`,
			`mediaTimeout: time: missing unit in duration "5"`,
		},
		{
			"wrong type", kindMultiStream, `{"enabled":"on"}`,
			`decode spec: json: cannot unmarshal string into Go struct field multiStream.enabled of type bool`,
		},
		{"none", kindRecording, ``, `there is no spec`},
		{"unknown field", kindRecording, `{"domain":"d","ap":"a"}`, `decode spec: json: unknown field "ap"`},
		{"no domain", kindMultiStream, `{"enabled":true}`, `domain, app or stream is missing`},
		{"no stream", kindIngest, `{"domain":"d","app":"a"}`, `domain, app or stream is missing`},
		{"no app", kindRecording, `{"domain":"d","stream":"s"}`, `domain, app or stream is missing`},
		{"no stream to prefetch", kindPrefetch, `{"domain":"d","app":"a"}`, `domain, app or stream is missing`},
		{
			"until before the first year", kindIngest,
			`{"domain":"p","app":"a","stream":"s","until":"0000-01-01T00:00:00+01:00"}`,
			`until: 0000-01-01T00:00:00+01:00 is in the year -1`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := New().Kinds()[tt.kind].Normal(resource.Spec(tt.spec))
			if err == nil || err.Error() != tt.want || got != "" {
				t.Errorf("got %q, %v; want %s", got, err, tt.want)
			}
		})
	}
}

func TestNormalDuration(t *testing.T) {
	tests := map[string]string{
		"": "0s", "0": "0s", "0s": "0s", "60s": "1m", "90s": "1m30s", "60m": "1h", "61m": "1h1m", "24h": "24h",
		"3600.5s": "1h0m0.5s", "10m": "10m", "100h0m20s": "100h0m20s", "250ms": "250ms", "1h0m10s": "1h0m10s",
	}
	for in, want := range tests {
		got, err := normalDuration(in)
		if err != nil || got != want {
			t.Errorf("%q: got %q, %v; want %q", in, got, err, want)
		}
		if duration(got) != duration(in) && in != "" {
			t.Errorf("%q became %s long", in, duration(got))
		}
	}
}

// FuzzNormal holds that a normal form is stable, whatever it is made of.
func FuzzNormal(f *testing.F) {
	f.Add(`{"domain":"D","app":"a","stream":"s","allowed":false,"until":"2026-12-01T10:37:00+08:00"}`)
	f.Add(`{"domain":"d","app":"a","stream":"s","regions":["ZHJ","BEJ"],"connectionTimeout":"90s",` +
		`"mediaTimeout":"1h0.5s"}`)
	f.Add(`{"domain":"d","app":"a","stream":"s","state":"recording","restart":"\u2028"}`)
	f.Add(`[]`)
	kinds := New().Kinds()
	f.Fuzz(func(t *testing.T, text string) {
		for name, kind := range kinds {
			got, err := kind.Normal(resource.Spec(text))
			if err != nil {
				continue
			}
			if again, err := kind.Normal(got); err != nil || again != got {
				t.Errorf("%s: %s became %s, %v", name, got, again, err)
			}
			if !json.Valid([]byte(got)) {
				t.Errorf("%s: %s is no JSON", name, got)
			}
		}
	})
}

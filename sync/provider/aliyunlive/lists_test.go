package aliyunlive

import "testing"

func TestParseStreamURL(t *testing.T) {
	tests := []struct {
		url  string
		want blocked
		ok   bool
	}{
		{"example.com/live/s1", blocked{streamKey{"live", "s1"}, "example.com"}, true},
		{"rtmp://Example.com/live/s1", blocked{streamKey{"live", "s1"}, "example.com"}, true},
		{"example.com/live/s1?auth_key=1/2/3", blocked{streamKey{"live", "s1"}, "example.com"}, true},
		{"live/s1", blocked{}, false},
		{"s1", blocked{}, false},
		{"", blocked{}, false},
		{"example.com//s1", blocked{}, false},
		{"example.com/live/", blocked{}, false},
	}
	for _, tt := range tests {
		t.Run(tt.url, func(t *testing.T) {
			got, err := parseStreamURL(tt.url)
			if got != tt.want || (err == nil) != tt.ok {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

func TestEpoch(t *testing.T) {
	tests := map[string]string{
		"2026-11-22T08:00:00Z":      "2026-11-22T08:00:00Z",
		"2026-11-22T16:00:00+08:00": "2026-11-22T08:00:00Z",
		"2026-11-22 08:00:00":       "2026-11-22 08:00:00", // not documented, but tells ingests apart
		"":                          "",
	}
	for in, want := range tests {
		if got := epoch(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

package providertest

import (
	"slices"
	"testing"

	"weir/sync/call"
	"weir/sync/resource"
)

func TestPaths(t *testing.T) {
	got := paths(map[string]any{
		"Vhost": "v",
		"GroupDetails": []any{
			map[string]any{"Group": "a"},
			map[string]any{"Group": "b", "Servers": []any{map[string]any{"Params": map[string]string{"k": "v"}}}},
		},
	})
	want := []string{
		"GroupDetails", "GroupDetails[].Group", "GroupDetails[].Servers", "GroupDetails[].Servers[].Params",
		"GroupDetails[].Servers[].Params.k", "Vhost",
	}
	if !slices.Equal(got, want) {
		t.Errorf("paths %q, want %q", got, want)
	}
}

func TestCovers(t *testing.T) {
	cases := []struct {
		documented, path string
		want             bool
	}{
		{"App", "App", true},
		{"App", "app", false},
		{"App", "AppName", false},
		{"App", "App.x", false},
		{"P.*", "P", true},
		{"P.*", "P.k", true},
		{"P.*", "P.k.l", true},
		{"P.*", "Px", false},
	}
	for _, tc := range cases {
		if got := covers(tc.documented, tc.path); got != tc.want {
			t.Errorf("%q covers %q: %t", tc.documented, tc.path, got)
		}
	}
}

func TestReversed(t *testing.T) {
	const spec, want = `{"a":1.50,"b":[{"c":"<","d":null}]}`, `{"b":[{"d":null,"c":"\u003c"}],"a":1.50}`
	got := reversed(spec)
	if got != want || !got.Equal(resource.Spec(spec)) {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestMentions(t *testing.T) {
	req := &call.Request{Params: map[string]any{"DomainName": "push.example.com", "Regions": []string{"ZHJ"}}}
	for text, want := range map[string]bool{"push.example.com": true, "ZHJ": true, "other.example.com": false} {
		if got := mentions(req, text); got != want {
			t.Errorf("%s: %t", text, got)
		}
	}
}

package schema

import (
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

func multiStream(spec map[string]any) map[string]any {
	return map[string]any{"apiVersion": "aliyun/v1", "kind": "MultiStream", "spec": spec}
}

func prefetch(regions ...any) map[string]any {
	return map[string]any{"apiVersion": "aliyun/v1", "kind": "RtcPrefetch", "spec": map[string]any{
		"domain": "live.example.com", "app": "live", "stream": "news", "regions": regions,
		"audioMsid": "rts audio", "videoMsid": "rts video", "connectionTimeout": "1h",
	}}
}

func TestMessages(t *testing.T) {
	ok := func(domain, enabled any) map[string]any {
		return multiStream(map[string]any{"domain": domain, "enabled": enabled})
	}
	for _, c := range []struct {
		name    string
		doc     map[string]any
		message string
		nearest string
	}{
		{
			"a boolean of YAML 1.1", ok("a.example.com", "on"), `must be true or false, not "on"; did you mean true?`,
			"true",
		},
		{
			"a boolean in quotes", ok("a.example.com", "true"),
			`must be true or false, not "true"; write it without quotes`, "true",
		},
		{"another text for a boolean", ok("a.example.com", "maybe"), `must be true or false, not "maybe"`, ""},
		{"a number for a boolean", ok("a.example.com", int64(3)), `must be true or false, not 3`, ""},
		{
			"nothing for a boolean", ok("a.example.com", nil),
			`has no value (empty, ~ and null mean none): must be true or false`, "",
		},
		{
			"nothing for a text", ok(nil, true),
			`has no value (empty, ~ and null mean none): must be a text; quote it if the word itself is meant`, "",
		},
		{"a list for a text", ok([]any{"a"}, true), `must be a text, not a list of 1 entries`, ""},
		{
			"capitals in a domain", ok("push.Example.com", true),
			`must be a lower-case host name with at least one dot, ` +
				`at most 253 characters, at most 63 between two dots, not "push.Example.com"; did you mean "push.example.com"?`, "push.example.com",
		},
		{
			"an address for a domain", ok("https://a.example.com/x", true),
			`must be a lower-case host name with at least one dot, ` +
				`at most 253 characters, at most 63 between two dots, not "https://a.example.com/x"; did you mean "a.example.com"?`, "a.example.com",
		},
		{"an unknown region", prefetch("XQ"), `must be a region code, not "XQ"; did you mean "BQ"?`, "-"},
		{
			"a region in lower case", prefetch("no"), `must be a region code, not "no"; did you mean "NO" (Norway)?`,
			"NO",
		},
		{
			"a region by its name", prefetch("zhejiang"),
			`must be a region code, not "zhejiang"; did you mean "ZHJ" (Zhejiang)?`, "ZHJ",
		},
		{
			"a region mistyped", prefetch("ZJH"), `must be a region code, not "ZJH"; did you mean "ZHJ" (Zhejiang)?`,
			"ZHJ",
		},
		{"a region twice", prefetch("NO", "SE", "NO"), `"NO" is in the list already, at position 1`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := Check("aliyun/v1", c.doc["kind"].(string), c.doc)
			if len(got) != 1 {
				t.Fatalf("got %s, want one violation", told(got))
			}
			if c.nearest == "-" {
				if got[0].Code != "unknown-region" || len(got[0].Nearest) != 2 {
					t.Errorf("got %+v", got[0])
				}
				return
			}
			if got[0].Message != c.message || got[0].Nearest != c.nearest {
				t.Errorf("got  %s (nearest %q)\nwant %s (nearest %q)", got[0].Message, got[0].Nearest, c.message,
					c.nearest)
			}
		})
	}
}

func TestUnknownField(t *testing.T) {
	doc := multiStream(map[string]any{"domain": "a.example.com", "enabeld": true, "x": int64(1)})
	got := Check("aliyun/v1", "MultiStream", doc)
	want := []Violation{
		{
			[]string{"spec", "enabeld"},
			true, "unknown-field", `unknown field "enabeld"; did you mean "enabled"?`,
			"enabled",
		},
		{[]string{"spec", "enabled"}, true, "missing-field", "required field enabled is missing", ""},
		{[]string{"spec", "x"}, true, "unknown-field", `unknown field "x"; known here: domain, enabled`, ""},
	}
	if !slices.EqualFunc(got, want, same) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

func same(a, b Violation) bool {
	return slices.Equal(a.Path, b.Path) && a.Key == b.Key && a.Code == b.Code && a.Message == b.Message &&
		a.Nearest == b.Nearest
}

func TestFailure_V18_UnknownKind(t *testing.T) {
	for _, c := range []struct{ version, kind, code, path, nearest string }{
		{"aliyun/v1", "Multistream", CodeUnknownKind, "kind", "MultiStream"},
		{"aliyun/v1", "RelaySource", CodeUnknownKind, "kind", ""},
		{"aliyun/v2", "MultiStream", CodeUnknownAPIVersion, "apiVersion", "aliyun/v1"},
		{"volcano/v1", "RelaySource", CodeUnknownAPIVersion, "apiVersion", ""},
		{"", "", CodeUnknownAPIVersion, "apiVersion", ""},
	} {
		got := Check(c.version, c.kind, nil)
		if len(got) != 1 || got[0].Code != c.code || dotted(got[0].Path) != c.path || got[0].Nearest != c.nearest {
			t.Errorf("%s %s: got %+v, want %+v", c.version, c.kind, got, c)
		}
	}
	for kind, want := range map[string]string{
		"Multistream": `aliyun/v1 has no kind "Multistream"; did you mean "MultiStream"?`,
		"RelaySource": `aliyun/v1 has no kind "RelaySource"; it is a kind of volcengine/v1`,
		"X":           `aliyun/v1 has no kind "X"; there are MultiStream, Recording, RtcPrefetch, StreamIngest`,
	} {
		if got := Check("aliyun/v1", kind, nil)[0].Message; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestFailure_V13_NumbersThatPanicTheLibrary(t *testing.T) {
	for _, v := range []any{
		math.Inf(1), math.Inf(-1), math.NaN(), 1e300, uint64(1), int(1),
		struct{}{},
		[]string{"a"},
	} {
		got := Check("aliyun/v1", "MultiStream", multiStream(map[string]any{"domain": v, "enabled": true}))
		if told(got) != "unfit-value at spec.domain" {
			t.Errorf("%v: got %s", v, told(got))
		}
	}
}

func TestFailure_V09_Nesting(t *testing.T) {
	var deep any = "x"
	for range 100 {
		deep = []any{deep}
	}
	got := Check("aliyun/v1", "MultiStream", multiStream(map[string]any{"domain": deep, "enabled": true}))
	if len(got) != 1 || got[0].Code != CodeTooManyValues || len(got[0].Path) != maxDepth+1 {
		t.Errorf("got %s", told(got))
	}
}

func TestFailure_V24_LowerCaseRegion(t *testing.T) {
	for _, region := range []string{"zhj", "no", "Hkg"} {
		got := Check("aliyun/v1", "RtcPrefetch", prefetch(region))
		if told(got) != "unknown-region at spec.regions[0]" || got[0].Nearest != strings.ToUpper(region) {
			t.Errorf("%s: %+v", region, got)
		}
	}
}

func TestFailure_V23_AppNames(t *testing.T) {
	for app, ok := range map[string]bool{
		"..": true, ".": true, "010": true, strings.Repeat("a", 30): true, strings.Repeat("a", 31): false,
		"live\n": false, "live٣": false, "": false, "a/b": false, "*": false,
	} {
		doc := decode(t, []byte("apiVersion: volcengine/v1\nkind: RelaySource\nspec:\n  vhost: push.example.com\n"+
			"  groups: [{name: a, servers: [{address: a.example.com, protocol: rtmp}]}]\n")).(map[string]any)
		doc["spec"].(map[string]any)["app"] = app
		want := ""
		if !ok {
			want = "bad-name at spec.app"
		}
		if got := told(Check("volcengine/v1", "RelaySource", doc)); got != want {
			t.Errorf("%q: got %q, want %q", app, got, want)
		}
	}
}

func TestValuesAreNotQuoted(t *testing.T) {
	const secret = "LTAI5tSecretSecretSecret !"
	doc := multiStream(map[string]any{"domain": "a.example.com", "enabled": true})
	doc["metadata"] = map[string]any{"labels": map[string]any{"team": secret}}
	got := Check("aliyun/v1", "MultiStream", doc)
	if told(got) != "bad-label at metadata.labels.team" || strings.Contains(fmt.Sprint(got), "LTAI") {
		t.Errorf("got %+v", got)
	}
}

func TestFailure_C21_LongValuesAreCut(t *testing.T) {
	long := strings.Repeat("\x1b[31mé", 100_000)
	for _, doc := range []map[string]any{
		multiStream(map[string]any{"domain": long, "enabled": true}),
		multiStream(map[string]any{"domain": "a.example.com", "enabled": true, long: "x"}),
		multiStream(map[string]any{"domain": "a.example.com", "enabled": long}),
		prefetch(long),
	} {
		for _, v := range Check("aliyun/v1", doc["kind"].(string), doc) {
			if len(v.Message) > 1000 || strings.ContainsRune(v.Message, '\x1b') {
				t.Errorf("%s: message of %d bytes: %.80q", v.Code, len(v.Message), v.Message)
			}
		}
	}
}

func TestKeysAreUnescaped(t *testing.T) {
	for _, key := range []string{"a/b", "a~b", "a~1b", "a%2Fb", "a b", "a'b", "é", "a#b", "a?b"} {
		doc := multiStream(map[string]any{"domain": "a.example.com", "enabled": true, key: "x"})
		got := Check("aliyun/v1", "MultiStream", doc)
		if len(got) != 1 || !slices.Equal(got[0].Path, []string{"spec", key}) {
			t.Errorf("%q: got %+v", key, got)
		}
		doc = decode(t, []byte("apiVersion: volcengine/v1\nkind: RelaySource\nspec:\n  vhost: a\n  app: a\n"+
			"  groups: [{name: a, servers: [{address: a.example.com, protocol: rtmp, params: {}}]}]\n")).(map[string]any)
		find(doc, []string{"spec", "groups", "0", "servers", "0", "params"}).(map[string]any)[key] = int64(1)
		got = Check("volcengine/v1", "RelaySource", doc)
		if len(got) != 1 || got[0].Path[6] != key {
			t.Errorf("param %q: got %+v", key, got)
		}
	}
}

func TestEmptyKey(t *testing.T) {
	doc := multiStream(map[string]any{"domain": "a.example.com", "enabled": true, "": "x"})
	if got := told(Check("aliyun/v1", "MultiStream", doc)); got != "unknown-field at spec" {
		t.Errorf("got %s", got)
	}
}

// worst returns the documents that take longest: as many values as are looked
// at, each of them wrong in the dearest way.
func worst() map[string]map[string]any {
	regions, fields, groups := make([]any, maxValues-20), map[string]any{}, make([]any, maxValues/6)
	for i := range regions {
		regions[i] = "X" + strconv.Itoa(i)
		fields["domainx"+strconv.Itoa(i)] = "x"
	}
	for i := range groups {
		groups[i] = map[string]any{"name": "a", "servers": []any{"x"}, "nme": "b"}
	}
	return map[string]map[string]any{
		"unknown regions": prefetch(regions...),
		"unknown fields":  multiStream(fields),
		"wrong groups": {"apiVersion": "volcengine/v1", "kind": "RelaySource", "spec": map[string]any{
			"vhost": "a", "app": "a", "groups": groups,
		}},
		"too many values": prefetch(make([]any, 1_000_000)...),
		"long text":       multiStream(map[string]any{"domain": strings.Repeat("a-", 500_000), "enabled": true}),
	}
}

func TestFailure_V27_WorstDocument(t *testing.T) {
	for name, doc := range worst() {
		t.Run(name, func(t *testing.T) {
			// Ten times what is wanted, which the benchmark shows.
			takesAtMost(t, 500*time.Millisecond, func() {
				if got := Check(doc["apiVersion"].(string), doc["kind"].(string), doc); len(got) == 0 {
					t.Error("it is accepted")
				}
			})
		})
	}
}

func BenchmarkCheck(b *testing.B) {
	docs := worst()
	docs["ok prefetch"] = prefetch("NO", "ZHJ")
	docs["ok switch"] = multiStream(map[string]any{"domain": "a.example.com", "enabled": true})
	for name, doc := range docs {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				Check(doc["apiVersion"].(string), doc["kind"].(string), doc)
			}
		})
	}
}

func TestNearest(t *testing.T) {
	fields := []string{"domain", "enabled", "app"}
	for s, want := range map[string]string{
		"enabeld": "enabled", "Domain": "domain", "domian": "domain", "ap": "app", "xyz": "", "": "", "apps": "app",
	} {
		if got := Nearest(s, fields); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", s, got, want)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "ab", 2}, {"abc", "abc", 0}, {"abc", "acb", 1}, {"abc", "abd", 1}, {"kitten", "sitting", 3}} {
		if got, back := distance(c.a, c.b, 99), distance(c.b, c.a, 99); got != c.want || back != c.want {
			t.Errorf("%q to %q: %d and %d, want %d", c.a, c.b, got, back, c.want)
		}
	}
	if got := distance("a", "abcdef", 3); got != 3 {
		t.Errorf("beyond the limit: %d", got)
	}
}

func FuzzCheck(f *testing.F) {
	for _, s := range []string{
		"a.example.com", "", "on", "push.Example.com", "\x00", "NO", "1h", "[::1]:80",
		"http://a",
	} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, key, value string) {
		for ref, k := range loaded().kinds {
			doc := map[string]any{"apiVersion": ref.APIVersion, "kind": ref.Kind, key: value, "spec": map[string]any{
				"domain": value, key: value, "regions": []any{value, value}, "connectionTimeout": value, "until": value,
				"groups": []any{map[string]any{key: value, "servers": []any{map[string]any{"address": value}}}},
			}, "listen": value, "interval": value, "accounts": []any{map[string]any{"endpoint": value}}}
			for _, v := range k.check(doc) {
				if v.Code == "" || v.Message == "" || v.Code == CodeInternal || len(v.Message) > 2000 {
					t.Errorf("%v: %+v", ref, v)
				}
			}
		}
	})
}

// FuzzGitURL: whatever is accepted holds nothing that is secret, and no host
// or user that a program called with it would take for an option.
func FuzzGitURL(f *testing.F) {
	for _, s := range []string{
		"https://git.example.com/x", "git@[::1]:x", "ssh://git@git.example.com:22/x", "https://a:b@c/x", "a@b:c#d",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !isGitURL(s) {
			return
		}
		if !strings.Contains(s, "://") {
			if user, _, _ := strings.Cut(s, "@"); isUser(user) {
				return
			}
			t.Fatalf("%q passes", s)
		}
		u, err := url.Parse(s)
		if err != nil || u.RawQuery != "" || u.Fragment != "" || u.Hostname() == "" || u.Hostname()[0] == '-' {
			t.Fatalf("%q passes", s)
		}
		if _, secret := u.User.Password(); secret || u.User != nil && u.Scheme != "ssh" {
			t.Fatalf("%q passes with a user", s)
		}
	})
}

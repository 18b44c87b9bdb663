package wire

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"weir/sync/call"
	"weir/sync/secret"
)

func TestDecode(t *testing.T) {
	nested := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	cases := []struct{ name, contentType, body, want string }{
		{"json", "application/json; charset=utf-8", `{"a":1}`, ""},
		{"no type", "", `{"a":1}`, ""},
		{"plain text", "text/plain; charset=utf-8", `{"a":1}`, ""},
		{"problem json", "application/problem+json", `{}`, ""},
		{"html", "text/html", `{"a":1}`, "content type is text/html"},
		{"odd type", "/", `{}`, "content type cannot be read"},
		{"empty", "application/json", ``, "empty body"},
		{"cut", "application/json", `{"a":`, "not the JSON of the API"},
		{"wrong type", "application/json", `{"a":"x"}`, "not the JSON of the API"},
		{"two values", "application/json", `{} {}`, "not the JSON of the API"},
		{"64 levels", "application/json", `{"b":` + nested(63) + `}`, ""},
		{"65 levels", "application/json", `{"b":` + nested(64) + `}`, "deeper than 64 levels"},
		{"a million levels", "application/json", strings.Repeat("[", 1_000_000), "deeper than 64 levels"},
		{"brackets in text", "application/json", `{"b":"` + strings.Repeat(`[\"`, 99) + `"}`, ""},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			a := &Answer{Header: http.Header{"Content-Type": {tc.contentType}}, Body: []byte(tc.body)}
			var v struct {
				A int
				B any
			}
			err := a.Decode(&v)
			if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want %q", err, tc.want)
			}
		})
	}
}

func TestForeign(t *testing.T) {
	want := map[int]call.Code{
		200: call.Unknown, 204: call.Unknown, 302: call.Unknown, 307: call.Unknown, 500: call.Unknown,
		502: call.Unknown, 504: call.Unknown, 408: call.Unknown, 503: call.Unavailable, 403: call.Unavailable,
		407: call.Unavailable, 404: call.Unavailable, 429: call.Throttled,
	}
	for status, code := range want {
		a := &Answer{Status: status, Header: http.Header{}, RTT: time.Millisecond}
		e := a.Foreign("Op", errors.New("empty body"))
		told := strings.HasSuffix(e.Message, ": empty body")
		if e.Code != code || e.Status != status || e.RTT != time.Millisecond || !told {
			t.Errorf("%d: %+v, want %s", status, e, code)
		}
	}
}

func TestErrorOfAnswer(t *testing.T) {
	a := &Answer{Status: 429, Header: http.Header{"Retry-After": {"3"}}, key: secret.Key{Secret: secret.New("hush")}}
	e := a.Error("Op", call.Throttled, "Flow", "slow down hush")
	want := call.Error{
		Code: call.Throttled, Operation: "Op", CloudCode: "Flow", Message: "slow down [redacted]", Status: 429,
		After: 3 * time.Second,
	}
	if *e != want {
		t.Errorf("error %+v, want %+v", *e, want)
	}
}

func TestRetryAfter(t *testing.T) {
	for value, want := range map[string]time.Duration{
		"": 0, "2": 2 * time.Second, "-1": 0, "soon": 0, "Wed, 21 Oct 2026 07:28:00 GMT": 0, "99999999": time.Hour,
	} {
		if got := retryAfter(http.Header{"Retry-After": {value}}); got != want {
			t.Errorf("%q: %s, want %s", value, got, want)
		}
	}
}

func TestFailure_C7_Clean(t *testing.T) {
	key, _ := testKey()
	cases := []struct{ name, in, want string }{
		{"nothing to do", "the app 直播 is “bad”", "the app 直播 is “bad”"},
		{"secret", "sign with " + canary + "!", "sign with [redacted]!"},
		{"secret in a query", "q=" + url.QueryEscape(canary), "q=[redacted]"},
		{"token", "x token-Zx82 token-Zx82", "x [redacted] [redacted]"},
		{"terminal", "\x1b[31mred\r\n\x07", `\x1b[31mred\r\n\a`},
		{"right to left", "a\u202eb", `a\u202eb`},
		{"bad UTF-8", "a\xffb\ufffd", "a\\xffb\ufffd"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			if got := Clean(tc.in, key); got != tc.want {
				t.Errorf("%q, want %q", got, tc.want)
			}
		})
	}
	if got := Clean(strings.Repeat("直", 1000), key); len(got) > MaxText || len(got) < MaxText-6 || !utf8.ValidString(got) {
		t.Errorf("cut to %d bytes, valid %t", len(got), utf8.ValidString(got))
	}
	edge := strings.Repeat("x", MaxText-10) + canary
	if got := Clean(edge, key); strings.Contains(got, canary[:6]) {
		t.Errorf("a cut secret shows: %q", got)
	}
}

func FuzzClean(f *testing.F) {
	f.Add("plain")
	f.Add("\x1b[0m" + canary + "\xff")
	key, _ := testKey()
	f.Fuzz(func(t *testing.T, s string) {
		got := Clean(s, key)
		if len(got) > MaxText || !utf8.ValidString(got) || strings.Contains(got, canary) {
			t.Errorf("%q", got)
		}
		for _, r := range got {
			if r < ' ' || r == 0x7f {
				t.Errorf("control character in %q", got)
			}
		}
	})
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"a":[{"b":"\""}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		a := &Answer{Header: http.Header{}, Body: body}
		var v any
		if err := a.Decode(&v); err == nil && depth(v) > MaxDepth {
			t.Errorf("accepted %d levels", depth(v))
		}
	})
}

func depth(v any) int {
	deepest := 0
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			deepest = max(deepest, depth(e))
		}
		return deepest + 1
	case map[string]any:
		for _, e := range v {
			deepest = max(deepest, depth(e))
		}
		return deepest + 1
	}
	return 0
}

package delivery

import (
	"net/http"
	"testing"
	"time"

	"weir/sync/secret"
)

func TestPause(t *testing.T) {
	b := Backoff{First: 2 * time.Second, Most: time.Minute}
	tests := map[string]struct {
		n      int
		after  time.Duration
		random float64
		want   time.Duration
	}{
		"the first":             {1, 0, 0, 2 * time.Second},
		"none yet":              {0, 0, 0, 2 * time.Second},
		"the third":             {3, 0, 0, 8 * time.Second},
		"the hundredth":         {100, 0, 0, time.Minute},
		"longer by chance":      {1, 0, 1, 2500 * time.Millisecond},
		"the server asks":       {1, 30 * time.Second, 0, 30 * time.Second},
		"it asks for less":      {3, time.Second, 0, 8 * time.Second},
		"it asks for much more": {1, 10 * time.Minute, 0, 10 * time.Minute},
	}
	for name, tc := range tests {
		if got := b.Pause(tc.n, tc.after, tc.random); got != tc.want {
			t.Errorf("%s: %s, want %s", name, got, tc.want)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"":                              0,
		"30":                            30 * time.Second,
		"-5":                            0,
		"soon":                          0,
		"1000000":                       time.Hour,
		"Wed, 25 Nov 2026 12:01:00 GMT": time.Minute,
		"Wed, 25 Nov 2026 11:00:00 GMT": 0,
	} {
		if got := RetryAfter(http.Header{"Retry-After": {text}}, now); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

func TestRedact(t *testing.T) {
	s := secret.New("a b/c")
	if got := Redact("https://x/?k=a+b%2Fc and a b/c", s); got != "https://x/?k=[redacted] and [redacted]" {
		t.Error(got)
	}
	if got := Redact("nothing", secret.Secret{}); got != "nothing" {
		t.Error(got)
	}
}

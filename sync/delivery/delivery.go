// Package delivery holds what all news that weir sends to other people's servers
// have in common: that one is sent after the other, how long to wait before another
// try, and what of an answer may be quoted.
package delivery

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"weir/sync/secret"
)

// longestDouble bounds the doublings: shifts beyond would overflow.
const longestDouble = 16

// jitterPart says that a pause is longer by up to this part of it.
const jitterPart = 4

// MaxAfter bounds what a server may ask for.
const MaxAfter = time.Hour

// Backoff says how pauses grow: doubled from First to Most.
type Backoff struct{ First, Most time.Duration }

// Pause returns how long to wait after the n-th try in a row that failed, at
// least as long as the server asks for. Random is a number from 0 to 1.
func (b Backoff) Pause(n int, after time.Duration, random float64) time.Duration {
	wait := min(b.First<<min(max(n-1, 0), longestDouble), b.Most)
	wait = max(wait, after)
	return wait + time.Duration(random*float64(wait)/jitterPart)
}

// RetryAfter reads how long an answer's Retry-After wants the server to be left
// alone, 0 where it does not say.
func RetryAfter(head http.Header, now time.Time) time.Duration {
	text := head.Get("Retry-After")
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return AtMost(time.Duration(seconds) * time.Second)
	}
	if at, err := http.ParseTime(text); err == nil {
		return AtMost(at.Sub(now))
	}
	return 0
}

// AtMost bounds a pause that a server asks for: between 0 and MaxAfter.
func AtMost(d time.Duration) time.Duration { return min(max(d, 0), MaxAfter) }

// Redact takes a secret out of a text, also where it is escaped for an address.
func Redact(text string, s secret.Secret) string {
	if s.Empty() {
		return text
	}
	for _, form := range []string{s.Reveal(), url.QueryEscape(s.Reveal()), url.PathEscape(s.Reveal())} {
		text = strings.ReplaceAll(text, form, secret.Redacted)
	}
	return text
}

// OneLine returns text as one line of at most longest characters: without
// control and format characters, each run of white space a single space, and
// "…" where it was cut.
func OneLine(text string, longest int) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r), unicode.IsControl(r):
			return ' '
		case unicode.Is(unicode.Cf, r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	runes := []rune(strings.Join(strings.Fields(text), " "))
	if len(runes) <= longest {
		return string(runes)
	}
	return strings.TrimSpace(string(runes[:max(0, longest-1)])) + "…"
}

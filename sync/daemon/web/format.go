package web

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Number writes a count with its thousands apart.
func Number(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// unit is one of a span of time.
type unit struct {
	key     string // of its text
	seconds int
}

func units() []unit {
	return []unit{{"day", 86400}, {"hour", 3600}, {"minute", 60}, {"second", 1}}
}

// span writes a length of time in its largest unit, or with the next one too.
// The script does the same as the time goes by.
func (p *page) span(seconds float64, parts int) string {
	left, out := int(math.Round(seconds)), []string{}
	for _, u := range units() {
		if n := left / u.seconds; n > 0 || (u.seconds == 1 && len(out) == 0) {
			out = append(out, p.T("unit."+u.key, strconv.Itoa(n)))
			left -= n * u.seconds
		} else if len(out) > 0 {
			break
		}
		if len(out) == parts {
			break
		}
	}
	return strings.Join(out, " ")
}

// Span writes a length of time in seconds, "3 min 20 s"; below one in
// milliseconds.
func (p *page) Span(seconds float64) string {
	if seconds > 0 && seconds < 1 {
		return p.T("unit.millisecond", strconv.Itoa(max(1, int(math.Round(seconds*1000)))))
	}
	return p.span(seconds, 2)
}

// Ago says how long ago t was, "3 min ago".
func (p *page) Ago(t time.Time) string {
	if passed := p.over.Now.Sub(t).Seconds(); passed >= 1 {
		return p.T("ago", p.span(passed, 1))
	}
	return p.T("just-now")
}

// In says how long it is until t, "59 min 12 s".
func (p *page) In(t time.Time) string {
	if left := t.Sub(p.over.Now).Seconds(); left >= 1 {
		return p.T("in", p.span(left, 2))
	}
	return p.T("over-now")
}

// ISO writes t for machines.
func (p *page) ISO(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// Clock writes t for people, in UTC.
func (p *page) Clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// Percent writes a part of one.
func (p *page) Percent(part float64) string { return strconv.Itoa(int(math.Round(part*100))) + " %" }

// Rate writes a number of calls a second.
func (p *page) Rate(n float64) string { return strconv.FormatFloat(n, 'g', 3, 64) }

// Short cuts a revision to what people compare: twelve digits of a hash.
func (p *page) Short(revision string) string {
	const shown = 12
	prefix, hash, ok := strings.Cut(revision, ":")
	switch {
	case ok && len(hash) > shown:
		return prefix + ":" + hash[:shown]
	case !ok && len(revision) > shown && isHex(revision):
		return revision[:shown]
	}
	return clean(revision, shortText)
}

func isHex(s string) bool {
	return strings.Trim(s, "0123456789abcdef") == ""
}

// How many characters of a text of others are shown, where it stands among
// others and where it is what the page is about.
const (
	shortText = 160
	longText  = 12_000
)

// Text shows a text of others where it stands among many.
func (p *page) Text(s string) string { return clean(s, shortText) }

// Whole shows a text of others where there is room for it.
func (p *page) Whole(s string) string { return clean(s, longText) }

// Value shows a field's value where it stands among many.
func (p *page) Value(v any) string { return clean(literal(v), shortText) }

// WholeValue shows a field's value where there is room for it.
func (p *page) WholeValue(v any) string { return clean(literal(v), longText) }

// Long reports whether a value wants to be folded.
func (p *page) Long(v any) bool { return len(literal(v)) > 2*shortText }

// JSON shows a thing with many parts on one line.
func (p *page) JSON(v any) string { return clean(compact(v), longText) }

// literal writes a value as a manifest has it: a text without quotes unless it
// is none or is empty.
func literal(v any) string {
	if s, ok := v.(string); ok && s != "" && strings.TrimSpace(s) == s {
		return s
	}
	return compact(v)
}

func compact(v any) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Sprint(v)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// clean makes a text of others fit to be shown: cut at most characters, and what
// is not seen, or turns the order of reading, as its code.
func clean(s string, most int) string {
	var b strings.Builder
	n := 0
	for _, r := range s {
		if n++; n > most {
			b.WriteString("…")
			break
		}
		if unseen(r) {
			fmt.Fprintf(&b, "⟨U+%04X⟩", r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// unseen reports whether r is a control or a format character, such as those
// that turn the direction of a text.
func unseen(r rune) bool {
	return r != '\n' && r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Zl, r) ||
		unicode.Is(unicode.Zp, r) || r == unicode.ReplacementChar)
}

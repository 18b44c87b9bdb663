package main

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// TestColumns: Chinese takes two columns, a mark on a letter none.
func TestColumns(t *testing.T) {
	for text, want := range map[string]int{
		"": 0, "live": 4, "直播": 4, "e\u0301te": 3, "→ a": 3, "한글": 4, "👍🏽": 2, "ｗ": 2,
	} {
		if got := columns(text); got != want {
			t.Errorf("columns(%q) = %d, want %d", text, got, want)
		}
	}
}

func TestClip(t *testing.T) {
	for _, c := range []struct {
		text  string
		width int
		want  string
	}{
		{"live", 4, "live"},
		{"lively", 4, "liv…"},
		{"直播中", 5, "直播…"},
		{"直播中", 4, "直…"},                   // half a character is none
		{"e\u0301te\u0301", 2, "e\u0301…"}, // a letter keeps its mark
		{"直", 1, "…"},
	} {
		if got := clip(c.text, c.width); got != c.want {
			t.Errorf("clip(%q, %d) = %q, want %q", c.text, c.width, got, c.want)
		}
	}
}

// TestClipNeverTooWide: whatever the text is, what is left of it is its
// beginning, is text, and fits.
func TestClipNeverTooWide(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text, width := rapid.String().Draw(t, "text"), rapid.IntRange(1, 40).Draw(t, "width")
		got := clip(text, width)
		if columns(got) > width || !utf8.ValidString(got) || !strings.HasPrefix(text, strings.TrimSuffix(got, "…")) {
			t.Fatalf("clip(%q, %d) = %q", text, width, got)
		}
	})
}

// TestApart: two long texts stay different when they are cut at their end.
func TestApart(t *testing.T) {
	long := strings.Repeat("a", 100)
	was, will := apart(long+"-old", long+"-new", 20)
	if was != "…aaaaa-old" && was != "…aaaaaa-old" || columns(will) > 20 || clip(was, 20) == clip(will, 20) {
		t.Errorf("%q, %q", was, will)
	}
	if was, will := apart("short", "other", 20); was != "short" || will != "other" {
		t.Errorf("%q, %q", was, will)
	}
}

// TestLineWraps: a line goes on below, words are never cut, and what was painted
// is painted on each line.
func TestLineWraps(t *testing.T) {
	parts := []cell{{"Held: ", red}, {"a rule says no; say: ", ""}, {"weir apply --consent 0123456789abcdef", ""}}
	var b bytes.Buffer
	style{width: 24}.line(&b, 2, parts...)
	want := "Held: a rule says no;\n  say: weir apply\n  --consent\n  0123456789abcdef\n"
	if b.String() != want {
		t.Errorf("%q, want %q", b.String(), want)
	}
	b.Reset()
	style{}.line(&b, 2, parts...)
	if want := "Held: a rule says no; say: weir apply --consent 0123456789abcdef\n"; b.String() != want {
		t.Errorf("%q, want %q", b.String(), want)
	}
	b.Reset()
	style{colored: true, width: 24}.line(&b, 2, cell{"one two three four five six", red})
	if want := "\x1b[31mone two three four five\x1b[0m\n  \x1b[31msix\x1b[0m\n"; b.String() != want {
		t.Errorf("%q, want %q", b.String(), want)
	}
}

// TestLineLosesNothing: wrapped at any width the words are the same, and no line
// is wider than the terminal but for a word that is.
func TestLineLosesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SliceOfN(rapid.StringMatching(`[a-z直播]{1,12}`), 1, 30).Draw(t, "words")
		width := rapid.IntRange(leastWidth, 60).Draw(t, "width")
		var b bytes.Buffer
		style{width: width}.line(&b, 4, cell{strings.Join(words, " "), ""})
		if got := strings.Fields(b.String()); strings.Join(got, " ") != strings.Join(words, " ") {
			t.Fatalf("%q of %q", got, words)
		}
		for line := range strings.Lines(b.String()) {
			if columns(strings.TrimSuffix(line, "\n")) > width {
				t.Fatalf("%q is wider than %d", line, width)
			}
		}
	})
}

// TestTable: side by side where there is room, below each other where not.
func TestTable(t *testing.T) {
	tab := table{head: []string{"NAME", "VALUE", "BY"}}
	tab.row(cell{"直播", ""}, cell{"1", green}, cell{"Jane", ""})
	tab.text("replay", "none", "-")
	for width, want := range map[int]string{
		0:  "NAME    VALUE  BY\n直播    1      Jane\nreplay  none   -\n",
		80: "NAME    VALUE  BY\n直播    1      Jane\nreplay  none   -\n",
		15: "直播\n  value  1\n  by     Jane\nreplay\n  value  none\n",
	} {
		var b bytes.Buffer
		tab.write(&b, style{width: width})
		if b.String() != want {
			t.Errorf("at %d columns:\n%s\nwant:\n%s", width, b.String(), want)
		}
	}
}

// TestTableMakesRoom: on a terminal the last column goes on below itself, and one
// in which nothing stands is left out.
func TestTableMakesRoom(t *testing.T) {
	var b bytes.Buffer
	tab := table{indent: 2, head: []string{"NAME", "BY", "WHY"}}
	tab.text("main", "-", "found so in the cloud, and taken over")
	tab.write(&b, style{width: 34})
	if want := "  NAME  WHY\n  main  found so in the cloud, and\n        taken over\n"; b.String() != want {
		t.Errorf("%q, want %q", b.String(), want)
	}
}

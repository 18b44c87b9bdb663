package delivery

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestOneLine(t *testing.T) {
	for name, c := range map[string]struct {
		text    string
		longest int
		want    string
	}{
		"as it is":     {"applied: 2 created", 140, "applied: 2 created"},
		"lines":        {" a\r\n\tb\u2028c  d\n", 140, "a b c d"},
		"escapes":      {"a\x1b[31mred\x00\u202egnp.exe\u200b", 140, "a [31mred gnp.exe"},
		"not utf-8":    {"a\xffb", 140, "a?b"},
		"just fits":    {"直播流直播", 5, "直播流直播"},
		"cut":          {"直播流直播流", 5, "直播流直…"},
		"cut at space": {"abc def", 5, "abc…"},
		"no room":      {"abc", 0, "…"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := OneLine(c.text, c.longest); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

func FuzzOneLine(f *testing.F) {
	f.Add("a\nb", 3)
	f.Add("\xff\u202e", 1)
	f.Fuzz(func(t *testing.T, text string, longest int) {
		longest = max(1, longest%300)
		got := OneLine(text, longest)
		bad := strings.ContainsFunc(got, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) })
		if bad || !utf8.ValidString(got) || utf8.RuneCountInString(got) > longest || strings.TrimSpace(got) != got {
			t.Errorf("%q", got)
		}
	})
}

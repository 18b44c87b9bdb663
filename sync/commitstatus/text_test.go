package commitstatus

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

func TestSummary(t *testing.T) {
	some := Summary{Create: 2, Update: 1, Unchanged: 40}
	all := Summary{1, 2, 3, 4, 5, 6, 7}
	long := strings.Repeat("x", 300)
	for name, c := range map[string]struct{ got, want string }{
		"applied":         {some.Applied(), "applied: 2 created, 1 updated; 40 in sync"},
		"applied, all":    {all.Applied(), "applied: 1 created, 2 updated, 3 removed; 4 in sync, 5 waiting, 6 unreadable, 7 left alone"},
		"applied, none":   {Summary{Unchanged: 3}.Applied(), "applied: nothing to change; 3 in sync"},
		"applied, empty":  {Summary{}.Applied(), "applied: nothing to change"},
		"applying":        {some.Applying(), "applying: 2 to create, 1 to update; 40 in sync"},
		"applying, none":  {Summary{}.Applying(), "applying: nothing to change"},
		"failed":          {some.Failed(2, "live/a: Quota"), "failed: 2 of 3 changes: live/a: Quota"},
		"failed, only":    {Summary{Delete: 1}.Failed(1, ""), "failed: 1 of 1 change"},
		"failed, unknown": {Summary{}.Failed(2, ""), "failed: 2 of 2 changes"},
		"held":            {Summary{Delete: 7}.Held("removals", "7 removals, 5 allowed"), "held [removals]: 7 removals, 5 allowed (7 to remove)"},
		"held, no plan":   {HeldBy("history", "does not descend"), "held [history]: does not descend"},
		"held, no words":  {Summary{}.Held("", ""), "held"},
		"refused":         {Refused("live/a.yaml:3:9: unknown field", 2), "refused: live/a.yaml:3:9: unknown field (2 problems)"},
		"refused, one":    {Refused("live/a.yaml:3:9: unknown field", 1), "refused: live/a.yaml:3:9: unknown field"},
	} {
		if c.got != c.want {
			t.Errorf("%s: %q, want %q", name, c.got, c.want)
		}
	}
	if got := Refused(long, 999999); OneLine(got, shortest) != got || !strings.HasSuffix(got, "… (999999 problems)") {
		t.Errorf("%q does not show the number on every host", got)
	}
}

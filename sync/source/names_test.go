package source

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestFailure_V31_Names(t *testing.T) {
	for name, want := range map[string]bool{
		"a.yaml": true, "a.yml": true, "a.json": true, "A.YAML": true, "a.Yml": true, "a.JsOn": true,
		"a.b.yaml": true, "é.yaml": true, "a b.yaml": true, "-.yaml": true,
		"": false, "a": false, "yaml": false, "a.txt": false, "a.yamlx": false, "a.yaml.txt": false, "a.": false,
		".yaml": false, ".a.yaml": false, "a.yaml~": false, "a.yaml.swp": false, ".a.yaml.swp": false,
		"#a.yaml#": false, "4913": false, "a.yaml.bak": false, "a.SWP": false, "#a.yaml": true,
	} {
		if got := Selects(name); got != want {
			t.Errorf("Selects(%q) = %t, want %t", name, got, want)
		}
	}
}

func TestDropping(t *testing.T) {
	for name, want := range map[string]bool{
		"a~": true, "~": true, ".a.swp": true, "a.swo": true, "a.swx": true, "#a#": true, "4913": true,
		"a": false, "a.yaml": false, "49130": false, "#a": false, "a#": false, "swp": false, "~a": false,
	} {
		if got := Dropping(name); got != want {
			t.Errorf("Dropping(%q) = %t, want %t", name, got, want)
		}
	}
}

func TestFailure_S20_CheckName(t *testing.T) {
	for name, want := range map[string]error{
		"live.yaml": nil, "直播.yaml": nil, "été.yaml": nil, "a b.yaml": nil, "CON.yaml": nil,
		"a\xff.yaml":          errNotUTF8,
		"\xed\xa0\x80.yaml":   errNotUTF8, // half of a surrogate pair
		"a\n.yaml":            errControl,
		"a\x1b[31m.yaml":      errControl,
		"a\x7f.yaml":          errControl,
		"a\u0085.yaml":        errControl,
		"a\u2028.yaml":        errControl,
		"a\u202elmay.yaml":    errInvisible, // right-to-left override
		"a\u200f.yaml":        errInvisible,
		"a\u2066b\u2069.yaml": errInvisible,
		"a\u200b.yaml":        errInvisible, // zero width space
		"\ufeffa.yaml":        errInvisible,
	} {
		if got := CheckName(name); got != want {
			t.Errorf("CheckName(%q) = %v, want %v", name, got, want)
		}
	}
}

func TestFailure_S20_Fold(t *testing.T) {
	for _, pair := range [][2]string{
		{"Live.YAML", "live.yaml"},
		{"STRASSE", "strasse"},
		{"ÉTÉ", "été"},
		{"Σ", "ς"},
		{"\u212a.yaml", "k.yaml"},
		{"ſ", "S"},
		{"ДА", "да"},
	} {
		if a, b := Fold(pair[0]), Fold(pair[1]); a != b {
			t.Errorf("Fold(%q) = %q, Fold(%q) = %q, want equal", pair[0], a, pair[1], b)
		}
	}
	if Fold("a.yaml") == Fold("b.yaml") || Fold("é") == Fold("e") {
		t.Error("different names fold to one key")
	}
}

func FuzzFold(f *testing.F) {
	for _, s := range []string{"a.yaml", "A.YAML", "\u212a", "ß", "\xff", "İ"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !utf8.ValidString(s) || utf8.RuneCountInString(s) > 100 {
			t.Skip()
		}
		key := Fold(s)
		if Fold(key) != key {
			t.Errorf("Fold(%q) = %q, and that folds to %q", s, key, Fold(key))
		}
		for _, o := range []string{strings.ToLower(s), strings.ToUpper(s)} {
			if strings.EqualFold(s, o) && Fold(o) != key {
				t.Errorf("Fold(%q) = %q, but Fold(%q) = %q", s, key, o, Fold(o))
			}
		}
	})
}

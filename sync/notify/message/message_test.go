package message

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"weir/sync/plan"
	"weir/sync/plan/guard"
)

func templates(t *testing.T, language Language, own string) *Templates {
	t.Helper()
	out, err := NewTemplates(language, own, time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestEveryEventHasItsWords: a title with the product's name, a body that says what
// to do where there is something, and nothing that a template leaves behind.
func TestEveryEventHasItsWords(t *testing.T) {
	for _, language := range []Language{English, Chinese} {
		texts := templates(t, language, "")
		titles := map[string]bool{}
		for _, d := range Samples() {
			d.URL = "https://weir.example.com"
			for _, repeat := range []bool{false, true} {
				d.Repeat = repeat
				got, err := texts.Render(d, Plain(), nil)
				if err != nil {
					t.Fatal(err)
				}
				titles[got.Title] = true
				if !strings.Contains(got.Title, "weir sample") || strings.Contains(got.Title+got.Body, "<no value>") ||
					strings.Contains(got.Body, "\n\n") || !strings.Contains(got.Body, d.URL) {
					t.Errorf("%s %s: %s\n%s", language, d.Name, got.Title, got.Body)
				}
				if command := d.First().Command(); command != "" && !d.Over && !strings.Contains(got.Body, command) {
					t.Errorf("%s %s does not say %s:\n%s", language, d.Name, command, got.Body)
				}
			}
		}
		if len(titles) < len(Samples()) {
			t.Errorf("%s: %d titles of %d messages", language, len(titles), len(Samples()))
		}
	}
}

// TestChineseIsChinese: no English sentence is left but what clouds and guards say.
func TestChineseIsChinese(t *testing.T) {
	word := regexp.MustCompile(`[A-Za-z]+ [A-Za-z]+ [A-Za-z]+`)
	texts := templates(t, Chinese, "")
	for _, d := range Samples() {
		for i := range d.Events {
			e := &d.Events[i]
			e.Reason, e.Code, e.Origin.Author, e.Consent, e.Settle, e.Problems, e.Held = "", "", "", "", "", nil, nil
		}
		d.Authors = nil
		got, err := texts.Render(d, Plain(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if found := word.FindString(got.Title + "\n" + got.Body); found != "" {
			t.Errorf("%s: %q in\n%s\n%s", d.Name, found, got.Title, got.Body)
		}
	}
}

// TestGuardsHaveAChineseName: all that are, and the actions.
func TestGuardsHaveAChineseName(t *testing.T) {
	var words []string
	for _, r := range guard.Rules() {
		words = append(words, r.Name)
	}
	for _, a := range []plan.Action{plan.Create, plan.Update, plan.Delete} {
		words = append(words, string(a))
	}
	for _, w := range words {
		if said := Chinese.word(w); said == w || !strings.ContainsFunc(said, func(r rune) bool { return unicode.Is(unicode.Han, r) }) {
			t.Errorf("%s is %q", w, said)
		}
	}
}

func TestSpan(t *testing.T) {
	for _, c := range []struct {
		d      time.Duration
		en, zh string
	}{
		{0, "0s", "0 秒"},
		{59 * time.Second, "59s", "59 秒"},
		{90 * time.Second, "1min", "1 分钟"},
		{15 * time.Minute, "15min", "15 分钟"},
		{90 * time.Minute, "1h 30min", "1 小时 30 分钟"},
		{2 * time.Hour, "2h", "2 小时"},
		{49 * time.Hour, "2d 1h", "2 天 1 小时"},
		{-time.Hour, "0s", "0 秒"},
	} {
		if en, zh := English.span(c.d), Chinese.span(c.d); en != c.en || zh != c.zh {
			t.Errorf("%s is %q and %q, want %q and %q", c.d, en, zh, c.en, c.zh)
		}
	}
}

func TestShort(t *testing.T) {
	for text, want := range map[string]string{
		"4f2a91c07be35d8861aa20c1f0b7d9e3526c8a14": "4f2a91c07be3", "dir:0123456789abcdef": "dir:0123456789ab",
		"": "", "main": "main", "a name that is longer than a hash": "a name that is longer than a hash",
	} {
		if got := short(text); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}

// TestOwnTemplates: each of the two replaces weir's own, and whatever they write is
// escaped though they do not say so.
func TestOwnTemplates(t *testing.T) {
	texts := templates(t, English, `{{define "body"}}{{range .Events}}{{if .Resource}}{{.Reason}}{{else}}-{{end}}{{with .Origin}}{{.Author}}{{end}}{{bold .Code}}{{end}}{{end}}`)
	d := Sample(Failed, false)
	d.Events[0].Reason, d.Events[0].Origin.Author, d.Events[0].Code = "<a>", "<b>", "<c>"
	m := Plain()
	m.Escape = func(s string) string { return strings.NewReplacer("<", "(", ">", ")").Replace(s) }
	m.Bold = func(s string) string { return "<" + s + ">" }
	got, err := texts.Render(d, m, nil)
	if err != nil || got.Body != "(a)(b)<(c)>" || !strings.HasPrefix(got.Title, "Failed: ") {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestItFits: with fewer events, then with fewer lines, never with half a line.
func TestItFits(t *testing.T) {
	texts := templates(t, English, "")
	d := Sample(Applied, false)
	for i := range 40 {
		e := d.Events[0]
		e.Resource = fmt.Sprint("volc/RelaySource/push.example.com/", i)
		d.Events = append(d.Events, e)
	}
	d.Total = 100
	for most := 1; most < 6000; most += 97 {
		got, err := texts.Render(d, Plain(), func(x Text) bool { return len(x.Body) <= most })
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Body) > most && got.Body != "…" {
			t.Fatalf("%d bytes, at most %d:\n%s", len(got.Body), most, got.Body)
		}
		shown := strings.Count(got.Body, "- created") + strings.Count(got.Body, "- updated")
		if most > 300 && !strings.Contains(got.Body, fmt.Sprintf("and %d more", 100-shown)) {
			t.Fatalf("%d are shown:\n%s", shown, got.Body)
		}
	}
}

// TestWhatStandsHasAnEnd: each event but that of applied changes.
func TestWhatStandsHasAnEnd(t *testing.T) {
	for _, n := range Names() {
		began, over := Event{Name: n}.Type(), Event{Name: n, Over: true}.Type()
		if began == "" || (over != "") != n.Stands() || began == over {
			t.Errorf("%s: %q, %q", n, began, over)
		}
	}
}

// TestLanguagesSayTheSame: both files define the same templates and read the same
// fields.
func TestLanguagesSayTheSame(t *testing.T) {
	fields := func(name string) []string {
		b, err := os.ReadFile("text/" + name + ".tmpl")
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, m := range regexp.MustCompile(`{{define "([a-z-]+)"`).FindAllStringSubmatch(string(b), -1) {
			out = append(out, m[1])
		}
		return out
	}
	if en, zh := fields("en"), fields("zh"); !slices.Equal(en, zh) {
		t.Errorf("en defines %v, zh %v", en, zh)
	}
}

// TestATemplateThatSaysNothingOfAnEvent: chats refuse an empty message for good.
func TestATemplateThatSaysNothingOfAnEvent(t *testing.T) {
	texts, err := NewTemplates(English, `{{define "title"}}{{if eq .Name "held"}}held{{end}}{{end}}{{define "body"}}{{if .Weir}}{{end}}{{end}}`, time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[Name]string{Held: "held", Failed: "failed"} {
		if got, err := texts.Render(Sample(name, false), Plain(), nil); err != nil || got.Title != want || got.Body != want {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

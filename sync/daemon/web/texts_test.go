package web

import (
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"text/template/parse"
	"unicode"

	"golang.org/x/net/html"

	"weir/sync/apply"
	"weir/sync/plan"
	"weir/sync/plan/guard"
	"weir/sync/reconcile"
)

func catalogue(t *testing.T) texts {
	t.Helper()
	all, err := readTexts()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

var verb = regexp.MustCompile(`%(\[\d\])?[a-z]`)

// TestTextsAreWhole: every text is there in every language, takes the same
// arguments, and the Chinese ones are Chinese.
func TestTextsAreWhole(t *testing.T) {
	alike := []string{"mode.", "action.", "filter.label.hint"}
	for key, row := range catalogue(t) {
		for i, text := range row {
			if strings.TrimSpace(text) == "" || strings.TrimSpace(text) != text {
				t.Errorf("%s in %s: %q", key, languages[i].name, text)
			}
			if a, b := verb.FindAllString(row[0], -1), verb.FindAllString(text, -1); len(a) != len(b) {
				t.Errorf("%s in %s takes %d arguments, not %d", key, languages[i].name, len(b), len(a))
			}
		}
		if han := strings.ContainsFunc(row[1], func(r rune) bool { return unicode.Is(unicode.Han, r) }); !han && !slices.Contains(alike, key) {
			t.Errorf("%s: %q is no Chinese", key, row[1])
		}
		if strings.ContainsFunc(row[0], func(r rune) bool { return unicode.Is(unicode.Han, r) }) {
			t.Errorf("%s: %q is no English", key, row[0])
		}
	}
}

// TestTextsOfOne: what is said of one thing is whole, with its number or without.
func TestTextsOfOne(t *testing.T) {
	h := handler(t, full("x"))
	n := 0
	for key := range catalogue(t) {
		of, is := strings.CutSuffix(key, ".one")
		if !is {
			continue
		}
		n++
		for i := range languages {
			p := page{h: h, lang: i}
			if text := p.N(of, 1); strings.Contains(text, "%") || text == "" {
				t.Errorf("%s in %s: %q", key, languages[i].name, text)
			}
		}
	}
	if n < 10 {
		t.Errorf("only %d texts of one", n)
	}
}

// TestTextsAreUsed: templates and code name only keys that exist, and none is
// left over.
func TestTextsAreUsed(t *testing.T) {
	all := catalogue(t)
	used := map[string]bool{}
	use := func(where, key string) {
		if _, ok := all[key]; !ok {
			t.Errorf("%s names the text %q, which is not there", where, key)
		}
		used[key], used[key+".one"] = true, true
	}
	for file, text := range sources(t) {
		for _, m := range regexp.MustCompile(`\b(?:T|N|count)\(?[ ]?"([a-z0-9.-]+)"`).FindAllStringSubmatch(text, -1) {
			if !strings.HasSuffix(m[1], ".") {
				use(file, m[1])
			}
		}
	}
	var p page
	for _, s := range p.States() {
		use("state", "state."+string(s))
	}
	for c := range conditions() {
		use("condition", "condition."+string(c))
	}
	for _, n := range handler(t, full("x")).notable(full("x").over) {
		use("notable", "notable."+string(n.State))
	}
	for _, rule := range guard.Rules() {
		use("guard", "guard."+rule.Name)
	}
	for _, u := range units() {
		use("unit", "unit."+u.key)
	}
	for _, o := range apply.Outcomes() {
		use("outcome", "outcome."+string(o))
	}
	for _, k := range []string{reconcile.KindPass, reconcile.KindFull} {
		use("pass", "pass."+k)
	}
	for _, m := range []plan.Mode{plan.Observe, plan.CreateOnly, plan.Upsert, plan.Sync, ""} {
		use("mode", "mode."+string(m))
	}
	for _, a := range []plan.Action{plan.None, plan.Create, plan.Update, plan.Delete, ""} {
		use("action", "action."+string(a))
	}
	for _, r := range []plan.Reason{
		plan.New, plan.Edited, plan.Drifted, plan.Conflict, plan.Removed, plan.Expired, plan.Restart, plan.RolledBack,
	} {
		use("reason", "reason."+string(r))
	}
	for _, s := range (resourcePage{}).Sides() {
		use("side", "side."+s.Name)
	}
	for key := range all {
		if !used[key] {
			t.Errorf("the text %q is not used", key)
		}
	}
}

// sources reads the templates, and the code beside them.
func sources(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, pattern := range []string{"templates/*.html", "*.go"} {
		for name, text := range readAll(t, pattern) {
			if !strings.HasSuffix(name, "_test.go") {
				out[name] = text
			}
		}
	}
	return out
}

// spoken are the attributes whose values people read.
var spoken = []string{"title", "alt", "placeholder", "aria-label", "aria-description"}

// TestTemplatesSpeakByTheCatalogue: what a template says itself has no word but
// the program's name and HTTP's.
func TestTemplatesSpeakByTheCatalogue(t *testing.T) {
	for file, text := range readAll(t, "templates/*.html") {
		trees, err := parse.Parse(file, text, "", "", map[string]any{
			"isNil": 0, "int": 0, "print": 0, "index": 0, "len": 0, "or": 0, "and": 0, "not": 0, "eq": 0, "ne": 0, "ge": 0, "gt": 0,
		})
		if err != nil {
			t.Fatal(err)
		}
		for name, tree := range trees {
			doc := html.NewTokenizer(strings.NewReader(literals(tree.Root)))
			for doc.Next() != html.ErrorToken {
				for _, said := range words(doc.Token()) {
					if left := strings.NewReplacer("weir", "", "HTTP", "").Replace(said); strings.ContainsFunc(left, unicode.IsLetter) {
						t.Errorf("%s, %s says %q itself", file, name, said)
					}
				}
			}
		}
	}
}

// words returns what people read of a token.
func words(tok html.Token) []string {
	var out []string
	switch {
	case tok.Type == html.TextToken && strings.Contains(tok.Data, "<"): // within noscript
		for doc := html.NewTokenizer(strings.NewReader(tok.Data)); doc.Next() != html.ErrorToken; {
			out = append(out, words(doc.Token())...)
		}
		return out
	case tok.Type == html.TextToken:
		return []string{tok.Data}
	}
	for _, a := range tok.Attr {
		if slices.Contains(spoken, a.Key) {
			out = append(out, a.Val)
		}
	}
	return out
}

// literals returns a template's own text, with a blank for what is filled in.
func literals(n parse.Node) string {
	var b strings.Builder
	switch n := n.(type) {
	case *parse.ListNode:
		if n != nil {
			for _, sub := range n.Nodes {
				b.WriteString(literals(sub))
			}
		}
	case *parse.TextNode:
		b.Write(n.Text)
	case *parse.IfNode:
		return literals(n.List) + literals(n.ElseList)
	case *parse.RangeNode:
		return literals(n.List) + literals(n.ElseList)
	case *parse.WithNode:
		return literals(n.List) + literals(n.ElseList)
	default:
		return "-"
	}
	return b.String()
}

func TestLanguageOfTheBrowser(t *testing.T) {
	for header, want := range map[string]string{
		"":                                 "en",
		"*":                                "en",
		"zh-CN,zh;q=0.9,en;q=0.8":          "zh",
		"zh-Hans":                          "zh",
		"zh":                               "zh",
		"en-GB,en;q=0.9,zh-CN;q=0.8":       "en",
		"de-DE,de;q=0.9,zh;q=0.3,en;q=0.2": "zh",
		"fr":                               "en",
		"en;q=0.1, ZH-tw ; q=0.9":          "zh",
		"zh;q=0":                           "en",
		"zh;q=broken":                      "en",
		strings.Repeat("xx,", 10_000):      "en",
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Accept-Language", header)
		if i, asked := speak(r); languages[i].code != want || asked {
			t.Errorf("%.40q: %s, %v", header, languages[i].code, asked)
		}
	}
	r := httptest.NewRequest("GET", "/?lang=zh", nil)
	r.Header.Set("Accept-Language", "en")
	if i, asked := speak(r); languages[i].code != "zh" || !asked {
		t.Errorf("?lang=zh: %s, %v", languages[i].code, asked)
	}
	if i, asked := speak(httptest.NewRequest("GET", "/?lang=xx", nil)); i != 0 || asked {
		t.Errorf("?lang=xx: %d, %v", i, asked)
	}
}

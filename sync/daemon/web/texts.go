package web

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

//go:embed texts.json
var textsJSON []byte

// The languages of the page. A language's place in a row of texts.json is its
// place here.
var languages = [...]language{
	{code: "en", tag: "en", name: "English", comma: ", "},
	{code: "zh", tag: "zh-Hans", name: "中文", comma: "、"},
}

// language is one that the page speaks.
type language struct {
	code string // as a request names it: ?lang=zh
	tag  string // as HTML names it
	name string // as its readers do
	// comma stands between the parts of a list.
	comma string
}

// texts is every text of the page by key, in the order of languages.
type texts map[string][len(languages)]string

func readTexts() (texts, error) {
	var t texts
	if err := json.Unmarshal(textsJSON, &t); err != nil {
		return nil, fmt.Errorf("texts.json: %w", err)
	}
	return t, nil
}

// say returns a text with its arguments; a key that is missing is its own text.
func (t texts) say(lang int, key string, args ...any) string {
	row, ok := t[key]
	switch {
	case !ok:
		return key
	case len(args) == 0:
		return row[lang]
	}
	return fmt.Sprintf(row[lang], args...)
}

// speak returns the place of the language of an answer, and whether the address
// asked for it rather than the browser.
func speak(r *http.Request) (lang int, asked bool) {
	if wanted := r.URL.Query().Get("lang"); wanted != "" {
		if i, ok := languageOf(wanted); ok {
			return i, true
		}
	}
	return accepted(r.Header.Get("Accept-Language")), false
}

// accepted returns the language that a browser likes best of ours, the first
// where it likes none.
func accepted(header string) int {
	best, most := 0, 0.0
	for part := range strings.SplitSeq(header, ",") {
		tag, params, _ := strings.Cut(part, ";")
		i, ok := languageOf(strings.TrimSpace(tag))
		if weight := quality(params); ok && weight > most {
			best, most = i, weight
		}
	}
	return best
}

// quality reads the weight "q=0.8" of a language, 1 where there is none.
func quality(params string) float64 {
	value, ok := strings.CutPrefix(strings.TrimSpace(params), "q=")
	if !ok {
		return 1
	}
	q, err := strconv.ParseFloat(value, 64)
	if err != nil {
		return 0
	}
	return q
}

// languageOf finds the language of a tag such as "zh-CN".
func languageOf(tag string) (int, bool) {
	primary, _, _ := strings.Cut(strings.ToLower(tag), "-")
	for i, l := range languages {
		if l.code == primary {
			return i, true
		}
	}
	return 0, false
}

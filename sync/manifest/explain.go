package manifest

import (
	_ "embed"
	"maps"
	"slices"
	"strings"
	"sync"
)

//go:embed codes.md
var codesText string

// explanations splits the text once, when it is first needed.
var explanations = sync.OnceValue(func() map[string]string {
	out := map[string]string{}
	for _, section := range strings.Split(codesText, "\n## ")[1:] {
		code, text, _ := strings.Cut(section, "\n")
		out[code] = strings.TrimSpace(text) + "\n"
	}
	return out
})

// Explain says in a few lines what a problem code means and how to mend it. It
// also knows the codes of package schema.
func Explain(code string) (string, bool) {
	text, ok := explanations()[code]
	return text, ok
}

// Codes returns every code that Explain knows, in order.
func Codes() []string { return slices.Sorted(maps.Keys(explanations())) }

package schema

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v5"
)

// teller turns the library's errors into violations. It takes nothing from the
// library's messages: it looks the keyword and the value up again, so that the
// place is exact and the words are ours.
type teller struct {
	tree map[string]any // the schema
	doc  any
	out  []Violation
}

// maxSuggested is the number of violations of a document for which the nearest
// right value is looked for; whoever has more has another problem.
const maxSuggested = 50

// leaves collects the errors that name one keyword of one value. The branches
// of a choice are its own business: the choice is told as a whole.
func (t *teller) leaves(e *jsonschema.ValidationError) {
	where := pointer(fragment(e.AbsoluteKeywordLocation))
	keyword := ""
	if len(where) > 0 {
		keyword = where[len(where)-1]
	}
	whole := keyword == "oneOf" || keyword == "anyOf" || keyword == "not"
	if len(e.Causes) > 0 && !whole {
		for _, cause := range e.Causes {
			t.leaves(cause)
		}
		return
	}
	if keyword == "" {
		t.add(Violation{Code: CodeInternal, Message: clip(e.Message)})
		return
	}
	where = where[:len(where)-1]
	path := pointer(e.InstanceLocation)
	f := fault{teller: t, keyword: keyword, path: path, named: within(where, "propertyNames")}
	f.rule, _ = find(t.tree, where).(map[string]any)
	f.value = find(t.doc, path)
	if f.named {
		f.value = path[len(path)-1]
	}
	f.tell()
}

func (t *teller) add(v Violation) { t.out = append(t.out, v) }

// suggesting reports whether there is still time to look for suggestions.
func (t *teller) suggesting() bool { return len(t.out) < maxSuggested }

// within reports whether where leads into keyword as a schema of names.
func within(where []string, keyword string) bool {
	return len(where) > 0 && where[len(where)-1] == keyword
}

// fragment returns what follows '#'.
func fragment(location string) string {
	_, after, _ := strings.Cut(location, "#")
	return after
}

// pointer splits a location of the library into its tokens: JSON pointer
// escapes inside URL path escapes.
func pointer(location string) []string {
	if location == "" {
		return nil
	}
	tokens := strings.Split(strings.TrimPrefix(location, "/"), "/")
	for i, token := range tokens {
		if plain, err := url.PathUnescape(token); err == nil {
			token = plain
		}
		tokens[i] = strings.ReplaceAll(strings.ReplaceAll(token, "~1", "/"), "~0", "~")
	}
	return tokens
}

// find follows path into a decoded JSON value; nil where it ends.
func find(v any, path []string) any {
	for _, token := range path {
		switch at := v.(type) {
		case map[string]any:
			v = at[token]
		case []any:
			i, err := strconv.Atoi(token)
			if err != nil || i < 0 || i >= len(at) {
				return nil
			}
			v = at[i]
		default:
			return nil
		}
	}
	return v
}

// fault is one broken keyword.
type fault struct {
	teller  *teller
	keyword string
	rule    map[string]any // the schema object that holds the keyword
	path    []string       // of value
	value   any
	named   bool // value is a key, the last token of path
}

// tell writes the violations of one broken keyword.
func (f fault) tell() {
	switch f.keyword {
	case "required":
		f.missing()
	case "additionalProperties":
		f.surplus()
	case "type":
		f.wrongType()
	case "enum", "const":
		f.notAllowed()
	case "uniqueItems":
		f.sameItems()
	case keyUniqueBy:
		f.sameNames()
	case "pattern", "format", keyFormat:
		f.badText()
	case keyMinDuration:
		f.add(CodeTooShort, "", f.limit())
	default:
		f.add(f.code(codeOf(f.keyword)), "", f.message(f.limit()))
	}
}

func (f fault) add(code, near, message string) {
	f.teller.add(Violation{Path: f.path, Key: f.named, Code: code, Message: message, Nearest: near})
}

// code returns the schema's own code for the rule, or else the general one.
func (f fault) code(general string) string {
	if own := text(f.rule["x-weir-code"]); own != "" {
		return own
	}
	return general
}

// message returns the schema's own words for the rule, or else the general ones.
func (f fault) message(general string) string {
	if own := text(f.rule["x-weir-message"]); own != "" {
		return own
	}
	return general
}

func (f fault) missing() {
	have := table(f.value)
	for _, name := range list(f.rule["required"]) {
		if _, ok := have[text(name)]; ok {
			continue
		}
		sub := f
		sub.path, sub.named = append(slices.Clone(f.path), text(name)), true
		words := fmt.Sprintf("required field %s is missing", text(name))
		sub.add(f.code(CodeMissingField), "", f.message(words))
	}
}

func (f fault) surplus() {
	known := keys(table(f.rule["properties"]))
	have := table(f.value)
	for _, name := range keys(have) {
		if slices.Contains(known, name) {
			continue
		}
		sub := f
		sub.path, sub.named = append(slices.Clone(f.path), name), true
		near := ""
		if f.teller.suggesting() {
			near = nearest(name, unused(known, have))
		}
		hint := didYouMean(near)
		if near == "" {
			hint = "; known here: " + strings.Join(known, ", ")
		}
		sub.add(CodeUnknownField, near, fmt.Sprintf("unknown field %s%s", quote(name), hint))
	}
}

// unused returns the known fields that a mapping does not have yet: a typo
// stands for one of them.
func unused(known []string, have map[string]any) []string {
	return slices.DeleteFunc(slices.Clone(known), func(k string) bool {
		_, used := have[k]
		return used
	})
}

func (f fault) wrongType() {
	want := text(f.rule["type"])
	near, hint := "", ""
	if !f.quiet() {
		near = nearType(want, f.value)
	}
	switch {
	case near != "" && near == f.value:
		hint = "; write it without quotes"
	case near != "":
		hint = "; did you mean " + near + "?"
	}
	words := fmt.Sprintf("must be %s, not %s%s", typeName(want), f.shown(), hint)
	if f.value == nil {
		words = fmt.Sprintf("has no value (empty, ~ and null mean none): must be %s", typeName(want))
		if want == "string" {
			words += "; quote it if the word itself is meant"
		}
	}
	f.add(CodeWrongType, near, words)
}

func (f fault) notAllowed() {
	allowed := texts(f.rule["enum"])
	if one, ok := f.rule["const"]; ok {
		allowed = []string{text(one)}
	}
	if f.value == nil {
		words := "has no value (empty, ~ and null mean none): must be one of " + some(allowed) +
			"; quote it if the word itself is meant"
		f.add(CodeWrongType, "", words)
		return
	}
	near, names := "", table(f.rule["x-weir-names"])
	if f.teller.suggesting() {
		near = nearCode(text(f.value), allowed, names)
	}
	words := "must be one of " + some(allowed)
	switch rule := text(f.rule["x-weir-rule"]); {
	case rule != "":
		words = "must be " + rule
	case len(allowed) == 1:
		words = "must be " + allowed[0]
	}
	hint := didYouMean(near)
	if name := text(names[near]); name != "" {
		hint = fmt.Sprintf("; did you mean %s (%s)?", quote(near), name)
	}
	f.add(f.code(CodeNotAllowedValue), near, fmt.Sprintf("%s, not %s%s", words, f.shown(), hint))
}

func (f fault) sameItems() {
	seen := map[string]int{}
	for i, item := range list(f.value) {
		text := fmt.Sprint(item)
		if first, twice := seen[text]; twice {
			sub := f
			sub.path = append(slices.Clone(f.path), strconv.Itoa(i))
			words := fmt.Sprintf("%s is in the list already, at position %d", quote(text), first+1)
			sub.add(CodeDuplicateItem, "", words)
			continue
		}
		seen[text] = i
	}
}

func (f fault) sameNames() {
	field, items := text(f.rule[keyUniqueBy]), list(f.value)
	for _, i := range repeated(items, field) {
		sub := f
		sub.path = append(slices.Clone(f.path), strconv.Itoa(i), field)
		name := text(table(items[i])[field])
		sub.add(CodeDuplicateName, "", fmt.Sprintf("%s %s is used already in this list", field, quote(name)))
	}
}

func (f fault) badText() {
	rule := text(f.rule["x-weir-rule"])
	if rule == "" {
		rule = "of another form"
	}
	near := ""
	if f.teller.suggesting() && !f.quiet() {
		near = f.mended(text(f.value))
	}
	words := fmt.Sprintf("must be %s, not %s%s", rule, f.shown(), didYouMean(near))
	f.add(f.code(CodeBadValue), near, f.message(words))
}

// mended tries the usual slips: capitals, white space, a scheme or path about
// a host.
func (f fault) mended(s string) string {
	trimmed := strings.TrimSpace(s)
	_, bare, _ := strings.Cut(trimmed, "://")
	bare, _, _ = strings.Cut(bare, "/")
	for _, try := range []string{trimmed, strings.ToLower(trimmed), bare, strings.ToLower(bare)} {
		if try != "" && try != s && f.fits(try) {
			return try
		}
	}
	return ""
}

// fits checks s against the text rules of the schema object.
func (f fault) fits(s string) bool {
	if p := text(f.rule["pattern"]); p != "" {
		if ok, err := regexp.MatchString(p, s); !ok || err != nil {
			return false
		}
	}
	if accept := formats()[text(f.rule[keyFormat])]; accept != nil && !accept(s) {
		return false
	}
	if name := text(f.rule["format"]); name != "" {
		return jsonschema.Formats[name](s)
	}
	return true
}

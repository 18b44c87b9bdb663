package schema

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// typeName says in words what a type of the schemas is.
func typeName(t string) string {
	switch t {
	case "object":
		return "a mapping of keys to values"
	case "array":
		return "a list"
	case "string":
		return "a text"
	case "boolean":
		return "true or false"
	case "integer":
		return "a whole number"
	default:
		return "a number"
	}
}

// codeOf returns the code of a keyword that is told by its limit.
func codeOf(keyword string) string {
	switch keyword {
	case "minLength":
		return CodeTooShort
	case "minItems":
		return CodeTooFew
	case "maxItems":
		return CodeTooMany
	case keyMaxTotal:
		return CodeTooManyServers
	case "minimum", "exclusiveMinimum":
		return CodeTooSmall
	case "maximum":
		return CodeTooLarge
	default:
		return CodeBadValue
	}
}

// limit tells a keyword that sets a limit.
func (f fault) limit() string {
	at := f.rule[f.keyword]
	switch f.keyword {
	case "minLength":
		return "must not be empty"
	case keyMinDuration:
		return fmt.Sprintf("must be at least %s, not %s", at, f.shown())
	case "minItems":
		return fmt.Sprintf("must have at least %v entries, has %d", at, len(list(f.value)))
	case "maxItems":
		return fmt.Sprintf("must have at most %v entries, has %d", at, len(list(f.value)))
	case keyMaxTotal:
		of := text(table(at)["of"])
		return fmt.Sprintf("must have at most %v %s over all entries", table(at)["max"], of)
	case "minimum":
		return fmt.Sprintf("must be at least %v, not %s", at, f.shown())
	case "exclusiveMinimum":
		return fmt.Sprintf("must be above %v, not %s", at, f.shown())
	case "maximum":
		return fmt.Sprintf("must be at most %v, not %s", at, f.shown())
	default:
		return fmt.Sprintf("must not be %s here", f.shown())
	}
}

// quiet reports whether the value may not be quoted.
func (f fault) quiet() bool { quiet, _ := f.rule["x-weir-quiet"].(bool); return quiet }

// shown describes the value: a text in quotes, cut, or its shape.
func (f fault) shown() string {
	switch v := f.value.(type) {
	case nil:
		return "empty"
	case string:
		if f.quiet() {
			return fmt.Sprintf("a text of %d characters", utf8.RuneCountInString(v))
		}
		return quote(v)
	case []any:
		return fmt.Sprintf("a list of %d entries", len(v))
	case map[string]any:
		return fmt.Sprintf("a mapping of %d keys", len(v))
	default:
		return fmt.Sprint(v)
	}
}

// maxShown is the number of characters of a value that a message holds.
const maxShown = 60

// quote returns s in double quotes, escaped and cut.
func quote(s string) string {
	if utf8.RuneCountInString(s) > maxShown {
		return strconv.QuoteToGraphic(string([]rune(s[:min(len(s), 4*maxShown)])[:maxShown])) + "..."
	}
	return strconv.QuoteToGraphic(s)
}

// clip cuts a text that is not ours to a bounded length.
func clip(s string) string {
	const most = 300
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "..."
	}
	return s
}

func didYouMean(near string) string {
	if near == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %s?", quote(near))
}

// some lists a few values.
func some(values []string) string {
	const most = 8
	if len(values) > most {
		return strings.Join(values[:most], ", ") + ", ..."
	}
	return strings.Join(values, ", ")
}

func keys(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }

func texts(v any) []string {
	var out []string
	for _, item := range list(v) {
		out = append(out, text(item))
	}
	return out
}

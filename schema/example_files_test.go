package schema

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"
)

// example is one document below testdata: an accepted one, or a refused one
// whose first line names the code and path of its only fault.
type example struct {
	name string // "<Kind>/<rule>.ok"
	doc  any
	want string // "" for an accepted one
}

func (e example) kind(t testing.TB) *kind {
	t.Helper()
	name := filepath.Dir(e.name)
	for ref, k := range loaded().kinds {
		if ref.Kind == name {
			return k
		}
	}
	t.Fatalf("%s: no such kind", e.name)
	return nil
}

func examples(t testing.TB) []example {
	t.Helper()
	paths, err := filepath.Glob("testdata/*/*.yaml")
	if err != nil || len(paths) == 0 {
		t.Fatalf("examples: %v, %v", paths, err)
	}
	var out []example
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		e := example{name: strings.TrimSuffix(strings.TrimPrefix(path, "testdata/"), ".yaml"), doc: decode(t, data)}
		first, _, _ := strings.Cut(string(data), "\n")
		e.want, _ = strings.CutPrefix(first, "# want: ")
		if strings.HasSuffix(e.name, ".ok") {
			e.want = ""
		}
		out = append(out, e)
	}
	return out
}

// decode reads a test document; the strict reading is the loader's.
func decode(t testing.TB, data []byte) any {
	t.Helper()
	var v any
	if err := yaml.Load(data, &v); err != nil {
		t.Fatal(err)
	}
	return plain(v)
}

func plain(v any) any {
	switch v := v.(type) {
	case int:
		return int64(v)
	case time.Time:
		return v.Format(time.RFC3339Nano)
	case []any:
		for i := range v {
			v[i] = plain(v[i])
		}
	case map[string]any:
		for key := range v {
			v[key] = plain(v[key])
		}
	}
	return v
}

// told writes violations as "code at path".
func told(list []Violation) string {
	var out []string
	for _, v := range list {
		out = append(out, v.Code+" at "+dotted(v.Path))
	}
	return strings.Join(out, ", ")
}

func dotted(path []string) string {
	if len(path) == 0 {
		return "."
	}
	var b strings.Builder
	for i, token := range path {
		switch {
		case strings.Trim(token, "0123456789") == "":
			b.WriteString("[" + token + "]")
		case i > 0:
			b.WriteString("." + token)
		default:
			b.WriteString(token)
		}
	}
	return b.String()
}

func TestExamples(t *testing.T) {
	for _, e := range examples(t) {
		t.Run(e.name, func(t *testing.T) {
			if got := told(e.kind(t).check(e.doc)); got != e.want {
				t.Errorf("got %q, want %q", got, e.want)
			}
		})
	}
}

func TestExamplesComeInPairs(t *testing.T) {
	seen := map[string]bool{}
	for _, e := range examples(t) {
		seen[e.name] = true
		if strings.HasSuffix(e.name, ".bad") && e.want == "" {
			t.Errorf("%s does not say what is wrong with it", e.name)
		}
	}
	for name := range seen {
		rule := strings.TrimSuffix(strings.TrimSuffix(name, ".ok"), ".bad")
		if !seen[rule+".ok"] || !seen[rule+".bad"] {
			t.Errorf("%s: want an accepted and a refused example", rule)
		}
	}
}

// TestFailure_V26_EveryRuleHasAnExample takes every rule out of every schema,
// one at a time: a rule without which all examples fare as before is a rule
// nobody would miss, or one that never worked.
func TestFailure_V26_EveryRuleHasAnExample(t *testing.T) {
	byKind := map[*kind][]example{}
	for _, e := range examples(t) {
		byKind[e.kind(t)] = append(byKind[e.kind(t)], e)
	}
	mutants := 0
	for k, list := range byKind {
		for _, rule := range rules(k.tree, nil) {
			mutants++
			if !noticed(t, k, list, rule) {
				t.Errorf("%s: no example notices that %s is gone", k.ref.Kind, strings.Join(rule, "/"))
			}
		}
	}
	if mutants < 300 {
		t.Errorf("%d rules were taken out, want all of several hundred", mutants)
	}
}

// noticed reports whether an example's verdict differs without the rule.
func noticed(t *testing.T, k *kind, list []example, rule []string) bool {
	t.Helper()
	var tree map[string]any
	if err := json.Unmarshal(k.source, &tree); err != nil {
		t.Fatal(err)
	}
	cut(tree, rule)
	source, err := json.Marshal(tree)
	if err != nil {
		t.Fatal(err)
	}
	mutant, err := compile(source)
	if err != nil {
		t.Fatalf("%s without %v: %v", k.ref.Kind, rule, err)
	}
	for _, e := range likely(list, rule) {
		without := &kind{ref: k.ref, tree: tree, compiled: mutant}
		if told(without.check(e.doc)) != e.want {
			return true
		}
	}
	return false
}

// likely returns the examples with those first whose fault has the name of the
// rule's field in its path: one of them notices most of the time.
func likely(list []example, rule []string) []example {
	field := ""
	for i, token := range rule {
		if i > 0 && rule[i-1] == "properties" {
			field = token
		}
	}
	other := func(e example) bool { return !strings.Contains(e.want, field) }
	first := slices.DeleteFunc(slices.Clone(list), other)
	return append(first, slices.DeleteFunc(slices.Clone(list), func(e example) bool { return !other(e) })...)
}

// cut removes what rule leads to; an element of a list of names is removed
// from it, an element of a list of schemas becomes the schema of everything.
func cut(tree map[string]any, rule []string) {
	last := rule[len(rule)-1]
	switch at := find(tree, rule[:len(rule)-1]).(type) {
	case map[string]any:
		delete(at, last)
	case []any:
		for i := range at {
			if at[i] == any(last) {
				at[i] = at[0]
				parent := table(find(tree, rule[:len(rule)-2]))
				parent[rule[len(rule)-2]] = at[1:]
				return
			}
		}
	}
}

// rules lists the places of every keyword that refuses something, and of each
// name that is required.
func rules(tree any, at []string) [][]string {
	var out [][]string
	for key, sub := range table(tree) {
		here := append(append([]string(nil), at...), key)
		switch key {
		case "type", "const", "enum", "pattern", "format", "minLength", "minItems", "maxItems", "uniqueItems",
			"minimum", "exclusiveMinimum", "maximum", keyFormat, keyMinDuration, keyUniqueBy, keyMaxTotal, "oneOf",
			"anyOf":
			out = append(out, here)
		case "not", "if", "then", "propertyNames", "items", "additionalProperties":
			out = append(append(out, here), rules(sub, here)...)
		case "required":
			for _, name := range list(sub) {
				out = append(out, append(append([]string(nil), here...), text(name)))
			}
		case "properties":
			for name, one := range table(sub) {
				out = append(out, rules(one, append(append([]string(nil), here...), name))...)
			}
		}
		if key == "allOf" || key == "oneOf" || key == "anyOf" {
			for i, one := range list(sub) {
				out = append(out, rules(one, append(append([]string(nil), here...), strconv.Itoa(i)))...)
			}
		}
	}
	return out
}

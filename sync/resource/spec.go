package resource

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// Spec is the JSON text of a resource's spec, or "" where there is none. It is
// text rather than a tree because a resource is compared, hashed and stored
// far more often than it is looked into, and because text cannot be changed
// under a reader's hands.
//
// Specs in normal form are made by one provider from one Go type, so equal
// specs have equal text; Equal also accepts texts that differ only in the
// order of keys (a record written by another version).
type Spec string

// NewSpec encodes v, usually a kind's struct or a decoded document.
func NewSpec(v any) (Spec, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return "", fmt.Errorf("encode spec: %w", err)
	}
	return Spec(bytes.TrimSuffix(b.Bytes(), []byte("\n"))), nil
}

// Decode reads s into v.
func (s Spec) Decode(v any) error {
	if s == "" {
		return fmt.Errorf("decode spec: there is none")
	}
	if err := json.Unmarshal([]byte(s), v); err != nil {
		return fmt.Errorf("decode spec: %w", err)
	}
	return nil
}

// Equal reports whether s and t say the same.
func (s Spec) Equal(t Spec) bool {
	if s == t {
		return true
	}
	if s == "" || t == "" {
		return false
	}
	return reflect.DeepEqual(s.Tree(), t.Tree())
}

// MarshalJSON writes the text itself, null for none.
func (s Spec) MarshalJSON() ([]byte, error) {
	if s == "" {
		return []byte("null"), nil
	}
	return []byte(s), nil
}

// UnmarshalJSON keeps the compact text.
func (s *Spec) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		*s = ""
		return nil
	}
	var out bytes.Buffer
	if err := json.Compact(&out, b); err != nil {
		return err
	}
	*s = Spec(out.String())
	return nil
}

// Tree decodes s with exact numbers (json.Number), nil where there is none; a text
// that is no JSON is its own tree.
func (s Spec) Tree() any {
	if s == "" {
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader([]byte(s)))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return string(s)
	}
	return v
}

// At returns what stands at a path as Field has it, a mapping or list included,
// with numbers as json.Number; false where nothing does. The path "" is the
// whole spec.
func (s Spec) At(path string) (any, bool) { return find(s.Tree(), "", path) }

func find(v any, at, path string) (any, bool) {
	if at == path {
		return v, v != nil
	}
	switch v := v.(type) {
	case map[string]any:
		for k, sub := range v {
			if below := join(at, k); leads(below, path) {
				if found, ok := find(sub, below, path); ok {
					return found, true
				}
			}
		}
	case []any:
		for i, sub := range v {
			if below := fmt.Sprintf("%s[%d]", at, i); leads(below, path) {
				return find(sub, below, path)
			}
		}
	}
	return nil, false
}

// leads reports whether path is at or below a place.
func leads(at, path string) bool {
	rest, ok := strings.CutPrefix(path, at)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// join returns the path of a key.
func join(at, key string) string {
	if at == "" {
		return key
	}
	return at + "." + key
}

// Field is one difference between two specs.
type Field struct {
	Path   string `json:"path"`   // "groups[0].servers[1].protocol"
	Before any    `json:"before"` // null where it was absent
	After  any    `json:"after"`  // null where it will be absent
}

// Fields returns what differs between before and after, in the order of paths
// as they are met. Lists are compared position by position, since their order
// has a meaning in the kinds weir knows.
func Fields(before, after Spec) []Field {
	if before == after {
		return nil
	}
	return diff(nil, "", before.Tree(), after.Tree())
}

func diff(out []Field, path string, a, b any) []Field {
	am, aMap := a.(map[string]any)
	bm, bMap := b.(map[string]any)
	if (aMap || a == nil) && (bMap || b == nil) && (aMap || bMap) {
		return diffMaps(out, path, am, bm)
	}
	al, aList := a.([]any)
	bl, bList := b.([]any)
	if (aList || a == nil) && (bList || b == nil) && (aList || bList) {
		return diffLists(out, path, al, bl)
	}
	if !reflect.DeepEqual(a, b) {
		out = append(out, Field{Path: path, Before: a, After: b})
	}
	return out
}

func diffMaps(out []Field, path string, a, b map[string]any) []Field {
	keys := slices.Collect(maps.Keys(a))
	for k := range b {
		if _, both := a[k]; !both {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	for _, k := range keys {
		out = diff(out, join(path, k), a[k], b[k])
	}
	return out
}

func diffLists(out []Field, path string, a, b []any) []Field {
	at := func(l []any, i int) any {
		if i < len(l) {
			return l[i]
		}
		return nil
	}
	for i := range max(len(a), len(b)) {
		out = diff(out, fmt.Sprintf("%s[%d]", path, i), at(a, i), at(b, i))
	}
	return out
}

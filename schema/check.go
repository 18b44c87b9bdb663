package schema

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v5"
)

// Violation is one rule that a document breaks.
type Violation struct {
	Path    []string // keys and list positions from the root of the document
	Key     bool     // the key at Path is at fault rather than its value
	Code    string   // stable, for example "unknown-field"
	Message string   // for people; never longer than a few lines
	Nearest string   // the right value nearest to the wrong one, "" for none
}

// Bounds of one document. They are far above what a person writes and keep the
// time of a check in bounds whatever comes in.
const (
	maxDepth  = 64
	maxValues = 2_500
	maxNumber = 1e9 // decimals only; whole numbers are int64
)

// Check tells every rule of the kind's schema that doc breaks, ordered by path.
// doc is a whole document, with apiVersion and kind; its values are strings,
// bools, int64, float64 (finite, below 1e9), nil, []any and map[string]any.
func Check(apiVersion, kind string, doc map[string]any) []Violation {
	k, ok := loaded().kinds[Ref{apiVersion, kind}]
	if !ok {
		return []Violation{unknown(apiVersion, kind)}
	}
	return k.check(doc)
}

func (k *kind) check(doc any) []Violation {
	b := bounds{left: maxValues}
	if v := b.walk(make([]string, 0, 16), doc); v != nil {
		return []Violation{*v}
	}
	err := validate(k.compiled, doc)
	if err == nil {
		return nil
	}
	var found *jsonschema.ValidationError
	if !errors.As(err, &found) {
		return []Violation{{Code: CodeInternal, Message: clip(err.Error())}}
	}
	t := teller{tree: k.tree, doc: doc}
	t.leaves(found)
	return ordered(t.out)
}

// unknown tells which kind was probably meant.
func unknown(apiVersion, kind string) Violation {
	var versions, kinds []string
	elsewhere := ""
	for _, ref := range Kinds() {
		versions = append(versions, ref.APIVersion)
		switch {
		case ref.APIVersion == apiVersion:
			kinds = append(kinds, ref.Kind)
		case ref.Kind == kind:
			elsewhere = "; it is a kind of " + ref.APIVersion
		}
	}
	if len(kinds) == 0 {
		v := Violation{Path: []string{"apiVersion"}, Code: CodeUnknownAPIVersion}
		v.Message, v.Nearest = unknownName(apiVersion, slices.Compact(versions), "there is no apiVersion", "")
		return v
	}
	v := Violation{Path: []string{"kind"}, Code: CodeUnknownKind}
	v.Message, v.Nearest = unknownName(kind, kinds, apiVersion+" has no kind", elsewhere)
	return v
}

// unknownName tells about a name that is none of known; hint stands in for
// the suggestion where there is none.
func unknownName(name string, known []string, what, hint string) (message, near string) {
	near = nearest(name, known)
	switch {
	case near != "":
		hint = didYouMean(near)
	case hint == "":
		hint = "; there are " + strings.Join(known, ", ")
	}
	return fmt.Sprintf("%s %s%s", what, quote(name), hint), near
}

// bounds walks a document before the library sees it: the library panics on
// some numbers and its time grows with the number of values.
type bounds struct{ left int }

func (b *bounds) walk(path []string, v any) *Violation {
	if b.left--; b.left < 0 {
		return &Violation{Code: CodeTooManyValues, Message: fmt.Sprintf("the document has more than %d values",
			maxValues)}
	}
	if len(path) > maxDepth {
		msg := fmt.Sprintf("the document is nested deeper than %d levels", maxDepth)
		return &Violation{Path: slices.Clone(path), Code: CodeTooManyValues, Message: msg}
	}
	switch v := v.(type) {
	case nil, string, bool, int64:
		return nil
	case float64:
		if math.Abs(v) <= maxNumber { // false for NaN
			return nil
		}
	case []any:
		return b.items(path, v)
	case map[string]any:
		return b.fields(path, v)
	}
	return &Violation{Path: slices.Clone(path), Code: CodeUnfit, Message: fmt.Sprintf("%T values cannot be checked", v)}
}

func (b *bounds) items(path []string, items []any) *Violation {
	if len(items) > b.left {
		b.left = 0
	}
	for i, sub := range items {
		if bad := b.walk(append(path, strconv.Itoa(i)), sub); bad != nil {
			return bad
		}
	}
	return nil
}

func (b *bounds) fields(path []string, fields map[string]any) *Violation {
	if len(fields) > b.left {
		b.left = 0
	}
	for key, sub := range fields {
		if key == "" { // the library's locations leave it out
			return &Violation{Path: slices.Clone(path), Code: CodeUnknownField, Message: "an empty key is never right"}
		}
		if bad := b.walk(append(path, key), sub); bad != nil {
			return bad
		}
	}
	return nil
}

// ordered sorts violations by path and drops those that say the same of the
// same place.
func ordered(list []Violation) []Violation {
	slices.SortStableFunc(list, func(a, b Violation) int {
		return cmp.Or(slices.Compare(a.Path, b.Path), cmp.Compare(a.Code, b.Code), cmp.Compare(a.Message, b.Message))
	})
	return slices.CompactFunc(list, func(a, b Violation) bool {
		return a.Code == b.Code && slices.Equal(a.Path, b.Path)
	})
}

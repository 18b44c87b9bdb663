package plan

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"weir/sync/resource"
)

// ignoredShown is how many ignored fields a note names.
const ignoredShown = 5

// overlook returns c as its kind is to judge it, with every difference in an
// ignored field that somebody else made taken away: what was observed there
// counts as what was last applied. A difference beside ignored ones leaves c
// as it is, since the write that it leads to writes them all.
func overlook(c Case, ignore []Path) Case {
	if len(ignore) == 0 || c.Want == nil || c.Seen == nil || c.Seen.Unreadable != "" || c.Seen.Spec == "" {
		return c
	}
	if c.Seen.Spec.Equal(c.Want.Spec) || written(c) {
		return c
	}
	if spec, ok := counted(c, ignore); ok {
		seen := *c.Seen
		seen.Spec = spec
		c.Seen = &seen
	}
	return c
}

// written reports whether weir wrote a moment ago and no read has shown that
// yet: an ignored field may show the state before it.
func written(c Case) bool {
	return c.Last != nil && !c.Last.Confirmed && c.Now.Before(c.Last.At.Add(Lag))
}

// counted returns what the observation of c counts as: what was last applied,
// or what is declared, where it differs from that in ignored fields alone.
func counted(c Case, ignore []Path) (resource.Spec, bool) {
	want, seen := c.Want.Spec.Tree(), c.Seen.Spec.Tree()
	if c.Last == nil {
		return c.Want.Spec, alike(seen, want, ignore)
	}
	last := c.Last.Spec.Tree()
	if alike(seen, last, ignore) {
		return c.Last.Spec, true
	}
	return c.Want.Spec, alike(seen, want, ignore) && !edits(last, want, ignore)
}

// edits reports whether an ignored field differs between two declarations.
func edits(last, want any, ignore []Path) bool {
	return !reflect.DeepEqual(pick(last, ignore), pick(want, ignore))
}

// pick returns what tree holds at paths, in their order.
func pick(tree any, paths []Path) []any {
	var out []any
	for _, p := range paths {
		out = append(out, pickOne(tree, p))
	}
	return out
}

func pickOne(tree any, p Path) any {
	if len(p) == 0 {
		return tree
	}
	if m, ok := tree.(map[string]any); ok && p[0].Name != "" {
		return pickOne(m[p[0].Name], p[1:])
	}
	list, _ := tree.([]any)
	if p[0].Name != "" {
		return nil
	}
	var out []any
	for i, v := range list {
		if p[0].Index == AnyIndex || p[0].Index == i {
			out = append(out, pickOne(v, p[1:]))
		}
	}
	return out
}

// alike reports whether a and b differ at most in what paths name.
func alike(a, b any, paths []Path) bool {
	if slices.ContainsFunc(paths, func(p Path) bool { return len(p) == 0 }) {
		return true
	}
	if len(paths) == 0 {
		return reflect.DeepEqual(a, b)
	}
	am, aMap := a.(map[string]any)
	bm, bMap := b.(map[string]any)
	if (aMap || a == nil) && (bMap || b == nil) && (aMap || bMap) {
		return alikeMaps(am, bm, paths)
	}
	al, aList := a.([]any)
	bl, bList := b.([]any)
	if (aList || a == nil) && (bList || b == nil) && (aList || bList) {
		return alikeLists(al, bl, paths)
	}
	return reflect.DeepEqual(a, b)
}

func alikeMaps(a, b map[string]any, paths []Path) bool {
	for k := range a {
		if !alike(a[k], b[k], below(paths, k)) {
			return false
		}
	}
	for k := range b {
		if _, both := a[k]; !both && !alike(nil, b[k], below(paths, k)) {
			return false
		}
	}
	return true
}

// alikeLists compares position by position. That there is one more is itself a
// difference, which only a path to the position covers.
func alikeLists(a, b []any, paths []Path) bool {
	for i := range max(len(a), len(b)) {
		sub := belowIndex(paths, i)
		if i < len(a) && i < len(b) {
			if !alike(a[i], b[i], sub) {
				return false
			}
			continue
		}
		if !slices.ContainsFunc(sub, func(p Path) bool { return len(p) == 0 }) {
			return false
		}
	}
	return true
}

// reveal puts what really was observed back into the verdict on overlooked,
// which overlook made of c, and says what was ignored.
func reveal(v Verdict, c, overlooked Case) Verdict {
	if c.Seen == overlooked.Seen {
		return v
	}
	if v.Before == overlooked.Seen.Spec {
		v.Before = c.Seen.Spec
	}
	if v.Action == None && v.State == InSync {
		v.Note = joined(v.Note, "ignored: "+someFields(resource.Fields(c.Want.Spec, c.Seen.Spec)))
	}
	return v
}

func joined(a, b string) string {
	if a == "" {
		return b
	}
	return a + "; " + b
}

// someFields names the first fields and counts the rest.
func someFields(fields []resource.Field) string {
	var names []string
	for _, f := range fields[:min(len(fields), ignoredShown)] {
		names = append(names, f.Path)
	}
	text := strings.Join(names, ", ")
	if more := len(fields) - len(names); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

package blame

import (
	"fmt"
	"reflect"
	"strings"

	"weir/sync/resource"
	"weir/sync/source"
)

// at returns what a version has at a path, nil for nothing.
func at(v source.Version, path string) any {
	if !v.Present {
		return nil
	}
	value, _ := resource.Spec(v.Text).At(path)
	return value
}

// holds reports whether a spec has a value at a path. A single value of a list
// may be at any place of it: normal form sorts such lists, so that what is added
// moves the others.
func holds(spec resource.Spec, path string, value any) bool {
	found, _ := spec.At(path)
	if reflect.DeepEqual(found, value) {
		return true
	}
	if !strings.HasSuffix(path, "]") || !scalar(value) {
		return false
	}
	list, _ := spec.At(path[:strings.LastIndexByte(path, '[')])
	all, _ := list.([]any)
	for _, one := range all {
		if reflect.DeepEqual(one, value) {
			return true
		}
	}
	return false
}

func scalar(v any) bool {
	switch v.(type) {
	case nil, map[string]any, []any:
		return false
	}
	return true
}

// setter returns the commit that gave a field its value: from a version back
// through those that have it too.
func setter(h source.Versions, n int, path string, value any) *Commit {
	for {
		from := -1
		for _, parent := range h.List[n].From {
			if v := h.List[parent]; v.Present && holds(resource.Spec(v.Text), path, value) {
				from = parent
				break
			}
		}
		if from < 0 {
			return commitOf(h, n)
		}
		n = from
	}
}

func commitOf(h source.Versions, n int) *Commit {
	v := h.List[n]
	c := &Commit{Commit: v.Commit, Author: v.Author, At: v.At.UTC(), Earlier: v.Edge}
	if v.Present {
		c.File, c.Line = v.File, v.Line
	}
	return c
}

// lastPresent returns the version from which one that is gone came, -1 for
// none that is known.
func lastPresent(h source.Versions, n int) int {
	for _, from := range h.List[n].From {
		if h.List[from].Present {
			return from
		}
	}
	return -1
}

// place returns where a field is written, false for a default. In a list that
// normal form has sorted it is where the same value is.
func (d Declaration) place(path string, value any) (Place, bool) {
	if base, ok := strings.CutSuffix(path, "]"); ok && scalar(value) {
		base = base[:strings.LastIndexByte(base, '[')]
		list, _ := d.Written.At(base)
		all, _ := list.([]any)
		for i, one := range all {
			if reflect.DeepEqual(one, value) {
				path = fmt.Sprintf("%s[%d]", base, i)
				break
			}
		}
	}
	p, ok := d.Places[path]
	return p, ok
}

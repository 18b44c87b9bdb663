package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"weir/sync/resource"
)

// The columns up to which fields are aligned.
const (
	pathWidth = 44
	wasWidth  = 24
)

// fieldText is the change of a field as it is written: "" for what is not there.
type fieldText struct{ path, was, will string }

// fields writes what becomes of fields, so that what was and what will be stand
// below each other.
func (p *planText) fields(fields []resource.Field, indent int) {
	texts := make([]fieldText, len(fields))
	path, was := 0, 0
	for i, f := range fields {
		t := fieldText{path: legible(f.Path) + ":"}
		if f.Before != nil {
			t.was = valueText(f.Before)
		}
		if f.After != nil {
			t.will = valueText(f.After)
		}
		if n := columns(t.path); n <= pathWidth {
			path = max(path, n)
		}
		if n := columns(t.was); t.will != "" && n <= wasWidth {
			was = max(was, n)
		}
		texts[i] = t
	}
	for _, t := range texts {
		p.field(t, indent, path, was)
	}
}

// field writes a field on one line, where that is wide enough aligned or else as
// it is, or on several.
func (p *planText) field(f fieldText, indent, path, was int) {
	space := cell{strings.Repeat(" ", indent), ""}
	aligned := append([]cell{space, {pad(f.path, path) + " ", ""}}, f.aligned(was)...)
	loose := append([]cell{space, {f.path + " ", ""}}, f.values()...)
	for _, parts := range [][]cell{aligned, loose} {
		if p.fits(widthOf(parts)) {
			p.line(p.w, 0, parts...)
			return
		}
	}
	p.tallField(f, indent)
}

// values are what was and what will be.
func (f fieldText) values() []cell { return f.aligned(0) }

// aligned are the values, with what was filled up to a width.
func (f fieldText) aligned(was int) []cell {
	switch {
	case f.was == "":
		return []cell{{f.will, green}}
	case f.will == "":
		return []cell{{f.was, red}, {" removed", ""}}
	}
	return []cell{{f.was, red}, {pad("", was-columns(f.was)) + " → ", dim}, {f.will, green}}
}

// tallField writes a field on lines of its own: one where what was and what will
// be fit on it, else one for each, which begin where they part.
func (p *planText) tallField(f fieldText, indent int) {
	space := strings.Repeat(" ", indent)
	p.line(p.w, indent, cell{space + f.path, ""})
	if f.was != "" && f.will != "" {
		if parts := f.values(); p.fits(indent + 2 + widthOf(parts)) {
			p.line(p.w, 0, append([]cell{{space + "  ", ""}}, parts...)...)
			return
		}
		f.was, f.will = apart(f.was, f.will, p.width-indent-4)
	}
	if f.was != "" {
		fmt.Fprintln(p.w, space+"  "+p.paint(red, "- "+p.clip(f.was, indent+4)))
	}
	if f.will != "" {
		fmt.Fprintln(p.w, space+"  "+p.paint(green, "+ "+p.clip(f.will, indent+4)))
	}
}

// valueText writes a value as JSON on one line on which each character shows as
// itself.
func valueText(v any) string { return legible(oneLine(v)) }

// oneLine writes a value as JSON on one line.
func oneLine(v any) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Sprint(v)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

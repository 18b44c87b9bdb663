package plan

import (
	"fmt"
	"strconv"
	"strings"
)

// Path names fields of a spec, "groups[*].servers[0].params": names with dots
// between them, and positions of lists.
type Path []Step

// Step is one part of a Path: a name, or a position in a list.
type Step struct {
	Name  string // "" for a position
	Index int    // from 0; AnyIndex for every position
}

// AnyIndex is the Index of "[*]".
const AnyIndex = -1

// maxIndex bounds positions: no list of any kind is nearly as long.
const maxIndex = 9999

// ParsePath reads the text form of a Path.
func ParsePath(text string) (Path, error) {
	var p Path
	for rest := text; rest != "" || len(p) == 0; {
		step, after, err := parseStep(rest, len(p) == 0)
		if err != nil {
			return nil, fmt.Errorf("%q is no path: %w; write it like groups[*].servers[0].params", text, err)
		}
		p, rest = append(p, step), after
	}
	return p, nil
}

// parseStep takes the first step off text.
func parseStep(text string, first bool) (Step, string, error) {
	if inner, ok := strings.CutPrefix(text, "["); ok && !first {
		position, after, closed := strings.Cut(inner, "]")
		if !closed {
			return Step{}, "", fmt.Errorf("a \"[\" has no \"]\"")
		}
		index, err := parseIndex(position)
		return Step{Index: index}, after, err
	}
	if !first {
		bare, ok := strings.CutPrefix(text, ".")
		if !ok {
			return Step{}, "", fmt.Errorf("after a \"]\" comes \".\", \"[\" or nothing")
		}
		text = bare
	}
	end := strings.IndexAny(text, ".[")
	if end < 0 {
		end = len(text)
	}
	name := text[:end]
	if name == "" || strings.ContainsAny(name, "]*\"' \t") {
		return Step{}, "", fmt.Errorf("%q is no name of a field", name)
	}
	return Step{Name: name}, text[end:], nil
}

func parseIndex(text string) (int, error) {
	if text == "*" {
		return AnyIndex, nil
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n > maxIndex {
		return 0, fmt.Errorf("[%s] is no position: want [*] or a number from 0", text)
	}
	return int(n), nil
}

// String returns the text form.
func (p Path) String() string {
	var b strings.Builder
	for i, s := range p {
		switch {
		case s.Name == "" && s.Index == AnyIndex:
			b.WriteString("[*]")
		case s.Name == "":
			fmt.Fprintf(&b, "[%d]", s.Index)
		case i > 0:
			b.WriteString("." + s.Name)
		default:
			b.WriteString(s.Name)
		}
	}
	return b.String()
}

// below returns what is left of the paths that lead through a field.
func below(paths []Path, name string) []Path {
	var out []Path
	for _, p := range paths {
		if p[0].Name == name {
			out = append(out, p[1:])
		}
	}
	return out
}

// belowIndex returns what is left of the paths that lead through a position.
func belowIndex(paths []Path, i int) []Path {
	var out []Path
	for _, p := range paths {
		if p[0].Name == "" && (p[0].Index == AnyIndex || p[0].Index == i) {
			out = append(out, p[1:])
		}
	}
	return out
}

package manifest

import (
	"bytes"
	"fmt"
	"iter"
	"strings"

	"go.yaml.in/yaml/v4"

	"weir/schema"
	"weir/sync/resource"
	"weir/sync/source"
)

// Found is a resource in a file, with the places of what is written of it.
type Found struct {
	resource.Resource
	// Broken says that a document which may be the resource has errors: what it
	// declares is not known, and a revision with it is refused.
	Broken bool

	spec  *yaml.Node
	above int // lines before the part of the file that was parsed
}

// Position is a place in a file, both from 1.
type Position struct{ Line, Column int }

// Find looks for one resource in one file, by parsing no more of it than the
// documents that may be it. It returns false where none is; the zero
// Resource where one may be that is Broken.
func (l *Loader) Find(file source.File, id resource.ID) (Found, bool) {
	var broken *Found
	for above, text := range parts(file.Data) {
		if !mentions(text, id) {
			continue
		}
		f, ok := l.findIn(source.File{Path: file.Path, Data: text}, id)
		if !ok {
			continue
		}
		f.above = above
		f.Origin.Line += above
		if !f.Broken {
			return f, true
		}
		broken = &f
	}
	if broken == nil {
		return Found{}, false
	}
	return *broken, true
}

// findIn looks through all documents of a text.
func (l *Loader) findIn(text source.File, id resource.ID) (found Found, ok bool) {
	r := reader{file: text.Path}
	r.guard(func() {
		r.documents(text.Data, l.options.Limits.FileBytes, func(root *yaml.Node) {
			d := r.check(root, schema.Ref{})
			res, declares := l.declare(&r, &d)
			if !declares || res.ID != id || ok {
				return
			}
			res.Origin.File = text.Path
			_, spec := child(root, "spec")
			found, ok = Found{Resource: res.Resource, spec: spec}, true
		})
	})
	if !ok && r.problems.errors > 0 {
		return Found{Broken: true}, true
	}
	return found, ok
}

// parts yields the parts of a file that a line of three dashes divides, each
// with the number of lines before it. In YAML such a line always begins a
// document, whatever is open above it.
func parts(data []byte) iter.Seq2[int, []byte] {
	return func(yield func(int, []byte) bool) {
		line, above, start, at := 0, 0, 0, 0
		for text := range bytes.Lines(data) {
			if divides(text) && at > start {
				if !yield(above, data[start:at]) {
					return
				}
				above, start = line, at
			}
			line++
			at += len(text)
		}
		if start < len(data) {
			yield(above, data[start:])
		}
	}
}

func divides(line []byte) bool {
	rest, ok := bytes.CutPrefix(line, []byte("---"))
	return ok && (len(rest) == 0 || bytes.IndexByte([]byte(" \t\r\n"), rest[0]) >= 0)
}

// mentions reports whether a text may declare a resource: it has every part of
// its key, unless escapes may hide one.
func mentions(text []byte, id resource.ID) bool {
	if bytes.IndexByte(text, '\\') >= 0 {
		return true
	}
	for part := range strings.SplitSeq(id.Key, "/") {
		if !bytes.Contains(text, []byte(part)) {
			return false
		}
	}
	return true
}

// Fields returns where each field of the spec is written, by its path as
// resource.Fields has it ("groups[0].servers[1].protocol"), lists and mappings
// included. A default that is not written has no place. What an alias stands for
// is where its anchor is.
func (f Found) Fields() map[string]Position {
	out := map[string]Position{}
	if f.spec != nil {
		f.walk(out, "", nil, f.spec, 0)
	}
	return out
}

func (f Found) walk(out map[string]Position, path string, key, n *yaml.Node, depth int) {
	if depth > maxDepth || len(out) > maxExpanded {
		return
	}
	if path != "" {
		line, column := place(n, key, false)
		out[path] = Position{line + f.above, column}
	}
	n = target(n)
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		name := target(n.Content[i]).Value
		if path != "" {
			name = path + "." + name
		}
		f.walk(out, name, n.Content[i], n.Content[i+1], depth+1)
	}
	for i := 0; n.Kind == yaml.SequenceNode && i < len(n.Content); i++ {
		f.walk(out, fmt.Sprintf("%s[%d]", path, i), nil, n.Content[i], depth+1)
	}
}

package manifest

import (
	"errors"
	"fmt"
	"io"

	"go.yaml.in/yaml/v4"

	"weir/schema"
)

// document is one document of a file, read and checked.
type document struct {
	place      Positions
	apiVersion string
	kind       string
	value      map[string]any // nil where the document is beyond use
	errors     int            // problems of severity error
}

// reader turns one file into documents.
type reader struct {
	file     string
	problems tally
	written  int        // nodes in documents that use aliases
	expanded int        // what they became
	lastUsed *yaml.Node // the last alias in the file
}

// fault adds a problem of the file's text.
func (r *reader) fault(f fault) {
	r.problems.add(Problem{
		File: r.file, Line: f.line, Column: f.column, Code: f.code, Message: f.message, Severity: Error,
	})
}

// documents calls found for every document of data that is not empty, up to
// the first that the parser cannot read.
func (r *reader) documents(data []byte, most int, found func(*yaml.Node)) {
	text, bad := checkText(data, most)
	if bad != nil {
		r.fault(*bad)
		return
	}
	parser, err := newParser(text)
	for err == nil {
		var n yaml.Node
		if err = parser.Load(&n); err == nil && !empty(&n) {
			found(n.Content[0])
		}
	}
	if !errors.Is(err, io.EOF) {
		r.fault(syntaxFault(err, text))
	}
	r.checkExpansion()
}

// empty reports whether nothing is written between two document markers.
func empty(doc *yaml.Node) bool {
	if len(doc.Content) == 0 {
		return true
	}
	root := doc.Content[0]
	return root.Kind == yaml.ScalarNode && root.Value == "" && root.Style == 0 && root.Anchor == "" &&
		root.Tag == "!!null"
}

// maxExpansion is how many times larger a file may become through aliases.
const maxExpansion = 10

func (r *reader) checkExpansion() {
	if r.lastUsed == nil || r.expanded <= maxExpansion*r.written {
		return
	}
	msg := fmt.Sprintf("the aliases of this file make more than %d times as many values as are written", maxExpansion)
	r.fault(fault{r.lastUsed.Line, r.lastUsed.Column, CodeAliasExpansion, msg})
}

// check reads one document and holds it against the schema of its kind, or of
// the given kind where want is not zero.
func (r *reader) check(root *yaml.Node, want schema.Ref) document {
	before := r.problems.errors
	d := document{place: Positions{r.file, root}}
	if target(root).Kind != yaml.MappingNode {
		r.fault(fault{root.Line, root.Column, CodeNotAMapping, rootMessage(target(root))})
		d.errors++
		return d
	}
	d.apiVersion, d.kind = want.APIVersion, want.Kind
	if want == (schema.Ref{}) {
		d.apiVersion, d.kind = named(root, "apiVersion"), named(root, "kind")
	}
	c := converter{place: d.place, report: r.problems.add, path: make([]string, 0, 16)}
	d.value, _ = c.value(root, schema.ShapeOf(d.apiVersion, d.kind)).(map[string]any)
	r.count(&c, root)
	if c.broken {
		d.value = nil
	} else {
		r.violations(&d, c.spoiled)
	}
	d.errors = r.problems.errors - before
	return d
}

// count remembers how much a document grew through aliases.
func (r *reader) count(c *converter, root *yaml.Node) {
	if c.lastUsed == nil {
		r.written += c.expanded
	} else {
		r.written += countNodes(root)
		r.lastUsed = c.lastUsed
	}
	r.expanded += c.expanded
}

func rootMessage(root *yaml.Node) string {
	if root.Kind == yaml.SequenceNode {
		return "a document is a mapping with apiVersion, kind and spec, not a list; put --- between documents"
	}
	return "a document is a mapping with apiVersion, kind and spec, not a single value"
}

// named returns a text field of the document's root, "" where there is none.
func named(root *yaml.Node, field string) string {
	_, n := child(root, field)
	if n == nil || target(n).Kind != yaml.ScalarNode {
		return ""
	}
	return target(n).Value
}

// violations adds what the schema says of the document, save for values whose
// text was refused already.
func (r *reader) violations(d *document, spoiled map[string]bool) {
	if !r.identified(d) {
		return
	}
	for _, v := range schema.Check(d.apiVersion, d.kind, d.value) {
		if !spoiled[pathText(v.Path)] {
			r.problem(d, v)
		}
	}
}

// identified reports whether the document says what it is.
func (r *reader) identified(d *document) bool {
	ok := true
	for _, field := range []string{"apiVersion", "kind"} {
		v := schema.Violation{Path: []string{field}}
		switch value, given := d.value[field]; value.(type) {
		case string:
			continue
		default:
			v.Code, v.Message = schema.CodeWrongType, field+" must be a text"
			if !given {
				v.Key, v.Code = true, schema.CodeMissingField
				v.Message = "required field " + field + " is missing" + kindHint(d, field)
			}
		}
		ok = false
		r.problem(d, v)
	}
	return ok
}

// kindHint suggests the apiVersion of a kind that only one has.
func kindHint(d *document, field string) string {
	for _, ref := range schema.Kinds() {
		if field == "apiVersion" && ref.Kind == d.kind {
			return "; did you mean apiVersion: " + ref.APIVersion + "?"
		}
	}
	return ""
}

func (r *reader) problem(d *document, v schema.Violation) {
	r.problems.add(d.place.Problem(v.Path, v.Key, v.Code, v.Message, Error))
}

// Document reads data as one document of the given kind with the strictness of
// manifests: weir.yaml goes this way. The value is nil where the document
// cannot be used at all; it may also be used only where no problem is an
// error. Positions lets the caller add problems of its own.
func Document(file string, data []byte, apiVersion, kind string) (map[string]any, Positions, []Problem) {
	r := reader{file: file}
	var docs []document
	r.guard(func() {
		r.documents(data, DefaultFileBytes, func(root *yaml.Node) {
			if len(docs) == 1 {
				r.fault(fault{
					root.Line, root.Column, CodeOneDocument,
					"this file holds one document; there is another one here",
				})
				return
			}
			d := r.check(root, schema.Ref{APIVersion: apiVersion, Kind: kind})
			r.secrets(&d)
			docs = append(docs, d)
		})
	})
	if len(docs) == 0 {
		if r.problems.total == 0 {
			r.fault(fault{1, 1, CodeOneDocument, "the file holds no document"})
		}
		return nil, Positions{file: file}, r.problems.shown()
	}
	return docs[0].value, docs[0].place, r.problems.shown()
}

package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v4"
)

// maxDepth is the number of levels that mappings and lists may be nested.
const maxDepth = 64

// depthLimit stops the parser where it goes deeper than maxDepth.
type depthLimit struct{}

// deepMessage is how the parser's error for a refused depth is told apart: the
// library keeps the text of our error and drops the rest.
const deepMessage = "weir: nested too deep"

// CheckDepth refuses a level below maxDepth.
func (depthLimit) CheckDepth(depth int, _ *yaml.DepthContext) error {
	if depth > maxDepth {
		return errors.New(deepMessage)
	}
	return nil
}

// CheckAlias accepts every alias: the converter counts what they expand to.
func (depthLimit) CheckAlias(int, int) error { return nil }

// newParser streams the documents of a text.
func newParser(text []byte) (*yaml.Loader, error) {
	return yaml.NewLoader(bytes.NewReader(text), yaml.WithPlugin(depthLimit{}))
}

// syntaxFault puts an error of the YAML library into our words, at the place
// where a person has to mend it.
func syntaxFault(err error, text []byte) fault {
	var e *yaml.LoadError
	if !errors.As(err, &e) {
		return fault{1, 1, CodeSyntax, "not valid YAML: " + printable(err.Error(), maxPathShown)}
	}
	f := fault{e.Mark.Line, e.Mark.Column, CodeSyntax, ""}
	open := e.ContextMark.Line > 0
	said := func(part string) bool { return strings.Contains(e.Message, part) }
	switch {
	case said(deepMessage):
		f.code, f.message = CodeTooDeep, fmt.Sprintf("nested deeper than %d levels", maxDepth)
	case tabbed(text, f.line):
		f.code, f.message = CodeTabIndent, "a tab cannot indent; use spaces"
	case said("unknown anchor"):
		f.code, f.message = CodeUnknownAnchor,
			"this alias names no anchor above it in the document; quote a text that begins with *"
	case said("unexpected end of stream") && open:
		f.line, f.column = e.ContextMark.Line, e.ContextMark.Column
		f.message = "the quotation mark that opens here is never closed"
	case said("could not find expected ':'") && open:
		f.line, f.column = e.ContextMark.Line, e.ContextMark.Column
		f.message = `this line is neither "key: value" nor "- entry"`
	case said("mapping values are not allowed"):
		f.message = `a second ": " in one value, or a line indented too far; quote the value if it holds ": "`
	case said("expected ',' or"):
		f.line, f.column = e.ContextMark.Line, e.ContextMark.Column
		f.message = fmt.Sprintf("the bracket that opens here is not closed, or a comma is missing before line %d",
			e.Mark.Line)
	case said("node content"):
		f.message = "a value is missing here, or a bracket above is never closed"
	case said("alphabetic or numeric"):
		f.message = "a text that begins with * or & needs quotes"
	case said("expected key"), said("expected '-' indicator"):
		f.message = "this does not belong to the lines above it; check indentation, colons and quotes"
	case said("cannot start any token"):
		f.message = "no plain value can begin with this character; quote the value"
	default:
		f.message = "not valid YAML: " + printable(strings.TrimSpace(e.ContextMsg+" "+e.Message), maxPathShown)
	}
	f.line, f.column = max(f.line, 1), max(f.column, 1)
	return f
}

// tabbed reports whether the white space that begins a line holds a tab.
func tabbed(text []byte, line int) bool {
	for range line - 1 {
		_, rest, ok := bytes.Cut(text, []byte("\n"))
		if !ok {
			return false
		}
		text = rest
	}
	text, _, _ = bytes.Cut(text, []byte("\n"))
	blank := text[:len(text)-len(bytes.TrimLeft(text, " \t"))]
	return bytes.IndexByte(blank, '\t') >= 0
}

package manifest

import (
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Positions finds the places of a document's keys and values. The zero value
// knows none and answers with the beginning of the file.
type Positions struct {
	file string
	root *yaml.Node
}

// At returns the line and column of the value at path, or of its key. Where
// there is none it answers for the nearest part above that exists.
func (p Positions) At(path []string, key bool) (line, column int) {
	if p.root == nil {
		return 1, 1
	}
	at, name := p.root, (*yaml.Node)(nil)
	for i, token := range path {
		subKey, sub := child(at, token)
		if sub == nil {
			return place(at, name, i > 0)
		}
		at, name = sub, subKey
	}
	return place(at, name, key)
}

// Problem makes a problem at a path of the document.
func (p Positions) Problem(path []string, key bool, code, message string, severity Severity) Problem {
	line, column := p.At(path, key)
	return Problem{
		File: p.file, Line: line, Column: column, Path: pathText(path),
		Code: code, Message: message, Severity: severity,
	}
}

// place chooses between a value and its key. A value that is not written has
// no place of its own.
func place(value, key *yaml.Node, preferKey bool) (line, column int) {
	unwritten := value.Kind == yaml.ScalarNode && value.Value == "" && value.Style == 0
	if key != nil && (preferKey || unwritten) {
		return key.Line, key.Column
	}
	return value.Line, value.Column
}

// child returns what a key or list position leads to, and the key's own node.
func child(n *yaml.Node, token string) (key, value *yaml.Node) {
	n = target(n)
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			if target(n.Content[i]).Value == token {
				return n.Content[i], n.Content[i+1]
			}
		}
	case yaml.SequenceNode:
		i, err := strconv.Atoi(token)
		if err == nil && i >= 0 && i < len(n.Content) {
			return nil, n.Content[i]
		}
	}
	return nil, nil
}

// target follows an alias to what it stands for.
func target(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

// pathText writes a path for people: spec.groups[0].name.
func pathText(path []string) string {
	var b strings.Builder
	for _, token := range path {
		switch {
		case token != "" && strings.Trim(token, "0123456789") == "":
			b.WriteString("[" + token + "]")
		case strings.ContainsAny(token, ".[] \"") || token == "":
			b.WriteString("[" + strconv.Quote(token) + "]")
		default:
			if b.Len() > 0 {
				b.WriteByte('.')
			}
			b.WriteString(token)
		}
		if b.Len() > 4*maxPathShown {
			b.WriteString("...")
			break
		}
	}
	return b.String()
}

package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"weir/sync/resource"
	"weir/sync/source"
)

// Draft is a document to be written.
type Draft struct {
	APIVersion string
	Kind       string
	Account    string        // "" leaves it to the config's only one
	Spec       resource.Spec // "" where there is nothing to declare, only to say
	Notes      []string      // comments above the document
	// Obstacle says why the document must not count; then it is written as a
	// comment. "" for one that counts.
	Obstacle string
}

// Counts reports whether d is written as a document and not as a comment.
func (d Draft) Counts() bool { return d.Obstacle == "" && d.Spec != "" }

// Settle holds a draft against what l would say of it: against the schema of its
// kind, the accounts, and what the source may declare. What an error keeps from
// counting gets an Obstacle; a warning becomes a note. A draft that counts reads
// exactly as it was given.
func (l *Loader) Settle(d Draft) Draft {
	if !d.Counts() {
		return d
	}
	text, err := d.document()
	if err != nil {
		d.Obstacle = err.Error()
		return d
	}
	got := l.read("", source.File{Path: "draft.yaml", Data: text})
	for _, p := range got.problems.shown() {
		if p.Severity == Error {
			d.Obstacle = p.remark()
			return d
		}
		d.Notes = append(slices.Clip(d.Notes), p.remark())
	}
	if len(got.resources) != 1 || !got.resources[0].Spec.Equal(d.Spec) {
		d.Obstacle = "what it says cannot be written so that it reads the same"
	}
	return d
}

// remark tells a problem without its place.
func (p Problem) remark() string {
	if p.Path == "" {
		return p.Message
	}
	return p.Path + ": " + p.Message
}

// Head returns the comment at the head of a file, one line or more for each
// text.
func Head(texts ...string) []byte {
	var b bytes.Buffer
	for _, line := range texts {
		remark(&b, line)
	}
	return b.Bytes()
}

// Text returns what stands for d in a file, behind a head or other drafts. It
// depends on nothing but d.
func (d Draft) Text() []byte {
	var b bytes.Buffer
	d.write(&b)
	return b.Bytes()
}

// write appends a draft. One that does not count has a # more in front of each
// line; taking that away is all it takes to declare it.
func (d Draft) write(b *bytes.Buffer) {
	text, err := d.document()
	obstacle, before := d.Obstacle, ""
	if err != nil {
		text, obstacle = nil, err.Error()
	}
	if obstacle != "" || d.Spec == "" {
		before = "#"
	}
	whole := bytes.NewBufferString("---\n")
	for _, note := range append([]string{obstacle}, d.Notes...) {
		if note != "" {
			remark(whole, note)
		}
	}
	whole.Write(text)
	b.WriteString("\n")
	for line := range bytes.Lines(whole.Bytes()) {
		b.WriteString(before)
		b.Write(line)
	}
}

// remarkWidth is where a comment goes on in the next line, maxRemark how much
// of one is written, in characters.
const (
	remarkWidth = 100
	maxRemark   = 1000
)

// remark writes a text as lines of a comment, nothing in which can end it.
func remark(b *bytes.Buffer, text string) {
	line := "#"
	for word := range strings.FieldsSeq(printable(text, maxRemark)) {
		if len(line) > 1 && len(line)+1+len(word) > remarkWidth {
			b.WriteString(line + "\n")
			line = "#"
		}
		line += " " + word
	}
	b.WriteString(line + "\n")
}

// document returns the YAML of d, nothing where it has no spec.
func (d Draft) document() ([]byte, error) {
	if d.Spec == "" {
		return nil, nil
	}
	spec, err := nodeOf(d.Spec)
	if err != nil {
		return nil, err
	}
	root := &yaml.Node{Kind: yaml.MappingNode}
	add := func(key string, n *yaml.Node) { root.Content = append(root.Content, plainNode(key), n) }
	add("apiVersion", plainNode(d.APIVersion))
	add("kind", plainNode(d.Kind))
	if d.Account != "" {
		account, err := textNode(d.Account)
		if err != nil {
			return nil, err
		}
		add("metadata", &yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{plainNode("account"), account}})
	}
	add("spec", spec)
	text, err := dump(root, true)
	if err == nil && scan(text) != nil {
		text, err = dump(root, false)
	}
	return text, err
}

// dump writes a tree; without unicode every character beyond ASCII is escaped,
// which makes those visible that a manifest may not hold.
func dump(root *yaml.Node, unicode bool) ([]byte, error) {
	var b bytes.Buffer
	dumper, err := yaml.NewDumper(&b, yaml.WithLineWidth(-1), yaml.WithUnicode(unicode))
	if err != nil {
		return nil, err
	}
	err = errors.Join(dumper.Dump(root), dumper.Close())
	return b.Bytes(), err
}

// plainNode is a text of ours, which needs no quotes.
func plainNode(s string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s} }

// textNode is a text of anybody's, quoted where some reader of YAML would take it
// for something else.
func textNode(s string) (*yaml.Node, error) {
	var n yaml.Node
	if err := n.Dump(s); err != nil {
		return nil, err
	}
	if n.Kind == yaml.DocumentNode {
		return n.Content[0], nil
	}
	return &n, nil
}

// nodeOf returns the tree of a spec, its keys in the order in which they stand
// there.
func nodeOf(spec resource.Spec) (*yaml.Node, error) {
	dec := json.NewDecoder(strings.NewReader(string(spec)))
	dec.UseNumber()
	n, err := nextNode(dec)
	if err != nil {
		return nil, fmt.Errorf("spec: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("spec: more than one value")
	}
	return n, nil
}

// nextNode reads one value of JSON.
func nextNode(dec *json.Decoder) (*yaml.Node, error) {
	token, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch v := token.(type) {
	case json.Delim:
		return nextNodes(dec, v)
	case string:
		return textNode(v)
	case nil:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"}, nil
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Value: fmt.Sprint(token)}, nil
}

// nextNodes reads the rest of a list or an object.
func nextNodes(dec *json.Decoder, open json.Delim) (*yaml.Node, error) {
	n := &yaml.Node{Kind: yaml.SequenceNode}
	if open == '{' {
		n.Kind = yaml.MappingNode
	}
	for dec.More() {
		sub, err := nextNode(dec)
		if err != nil {
			return nil, err
		}
		n.Content = append(n.Content, sub)
	}
	if len(n.Content) == 0 {
		n.Style = yaml.FlowStyle
	}
	_, err := dec.Token()
	return n, err
}

package manifest

import (
	"fmt"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"weir/schema"
)

// maxExpanded is the number of values of one document that are converted,
// those behind aliases each time they are used.
const maxExpanded = 100_000

// converter turns the nodes of one document into values. What a plain scalar
// means is decided by the type that the schema wants at its place, so that
// `app: 010` is the text 010 and `regions: [NO]` is Norway.
type converter struct {
	place    Positions
	report   func(Problem)
	path     []string
	spoiled  map[string]bool     // paths of texts that were refused
	inside   map[*yaml.Node]bool // what aliases being followed stand for
	expanded int                 // keys and values made so far
	lastUsed *yaml.Node          // the last alias, nil for none
	broken   bool                // the document is beyond use
}

// value converts n; nil where it cannot be told what is meant, which has then
// been reported or is left for the schema to refuse.
func (c *converter) value(n *yaml.Node, shape *schema.Shape) any {
	if c.broken {
		return nil
	}
	c.expanded++
	switch {
	case c.expanded > maxExpanded:
		c.giveUp(n, CodeTooManyValues, fmt.Sprintf("the document has more than %d values", maxExpanded))
		return nil
	case len(c.path) > maxDepth:
		c.giveUp(n, CodeTooDeep, fmt.Sprintf("nested deeper than %d levels", maxDepth))
		return nil
	case n.Kind == yaml.AliasNode:
		return c.alias(n, shape)
	}
	if tagged(n) {
		c.at(n, CodeExplicitTag, "explicit tags are not allowed; the field decides what a value is")
	}
	switch n.Kind {
	case yaml.MappingNode:
		return c.mapping(n, shape)
	case yaml.SequenceNode:
		return c.sequence(n, shape)
	default:
		return c.scalar(n, shape)
	}
}

// tagged reports whether n carries a tag that somebody wrote.
func tagged(n *yaml.Node) bool { return n.Style&yaml.TaggedStyle != 0 || n.Tag == "!" }

// at reports an error at a node.
func (c *converter) at(n *yaml.Node, code, message string) {
	c.report(Problem{
		File: c.place.file, Line: n.Line, Column: n.Column, Path: pathText(c.path),
		Code: code, Message: message, Severity: Error,
	})
}

// giveUp reports an error after which nothing more of the document is read.
func (c *converter) giveUp(n *yaml.Node, code, message string) {
	c.broken = true
	c.at(n, code, message)
}

// alias converts what n stands for, again each time it is used.
func (c *converter) alias(n *yaml.Node, shape *schema.Shape) any {
	if c.inside[n.Alias] {
		c.giveUp(n, CodeAliasCycle, "this alias stands for something that holds the alias itself")
		return nil
	}
	if c.inside == nil {
		c.inside = map[*yaml.Node]bool{}
	}
	c.inside[n.Alias], c.lastUsed = true, n
	v := c.value(n.Alias, shape)
	delete(c.inside, n.Alias)
	return v
}

func (c *converter) sequence(n *yaml.Node, shape *schema.Shape) any {
	out := make([]any, 0, len(n.Content))
	for i, sub := range n.Content {
		c.path = append(c.path, strconv.Itoa(i))
		out = append(out, c.value(sub, shape.Item()))
		c.path = c.path[:len(c.path)-1]
	}
	return out
}

func (c *converter) mapping(n *yaml.Node, shape *schema.Shape) any {
	c.expanded += len(n.Content) / 2 // its keys; its values count themselves
	out := make(map[string]any, len(n.Content)/2)
	var first map[string]*yaml.Node // filled once a key comes twice
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, ok := c.key(n.Content[i])
		if !ok {
			continue
		}
		if _, twice := out[key]; twice {
			if first == nil {
				first = firstKeys(n)
			}
			c.duplicate(n.Content[i], key, first[key])
			continue
		}
		c.path = append(c.path, key)
		out[key] = c.value(n.Content[i+1], shape.Field(key))
		c.path = c.path[:len(c.path)-1]
	}
	return out
}

func firstKeys(n *yaml.Node) map[string]*yaml.Node {
	out := make(map[string]*yaml.Node, len(n.Content)/2)
	for i := 0; i < len(n.Content); i += 2 {
		name := target(n.Content[i]).Value
		if _, ok := out[name]; !ok {
			out[name] = n.Content[i]
		}
	}
	return out
}

func (c *converter) duplicate(n *yaml.Node, key string, first *yaml.Node) {
	c.path = append(c.path, key)
	msg := fmt.Sprintf("key %s stands at line %d, column %d already", quoted(key), first.Line, first.Column)
	c.at(n, CodeDuplicateKey, msg)
	c.path = c.path[:len(c.path)-1]
}

// key reads a mapping's key, which is always a text.
func (c *converter) key(n *yaml.Node) (string, bool) {
	k := target(n)
	switch {
	case k.Kind != yaml.ScalarNode:
		c.at(n, CodeBadKey, "a key must be a text")
	case tagged(k):
		c.at(n, CodeExplicitTag, "explicit tags are not allowed; a key is a text")
	case k.Value == "<<" && k.Style == 0:
		c.at(n, CodeMergeKey, "merge keys are not allowed; write the fields out, or use an alias for a whole value")
	case !c.clean(n, k.Value):
	default:
		return k.Value, true
	}
	return "", false
}

// clean refuses characters that came in through the escapes of a quoted text.
func (c *converter) clean(n *yaml.Node, s string) bool {
	for i, r := range s {
		if r >= ' ' && r < 0x7f {
			continue
		}
		if code, message := refused(r, sizeAt(s, i)); code != "" {
			c.at(n, code, message)
			return false
		}
	}
	return true
}

// sizeAt tells a replacement character that was written from a broken byte.
func sizeAt(s string, i int) int {
	if strings.HasPrefix(s[i:], "\ufffd") {
		return len("\ufffd")
	}
	return 1
}

func (c *converter) scalar(n *yaml.Node, shape *schema.Shape) any {
	if !c.clean(n, n.Value) {
		return c.spoil(n)
	}
	plain := n.Style&^yaml.TaggedStyle == 0
	switch {
	case !plain:
		return n.Value
	case null(n.Value):
		return nil
	case notFinite(n.Value):
		c.at(n, CodeNotFinite, n.Value+" is no number weir works with; quote it if the text is meant")
		return c.spoil(n)
	}
	return typed(n.Value, shape)
}

// spoil remembers that nothing more is to be said about a text.
func (c *converter) spoil(n *yaml.Node) any {
	if c.spoiled == nil {
		c.spoiled = map[string]bool{}
	}
	c.spoiled[pathText(c.path)] = true
	return n.Value
}

// typed reads a plain scalar as its field wants it; what does not fit stays a
// text, for the schema to refuse.
func typed(s string, shape *schema.Shape) any {
	want := ""
	if shape != nil {
		want = shape.Type
	}
	if want == "string" {
		return s
	}
	if (want == "boolean" || want == "") && (s == "true" || s == "false") {
		return s == "true"
	}
	if n, ok := whole(s); ok && want != "boolean" {
		return n
	}
	if f, ok := decimal(s); ok && want == "number" {
		return f
	}
	return s
}

func null(s string) bool {
	return s == "" || s == "~" || s == "null" || s == "Null" || s == "NULL"
}

func notFinite(s string) bool {
	switch strings.TrimLeft(s, "+-") {
	case ".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN":
		return true
	default:
		return false
	}
}

// whole reads -?(0|[1-9][0-9]{0,17}), which an int64 holds exactly.
func whole(s string) (int64, bool) {
	digits := strings.TrimPrefix(s, "-")
	if !isDigits(digits, 18) || (digits[0] == '0' && s != "0") {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}

// decimal reads -?[0-9]{1,9}\.[0-9]{1,9}.
func decimal(s string) (float64, bool) {
	before, after, _ := strings.Cut(strings.TrimPrefix(s, "-"), ".")
	if !isDigits(before, 9) || !isDigits(after, 9) {
		return 0, false
	}
	f, err := strconv.ParseFloat(s, 64)
	return f, err == nil
}

func isDigits(s string, most int) bool {
	return s != "" && len(s) <= most && strings.Trim(s, "0123456789") == ""
}

// countNodes counts what is written: an alias is one node.
func countNodes(n *yaml.Node) int {
	count := 1
	for _, sub := range n.Content {
		count += countNodes(sub)
	}
	return count
}

// quoted returns a key or name for a message.
func quoted(s string) string {
	const most = 60
	return `"` + printable(s, most) + `"`
}

package message

import (
	"bytes"
	"cmp"
	"embed"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/template"
	"text/template/parse"
	"time"

	"weir/sync/delivery"
)

//go:embed text/*.tmpl
var texts embed.FS

// Bounds of a text.
const (
	maxTitle    = 150 // characters
	maxValue    = 500 // characters of one value
	maxRendered = 256 << 10
	MaxTemplate = 64 << 10 // bytes of a template file
)

// Markup is how a receiver wants its texts.
type Markup struct {
	Escape func(string) string            // of text from outside
	Bold   func(string) string            // of escaped text
	Code   func(string) string            // of raw text
	Link   func(text, url string) string  // of escaped text and a raw address
	Finish func(body string) (out string) // of the whole; nil for nothing
}

// Plain is no markup at all.
func Plain() Markup {
	same := func(s string) string { return s }
	return Markup{
		Escape: same, Bold: same, Code: same,
		Link: func(text, url string) string { return text + ": " + url },
	}
}

// marked is text that is escaped already.
type marked string

// Text is a message as a person reads it.
type Text struct {
	Title string // one line without markup
	Body  string
}

// Templates make texts. They may be used by many goroutines.
type Templates struct {
	language Language
	zone     *time.Location
	set      *template.Template
}

// NewTemplates returns the texts in a language, with the templates "title" and
// "body" replaced by those of own where it is not empty. The error tells the line.
// Each text is tried with samples of all events, so that what cannot be executed
// is known at once.
func NewTemplates(language Language, own string, zone *time.Location) (*Templates, error) {
	if len(own) > MaxTemplate {
		return nil, fmt.Errorf("has more than %d bytes", MaxTemplate)
	}
	t := &Templates{language: cmp.Or(language, English), zone: zone}
	if t.zone == nil {
		t.zone = time.Local
	}
	t.set = template.New("").Funcs(t.functions(Plain())).Option("missingkey=error")
	builtin, err := texts.ReadFile("text/" + string(t.language) + ".tmpl")
	if err != nil {
		return nil, fmt.Errorf("there is no language %q", language)
	}
	for _, text := range []struct{ name, text string }{{"builtin", string(builtin)}, {"template", own}} {
		if _, err := t.set.New(text.name).Parse(text.text); err != nil {
			return nil, errors.New(strings.TrimPrefix(err.Error(), "template: "))
		}
	}
	for _, one := range t.set.Templates() {
		if one.Tree != nil {
			escapeAll(one.Root)
		}
	}
	for _, d := range Samples() {
		if _, err := t.Render(d, Plain(), nil); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// escapeAll makes every value that is written go through "escaped": whoever writes
// a template need not think of it.
func escapeAll(n parse.Node) {
	switch n := n.(type) {
	case *parse.ListNode:
		if n == nil {
			return
		}
		for _, sub := range n.Nodes {
			escapeAll(sub)
		}
	case *parse.ActionNode:
		if len(n.Pipe.Decl) == 0 {
			call := &parse.CommandNode{NodeType: parse.NodeCommand, Pos: n.Pos}
			call.Args = []parse.Node{parse.NewIdentifier("escaped").SetPos(n.Pos)}
			n.Pipe.Cmds = append(n.Pipe.Cmds, call)
		}
	case *parse.IfNode:
		escapeAll(n.List)
		escapeAll(n.ElseList)
	case *parse.RangeNode:
		escapeAll(n.List)
		escapeAll(n.ElseList)
	case *parse.WithNode:
		escapeAll(n.List)
		escapeAll(n.ElseList)
	}
}

// functions are what templates may call.
func (t *Templates) functions(m Markup) template.FuncMap {
	escaped := func(v any) marked {
		if done, ok := v.(marked); ok {
			return done
		}
		return marked(m.Escape(oneLine(v)))
	}
	return template.FuncMap{
		"escaped": escaped,
		"bold":    func(v any) marked { return marked(m.Bold(string(escaped(v)))) },
		"code":    func(v any) marked { return marked(m.Code(oneLine(v))) },
		"link":    func(v any, url string) marked { return marked(m.Link(string(escaped(v)), url)) },
		"short":   short,
		"place":   place,
		"plural":  plural,
		"sub":     func(a, b int) int { return a - b },
		"word":    t.language.word,
		"left":    func(to, from time.Time) string { return t.language.span(to.Sub(from)) },
		"time":    func(at time.Time) string { return at.In(t.zone).Format("2006-01-02 15:04:05 -0700") },
	}
}

func oneLine(v any) string { return delivery.OneLine(fmt.Sprint(v), maxValue) }

// Render makes a text of d that fits: with fewer and fewer of its events, and cut
// at the end where even one of them is too long. Fits may be nil.
func (t *Templates) Render(d Data, m Markup, fits func(Text) bool) (Text, error) {
	title, err := t.execute("title", d, Plain())
	if err != nil {
		return Text{}, err
	}
	text := Text{Title: cmp.Or(delivery.OneLine(title, maxTitle), string(d.Name))} // chats refuse what is empty
	for n := len(d.Events); ; n /= 2 {
		text.Body, err = t.body(d.fewer(n), m, text.Title)
		switch {
		case errors.Is(err, errLong) && n > 1:
		case err != nil:
			return Text{}, err
		case fits == nil || fits(text):
			return text, nil
		case n <= 1:
			return cut(text, m, fits), nil
		}
	}
}

// cut takes lines away until a text fits: whole ones, so that no markup is cut.
func cut(text Text, m Markup, fits func(Text) bool) Text {
	lines := strings.Split(text.Body, "\n")
	for len(lines) > 0 {
		lines = lines[:len(lines)-1]
		text.Body = strings.Join(append(slices.Clone(lines), m.Escape("…")), "\n")
		if fits(text) {
			return text
		}
	}
	return text
}

// body is the title where a template says nothing else.
func (t *Templates) body(d Data, m Markup, title string) (string, error) {
	body, err := t.execute("body", d, m)
	body = cmp.Or(strings.TrimSpace(body), m.Escape(title))
	if m.Finish != nil {
		body = m.Finish(body)
	}
	return body, err
}

func (t *Templates) execute(name string, d Data, m Markup) (string, error) {
	set, err := t.set.Clone()
	if err != nil {
		return "", err
	}
	var out bounded
	if err := set.Funcs(t.functions(m)).ExecuteTemplate(&out, name, d); errors.Is(err, errLong) {
		return "", errLong
	} else if err != nil {
		return "", errors.New(strings.TrimPrefix(err.Error(), "template: "))
	}
	return out.String(), nil
}

var errLong = fmt.Errorf("the text has more than %d bytes", maxRendered)

// bounded keeps what a template writes, up to a limit.
type bounded struct{ bytes.Buffer }

func (b *bounded) Write(p []byte) (int, error) {
	if b.Len()+len(p) > maxRendered {
		return 0, errLong
	}
	return b.Buffer.Write(p)
}

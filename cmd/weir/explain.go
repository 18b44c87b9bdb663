package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"weir/schema"
	"weir/sync/apply"
	"weir/sync/call"
	"weir/sync/daemon/view"
	"weir/sync/etcd"
	"weir/sync/manifest"
	"weir/sync/plan"
	"weir/sync/plan/guard"
	"weir/sync/source"
	"weir/sync/state"
)

func (a *app) explainCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "explain [CODE|KIND]",
		Short: "Say what a code means and what to do, or what a kind's fields are",
		Long: "explain says of each word that weir prints, such as a code in [brackets], a guard, a state or an outcome,\n" +
			"what it means and what to do. Of a kind it lists the fields. Without a word it lists what it knows.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if err := a.format(); err != nil {
				return err
			}
			if len(args) == 0 {
				return a.listTopics()
			}
			return a.explain(args[0])
		},
	}
}

// topic is what one stage of weir has words for.
type topic struct {
	of      string // what the words are
	names   []string
	explain func(name string) (string, bool)
}

// topics lists every word that weir prints and explains, by stage.
func topics() []topic {
	return []topic{
		{"problem of a manifest or of weir.yaml", manifest.Codes(), manifest.Explain},
		{"error of a source", sourceCodes(), explainSource},
		{"outcome of a call", wordsOf(call.Codes()), typed(call.Explain)},
		{"outcome in the journal", state.Codes(), state.ExplainCode},
		{"fault of the state", wordsOf(state.Faults()), typed(state.Explain)},
		{"trouble with etcd", wordsOf(etcd.Troubles()), typed(etcd.Explain)},
		{"guard that holds a plan", guardNames(), explainGuard},
		{
			"state of a resource, or reason for a change",
			slices.Concat(wordsOf(plan.States()), wordsOf(plan.Reasons()), plan.Words()), plan.Explain,
		},
		{"outcome of a change", wordsOf(apply.Outcomes()), typed(apply.Explain)},
		{"how all is, in one word", wordsOf(view.AllConditions()), typed(view.Explain)},
	}
}

// typed makes an explanation of words of a type of their own one of texts.
func typed[T ~string](explain func(T) (string, bool)) func(string) (string, bool) {
	return func(name string) (string, bool) { return explain(T(name)) }
}

// wordsOf turns words of a type of their own into texts.
func wordsOf[T ~string](words []T) []string {
	var out []string
	for _, w := range words {
		out = append(out, string(w))
	}
	return out
}

func sourceCodes() []string {
	var out []string
	for _, e := range source.Explanations() {
		out = append(out, e.Code)
	}
	return out
}

func explainSource(name string) (string, bool) {
	e, ok := source.Explain(name)
	text := e.Means + "\nThe last good revision stays in force, and weir looks again until it is well.\n" + e.Remedy
	if example := source.Example(name); example != "" {
		text += "\n\n    " + example
	}
	return text, ok
}

func guardNames() []string {
	var out []string
	for _, r := range guard.Rules() {
		out = append(out, r.Name)
	}
	return out
}

func explainGuard(name string) (string, bool) {
	for _, r := range guard.Rules() {
		if r.Name == name {
			return r.Explain, true
		}
	}
	return "", false
}

// meaning is what a word means at one stage.
type meaning struct {
	Of   string `json:"of"`
	Text string `json:"text"`
}

// meanings finds a word at every stage: some words mean a thing at several.
func meanings(name string) ([]meaning, error) {
	for _, ref := range schema.Kinds() {
		if strings.EqualFold(ref.Kind, name) {
			text, err := explainKind(ref)
			return []meaning{{"kind of a manifest", text}}, err
		}
	}
	var found []meaning
	for _, t := range topics() {
		if text, ok := t.explain(name); ok {
			found = append(found, meaning{t.of, strings.TrimRight(text, "\n")})
		}
	}
	if found == nil {
		return nil, unknown(fmt.Sprintf("there is no code or kind %q; `weir explain` lists all", name), name, codeNames())
	}
	return found, nil
}

// codeNames are what explain knows by name, to find the one that was meant.
func codeNames() []string {
	names := kindNames()
	for _, t := range topics() {
		names = append(names, t.names...)
	}
	return names
}

func (a *app) explain(name string) error {
	name = strings.Trim(name, "[]") // as it stands in a message
	found, err := meanings(name)
	if err != nil {
		return err
	}
	if a.output == "json" {
		return a.printJSON(map[string]any{"name": name, "meanings": found})
	}
	s := a.style()
	return a.print(func(w io.Writer) {
		for i, m := range found {
			if i > 0 {
				fmt.Fprintln(w)
			}
			s.line(w, 2, cell{name, bold}, cell{"  " + m.Of, dim})
			fmt.Fprintf(w, "\n%s\n", strings.TrimRight(m.Text, "\n"))
		}
	})
}

// listTopics lists every word that explain knows.
func (a *app) listTopics() error {
	all := slices.Concat([]topic{{of: "kind of a manifest", names: kindNames()}}, topics())
	if a.output == "json" {
		names := map[string][]string{}
		for _, t := range all {
			names[t.of] = t.names
		}
		return a.printJSON(names)
	}
	s := a.style()
	return a.print(func(w io.Writer) {
		for _, t := range all {
			s.line(w, 2, cell{t.of, bold})
			s.line(w, 2, cell{"  " + strings.Join(t.names, " "), ""})
		}
	})
}

// fieldDoc is what a schema says of a field.
type fieldDoc struct {
	Title       string              `json:"title"`
	Description string              `json:"description"`
	Type        any                 `json:"type"`
	Enum        []any               `json:"enum"`
	Default     any                 `json:"default"`
	Properties  map[string]fieldDoc `json:"properties"`
	Items       *fieldDoc           `json:"items"`
	Required    []string            `json:"required"`
}

// schemaDoc reads what the schema of a kind says of its fields.
func schemaDoc(ref schema.Ref) (doc fieldDoc, err error) {
	text, _ := schema.Source(ref.APIVersion, ref.Kind)
	if err := json.Unmarshal(text, &doc); err != nil {
		return doc, fmt.Errorf("schema of %s: %w", ref.Kind, err)
	}
	return doc, nil
}

// explainKind lists the fields of a kind as its schema describes them.
func explainKind(ref schema.Ref) (string, error) {
	doc, err := schemaDoc(ref)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s: %s\n", ref.APIVersion, ref.Kind, doc.Description)
	fields := doc
	if spec, ok := doc.Properties["spec"]; ok {
		fields = spec
		fmt.Fprintf(&b, "identity: <account>/%s/<%s>\n\nspec:\n", ref.Kind,
			strings.Join(schema.Identity(ref.APIVersion, ref.Kind), ">/<"))
	}
	writeFields(&b, fields, "  ")
	return b.String(), nil
}

// writeFields lists the fields of doc in the order of their names; those of a
// list's items are marked by a hyphen.
func writeFields(b *strings.Builder, doc fieldDoc, indent string) {
	for i, name := range slices.Sorted(maps.Keys(doc.Properties)) {
		if i == 1 {
			indent = strings.ReplaceAll(indent, "-", " ")
		}
		f := doc.Properties[name]
		fmt.Fprintf(b, "%s%s (%s): %s\n", indent, name, f.kind(slices.Contains(doc.Required, name)), f.Description)
		deeper := strings.ReplaceAll(indent, "-", " ") + "  "
		if len(f.Enum) > 0 {
			fmt.Fprintf(b, "%sone of %s\n", deeper, strings.Trim(fmt.Sprint(f.Enum), "[]"))
		}
		writeFields(b, f, deeper)
		if f.Items != nil {
			writeFields(b, *f.Items, deeper+"- ")
		}
	}
}

// kind says what a field holds and whether it may be left out.
func (f fieldDoc) kind(required bool) string {
	words := []string{"text"}
	if f.Type != nil && f.Type != "string" {
		words[0] = fmt.Sprint(f.Type)
	}
	if required {
		words = append(words, "required")
	}
	if f.Default != nil {
		words = append(words, fmt.Sprintf("default %v", f.Default))
	}
	return strings.Join(words, ", ")
}

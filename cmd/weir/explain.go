package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"weir/schema"
	"weir/sync/call"
	"weir/sync/manifest"
	"weir/sync/plan"
	"weir/sync/plan/guard"
	"weir/sync/source"
	"weir/sync/state"
)

func (a *app) explainCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "explain CODE|KIND",
		Short: "Say what a code means and what to do, or what a kind's fields are",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			text, err := explain(args[0])
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(a.out, strings.TrimRight(text, "\n"))
			return err
		},
	}
}

// explain finds name among the codes of every stage and among the kinds.
func explain(name string) (string, error) {
	for _, ref := range schema.Kinds() {
		if strings.EqualFold(ref.Kind, name) {
			return explainKind(ref)
		}
	}
	for _, find := range explainers() {
		if text, ok := find(name); ok {
			return name + "\n\n" + text, nil
		}
	}
	err := fmt.Errorf("there is no code or kind %q", name)
	if near := schema.Nearest(name, codeNames()); near != "" {
		err = fmt.Errorf("%w; did you mean %s?", err, near)
	}
	return "", err
}

// codeNames are what explain knows by name, to find the one that was meant.
func codeNames() []string {
	names := append(kindNames(), manifest.Codes()...)
	for _, e := range source.Explanations() {
		names = append(names, e.Code)
	}
	for _, f := range state.Faults() {
		names = append(names, string(f))
	}
	for _, r := range guard.Rules() {
		names = append(names, r.Name)
	}
	for _, s := range plan.States() {
		names = append(names, string(s))
	}
	return append(names, plan.Words()...)
}

func explainers() []func(string) (string, bool) {
	return []func(string) (string, bool){
		manifest.Explain,
		func(name string) (string, bool) {
			e, ok := source.Explain(name)
			return e.Means + "\n" + e.Remedy, ok
		},
		func(name string) (string, bool) { return call.Explain(call.Code(name)) },
		func(name string) (string, bool) { return state.Explain(state.Fault(name)) },
		func(name string) (string, bool) {
			for _, r := range guard.Rules() {
				if r.Name == name {
					return r.Explain, true
				}
			}
			return "", false
		},
		plan.Explain,
	}
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

package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"weir/schema"
)

func (a *app) schemaCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "schema [KIND]",
		Short: "Print the JSON Schema of a kind, or one that fits every manifest",
		Long: "schema prints JSON Schema 2020-12 for editors. Put it beside the manifests and name it in their first\n" +
			"line: # yaml-language-server: $schema=FILE",
		Args:      cobra.MaximumNArgs(1),
		ValidArgs: kindNames(),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return a.allSchemas()
			}
			return a.oneSchema(args[0])
		},
	}
}

func kindNames() []string {
	var out []string
	for _, ref := range schema.Kinds() {
		out = append(out, ref.Kind)
	}
	return out
}

func (a *app) oneSchema(kind string) error {
	for _, ref := range schema.Kinds() {
		if ref.Kind == kind {
			text, _ := schema.Source(ref.APIVersion, ref.Kind)
			_, err := a.out.Write(text)
			return err
		}
	}
	return unknownKind(kind)
}

func unknownKind(kind string) error {
	err := fmt.Errorf("there is no kind %q", kind)
	if near := schema.Nearest(kind, kindNames()); near != "" {
		err = fmt.Errorf("%w; did you mean %s?", err, near)
	}
	return err
}

// allSchemas prints one schema that chooses by kind, for files that hold
// several.
func (a *app) allSchemas() error {
	defs := map[string]json.RawMessage{}
	var branches []any
	for _, ref := range schema.Kinds() {
		if ref.Kind == "Config" {
			continue
		}
		text, _ := schema.Source(ref.APIVersion, ref.Kind)
		defs[ref.Kind] = text
		branches = append(branches, map[string]any{
			"if": map[string]any{
				"properties": map[string]any{"kind": map[string]any{"const": ref.Kind}}, "required": []string{"kind"},
			},
			"then": map[string]any{"$ref": "#/$defs/" + ref.Kind},
		})
	}
	return a.printJSON(map[string]any{
		"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "weir manifest", "type": "object",
		"required": []string{"apiVersion", "kind", "spec"}, "allOf": branches, "$defs": defs,
	})
}

package main

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"

	"weir/schema"
)

// TestLimitsNameEveryOperation holds that the config's schema knows exactly
// the operations of the clouds, so that no limit is set in vain.
func TestLimitsNameEveryOperation(t *testing.T) {
	var want []string
	for _, c := range clouds() {
		want = slices.AppendSeq(want, maps.Keys(c.provider.Limits()))
	}
	slices.Sort(want)
	text, _ := schema.Source("weir/v1", "Config")
	var doc map[string]any
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	at := any(doc)
	for _, key := range []string{
		"properties", "accounts", "items", "properties", "quota", "properties", "limits", "propertyNames", "enum",
	} {
		at = at.(map[string]any)[key]
	}
	var got []string
	for _, name := range at.([]any) {
		got = append(got, name.(string))
	}
	if !slices.Equal(got, want) {
		t.Errorf("the schema has %q, the clouds %q", got, want)
	}
}

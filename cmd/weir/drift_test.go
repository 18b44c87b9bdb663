package main

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"

	"weir/schema"
)

// TestDriftRulesKnowEveryReadableKind: the kinds that a rule about drift may
// name are those that some provider can read back.
func TestDriftRulesKnowEveryReadableKind(t *testing.T) {
	readable := map[string]bool{}
	for _, c := range clouds() {
		for name, kind := range c.provider.Kinds() {
			if kind.Readable {
				readable[name] = true
			}
		}
	}
	type node struct {
		Properties map[string]node `json:"properties"`
		Items      *node           `json:"items"`
		Enum       []string        `json:"enum"`
	}
	source, _ := schema.Source("weir/v1", "Config")
	var root node
	if err := json.Unmarshal(source, &root); err != nil {
		t.Fatal(err)
	}
	rules := root.Properties["policy"].Properties["driftRules"]
	want := slices.Sorted(maps.Keys(readable))
	if rules.Items == nil || !slices.Equal(rules.Items.Properties["kind"].Enum, want) {
		t.Errorf("policy.driftRules does not take exactly %v", want)
	}
}

package main

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"
	"time"

	"weir/schema"
	"weir/sync/config"
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

// TestStateOptions: what weir.yaml says of the journal reaches the store.
func TestStateOptions(t *testing.T) {
	o := opening{bounds: config.Journal{MaxAge: time.Hour, MaxEntries: 5000}}
	if got := o.sqlite(); got.MaxAge != time.Hour || got.MaxEntries != 5000 {
		t.Errorf("options %+v", got)
	}
}

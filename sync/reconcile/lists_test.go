package reconcile

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestStatusHasNoNullLists holds that lists are lists even before the first
// pass, and that what is in them is written as it is.
func TestStatusHasNoNullLists(t *testing.T) {
	b, err := json.Marshal(Status{Sources: []SourceStatus{{Name: "live"}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"problems":[]`, `"held":[]`, `"resources":[]`, `"failures":[]`, `"unreadable":[]`,
	} {
		if !strings.Contains(string(b), want) {
			t.Errorf("no %s in %s", want, b)
		}
	}
	b, err = json.Marshal(Status{})
	if err != nil || strings.Contains(string(b), "null") {
		t.Errorf("%s, %v", b, err)
	}
	full := Status{Mode: "sync", Failures: []Failure{{ID: "a/b/c", Error: "x < y"}}}
	var back Status
	if b, err = json.Marshal(full); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &back); err != nil || back.Mode != "sync" || back.Failures[0].Error != "x < y" {
		t.Errorf("%+v, %v", back, err)
	}
}

package state

import (
	"strings"
	"testing"
)

// TestEveryFaultIsExplained: what stands in a message can be looked up.
func TestEveryFaultIsExplained(t *testing.T) {
	for _, f := range Faults() {
		if text, ok := Explain(f); !ok || !strings.Contains(text, "\n") {
			t.Errorf("%s is explained as %q", f, text)
		}
	}
	if len(Faults()) != len(explanations()) {
		t.Errorf("%d faults, %d explanations", len(Faults()), len(explanations()))
	}
	if _, ok := Explain("state-of-the-art"); ok {
		t.Error("something else is explained")
	}
}

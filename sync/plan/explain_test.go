package plan

import "testing"

func TestExplain_EveryStateAndReason(t *testing.T) {
	words := []string{
		string(New), string(Edited), string(Drifted), string(Conflict), string(Removed), string(Expired), string(Restart),
	}
	for _, s := range States() {
		words = append(words, string(s))
	}
	for _, w := range words {
		if text, ok := Explain(w); !ok || len(text) < 40 {
			t.Errorf("%s is explained as %q", w, text)
		}
	}
	if text, ok := Explain("nothing"); ok {
		t.Errorf("nothing is explained as %q", text)
	}
}

package reconcile

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"weir/sync/apply"
	"weir/sync/plan"
)

// saved plans what the files declare and returns the plan as it is saved.
func saved(t *testing.T, h *house, files ...string) PlanDocument {
	t.Helper()
	h.commit(files...)
	if _, err := h.rec.Fetch(t.Context()); err != nil {
		t.Fatal(err)
	}
	p, err := h.rec.Plan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	doc, err := h.rec.Document(p, false)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	var back PlanDocument
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	return back
}

func TestSavedPlanUnderAStricterPolicy(t *testing.T) {
	h := open(t)
	doc := saved(t, h, "a.yaml", multiOn, "b.yaml", relay)
	h.build(func(_ *house, o *Options) { o.Policy.Mode = plan.Observe })
	p, refused, err := h.rec.Restore(t.Context(), doc)
	if err != nil || len(refused) != 0 {
		t.Fatalf("refused %v, %v", refused, err)
	}
	rep, err := h.rec.Apply(t.Context(), p)
	if err != nil || rep.Summary[apply.Withheld] != 2 {
		t.Errorf("report %+v, %v", rep, err)
	}
	h.expectWrites()
}

func TestSavedPlanThatWasChanged(t *testing.T) {
	h := open(t)
	doc := saved(t, h, "a.yaml", multiOn, "b.yaml", relay)
	doc.Changes = doc.Changes[:1]
	if _, _, err := h.rec.Restore(t.Context(), doc); err == nil || !strings.Contains(err.Error(), "does not match its hash") {
		t.Errorf("error %v", err)
	}
}

// TestSavedPlanOfWhatCannotBeRead: where no read shows that something else was
// applied since, the record does.
func TestSavedPlanOfWhatCannotBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t)
		h.onAir(true, "main")
		doc := saved(t, h, "a.yaml", record)
		p, err := h.rec.Plan(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if rep, err := h.rec.Apply(t.Context(), p); err != nil || rep.Failed() {
			t.Fatal(rep, err)
		}
		h.expectWrites("RealTimeRecordCommand start")
		p, refused, err := h.rec.Restore(t.Context(), doc)
		if err != nil || len(refused) != 1 || !strings.Contains(refused[0].Error, "something else was applied") {
			t.Errorf("refused %+v, %v", refused, err)
		}
		if slices.Collect(p.Due()) != nil {
			t.Errorf("plan %+v", p)
		}
	})
}

package reconcile

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"weir/sync/plan"
)

// TestSince compares two revisions without a read or a call.
func TestSince(t *testing.T) {
	h := open(t)
	h.commit("a.yaml", multiOn, "b.yaml", relay, "c.yaml", record)
	if problems, err := h.rec.Fetch(t.Context()); err != nil || len(problems) != 0 {
		t.Fatal(problems, err)
	}
	base := h.rec.Declared()
	h.build()
	h.commit("a.yaml", multiOff, "b.yaml", forbid+"---\n"+relay, "d.yaml", prefetch)
	if problems, err := h.rec.Fetch(t.Context()); err != nil || len(problems) != 0 {
		t.Fatal(problems, err)
	}
	p := h.rec.Since(t.Context(), base)
	doc, err := h.rec.Document(p, false)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range doc.Changes {
		var calls []string
		for _, call := range c.Calls {
			calls = append(calls, call.Operation)
		}
		got = append(got, fmt.Sprint(c.ID, " ", c.Action, " ", c.Reason, " ", c.Origin, " ", calls, " ", c.Note))
	}
	want := []string{
		"ali/MultiStream/live.example.com update edited a.yaml:1 [SetLiveDomainMultiStreamConfig] ",
		"ali/Recording/live.example.com/live/main delete removed c.yaml:1 [] " + unreadableNote,
		"ali/RtcPrefetch/live.example.com/live/main create new d.yaml:1 [] " + unreadableNote,
		"ali/StreamIngest/push.example.com/live/bad create new b.yaml:1 [ForbidLiveStream] ",
	}
	if !slices.Equal(got, want) {
		t.Errorf("changes\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
	if doc.Summary != (plan.Summary{Create: 2, Update: 1, Delete: 1}) || len(doc.Held) != 0 {
		t.Errorf("summary %+v, held %+v", doc.Summary, doc.Held)
	}
	if calls := h.clouds.Journal(); len(calls) != 0 {
		t.Errorf("%d calls were made", len(calls))
	}
	if p.Hash == "" || p.Revision == base.Revision {
		t.Errorf("plan %s of %s", p.Hash, p.Revision)
	}
}

// TestSinceIsGuarded: a request that would be held says so before it is merged.
func TestSinceIsGuarded(t *testing.T) {
	h := open(t)
	h.commit("a.yaml", multiOn, "b.yaml", relay)
	if _, err := h.rec.Fetch(t.Context()); err != nil {
		t.Fatal(err)
	}
	base := h.rec.Declared()
	h.build()
	h.commit("a.yaml", "# nothing\n")
	if _, err := h.rec.Fetch(t.Context()); err != nil {
		t.Fatal(err)
	}
	p := h.rec.Since(t.Context(), base)
	if len(p.Held) == 0 || p.Held[0].Guard != "empty-source" {
		t.Errorf("held %+v", p.Held)
	}
}

package reconcile

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"weir/sync/apply"
	"weir/sync/plan"
	"weir/sync/state"
)

func sealed(t *testing.T, doc PlanDocument) PlanDocument {
	t.Helper()
	doc, err := doc.Seal()
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

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
	doc.ID = rand.Text()
	doc = sealed(t, doc)
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
	changes := map[string]struct {
		change func(*PlanDocument)
		sum    bool // is made to fit as well
		want   string
	}{
		"a change less":              {func(d *PlanDocument) { d.Changes = d.Changes[:1] }, false, "its sum"},
		"a change less, and the sum": {func(d *PlanDocument) { d.Changes = d.Changes[:1] }, true, "its hash"},
		"another author":             {func(d *PlanDocument) { d.Changes[0].Origin.Author = "Eve" }, false, "its sum"},
		"another source":             {func(d *PlanDocument) { d.Changes[0].Origin.Source = "large" }, false, "its sum"},
		"another id":                 {func(d *PlanDocument) { d.ID = "ANOTHER" }, false, "its sum"},
		"no id":                      {func(d *PlanDocument) { d.ID = "" }, true, "has no id"},
		"no sum":                     {func(d *PlanDocument) { d.Sum = "" }, false, "its sum"},
		"fields that are not shown":  {func(d *PlanDocument) { d.Changes[0].Fields = nil }, false, "its sum"},
	}
	for name, tc := range changes {
		t.Run(name, func(t *testing.T) {
			forged := doc
			forged.Changes = slices.Clone(doc.Changes)
			tc.change(&forged)
			if tc.sum {
				forged = sealed(t, forged)
			}
			if _, _, err := h.rec.Restore(t.Context(), forged); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want one of %q", err, tc.want)
			}
		})
	}
	if _, _, err := h.rec.Restore(t.Context(), doc); err != nil {
		t.Errorf("as it was saved: %v", err)
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

// inForce returns the revision that the store says is in force.
func (h *house) inForce() string {
	h.t.Helper()
	marks, err := h.store.Marks(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	for _, m := range marks {
		if m.Role == state.InForce {
			return m.Revision
		}
	}
	return ""
}

// applied makes what the files declare true.
func (h *house) applied(files ...string) {
	h.t.Helper()
	h.commit(files...)
	if _, err := h.rec.Fetch(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
	p, err := h.rec.Plan(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	if rep, err := h.rec.Apply(h.t.Context(), p); err != nil || rep.Failed() {
		h.t.Fatal(rep, err)
	}
	h.writes()
}

// TestSavedPlanStaysHeld: what held a plan when it was saved holds it still,
// whatever is taken out of the file.
func TestSavedPlanStaysHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t)
		h.applied("a.yaml", multiOn, "b.yaml", relay)
		doc := saved(t, h)
		if len(doc.Held) == 0 {
			t.Fatalf("not held: %+v", doc)
		}
		cut := doc
		cut.Held = nil
		if _, _, err := h.rec.Restore(t.Context(), sealed(t, cut)); err == nil || !strings.Contains(err.Error(), "does not match its hash") {
			t.Errorf("without what holds it: %v", err)
		}
		p, _, err := h.rec.Restore(t.Context(), doc)
		if err != nil || len(p.Held) == 0 || p.Hash != doc.Hash {
			t.Fatalf("plan %+v, %v", p, err)
		}
		if rep, err := h.rec.Apply(t.Context(), p); err != nil || rep.Summary[apply.Refused] != 2 {
			t.Errorf("report %+v, %v", rep, err)
		}
		h.expectWrites()
		now := time.Now()
		if err := h.store.Consent(t.Context(), state.Consent{Plan: doc.Hash, Given: now, Expires: now.Add(time.Hour)}); err != nil {
			t.Fatal(err)
		}
		if err := h.rec.Release(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		if rep, err := h.rec.Apply(t.Context(), p); err != nil || rep.Failed() {
			t.Errorf("report %+v, %v", rep, err)
		}
		h.expectWrites("SetLiveDomainMultiStreamConfig off", "DeleteRelaySourceV3")
	})
}

// TestSavedPlanIsHeldByWhatHoldsNow: a plan that nothing held when it was saved
// is held by the policy of now, under another hash.
func TestSavedPlanIsHeldByWhatHoldsNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t)
		h.applied("a.yaml", multiOn, "b.yaml", relay)
		doc := saved(t, h, "a.yaml", multiOn)
		if len(doc.Held) != 0 {
			t.Fatalf("held: %+v", doc.Held)
		}
		h.build(func(_ *house, o *Options) { o.Policy.MaxRemoved = 0 })
		p, _, err := h.rec.Restore(t.Context(), doc)
		if err != nil || len(p.Held) != 1 || p.Held[0].Guard != "removals" || p.Hash == doc.Hash {
			t.Fatalf("plan %+v, %v", p, err)
		}
	})
}

// TestFailure_D07_SavedPlanOfWhatWentOnAir: what has gone on air since is refused
// alone.
func TestFailure_D07_SavedPlanOfWhatWentOnAir(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, loose)
		h.applied("a.yaml", multiOn, "b.yaml", relay, "c.yaml", relayOf("idle"))
		doc := saved(t, h, "a.yaml", multiOn)
		h.play(true, "live", "relay")
		time.Sleep(time.Minute)
		p, refused, err := h.rec.Restore(t.Context(), doc)
		if err != nil || len(refused) != 1 || !strings.Contains(refused[0].Error, "gone on air since") || len(p.Held) != 0 {
			t.Fatalf("refused %+v, held %+v, %v", refused, p.Held, err)
		}
		if rep, err := h.rec.Apply(t.Context(), p); err != nil || rep.Failed() {
			t.Errorf("report %+v, %v", rep, err)
		}
		h.expectWrites("DeleteRelaySourceV3")
	})
}

// TestSavedPlanIsCarriedOutOnce: of two processes one carries it out.
func TestSavedPlanIsCarriedOutOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t)
		doc := saved(t, h, "a.yaml", multiOn)
		first, _, err := h.rec.Restore(t.Context(), doc)
		if err != nil {
			t.Fatal(err)
		}
		other := h.rec
		h.build()
		second, _, err := h.rec.Restore(t.Context(), doc)
		if err != nil {
			t.Fatal(err)
		}
		if rep, err := other.Apply(t.Context(), first); err != nil || rep.Failed() {
			t.Fatal(rep, err)
		}
		rep, err := h.rec.Apply(t.Context(), second)
		if rep != nil || !errors.Is(err, state.ErrClaimed) || !strings.Contains(err.Error(), "was carried out before") {
			t.Errorf("report %+v, %v", rep, err)
		}
		h.expectWrites("SetLiveDomainMultiStreamConfig on")
		doc.ID = ""
		if _, _, err := h.rec.Restore(t.Context(), doc); err == nil || !strings.Contains(err.Error(), "has no id") {
			t.Errorf("without an id: %v", err)
		}
	})
}

// TestSavedPlanAndWhatIsInForce: a saved plan puts its revision in force where
// that is what the source says, and only there.
func TestSavedPlanAndWhatIsInForce(t *testing.T) {
	follows := func(_ *house, o *Options) { o.Feeds[0].Follows = "live" }
	for name, tc := range map[string]struct {
		now  []string // what the source says when the plan is applied, nil: it is not asked
		want bool
	}{
		"of what it says": {[]string{"a.yaml", multiOn}, true},
		"of another":      {[]string{"a.yaml", multiOff}, false},
		"not asked":       {nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := open(t, follows)
				doc := saved(t, h, "a.yaml", multiOn)
				h.build(follows)
				if tc.now != nil {
					h.commit(tc.now...)
					if _, err := h.rec.Fetch(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				p, _, err := h.rec.Restore(t.Context(), doc)
				if err != nil {
					t.Fatal(err)
				}
				if rep, err := h.rec.Apply(t.Context(), p); err != nil || rep.Failed() {
					t.Fatal(rep, err)
				}
				if got := h.inForce(); (got == doc.Revision) != tc.want || got != "" && !tc.want {
					t.Errorf("in force %q, plan of %q", got, doc.Revision)
				}
			})
		})
	}
}

// TestFailure_D08_SavedRemovalOfWhatIsNotWeirs: a plan that was saved removes
// neither what weir has no record of any more nor what is declared again.
func TestFailure_D08_SavedRemovalOfWhatIsNotWeirs(t *testing.T) {
	for name, tc := range map[string]struct {
		then func(*house)
		want string
	}{
		"forgotten": {func(h *house) {
			if err := h.store.Forget(h.t.Context(), relayID); err != nil {
				h.t.Fatal(err)
			}
		}, "no record"},
		"declared again": {func(h *house) {
			h.commit("a.yaml", multiOn, "b.yaml", relay)
			if _, err := h.rec.Fetch(h.t.Context()); err != nil {
				h.t.Fatal(err)
			}
		}, "declares it now"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := open(t, loose)
				h.applied("a.yaml", multiOn, "b.yaml", relay)
				doc := saved(t, h, "a.yaml", multiOn)
				h.build(loose)
				tc.then(h)
				p, refused, err := h.rec.Restore(t.Context(), doc)
				if err != nil || len(refused) != 1 || !strings.Contains(refused[0].Error, tc.want) {
					t.Fatalf("refused %+v, %v", refused, err)
				}
				if rep, err := h.rec.Apply(t.Context(), p); err != nil || rep.Failed() {
					t.Error(rep, err)
				}
				h.expectWrites()
			})
		})
	}
}

// blind answers reads of one vhost with an error while it is armed.
type blind struct {
	next  http.RoundTripper
	vhost string
	armed atomic.Bool
}

// RoundTrip looks for the vhost wherever a request may name it.
func (b *blind) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(cmp.Or[io.ReadCloser](r.Body, http.NoBody))
	if err != nil {
		return nil, err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	named := strings.Contains(r.URL.RawQuery, b.vhost) || bytes.Contains(body, []byte(b.vhost))
	if !named || !b.armed.Load() {
		return b.next.RoundTrip(r)
	}
	return nil, errors.New("no route to it")
}

// TestFailure_D06_SavedPlanKeepsTheOld: where a saved plan does not make the new,
// it does not remove the old.
func TestFailure_D06_SavedPlanKeepsTheOld(t *testing.T) {
	next := strings.Replace(relay, "push.example.com", "next.example.com", 1)
	for name, unread := range map[string]bool{"could not be read when it was saved": true, "has moved since": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				far := &blind{vhost: "next.example.com"}
				h := open(t, loose, func(h *house, _ *Options) {
					h.through = func(to http.RoundTripper) http.RoundTripper { far.next = to; return far }
				})
				h.applied("b.yaml", relay)
				far.armed.Store(unread)
				doc := saved(t, h, "b.yaml", next)
				far.armed.Store(false)
				time.Sleep(time.Minute) // the circuit is closed again
				if !unread {
					moved := changedRelay("z.example.org", "")
					moved.RelaySources[0].Vhost = "next.example.com"
					h.patch(moved)
				}
				p, refused, err := h.rec.Restore(t.Context(), doc)
				if err != nil {
					t.Fatal(err)
				}
				rep, err := h.rec.Apply(t.Context(), p)
				if err != nil || rep.Summary[apply.Refused] != 1 || !strings.Contains(rep.Results[0].Error, "could not be created") {
					t.Errorf("report %+v, refused %+v, %v", rep, refused, err)
				}
				h.expectWrites()
			})
		})
	}
}

// TestFailure_D11_WhatWaitedIsReadAgain: a plan that somebody has looked at for
// long does not write by what was read before.
func TestFailure_D11_WhatWaitedIsReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, loose)
		h.applied("a.yaml", multiOn, "b.yaml", relay, "c.yaml", relayOf("other"))
		h.commit("a.yaml", multiOff)
		if _, err := h.rec.Fetch(t.Context()); err != nil {
			t.Fatal(err)
		}
		p, err := h.rec.Plan(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		h.patch(changedRelay("z.example.org", ""))
		rep, err := h.rec.Apply(t.Context(), p)
		if err != nil || rep.Summary[apply.Refused] != 1 || rep.Summary[apply.Done] != 2 {
			t.Errorf("report %+v, %v", rep, err)
		}
		h.expectWrites("SetLiveDomainMultiStreamConfig off", "DeleteRelaySourceV3")
	})
}

package reconcile

import (
	"strings"
	"testing"
	"time"

	"weir/sync/cluster"
	"weir/sync/emulator"
	"weir/sync/state"
)

// careful holds each plan that removes anything.
func careful(_ *house, o *Options) { o.Policy.MaxRemoved, o.Policy.MaxRemovedPercent = 1, 100 }

// sameHash returns the hash of the plan that every member holds.
func (w *town) sameHash(t *testing.T) string {
	t.Helper()
	hash := ""
	for i, h := range w.houses {
		s := h.rec.Status()
		if len(s.Plan.Held) == 0 || i > 0 && s.Plan.Hash != hash {
			t.Fatalf("member %d has plan %s, held by %v; another has %s", i, s.Plan.Hash, s.Plan.Held, hash)
		}
		hash = s.Plan.Hash
	}
	return hash
}

// let consents to a plan.
func (w *town) let(t *testing.T, hash string) {
	t.Helper()
	now := time.Now()
	c := state.Consent{Plan: hash, Given: now, Expires: now.Add(15 * time.Minute), By: "anna"}
	if err := w.houses[0].store.Consent(t.Context(), c); err != nil {
		t.Fatal(err)
	}
}

// TestCluster_AConsentCountsInEveryAccount: a held plan over two accounts is let through
// in both by one consent, by whoever leads them, and nothing else with it.
func TestCluster_AConsentCountsInEveryAccount(t *testing.T) {
	inTown(t, 2, []change{careful}, func(t *testing.T, w *town) {
		a := w.houses[0]
		w.commit("a.yaml", multiOn, "b.yaml", relay, "c.yaml", forbid)
		w.wait(20 * time.Second)
		a.writes()
		w.commit("a.yaml", multiOn)
		w.wait(5 * time.Second)
		a.expectWrites()
		hash := w.sameHash(t)
		w.let(t, hash)
		w.wait(5 * time.Second)
		a.expectWrites("DeleteRelaySourceV3", "ResumeLiveStream bad")
		for i, h := range w.houses {
			if s := h.rec.Status(); len(s.Plan.Held) > 0 {
				t.Errorf("member %d holds %v", i, s.Plan.Held)
			}
		}
		for _, e := range w.entries(t) {
			if e.Operation != "SetLiveDomainMultiStreamConfig" && e.Change.Action == "delete" && e.Plan != hash {
				t.Errorf("%s was made for plan %s, and not %s", e.Operation, e.Plan, hash)
			}
		}
		w.wait(time.Minute)
		if left := w.consentMarks(t); left != "" {
			t.Errorf("marks are left: %s", left)
		}
		w.commit("a.yaml", multiOn, "b.yaml", relay, "c.yaml", forbid)
		w.wait(20 * time.Second)
		a.writes()
		w.commit("a.yaml", multiOn) // the same coming again needs another consent
		w.wait(5 * time.Second)
		a.expectWrites()
		if again := w.sameHash(t); again == hash {
			t.Error("the plan has the same hash")
		}
	})
}

// entries are the writes of the journal.
func (w *town) entries(t *testing.T) []state.Entry {
	t.Helper()
	out, err := w.houses[0].store.Journal(t.Context(), state.Query{Writes: true})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (w *town) consentMarks(t *testing.T) string {
	t.Helper()
	all, err := w.houses[0].store.Marks(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, m := range all {
		if strings.HasPrefix(m.Source, state.ConsentSource) {
			out = append(out, m.Source)
		}
	}
	return strings.Join(out, "; ")
}

// TestCluster_AConsentWaitsForALeader: the part of an account that nobody led when the
// consent was used is made by the one that takes it over.
func TestCluster_AConsentWaitsForALeader(t *testing.T) {
	inTown(t, 2, []change{careful}, func(t *testing.T, w *town) {
		a, b := w.houses[0], w.houses[1]
		w.commit("a.yaml", multiOn, "b.yaml", relay, "c.yaml", forbid)
		w.wait(20 * time.Second)
		a.writes()
		w.commit("a.yaml", multiOn)
		w.wait(5 * time.Second)
		hash := w.sameHash(t)
		w.lead("", "ali") // and nobody leads it for a while
		w.let(t, hash)
		w.wait(5 * time.Second)
		a.expectWrites("DeleteRelaySourceV3")
		a.stop()
		defer a.start()
		w.leave("a")
		w.lead("b", "ali", cluster.Sources)
		w.wait(15 * time.Second)
		b.expectWrites("ResumeLiveStream bad")
		b.expectHeld()
	})
}

// TestCluster_AConsentOutlivesItsUser: what a member that used a consent had not made
// when it died is made by the one that takes its accounts over, once.
func TestCluster_AConsentOutlivesItsUser(t *testing.T) {
	inTown(t, 2, []change{careful}, func(t *testing.T, w *town) {
		a, b := w.houses[0], w.houses[1]
		other := strings.ReplaceAll(forbid, "stream: bad", "stream: worse")
		w.lead("a", "volc")
		w.commit("a.yaml", multiOn, "c.yaml", forbid, "d.yaml", other)
		w.wait(20 * time.Second)
		a.writes()
		b.rec.MarkFull()
		w.commit("a.yaml", multiOn)
		w.wait(5 * time.Second)
		hash := w.sameHash(t)
		b.stop()
		a.faults(emulator.Fault{Operation: "ResumeLiveStream", Kind: "error", Code: "Forbidden.RAM", Status: 403, Count: 1})
		w.let(t, hash)
		w.wait(3 * time.Second)
		if got := a.writes(); len(got) != 2 || !strings.HasSuffix(got[1], "Forbidden.RAM") && !strings.HasSuffix(got[0], "Forbidden.RAM") {
			t.Fatalf("writes %v", got)
		}
		a.stop()
		defer a.start()
		w.leave("a")
		b.start()
		w.lead("b", "ali", "volc", cluster.Sources)
		w.wait(15 * time.Second)
		if got := b.writes(); len(got) != 1 || !strings.HasPrefix(got[0], "ResumeLiveStream") {
			t.Errorf("writes %v", got)
		}
		b.expectHeld()
	})
}

// TestCluster_ALateMemberLetsThroughWhatWasHeld: a member that never saw the plan that
// somebody has consented to knows its part of it, and only that, by its digest.
func TestCluster_ALateMemberLetsThroughWhatWasHeld(t *testing.T) {
	for name, another := range map[string]bool{"the same": false, "another": true} {
		t.Run(name, func(t *testing.T) {
			inTown(t, 2, []change{careful}, func(t *testing.T, w *town) {
				a, b := w.houses[0], w.houses[1]
				second := strings.ReplaceAll(relay, "app: live", "app: second")
				w.commit("a.yaml", multiOn, "b.yaml", relay, "c.yaml", forbid, "d.yaml", second)
				w.wait(20 * time.Second)
				a.writes()
				b.stop()
				w.commit("a.yaml", multiOn, "d.yaml", second)
				w.wait(5 * time.Second)
				w.let(t, a.rec.Status().Plan.Hash)
				w.wait(5 * time.Second)
				a.expectWrites("ResumeLiveStream bad")
				if another {
					w.commit("a.yaml", multiOn)
				}
				b.build(careful, w.seats[1].into)
				b.start()
				w.wait(20 * time.Second)
				if another {
					b.expectWrites()
					return
				}
				b.expectWrites("DeleteRelaySourceV3")
			})
		})
	}
}

package reconcile

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"weir/sync/cluster"
	"weir/sync/state"
)

// mark returns a mark of the town's store.
func (w *town) mark(t *testing.T, source string, role state.Role) string {
	t.Helper()
	all, err := w.houses[0].store.Marks(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return marks(all).of(source)[role].Revision
}

// TestCluster_AMemberWithAnotherRevisionWaits: it applies nothing of the source until
// it has what is in force, says so, and leaves its accounts to others after a while.
func TestCluster_AMemberWithAnotherRevisionWaits(t *testing.T) {
	inTown(t, 2, []change{loose}, func(t *testing.T, w *town) {
		a, b := w.houses[0], w.houses[1]
		w.commit("a.yaml", multiOn)
		w.wait(5 * time.Second)
		a.expectWrites("SetLiveDomainMultiStreamConfig on")
		b.commit("a.yaml", multiOn, "b.yaml", relay) // a's folder stays as it was
		w.wait(5 * time.Second)
		b.expectWrites()
		s := b.rec.Status().Sources[0]
		if in := a.rec.Status().Sources[0].InForce; !strings.Contains(s.Waits, "waits for revision "+short(in)+", which a has in force") {
			t.Errorf("waits %q, in force is %s", s.Waits, in)
		}
		if a.rec.Status().Sources[0].Waits != "" {
			t.Errorf("a waits: %s", a.rec.Status().Sources[0].Waits)
		}
		w.wait(30 * time.Second)
		if w.seats[1].could("volc") || !w.seats[0].could("volc") {
			t.Error("b is still ready to lead")
		}
		w.commit("a.yaml", multiOn, "b.yaml", relay)
		w.wait(5 * time.Second)
		b.expectWrites("UpdateRelaySourceV3")
		if s := b.rec.Status().Sources[0]; s.Waits != "" || !w.seats[1].could("volc") {
			t.Errorf("b waits: %q", s.Waits)
		}
	})
}

// TestCluster_WhoReadsMoreLeads: a leader of the sources that cannot read one of them
// leaves that to a member that can.
func TestCluster_WhoReadsMoreLeads(t *testing.T) {
	inTown(t, 2, []change{loose}, func(t *testing.T, w *town) {
		a, b := w.houses[0], w.houses[1]
		w.commit("a.yaml", multiOn)
		w.wait(5 * time.Second)
		a.source.set(nil, errors.New("no route to host"))
		w.wait(time.Minute)
		if !w.seats[0].could(cluster.Sources) {
			t.Error("a is to lead the sources while nobody has read more")
		}
		b.commit("a.yaml", multiOff)
		w.wait(5 * time.Second)
		if w.seats[0].could(cluster.Sources) || !w.seats[1].could(cluster.Sources) {
			t.Fatal("b is to lead the sources now")
		}
		w.lead("b", cluster.Sources)
		w.wait(5 * time.Second)
		if got := w.mark(t, "live", state.InForce); got != b.rec.Status().Sources[0].InForce {
			t.Errorf("in force is %q", got)
		}
		if w.mark(t, state.OfMember("live", "b"), state.Offered) != "" {
			t.Error("the offer stays")
		}
		w.wait(30 * time.Second)
		if w.seats[0].could("ali") {
			t.Error("a is ready for accounts though it cannot read what is in force")
		}
		w.lead("b", "ali")
		w.wait(5 * time.Second)
		if got := a.writes(); len(got) != 2 {
			t.Errorf("writes %v", got)
		}
	})
}

// TestFailure_P09_ReadOnlyLeadsNoAccount: a member that may apply nothing leaves the
// accounts to those that may, and is ready for them again when it may.
func TestFailure_P09_ReadOnlyLeadsNoAccount(t *testing.T) {
	inTown(t, 2, []change{loose}, func(t *testing.T, w *town) {
		a := w.houses[0]
		var why atomic.Value
		why.Store("it has crashed too often")
		a.stop()
		a.build(loose, w.seats[0].into, func(_ *house, o *Options) { o.ReadOnly = func() string { return why.Load().(string) } })
		a.start()
		w.commit("a.yaml", multiOn)
		w.wait(5 * time.Second)
		if w.seats[0].could("ali") || !w.seats[0].could(cluster.Sources) {
			t.Fatal("a is to leave the account to b, and to lead the sources")
		}
		w.lead("b", "ali")
		w.wait(5 * time.Second)
		if got := a.writes(); len(got) != 1 {
			t.Errorf("writes %v", got)
		}
		why.Store("")
		w.wait(10 * time.Minute)
		if !w.seats[0].could("ali") {
			t.Error("a is not ready for the account that it may change again")
		}
	})
}

// TestCluster_ACrashIsCountedForOneMember: that another died while it read a revision
// says nothing of this one.
func TestCluster_ACrashIsCountedForOneMember(t *testing.T) {
	inTown(t, 2, []change{loose}, func(t *testing.T, w *town) {
		a, b := w.houses[0], w.houses[1]
		w.commit("a.yaml", multiOn)
		w.wait(5 * time.Second)
		a.stop()
		b.stop()
		w.commit("a.yaml", multiOff)
		next := a.source.current.Revision
		died := state.Mark{Source: state.OfMember("live", "b"), Role: state.Loading, Revision: next + " 2", At: time.Now()}
		if err := a.store.SetMark(t.Context(), died); err != nil {
			t.Fatal(err)
		}
		for i, h := range w.houses {
			h.build(loose, w.seats[i].into)
			h.start()
		}
		w.wait(5 * time.Second)
		if s := a.rec.Status().Sources[0]; s.InForce != next || len(s.Problems) > 0 {
			t.Errorf("a: %+v", s)
		}
		if s := b.rec.Status().Sources[0]; len(s.Problems) != 1 || s.Problems[0].Code != "poisoned-revision" {
			t.Errorf("b: %+v", s)
		}
	})
}

// remote is a source that looks for news when it is asked to, and not before.
type remote struct {
	*tree
	news    *tree // what it finds
	checked time.Time
}

func (s *remote) Poke() {
	time.AfterFunc(time.Second, func() {
		s.news.mu.Lock()
		found := s.news.current
		s.news.mu.Unlock()
		s.mu.Lock()
		s.checked = time.Now()
		moved := found != nil && found != s.current
		s.mu.Unlock()
		if moved {
			s.set(found, nil)
		}
	})
}

func (s *remote) Checked() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.checked
}

// TestCluster_TheNextLeaderLooksFirst: who comes to lead the sources and has another
// revision than was in force looks at its source, and goes by what that shows.
func TestCluster_TheNextLeaderLooksFirst(t *testing.T) {
	for name, later := range map[string]bool{"the newer one is there": true, "it is there no more": false} {
		t.Run(name, func(t *testing.T) {
			inTown(t, 2, []change{loose}, func(t *testing.T, w *town) {
				a, b := w.houses[0], w.houses[1]
				slow := &remote{tree: b.source, news: newTree()}
				b.stop()
				b.build(loose, w.seats[1].into, func(_ *house, o *Options) { o.Feeds[0].Source = slow })
				b.start()
				w.commit("a.yaml", multiOn)
				w.wait(5 * time.Second)
				first := w.mark(t, "live", state.InForce)
				a.commit("a.yaml", multiOff)
				w.wait(100 * time.Millisecond)
				second := w.mark(t, "live", state.InForce)
				a.stop()
				defer a.start()
				w.leave("a")
				w.lead("b", cluster.Sources, "ali")
				w.wait(500 * time.Millisecond)
				if got := w.mark(t, "live", state.InForce); got != second || second == first {
					t.Errorf("in force before it has looked is %q of %q and %q", got, first, second)
				}
				if s := b.rec.Status().Sources[0]; s.Waits == "" {
					t.Errorf("b does not wait: %+v", s)
				}
				want := first
				if later {
					want = second
					slow.news.set(a.source.current, nil)
					slow.Poke()
				}
				w.wait(5 * time.Second)
				if got := w.mark(t, "live", state.InForce); got != want || b.rec.Status().Sources[0].InForce != want {
					t.Errorf("in force is %q, want %q", got, want)
				}
				if s := b.rec.Status().Sources[0]; s.Waits != "" {
					t.Errorf("b waits: %q", s.Waits)
				}
			})
		})
	}
}

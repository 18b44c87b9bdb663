package reconcile

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"weir/sync/emulator"
	"weir/sync/source"
	"weir/sync/state"
)

// TestFailure_S08_InForceAcrossRestartsWithAClash: of two sources that clash at
// the start, the one that has not moved stands where it was, too.
func TestFailure_S08_InForceAcrossRestartsWithAClash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t)
		one := &book{tree: h.source, pages: map[string]*source.Snapshot{}}
		two := &book{tree: newTree(), pages: map[string]*source.Snapshot{}}
		both := func(_ *house, o *Options) {
			o.Feeds[0].Source, o.Feeds[0].Follows = one, "one"
			o.Feeds = append(o.Feeds, Feed{Name: "other", Source: two, Loader: o.Feeds[0].Loader, Follows: "two"})
		}
		h.build(loose, both)
		h.start()
		first := one.turn(h, "a.yaml", multiOn)
		say(two.tree, "o1", forbid)
		two.pages["o1"] = two.current
		h.wait(3 * time.Second)
		h.expectWrites("SetLiveDomainMultiStreamConfig on", "ForbidLiveStream bad")
		say(two.tree, "o2", forbid+"---\n"+multiOff)
		h.wait(3 * time.Second)
		h.stop()
		h.build(loose, both)
		h.start()
		defer func() { h.stop() }()
		h.wait(3 * time.Second)
		h.expectWrites()
		s := h.rec.Status()
		if !s.Ready || s.Sources[0].InForce != first || s.Sources[1].InForce != "o1" {
			t.Errorf("status %+v", s)
		}
	})
}

// slowStore takes its time to say which revisions were in force.
type slowStore struct {
	state.Store
	asked, answer chan struct{}
}

// Marks waits.
func (s *slowStore) Marks(ctx context.Context) ([]state.Mark, error) {
	select {
	case s.asked <- struct{}{}:
	default:
	}
	select {
	case <-s.answer:
		return s.Store.Marks(ctx)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// TestHealthAnswersDuringARecall: how weir is can be asked while the store is
// slow to say what was in force, and a store that fails is asked again.
func TestHealthAnswersDuringARecall(t *testing.T) {
	h := open(t)
	b := &book{tree: h.source, pages: map[string]*source.Snapshot{}}
	good := b.turn(h, "a.yaml", multiOn)
	err := h.store.SetMark(t.Context(), state.Mark{Source: "here", Role: state.InForce, Revision: good, At: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	b.turn(h, "a.yaml", strings.Replace(multiOn, "true", "maybe", 1))
	slow := &slowStore{h.store, make(chan struct{}, 1), make(chan struct{})}
	h.build(func(_ *house, o *Options) {
		o.Store, o.Feeds[0].Source, o.Feeds[0].Follows = slow, b, "here"
	})
	h.start()
	defer func() { h.stop() }()
	<-slow.asked
	told := make(chan Status, 1)
	go func() { told <- h.rec.Status() }()
	select {
	case s := <-told:
		if s.Ready {
			t.Errorf("status %+v", s)
		}
	case <-time.After(5 * time.Second):
		t.Error("the status waits for the store")
	}
	close(slow.answer)
}

// TestRecallIsTriedAgain: that the store failed once does not keep what was in
// force from coming back.
func TestRecallIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t)
		b := &book{tree: h.source, pages: map[string]*source.Snapshot{}}
		good := b.turn(h, "a.yaml", multiOn)
		err := h.store.SetMark(t.Context(), state.Mark{Source: "here", Role: state.InForce, Revision: good, At: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		b.turn(h, "a.yaml", strings.Replace(multiOn, "true", "maybe", 1))
		slow := &slowStore{h.store, make(chan struct{}, 1), make(chan struct{})}
		h.build(func(_ *house, o *Options) {
			o.Store, o.Feeds[0].Source, o.Feeds[0].Follows = slow, b, "here"
		})
		h.start()
		defer func() { h.stop() }()
		h.wait(markTime + time.Second)
		close(slow.answer)
		h.wait(6 * time.Minute)
		h.expectWrites("SetLiveDomainMultiStreamConfig on")
	})
}

// TestOneShotMarksWhatItAppliesAsInForce: a process that begins after it must
// not fall back to what an older process had in force, and undo it.
func TestOneShotMarksWhatItAppliesAsInForce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t)
		b := &book{tree: h.source, pages: map[string]*source.Snapshot{}}
		var verdicts []Verdict
		h.build(loose, withBook(b, &verdicts))
		h.start()
		b.turn(h, "a.yaml", multiOn)
		h.wait(3 * time.Second)
		h.stop()
		h.writes()

		newer := b.turn(h, "a.yaml", multiOn, "b.yaml", relay)
		h.build(loose, withBook(b, &verdicts))
		if _, err := h.rec.Fetch(t.Context()); err != nil {
			t.Fatal(err)
		}
		p, err := h.rec.Plan(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.rec.Apply(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		h.expectWrites("UpdateRelaySourceV3")

		b.turn(h, "a.yaml", strings.Replace(multiOn, "true", "maybe", 1))
		h.build(loose, withBook(b, &verdicts))
		h.start()
		defer func() { h.stop() }()
		h.wait(6 * time.Minute)
		h.expectWrites()
		if s := h.rec.Status(); s.Sources[0].InForce != newer {
			t.Errorf("in force is %s, want %s", s.Sources[0].InForce, newer)
		}
	})
}

// TestNoMarkOfAFormerSourceComesBack: what was in force of a branch that was
// left is not in force again because weir goes back to the branch.
func TestNoMarkOfAFormerSourceComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t)
		b := &book{tree: h.source, pages: map[string]*source.Snapshot{}}
		var verdicts []Verdict
		on := func(branch string) change {
			return func(h *house, o *Options) {
				withBook(b, &verdicts)(h, o)
				o.Feeds[0].Follows = branch
			}
		}
		for _, step := range []struct{ branch, text string }{{"main", multiOn}, {"release", multiOff}} {
			b.turn(h, "a.yaml", step.text)
			h.build(loose, on(step.branch))
			h.start()
			h.wait(3 * time.Second)
			h.stop()
		}
		h.expectWrites("SetLiveDomainMultiStreamConfig on", "SetLiveDomainMultiStreamConfig off")
		b.turn(h, "a.yaml", strings.Replace(multiOn, "true", "maybe", 1))
		h.build(loose, on("main"))
		h.start()
		defer func() { h.stop() }()
		h.wait(6 * time.Minute)
		h.expectWrites()
	})
}

// TestNoSuccessIsToldOfWhatCannotBeRead: a change whose resource cannot be read
// is not made, and its commit is not called applied.
func TestNoSuccessIsToldOfWhatCannotBeRead(t *testing.T) {
	inBook(t, nil, func(h *house, b *book, verdicts *[]Verdict) {
		b.turn(h, "a.yaml", multiOn)
		h.wait(3 * time.Second)
		*verdicts = nil
		h.faults(emulator.Fault{Operation: "DescribeLiveDomainMultiStreamConfig", Kind: "error", Code: "Forbidden.RAM", Status: 403})
		h.wait(time.Minute)
		if len(*verdicts) != 0 {
			t.Errorf("of what is in force: %+v", *verdicts)
		}
		b.turn(h, "a.yaml", multiOff)
		h.wait(10 * time.Second)
		if len(*verdicts) != 1 || (*verdicts)[0].Outcome != Unmade || (*verdicts)[0].Failed != 1 {
			t.Errorf("verdicts %+v", *verdicts)
		}
		*verdicts = nil
		h.faults()
		h.wait(time.Minute)
		if len(*verdicts) != 1 || (*verdicts)[0].Outcome != Applied || (*verdicts)[0].Done != 1 {
			t.Errorf("verdicts %+v", *verdicts)
		}
	})
}

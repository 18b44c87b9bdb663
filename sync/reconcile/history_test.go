package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"weir/sync/emulator"
	"weir/sync/source"
	"weir/sync/state"
)

// book is a tree that knows its former revisions.
type book struct {
	*tree
	pages map[string]*source.Snapshot
	asked []source.Place // of the last Trace
}

// At returns a former revision.
func (b *book) At(_ context.Context, revision string) (*source.Snapshot, error) {
	if snap, ok := b.pages[revision]; ok {
		return snap, nil
	}
	return nil, errors.New("no such revision")
}

// Trace names the file and the revision where others name a commit.
func (b *book) Trace(_ context.Context, revision string, places []source.Place) ([]source.Change, error) {
	b.asked = places
	out := make([]source.Change, 0, len(places))
	for _, p := range places {
		out = append(out, source.Change{Commit: p.File + "@" + revision, Author: "Jane Doe <jane@example.com>"})
	}
	return out, nil
}

// withBook gives the house a source with a history, and what to do with
// verdicts.
func withBook(b *book, verdicts *[]Verdict) change {
	return func(_ *house, o *Options) {
		o.Feeds[0].Source, o.Feeds[0].Follows = b, "live https://git.example.com/live.git main"
		o.Verdict = func(v Verdict) { *verdicts = append(*verdicts, v) }
	}
}

// inBook runs a story in virtual time on a source with a history.
func inBook(t *testing.T, changes []change, story func(h *house, b *book, verdicts *[]Verdict)) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t)
		b, verdicts := &book{tree: h.source, pages: map[string]*source.Snapshot{}}, &[]Verdict{}
		h.build(append([]change{withBook(b, verdicts)}, changes...)...)
		h.start()
		defer func() { h.stop() }()
		story(h, b, verdicts)
	})
}

// turn commits a revision and remembers it.
func (b *book) turn(h *house, files ...string) string {
	h.commit(files...)
	b.pages[b.current.Revision] = b.current
	return b.current.Revision
}

func TestEachCallTellsItsCommit(t *testing.T) {
	inBook(t, nil, func(h *house, b *book, _ *[]Verdict) {
		first := b.turn(h, "a.yaml", multiOn, "b.yaml", relay)
		h.wait(3 * time.Second)
		second := b.turn(h, "a.yaml", multiOff)
		h.wait(3 * time.Second)
		entries, err := h.store.Journal(t.Context(), state.Query{Writes: true})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range entries {
			got = append(got, e.Operation+" "+e.Origin.Commit+" "+e.Origin.Author)
		}
		slices.Sort(got)
		const jane = " Jane Doe <jane@example.com>"
		want := []string{
			"DeleteRelaySourceV3 b.yaml@" + second + jane,
			"SetLiveDomainMultiStreamConfig a.yaml@" + first + jane,
			"SetLiveDomainMultiStreamConfig a.yaml@" + second + jane,
			"UpdateRelaySourceV3 b.yaml@" + first + jane,
		}
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("journal\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
		}
		removal := slices.IndexFunc(b.asked, func(p source.Place) bool { return p.File == "b.yaml" })
		if removal < 0 || b.asked[removal].Since != first {
			t.Errorf("asked for %+v, want b.yaml as it was in %s", b.asked, first)
		}
		records, err := h.store.Applied(t.Context())
		if err != nil || len(records) != 1 || records[0].Origin.Commit != "a.yaml@"+second {
			t.Errorf("records %+v, %v", records, err)
		}
		h.wait(11 * time.Minute) // nothing due: the record keeps its commit
		if again, err := h.store.Applied(t.Context()); err != nil || again[0].Origin != records[0].Origin {
			t.Errorf("record became %+v, %v", again, err)
		}
	})
}

// TestFailure_S08_InForceAcrossRestarts: a process that starts while the newest
// revision is refused goes on with the one that was in force before.
func TestFailure_S08_InForceAcrossRestarts(t *testing.T) {
	inBook(t, nil, func(h *house, b *book, _ *[]Verdict) {
		good := b.turn(h, "a.yaml", multiOn)
		h.wait(3 * time.Second)
		h.expectWrites("SetLiveDomainMultiStreamConfig on")
		b.turn(h, "a.yaml", strings.Replace(multiOn, "true", "yes please", 1))
		h.wait(time.Second)
		h.stop()
		var verdicts []Verdict
		h.build(withBook(b, &verdicts))
		err := h.clouds.Patch(emulator.World{Domains: []emulator.Domain{
			{Name: "live.example.com", Type: "vhost", MultiStream: "off"},
			{Name: "push.example.com", Type: "publish", Main: "live.example.com"},
		}})
		if err != nil {
			t.Fatal(err)
		}
		h.start()
		h.wait(3 * time.Second)
		h.expectWrites("SetLiveDomainMultiStreamConfig on") // healed by the old revision
		s := h.rec.Status()
		if s.Sources[0].InForce != good || len(s.Sources[0].Problems) == 0 || !s.Ready {
			t.Errorf("status %+v", s)
		}
		if len(verdicts) != 1 || verdicts[0].Outcome != Rejected {
			t.Errorf("verdicts %+v", verdicts)
		}
		last := b.turn(h, "a.yaml", multiOff)
		h.wait(3 * time.Second)
		h.expectWrites("SetLiveDomainMultiStreamConfig off")
		marks, err := h.store.Marks(t.Context())
		marks = slices.DeleteFunc(marks, func(m state.Mark) bool { return m.Role == state.Mode })
		if err != nil || len(marks) != 2 || marks[0].Role != state.Former || marks[0].Revision != good ||
			marks[1].Role != state.InForce || marks[1].Revision != last {
			t.Errorf("marks %+v, %v", marks, err)
		}
	})
}

func TestNothingRecalled(t *testing.T) {
	for name, set := range map[string]func(h *house, b *book, good string) change{
		"the revision is gone": func(_ *house, b *book, good string) change {
			delete(b.pages, good)
			return nil
		},
		"the revision has errors by now": func(_ *house, b *book, good string) change {
			b.pages[good] = b.current
			return nil
		},
		"the source follows another place": func(*house, *book, string) change {
			return func(_ *house, o *Options) { o.Feeds[0].Follows = "live https://other.example.com" }
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBook(t, nil, func(h *house, b *book, verdicts *[]Verdict) {
				good := b.turn(h, "a.yaml", multiOn)
				h.wait(3 * time.Second)
				b.turn(h, "a.yaml", strings.Replace(multiOn, "true", "maybe", 1))
				h.stop()
				changes := []change{withBook(b, verdicts)}
				if c := set(h, b, good); c != nil {
					changes = append(changes, c)
				}
				h.build(changes...)
				h.writes()
				h.start()
				h.wait(6 * time.Minute)
				h.expectWrites()
				if s := h.rec.Status(); s.Ready || s.Sources[0].InForce != "" {
					t.Errorf("status %+v", s)
				}
			})
		})
	}
}

func TestDryRunMarksNothing(t *testing.T) {
	inBook(t, []change{func(_ *house, o *Options) { o.DryRun = true }}, func(h *house, b *book, verdicts *[]Verdict) {
		b.turn(h, "a.yaml", multiOn)
		h.wait(6 * time.Minute)
		if marks, err := h.store.Marks(t.Context()); err != nil || len(marks) != 0 {
			t.Errorf("marks %+v, %v", marks, err)
		}
		if len(*verdicts) != 0 {
			t.Errorf("verdicts %+v", *verdicts)
		}
	})
}

func TestVerdicts(t *testing.T) {
	inBook(t, nil, func(h *house, b *book, verdicts *[]Verdict) {
		expect := func(want ...string) {
			t.Helper()
			var got []string
			for _, v := range *verdicts {
				got = append(got, fmt.Sprintf("%s %s %d done %d failed %d problems %s:%s", v.Revision, v.Outcome, v.Done, v.Failed, v.Problems, v.By, v.Text))
			}
			*verdicts = nil
			if !slices.Equal(got, want) {
				t.Errorf("verdicts\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
			}
		}
		first := b.turn(h, "a.yaml", multiOn)
		h.wait(3 * time.Second)
		expect(first + " applied 1 done 0 failed 0 problems :")
		h.wait(20 * time.Minute)
		expect() // the same is not told again

		second := b.turn(h, "a.yaml", multiOff)
		h.wait(3 * time.Second)
		expect(second + " applied 1 done 0 failed 0 problems :")

		bad := b.turn(h, "a.yaml", strings.Replace(multiOn, "true", "on", 1))
		h.wait(3 * time.Second)
		expect(bad + " rejected 0 done 0 failed 1 problems :a.yaml:3:43: spec.enabled: must be true or false, not \"on\"; did you mean true? [wrong-type]")

		h.faults(emulator.Fault{Operation: "SetLiveDomainMultiStreamConfig", Kind: "error", Code: "InvalidDomain.NotFound", Status: 404})
		third := b.turn(h, "a.yaml", multiOn)
		h.wait(3 * time.Second)
		if len(*verdicts) != 1 || (*verdicts)[0].Outcome != Unmade || (*verdicts)[0].Failed != 1 {
			t.Errorf("verdicts %+v", *verdicts)
		}
		*verdicts = nil
		h.faults()
		h.wait(time.Minute)
		expect(third + " applied 1 done 0 failed 0 problems :")

		b.set(nil, &source.Error{Code: source.CodeRewritten, Err: errors.New("rewritten"), Revision: "abc"})
		h.wait(time.Second)
		expect("abc stopped 0 done 0 failed 0 problems history-rewritten:rewritten")

		held := b.turn(h, "a.yaml", "# nothing\n")
		h.wait(3 * time.Second)
		expect(held + " stopped 0 done 0 failed 0 problems empty-source:the source declares nothing, and 1 applied resource would be removed")
	})
}

// TestHandover: a resource goes from one source to another without a removal
// when the new owner declares it first. Meanwhile a third source goes on.
func TestHandover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t)
		other, third := newTree(), newTree()
		h.build(loose, func(_ *house, o *Options) {
			for name, src := range map[string]*tree{"other": other, "third": third} {
				o.Feeds = append(o.Feeds, Feed{Name: name, Source: src, Loader: o.Feeds[0].Loader})
			}
		})
		h.start()
		defer func() { h.stop() }()
		h.commit("a.yaml", multiOn, "b.yaml", relay)
		say(other, "o1", forbid)
		say(third, "t1", "")
		h.wait(3 * time.Second)
		h.expectWrites("SetLiveDomainMultiStreamConfig on", "UpdateRelaySourceV3", "ForbidLiveStream bad")
		say(other, "o2", forbid+"---\n"+relay) // both declare it: both stay
		say(third, "t2", strings.Replace(forbid, "stream: bad", "stream: worse", 1))
		h.wait(3 * time.Second)
		h.expectWrites("ForbidLiveStream worse")
		h.commit("a.yaml", multiOff)
		h.wait(3 * time.Second)
		h.expectWrites("SetLiveDomainMultiStreamConfig off")
		for _, s := range h.rec.Status().Sources {
			if s.InForce != s.Revision || len(s.Problems) != 0 {
				t.Errorf("source %+v", s)
			}
		}
	})
}

// looked is a source that was looked at with success, and had nothing new, at a
// time.
type looked struct {
	*tree
	at time.Time
}

func (l looked) Checked() time.Time { return l.at }

// TestLastSuccessOfAnOutage: the last look that went well is that also while none
// does; it never falls back to when something new came last.
func TestLastSuccessOfAnOutage(t *testing.T) {
	now := time.Now()
	f := &feed{Feed: Feed{Source: looked{newTree(), now.Add(-time.Minute)}}}
	f.arrive(&source.Snapshot{Revision: "a"}, now.Add(-time.Hour))
	f.err = &source.Error{Code: source.CodeRemote, Err: errors.New("connection refused")}
	if at := f.checked(); !at.Equal(now.Add(-time.Minute)) {
		t.Errorf("looked at with success %v ago", now.Sub(at))
	}
}

// TestFailure_S01_AnHourWithoutItsSource: nothing happens, and the metrics say
// so.
func TestFailure_S01_AnHourWithoutItsSource(t *testing.T) {
	inBook(t, nil, func(h *house, b *book, _ *[]Verdict) {
		b.turn(h, "a.yaml", multiOn, "b.yaml", relay)
		h.wait(3 * time.Second)
		h.writes()
		seen := h.rec.Status().Sources[0].LastSuccess
		for range 12 {
			b.set(nil, &source.Error{Code: source.CodeRemote, Err: errors.New("connection refused")})
			h.wait(5 * time.Minute)
		}
		h.expectWrites()
		s := h.rec.Status()
		if s.Ready || s.Sources[0].Code != source.CodeRemote || !s.Sources[0].LastSuccess.Equal(seen) {
			t.Errorf("status %+v", s.Sources[0])
		}
		want := fmt.Sprintf(`
			# HELP weir_source_last_success_timestamp_seconds When a source was last looked at with success, 0 for never.
			# TYPE weir_source_last_success_timestamp_seconds gauge
			weir_source_last_success_timestamp_seconds{source="live"} %d
			# HELP weir_source_sync_errors_total Times a source could not be read.
			# TYPE weir_source_sync_errors_total counter
			weir_source_sync_errors_total{source="live"} 12
		`, seen.Unix())
		err := testutil.GatherAndCompare(h.registry, strings.NewReader(want),
			"weir_source_last_success_timestamp_seconds", "weir_source_sync_errors_total")
		if err != nil {
			t.Error(err)
		}
		b.turn(h, "a.yaml", multiOff, "b.yaml", relay)
		h.wait(3 * time.Second)
		h.expectWrites("SetLiveDomainMultiStreamConfig off")
	})
}

package news

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"weir/sync/manifest"
	"weir/sync/notify/message"
	"weir/sync/plan"
	"weir/sync/reconcile"
	"weir/sync/resource"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// ear hears what a desk tells.
type ear struct {
	mu     sync.Mutex
	events []message.Event
}

func (e *ear) hear(ev message.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.events = append(e.events, ev)
}

// heard returns what was told since the last look, in short.
func (e *ear) heard() []string {
	synctest.Wait()
	e.mu.Lock()
	defer e.mu.Unlock()
	out := []string{}
	for _, ev := range e.events {
		out = append(out, fmt.Sprintf("%s %s over %v", ev.Name, ev.Key, ev.Over))
	}
	e.events = nil
	return out
}

func (e *ear) last() message.Event {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.events[len(e.events)-1]
}

func desk(e *ear) *Desk {
	return NewDesk(Options{
		Tell: e.hear, Lead: 15 * time.Minute, After: 10 * time.Minute,
		Consent: func(_ []plan.Hold, _, hash string) string { return "weir apply --consent " + hash },
		Faulty:  func(code string) bool { return code == "symlink-refused" },
	})
}

var id = resource.ID{Account: "volc", Kind: "RelaySource", Key: "push.example.com/live"}

func subject() reconcile.Subject {
	return reconcile.Subject{
		ID: id, Labels: map[string]string{"team": "sports"},
		Origin: resource.Origin{Source: "live", File: "relay.yaml", Line: 3, Commit: "abc", Author: "Ann"},
	}
}

// TestWhatIsAppliedIsWhatARevisionAskedFor: what is put back is drift, and a renewal
// is nothing.
func TestWhatIsAppliedIsWhatARevisionAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var e ear
		news := desk(&e).News()
		for _, reason := range []plan.Reason{plan.New, plan.Edited, plan.Conflict, plan.Removed, plan.Restart, plan.Drifted, plan.Expired} {
			news.Made(reconcile.Made{Subject: subject(), Action: plan.Update, Reason: reason, Revision: "abc", Calls: 2})
		}
		got := e.last()
		if n := len(e.heard()); n != 5 {
			t.Errorf("%d are told", n)
		}
		if got.Resource != id.String() || got.Source != "live" || got.Revision != "abc" || got.Calls != 2 || got.Origin.Author != "Ann" ||
			got.Labels["team"] != "sports" || got.Account != "volc" || got.Kind != "RelaySource" {
			t.Errorf("%+v", got)
		}
	})
}

// TestRevisions: one that is refused, one that is held, and the end of each, once.
func TestRevisions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var e ear
		d := desk(&e)
		expect := func(want ...string) {
			t.Helper()
			if got := e.heard(); !slices.Equal(got, append([]string{}, want...)) {
				t.Errorf("heard %q, want %q", got, want)
			}
		}
		d.Verdict(reconcile.Verdict{Source: "live", Revision: "a", Outcome: reconcile.Applied})
		expect()
		d.Verdict(reconcile.Verdict{Source: "live", Revision: "b", Outcome: reconcile.Rejected, Problems: 4, Errors: []manifest.Problem{
			{File: "a.yaml", Line: 7, Column: 2, Path: "spec.app", Code: "bad-value", Message: "is wrong"},
		}})
		p := e.last()
		if p.Wrong != 4 || p.Problems[0].Message != "spec.app: is wrong" || p.Problems[0].Line != 7 || p.Command() != "weir validate" {
			t.Errorf("%+v", p)
		}
		expect("refused live over false")
		d.Verdict(reconcile.Verdict{Source: "live", Revision: "c", Outcome: reconcile.Stopped, By: "history-rewritten", Text: "was rewritten"})
		if p = e.last(); p.Command() != "weir accept-rewrite c" {
			t.Errorf("%+v", p)
		}
		expect("held revision/live over false") // b is refused as before
		d.Verdict(reconcile.Verdict{Source: "live", Revision: "a", Outcome: reconcile.Applied, Behind: true})
		expect() // c is held as before
		d.Verdict(reconcile.Verdict{Source: "live", Revision: "b", Outcome: reconcile.Rejected})
		expect("held revision/live over true") // b is the newest again, and was told
		d.Verdict(reconcile.Verdict{Source: "live", Revision: "c", Outcome: reconcile.Stopped, By: "history-rewritten"})
		expect("held revision/live over false")
		d.Verdict(reconcile.Verdict{Source: "live", Revision: "c", Outcome: reconcile.Stopped, By: "rolled-back"})
		if p = e.last(); p.Command() != "weir rollback --unpin" {
			t.Errorf("%+v", p)
		}
		expect("held revision/live over false")
		d.Verdict(reconcile.Verdict{
			Source: "live", Revision: "d", Outcome: reconcile.Stopped, By: "symlink-refused", Text: "a.yaml: leads away",
			Errors: []manifest.Problem{{File: "a.yaml", Message: "leads: away", Code: "symlink-refused"}},
		})
		if p = e.last(); p.Problems[0].File != "a.yaml" || p.Problems[0].Message != "leads: away" {
			t.Errorf("%+v", p)
		}
		expect("held revision/live over true", "refused live over false")
		d.Verdict(reconcile.Verdict{Source: "live", Revision: "e", Outcome: reconcile.Unmade})
		expect("refused live over true")
		d.Verdict(reconcile.Verdict{Source: "live", Revision: "e", Outcome: reconcile.Stopped, By: "removals", Plan: "hash"})
		expect() // Held tells it
	})
}

func TestHeldAndFight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var e ear
		d := desk(&e)
		d.Held(reconcile.HeldPlan{Hash: "h1", Revision: "a", Held: []plan.Hold{{Guard: "removals"}}, Summary: plan.Summary{Delete: 7}})
		if p := e.last(); p.Command() != "weir apply --consent h1" || p.Summary.Delete != 7 || p.Subject() != "h1" {
			t.Errorf("%+v", p)
		}
		d.Held(reconcile.HeldPlan{Over: true})
		at := time.Now()
		d.Fight(reconcile.Fight{Subject: reconcile.Subject{ID: id}, Fields: []resource.Field{{Path: "a", Before: "secret"}}, Fight: plan.Fight{Times: 3, PutBack: at, Found: at}})
		if p := e.last(); p.Command() != "weir settle "+id.String()+" again" || p.Times != 3 || strings.Contains(fmt.Sprint(p), "secret") {
			t.Errorf("%+v", p)
		}
		d.Fight(reconcile.Fight{Subject: reconcile.Subject{ID: id}, Over: true})
		want := []string{"held plan over false", "held plan over true", "fight " + id.String() + " over false", "fight " + id.String() + " over true"}
		if got := e.heard(); !slices.Equal(got, want) {
			t.Errorf("heard %q", got)
		}
	})
}

// watched runs a desk beside a loop of this status.
func watched(t *testing.T, status func() reconcile.Status, run func(d *Desk, e *ear)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var e ear
		d := desk(&e)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { d.Watch(ctx, status) })
		run(d, &e)
		cancel()
		wg.Wait()
	})
}

func well() reconcile.Status {
	return reconcile.Status{Ready: true, Sources: []reconcile.SourceStatus{{Name: "live", LastSuccess: time.Now()}}}
}

// TestLeases: told once before the end, and when it has ended or goes on; a short one
// at half of its time; one that is gone is not told.
func TestLeases(t *testing.T) {
	watched(t, well, func(d *Desk, e *ear) {
		now := time.Now()
		lease := d.News().Lease
		at := func(after time.Duration, want ...string) {
			t.Helper()
			time.Sleep(time.Until(now.Add(after)))
			if got := e.heard(); !slices.Equal(got, append([]string{}, want...)) {
				t.Errorf("after %s heard %q, want %q", after, got, want)
			}
		}
		began, over := "lease "+id.String()+" over false", "lease "+id.String()+" over true"
		lease(reconcile.Lease{Subject: subject(), Since: now, Ends: now.Add(time.Hour)})
		at(44 * time.Minute)
		at(46*time.Minute, began)
		at(59 * time.Minute)
		lease(reconcile.Lease{Subject: subject(), Since: now.Add(59 * time.Minute), Ends: now.Add(2 * time.Hour)})
		at(60*time.Minute, over)
		at(104 * time.Minute)
		at(106*time.Minute, began)
		at(121*time.Minute, over)
		at(200 * time.Minute)

		lease(reconcile.Lease{Subject: subject(), Since: now.Add(200 * time.Minute), Ends: now.Add(210 * time.Minute)})
		at(204 * time.Minute)
		at(206*time.Minute, began)
		lease(reconcile.Lease{Subject: subject()}) // is renewed from now on, or not declared any more
		at(300*time.Minute, over)
	})
}

// TestTroubleThatLasts: a source that cannot be read, and weir that is not ready, are
// told after a while, once, and when they are over.
func TestTroubleThatLasts(t *testing.T) {
	var mu sync.Mutex
	s := reconcile.Status{}
	set := func(to reconcile.Status) { mu.Lock(); s = to; mu.Unlock() }
	watched(t, func() reconcile.Status { mu.Lock(); defer mu.Unlock(); return s }, func(_ *Desk, e *ear) {
		set(well())
		time.Sleep(time.Hour)
		broken := func() reconcile.Status {
			return reconcile.Status{Sources: []reconcile.SourceStatus{
				{Name: "live", LastSuccess: time.Now(), Error: "no answer [remote-timeout]", Code: "remote-timeout"},
			}}
		}
		set(broken())
		time.Sleep(9 * time.Minute)
		set(well())
		time.Sleep(time.Minute)
		set(broken())
		time.Sleep(5 * time.Minute)
		if got := e.heard(); len(got) != 0 {
			t.Errorf("heard %q of short troubles", got)
		}
		time.Sleep(time.Hour)
		if p := e.last(); p.Reason != "no answer" || p.Code != "remote-timeout" {
			t.Errorf("%+v", p)
		}
		if got := e.heard(); !slices.Equal(got, []string{"source live over false"}) {
			t.Errorf("heard %q", got)
		}
		set(reconcile.Status{Error: "the state cannot be used", Sources: well().Sources})
		time.Sleep(time.Hour)
		if p := e.last(); p.Reason != "the state cannot be used" {
			t.Errorf("%+v", p)
		}
		set(well())
		time.Sleep(time.Minute)
		if got := e.heard(); !slices.Equal(got, []string{"source live over true", "ready ready over false", "ready ready over true"}) {
			t.Errorf("heard %q", got)
		}
	})
}

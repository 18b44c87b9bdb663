package news

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"weir/sync/manifest"
	"weir/sync/notify/message"
	"weir/sync/plan"
	"weir/sync/reconcile"
)

// TestAHeldPlanIsOfARevisionThatIsAccepted: what was refused before is over.
func TestAHeldPlanIsOfARevisionThatIsAccepted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var e ear
		d := desk(&e)
		d.Verdict(reconcile.Verdict{Source: "live", Revision: "a", Outcome: reconcile.Rejected, Errors: []manifest.Problem{{File: "a.yaml"}}, Problems: 1})
		d.Held(reconcile.HeldPlan{Hash: "h", Revision: "b", Held: []plan.Hold{{Guard: "removals"}}})
		d.Verdict(reconcile.Verdict{Source: "live", Revision: "b", Outcome: reconcile.Stopped, By: "removals", Plan: "h"})
		want := []string{"refused live over false", "held plan over false", "refused live over true"}
		if got := e.heard(); !slices.Equal(got, want) {
			t.Errorf("heard %q, want %q", got, want)
		}
	})
}

// TestWhatIsToldOfARevisionIsNoTroubleOfItsSource: a source that gives no revision
// out can be read; that it cannot, later, is told.
func TestWhatIsToldOfARevisionIsNoTroubleOfItsSource(t *testing.T) {
	var mu sync.Mutex
	s := well()
	set := func(code string) {
		mu.Lock()
		s = reconcile.Status{Sources: []reconcile.SourceStatus{{Name: "live", LastSuccess: time.Now(), Error: "no", Code: code}}}
		mu.Unlock()
	}
	watched(t, func() reconcile.Status { mu.Lock(); defer mu.Unlock(); return s }, func(d *Desk, e *ear) {
		set("unsigned")
		d.Verdict(reconcile.Verdict{Source: "live", Revision: "a", Outcome: reconcile.Stopped, By: "unsigned", Text: "no signature"})
		time.Sleep(time.Hour)
		if got := e.heard(); !slices.Equal(got, []string{"held revision/live over false"}) {
			t.Errorf("heard %q", got)
		}
		set("remote-timeout")
		time.Sleep(time.Hour)
		if got := e.heard(); !slices.Equal(got, []string{"source live over false"}) {
			t.Errorf("heard %q", got)
		}
	})
}

// TestNotReadyIsNotOverSinceASourceFailsToo.
func TestNotReadyIsNotOverSinceASourceFailsToo(t *testing.T) {
	var mu sync.Mutex
	s := reconcile.Status{Error: "the state cannot be used", Sources: well().Sources}
	watched(t, func() reconcile.Status { mu.Lock(); defer mu.Unlock(); return s }, func(_ *Desk, e *ear) {
		time.Sleep(time.Hour)
		if got := e.heard(); !slices.Equal(got, []string{"ready ready over false"}) {
			t.Errorf("heard %q", got)
		}
		mu.Lock()
		s.Sources = []reconcile.SourceStatus{{Name: "live", LastSuccess: time.Now(), Error: "no answer", Code: "remote-timeout"}}
		mu.Unlock()
		time.Sleep(time.Hour)
		if got := e.heard(); !slices.Equal(got, []string{"source live over false"}) {
			t.Errorf("heard %q", got)
		}
	})
}

// TestALeaseSaysWhatBecameOfIt: it has ended, goes on, or has no end any more.
func TestALeaseSaysWhatBecameOfIt(t *testing.T) {
	texts, err := message.NewTemplates(message.English, "", time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	for want, after := range map[string]struct {
		wait time.Duration
		ends time.Duration // from the beginning; 0 for none
	}{
		"goes on until":            {50 * time.Minute, 2 * time.Hour},
		"has no end any more":      {50 * time.Minute, 0},
		": is over":                {time.Hour, 0}, // told by the loop before the desk has looked
		"is over (relay.yaml:3, c": {2 * time.Hour, 2 * time.Hour},
	} {
		watched(t, well, func(d *Desk, e *ear) {
			now := time.Now()
			d.News().Lease(reconcile.Lease{Subject: subject(), Since: now, Ends: now.Add(time.Hour)})
			time.Sleep(after.wait)
			next := reconcile.Lease{Subject: subject()}
			if after.ends > 0 {
				next.Ends = now.Add(after.ends)
			}
			d.News().Lease(next)
			ev := e.last()
			text, err := texts.Render(message.Data{Name: message.Lease, Over: true, Events: []message.Event{ev}, Total: 1}, message.Plain(), nil)
			if err != nil || !ev.Over || !strings.Contains(text.Body, want) {
				t.Errorf("%v: %+v, want %q: %v", ev.Over, text, want, err)
			}
		})
	}
}

// TestDriftThatIsNotDeclaredAnyMore is not said to be as declared.
func TestDriftThatIsNotDeclaredAnyMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var e ear
		drift := desk(&e).News().Drift
		for _, language := range []message.Language{message.English, message.Chinese} {
			drift(reconcile.Drifting{Subject: subject(), Over: true, Gone: true})
			texts, err := message.NewTemplates(language, "", time.UTC)
			if err != nil {
				t.Fatal(err)
			}
			text, err := texts.Render(message.Data{Name: message.Drift, Over: true, Events: []message.Event{e.last()}, Total: 1}, message.Plain(), nil)
			if err != nil || !strings.Contains(text.Body, map[message.Language]string{
				message.English: "and not declared any more", message.Chinese: "现已不再声明",
			}[language]) {
				t.Errorf("%+v, %v", text, err)
			}
		}
	})
}

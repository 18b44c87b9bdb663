package apply

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"weir/sync/call"
	"weir/sync/plan"
	"weir/sync/provider"
	"weir/sync/resource"
	"weir/sync/state/statetest"
)

// windows are terms on which every operation has the same quota.
func windows(s *shelf, trip time.Duration, w ...call.Window) Terms {
	look := call.Outlook{Trip: trip}
	for _, w := range w {
		look.Windows = append(look.Windows, call.Allowance{Window: w})
	}
	return Terms{
		Providers: map[string]provider.Provider{"acc": s}, Now: time.Now(),
		Outlook: func(string, string, call.Priority) call.Outlook { return look },
	}
}

func numbered(n int, action plan.Action) []plan.Change {
	var out []plan.Change
	for i := range n {
		c := change(fmt.Sprintf("k%06d", i), action)
		c.Reason = plan.Edited
		out = append(out, c)
	}
	return out
}

// TestForesee_IsWhatTheLimiterTakes compares forecasts of writes with the
// limiter's own time.
func TestForesee_IsWhatTheLimiterTakes(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		limits := []call.Window{{Limit: rapid.IntRange(1, 30).Draw(rt, "a second"), Per: time.Second}}
		if rapid.Bool().Draw(rt, "minute window") {
			limits = append(limits, call.Window{Limit: rapid.IntRange(1, 200).Draw(rt, "a minute"), Per: time.Minute})
		}
		n := rapid.IntRange(1, 400).Draw(rt, "changes")
		action := rapid.SampledFrom([]plan.Action{plan.Create, plan.Update, plan.Delete}).Draw(rt, "action")
		trip := time.Duration(rapid.IntRange(1, 3000).Draw(rt, "trip")) * time.Millisecond
		var foreseen, took time.Duration
		synctest.Test(t, func(t *testing.T) {
			l, err := call.NewLimiter(call.LimiterOptions{Limits: map[string][]call.Window{string(action): limits}})
			if err != nil {
				t.Fatal(err)
			}
			s := &shelf{took: trip, things: map[string]resource.Spec{}}
			limited := call.Begin(call.Limit(s, call.Limiters{"acc": l}, nil))
			a, err := New(Options{Accounts: map[string]Target{"acc": {s, limited}}, Store: statetest.NewMemory(), Outlook: call.Limiters{"acc": l}.Outlook})
			if err != nil {
				t.Fatal(err)
			}
			p := &plan.Plan{Changes: numbered(n, action)}
			// The shelf measures no round trips, so that there is neither a credit
			// nor another trip than the one said here.
			terms := a.terms()
			terms.Outlook = func(account, operation string, p call.Priority) call.Outlook {
				look := a.opts.Outlook(account, operation, p)
				look.Trip = trip
				return look
			}
			f, began := Foresee(p, terms), time.Now()
			rep, err := a.Apply(t.Context(), p)
			if err != nil || rep.Summary[Done] != n {
				t.Fatalf("%v, %v", rep.Summary, err)
			}
			foreseen, took = f.Took, time.Since(began)
		})
		if took != foreseen {
			rt.Fatalf("%v was foreseen, and it took %v", foreseen, took)
		}
	})
}

// TestForesee_WhatIsHeldBackCostsNothing.
func TestForesee_WhatIsHeldBackCostsNothing(t *testing.T) {
	changes := numbered(3, plan.Create)
	changes[0].State = plan.Waiting
	changes[1].Withheld = "mode observe"
	f := Foresee(&plan.Plan{Changes: changes}, windows(&shelf{}, time.Second, call.Window{Limit: 1, Per: time.Second}))
	if f.Took != time.Second || len(f.Ends) != 1 || f.Calls[0].Count != 1 {
		t.Errorf("%+v", f)
	}
	if f := Foresee(&plan.Plan{Changes: changes[:2]}, windows(&shelf{}, time.Second)); f.Took != 0 || len(f.Ends)+len(f.Calls) != 0 {
		t.Errorf("of nothing %+v", f)
	}
}

// TestForesee_RivalsTakeTurns: beside others a plan takes as many times as long; those who have to
// wait take one slot of twenty, and what there is before it begins.
func TestForesee_RivalsTakeTurns(t *testing.T) {
	for _, tt := range []struct {
		rivals call.Rivals
		want   float64
	}{
		{call.Rivals{}, 39},
		{call.Rivals{Equal: []int{0}}, 80},
		{call.Rivals{Equal: []int{0, 0}}, 120},
		{call.Rivals{Equal: []int{100}}, 50},
		{call.Rivals{Equal: []int{100, 0}}, 90},
		{call.Rivals{Lower: 2}, 43},
	} {
		terms := windows(&shelf{}, time.Millisecond)
		terms.Outlook = func(string, string, call.Priority) call.Outlook {
			return call.Outlook{
				Trip: time.Millisecond, Rivals: tt.rivals,
				Windows: []call.Allowance{{Window: call.Window{Limit: 10, Per: time.Second}}},
			}
		}
		f := Foresee(&plan.Plan{Changes: numbered(400, plan.Create)}, terms)
		if off := f.Took.Seconds()/tt.want - 1; off < -0.02 || off > 0.02 {
			t.Errorf("beside %+v %v, want %v s", tt.rivals, f.Took, tt.want)
		}
	}
}

// TestForecast_Left follows what was really done.
func TestForecast_Left(t *testing.T) {
	f := Foresee(&plan.Plan{Changes: numbered(600, plan.Create)}, windows(&shelf{}, time.Millisecond, call.Window{Limit: 10, Per: time.Second}))
	whole := f.Ends[599]
	for _, tt := range []struct {
		name   string
		passed time.Duration
		done   int
		want   time.Duration
	}{
		{"at the beginning", 0, 0, whole},
		{"in time", f.Ends[299], 300, whole - f.Ends[299]},
		{"half as fast", 60 * time.Second, 300, 2 * 30 * time.Second},
		{"twice as fast", 15 * time.Second, 300, 15 * time.Second},
		{"it stands still", 120 * time.Second, 300, 4 * 30 * time.Second},
		{"done", time.Minute, 600, 0},
	} {
		got := f.Left(tt.passed, tt.done)
		if d := got - tt.want; d < -tt.want/10 || d > tt.want/10 {
			t.Errorf("%s: %v left, want about %v", tt.name, got, tt.want)
		}
	}
}

// BenchmarkForesee prices a hundred thousand changes.
func BenchmarkForesee(b *testing.B) {
	p := &plan.Plan{Changes: numbered(100_000, plan.Create)}
	terms := windows(&shelf{}, 50*time.Millisecond, call.Window{Limit: 10, Per: time.Second}, call.Window{Limit: 500, Per: time.Minute})
	for b.Loop() {
		if f := Foresee(p, terms); len(f.Ends) != 100_000 || !slices.IsSorted(f.Ends) {
			b.Fatal("not all of it")
		}
	}
}

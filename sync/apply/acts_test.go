package apply

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"weir/sync/call"
	"weir/sync/plan"
	"weir/sync/resource"
	"weir/sync/state/statetest"
)

func acting(key string, acts ...plan.Act) plan.Change {
	c := change(key, plan.Create)
	c.Acts = acts
	return c
}

func TestActsAreBegunBeforeAndSettledAfter(t *testing.T) {
	store := statetest.NewMemory()
	s := &shelf{acts: true}
	s.answer = func(req *call.Request) error {
		acts, _ := store.Acts(t.Context())
		if !slices.ContainsFunc(acts, func(a resource.Act) bool { return a.Name == req.Operation && a.InDoubt() }) {
			t.Errorf("%s is called and not written down", req.Operation)
		}
		return nil
	}
	carry(t, s, store, acting("a", plan.Act{Name: "one", Token: "t"}, plan.Act{Name: "two", Token: "t", Lasts: time.Hour}))
	acts, _ := store.Acts(t.Context())
	if len(acts) != 2 || acts[0].InDoubt() || !acts[0].Ends.IsZero() || acts[1].Ends.Sub(acts[1].Done).Round(time.Minute) != time.Hour {
		t.Errorf("acts %+v", acts)
	}
	carry(t, s, store, acting("a", plan.Act{Name: "one", Token: "t"}, plan.Act{Name: "two", Token: "t2"}))
	if want := []string{"one a", "two a", "two a"}; !slices.Equal(s.calls, want) {
		t.Errorf("calls %v, want %v", s.calls, want)
	}
}

func TestHowActsEnd(t *testing.T) {
	tests := map[string]struct {
		code    call.Code
		doubt   bool
		outcome Outcome
		again   int // calls when applied a second time
	}{
		"refused: it did not happen":         {call.Invalid, false, Failed, 2},
		"not live: it did not happen":        {call.NotLive, false, Waiting, 2},
		"never sent":                         {call.Canceled, false, Refused, 2},
		"already done: it happened":          {call.AlreadyDone, false, Done, 1},
		"no answer: nobody knows":            {call.Unknown, true, Failed, 1},
		"our own fault: nobody knows":        {call.Internal, true, Failed, 1},
		"throttled to the end: not happened": {call.Throttled, false, Failed, 2},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			store := statetest.NewMemory()
			s := &shelf{answer: func(*call.Request) error { return &call.Error{Code: tc.code} }}
			rep := carry(t, s, store, acting("a", plan.Act{Name: "once", Token: "t"}))
			acts, _ := store.Acts(t.Context())
			doubt := len(acts) == 1 && acts[0].InDoubt()
			if rep.Results[0].Outcome != tc.outcome || doubt != tc.doubt {
				t.Errorf("%s, acts %+v", rep.Results[0].Outcome, acts)
			}
			carry(t, s, store, acting("a", plan.Act{Name: "once", Token: "t"}))
			if len(s.calls) != tc.again {
				t.Errorf("%d calls in all, want %d", len(s.calls), tc.again)
			}
		})
	}
}

// TestFailure_P02_QueuedActsAreNotInDoubt: an act begins when its call goes
// out, so that a process that dies leaves in doubt only what was under way.
func TestFailure_P02_QueuedActsAreNotInDoubt(t *testing.T) {
	store := statetest.NewMemory()
	s := &shelf{acts: true}
	queue := call.Func(func(ctx context.Context, req *call.Request) (*call.Response, error) {
		if acts, _ := store.Acts(ctx); len(acts) != 0 {
			t.Errorf("queued, and begun: %+v", acts)
		}
		return nil, &call.Error{Code: call.Canceled, Operation: req.Operation}
	})
	a, err := New(Options{Accounts: map[string]Target{"acc": {s, queue}}, Store: store})
	if err != nil {
		t.Fatal(err)
	}
	rep, err := a.Apply(t.Context(), &plan.Plan{Changes: []plan.Change{acting("a", plan.Act{Name: "one", Token: "t"})}})
	if acts, _ := store.Acts(t.Context()); err != nil || len(acts) != 0 || rep.Results[0].Outcome != Refused {
		t.Errorf("acts %+v, report %+v, %v", acts, rep.Results, err)
	}
}

// TestActBeginsOnceForAllTries: a throttled try is made again as the same act.
func TestActBeginsOnceForAllTries(t *testing.T) {
	store := statetest.NewMemory()
	s := &shelf{acts: true, things: map[string]resource.Spec{}}
	again := call.Func(func(ctx context.Context, req *call.Request) (*call.Response, error) {
		for range 2 {
			if err := req.Begin(ctx); err != nil {
				t.Errorf("a try: %v", err)
			}
		}
		return s.Call(ctx, req)
	})
	a, err := New(Options{Accounts: map[string]Target{"acc": {s, again}}, Store: store})
	if err != nil {
		t.Fatal(err)
	}
	rep, err := a.Apply(t.Context(), &plan.Plan{Changes: []plan.Change{acting("a", plan.Act{Name: "one", Token: "t"})}})
	if acts, _ := store.Acts(t.Context()); err != nil || len(acts) != 1 || acts[0].InDoubt() || rep.Failed() {
		t.Errorf("acts %+v, report %+v, %v", acts, rep.Results, err)
	}
}

func TestActInDoubtSaysHowToSettleIt(t *testing.T) {
	store := statetest.NewMemory()
	c := acting("a", plan.Act{Name: "once", Token: "t"})
	if err := store.Begin(t.Context(), resource.Act{ID: c.ID, Name: "once", Token: "t", Begun: time.Now()}); err != nil {
		t.Fatal(err)
	}
	s := &shelf{}
	rep := carry(t, s, store, c)
	if got := rep.Results[0].Error; len(s.calls) != 0 || !strings.Contains(got, "weir settle acc/Thing/a done|again") ||
		!strings.Contains(got, "another weir is making it now") {
		t.Errorf("calls %v, error %q", s.calls, got)
	}
}

// TestActSettledWhileItWaits: a person settles an act whose first try was
// throttled. As done, it is not made; to be done again, it is made once, and
// known to be done afterwards.
func TestActSettledWhileItWaits(t *testing.T) {
	for how, calls := range map[string]int{"done": 0, "again": 1} {
		t.Run(how, func(t *testing.T) {
			store := statetest.NewMemory()
			s := &shelf{acts: true, things: map[string]resource.Spec{}}
			meanwhile := func(ctx context.Context) {
				acts, _ := store.Acts(ctx)
				if how == "done" {
					acts[0].Done = time.Now()
				}
				if err := store.Settle(ctx, acts[0]); err != nil {
					t.Error(err)
				}
			}
			tries := call.Func(func(ctx context.Context, req *call.Request) (*call.Response, error) {
				if err := req.Begin(ctx); err != nil {
					t.Error(err)
				}
				meanwhile(ctx)
				return call.Begin(s).Call(ctx, req)
			})
			a, err := New(Options{Accounts: map[string]Target{"acc": {s, tries}}, Store: store})
			if err != nil {
				t.Fatal(err)
			}
			rep, err := a.Apply(t.Context(), &plan.Plan{Changes: []plan.Change{acting("a", plan.Act{Name: "one", Token: "t"})}})
			acts, _ := store.Acts(t.Context())
			if err != nil || len(s.calls) != calls || len(acts) != 1 || acts[0].InDoubt() || rep.Failed() {
				t.Errorf("calls %v, acts %+v, report %+v, %v", s.calls, acts, rep.Results, err)
			}
		})
	}
}

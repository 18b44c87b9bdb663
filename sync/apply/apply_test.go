package apply

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"weir/sync/call"
	"weir/sync/plan"
	"weir/sync/resource"
	"weir/sync/state"
	"weir/sync/state/statetest"
)

func TestOptionsAreChecked(t *testing.T) {
	for name, o := range map[string]Options{
		"Accounts": {Store: statetest.NewMemory()},
		"Store":    {Accounts: map[string]Target{"acc": {}}},
	} {
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("without %s: %v", name, err)
		}
	}
}

func TestOutcomes(t *testing.T) {
	withheld, waiting, broken, foreign := change("withheld", plan.Update), change("waiting", plan.Create), change("broken", plan.Create), change("foreign", plan.Create)
	withheld.Withheld = "mode create-only only creates"
	waiting.State, waiting.Note = plan.Waiting, "starts when the stream is on air"
	broken.Note = "broken"
	foreign.ID.Account = "nobody"
	s := &shelf{answer: func(req *call.Request) error {
		codes := map[string]call.Code{
			"invalid": call.Invalid, "not-live": call.NotLive, "done": call.AlreadyDone, "gone": call.NotFound,
			"missing": call.NotFound, "stopped": call.Stopped, "unknown": call.Unknown, "dry": call.Withheld,
		}
		if code, ok := codes[req.Params["Key"].(string)]; ok {
			return &call.Error{Code: code, Operation: req.Operation, CloudCode: "Cloud." + string(code), RequestID: "r-x"}
		}
		return nil
	}}
	store := statetest.NewMemory()
	rep := carry(t, s, store, withheld, waiting, broken, foreign, change("fine", plan.Create), change("invalid", plan.Update),
		change("not-live", plan.Create), change("done", plan.Create), change("gone", plan.Delete), change("missing", plan.Update),
		change("stopped", plan.Create), change("unknown", plan.Create), change("dry", plan.Create))
	want := map[string]Outcome{
		"withheld": Withheld, "waiting": Waiting, "broken": Failed, "foreign": Refused, "fine": Done, "invalid": Failed,
		"not-live": Waiting, "done": Done, "gone": Done, "missing": Failed, "stopped": Refused, "unknown": Failed, "dry": Withheld,
	}
	for key, outcome := range outcomes(rep) {
		if outcome != want[key] {
			t.Errorf("%s is %s, want %s", key, outcome, want[key])
		}
	}
	if rep.Summary[Done] != 3 || rep.Summary[Failed] != 4 || !rep.Failed() || len(rep.Results) != len(want) {
		t.Errorf("summary %v of %d", rep.Summary, len(rep.Results))
	}
	records, _ := store.Applied(t.Context())
	var saved []string
	for _, r := range records {
		saved = append(saved, r.ID.Key)
	}
	if !slices.Equal(saved, []string{"done", "fine"}) {
		t.Errorf("recorded %v", saved)
	}
}

func TestReportTellsTheCalls(t *testing.T) {
	s := &shelf{answer: func(req *call.Request) error {
		if req.Params["Key"] == "bad" {
			return &call.Error{Code: call.Invalid, CloudCode: "InvalidParam", Status: 400, RequestID: "r-bad", Attempts: 2}
		}
		return nil
	}}
	rep := carry(t, s, statetest.NewMemory(), change("good", plan.Create), change("bad", plan.Create))
	got := fmt.Sprintf("%+v %+v", rep.Results[0].Calls, rep.Results[1].Calls)
	want := "[{Operation:create RequestID:r-bad Code:invalid Status:400 Attempts:2 Milliseconds:0}] " +
		"[{Operation:create RequestID:r-good Code:ok Status:200 Attempts:1 Milliseconds:0}]"
	if got != want {
		t.Errorf("calls %s\nwant  %s", got, want)
	}
}

func TestRemovalsComeLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{took: time.Second}
		carry(t, s, statetest.NewMemory(), change("a", plan.Delete), change("b", plan.Create), change("c", plan.Delete), change("d", plan.Update))
		first, last := s.calls[:2], s.calls[2:]
		slices.Sort(first)
		slices.Sort(last)
		if !slices.Equal(first, []string{"create b", "update d"}) || !slices.Equal(last, []string{"delete a", "delete c"}) {
			t.Errorf("order %v", s.calls)
		}
	})
}

// TestFailure_D06_RenameKeepsTheOld: while the new one cannot be made, or is not
// seen, the old one stays; a failure of something else keeps nothing.
func TestFailure_D06_RenameKeepsTheOld(t *testing.T) {
	failing := func(req *call.Request) error {
		if req.Params["Key"] == "new" {
			return &call.Error{Code: call.Invalid}
		}
		return nil
	}
	tests := map[string]struct {
		reason plan.Reason
		shelf  *shelf
		want   Outcome
	}{
		"the new one fails":               {plan.New, &shelf{answer: failing}, Refused},
		"what a rollback makes fails":     {plan.RolledBack, &shelf{answer: failing}, Refused},
		"another edit fails":              {plan.Edited, &shelf{answer: failing}, Done},
		"the new one does not show":       {plan.New, &shelf{dull: true}, Refused},
		"the new one cannot be read back": {plan.New, &shelf{dull: true, blind: true}, Done},
		"the new one shows":               {plan.New, &shelf{}, Done},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				made := change("new", plan.Create)
				made.Reason = tc.reason
				rep := carry(t, tc.shelf, statetest.NewMemory(), made, change("old", plan.Delete))
				if got := outcomes(rep)["old"]; got != tc.want {
					t.Errorf("old is %s, want %s", got, tc.want)
				}
			})
		})
	}
}

// TestFailure_D06_RemovalWaitsForWhatLags: nothing of a kind goes while what an
// earlier apply made is not seen.
func TestFailure_D06_RemovalWaitsForWhatLags(t *testing.T) {
	written := change("new", plan.None)
	rep := carry(t, &shelf{}, statetest.NewMemory(), written, change("old", plan.Delete))
	if got := outcomes(rep)["old"]; got != Refused || len(rep.Results) != 1 {
		t.Errorf("report %+v", rep.Results)
	}
}

func TestDeleteForgets(t *testing.T) {
	store := statetest.NewMemory()
	c := change("a", plan.Delete)
	if err := store.Save(t.Context(), resource.Applied{ID: c.ID, Spec: `{}`}); err != nil {
		t.Fatal(err)
	}
	carry(t, &shelf{}, store, c)
	if records, _ := store.Applied(t.Context()); len(records) != 0 {
		t.Errorf("records %v", records)
	}
}

func TestAdoptWritesWithoutCalling(t *testing.T) {
	store, s := statetest.NewMemory(), &shelf{}
	c := change("a", plan.None)
	c.State, c.Adopt = plan.InSync, true
	rep := carry(t, s, store, c)
	records, _ := store.Applied(t.Context())
	if len(rep.Results) != 0 || len(s.calls) != 0 || len(records) != 1 || !records[0].Confirmed {
		t.Errorf("results %v, calls %v, records %+v", rep.Results, s.calls, records)
	}
}

// TestFailure_A19_PartialSuccess: of independent calls the rest goes on, of
// calls that build on each other it does not.
func TestFailure_A19_PartialSuccess(t *testing.T) {
	for name, tc := range map[string]struct {
		independent bool
		want        []string
	}{"independent": {true, []string{"one a", "two a", "three a"}}, "in order": {false, []string{"one a"}}} {
		t.Run(name, func(t *testing.T) {
			s := &shelf{acts: tc.independent, answer: func(req *call.Request) error {
				if req.Operation == "one" {
					return &call.Error{Code: call.Invalid}
				}
				return nil
			}}
			rep := carry(t, s, statetest.NewMemory(), acting("a",
				plan.Act{Name: "one", Token: "t"}, plan.Act{Name: "two", Token: "t"}, plan.Act{Name: "three", Token: "t"}))
			if !slices.Equal(s.calls, tc.want) || rep.Results[0].Outcome != Failed {
				t.Errorf("calls %v, outcome %s", s.calls, rep.Results[0].Outcome)
			}
		})
	}
}

func TestRepairAfterReadingBack(t *testing.T) {
	store := statetest.NewMemory()
	s := &shelf{repair: true}
	rep := carry(t, s, store, change("a", plan.Update))
	if want := []string{"update a", "Repair a"}; !slices.Equal(s.calls, want) || rep.Failed() {
		t.Errorf("calls %v, want %v; %+v", s.calls, want, rep.Results)
	}
	if records, _ := store.Applied(t.Context()); len(records) != 1 || !records[0].Confirmed {
		t.Errorf("records %+v", records)
	}
}

// TestCallsHaveTheirPlansPriority: so have the reads back, and what is asked before
// an urgent call is urgent as well.
func TestCallsHaveTheirPlansPriority(t *testing.T) {
	tests := []struct {
		name   string
		urgent bool
		want   []call.Priority
	}{
		// The call, the read back, the repair, the read back.
		{"a person's", false, []call.Priority{call.Person, call.Person, call.Person, call.Person}},
		// Before the call and the repair it is asked what is on air.
		{"urgent", true, []call.Priority{call.Urgent, call.Urgent, call.Person, call.Person, call.Person, call.Person}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &shelf{repair: true, urgent: tt.urgent, airing: map[string]string{}, things: map[string]resource.Spec{}}
			a, err := New(Options{
				Accounts: map[string]Target{"acc": {s, call.Begin(s)}}, Store: statetest.NewMemory(), Priority: call.Person,
			})
			if err != nil {
				t.Fatal(err)
			}
			c := change("a", plan.Update)
			if _, err := a.Apply(t.Context(), &plan.Plan{Changes: []plan.Change{c}}); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(s.priorities, tt.want) {
				t.Errorf("priorities %v, want %v", s.priorities, tt.want)
			}
		})
	}
}

func TestOneSlowKindHoldsUpNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		s := &shelf{}
		s.answer = func(req *call.Request) error { return nil }
		var changes []plan.Change
		for i := range 300 {
			changes = append(changes, change(fmt.Sprintf("slow%03d", i), plan.Create))
		}
		other := change("other", plan.Create)
		other.ID.Kind = "Other"
		done := map[string]time.Duration{}
		var mu sync.Mutex
		slow := call.Func(func(ctx context.Context, req *call.Request) (*call.Response, error) {
			if strings.HasPrefix(req.Params["Key"].(string), "slow") {
				time.Sleep(time.Minute)
			}
			return s.Call(ctx, req)
		})
		s.things = map[string]resource.Spec{}
		a, err := New(Options{
			Accounts: map[string]Target{"acc": {s, slow}}, Store: statetest.NewMemory(), Parallel: 100,
			Done: func(r Result) { mu.Lock(); defer mu.Unlock(); done[r.ID.Key] = time.Since(began) },
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := a.Apply(t.Context(), &plan.Plan{Changes: append(changes, other)}); err != nil {
			t.Fatal(err)
		}
		if done["other"] > time.Second || done["slow299"] == 0 || time.Since(began) != 3*time.Minute {
			t.Errorf("other after %v, all after %v", done["other"], time.Since(began))
		}
	})
}

func TestStoppedBeforeItBegan(t *testing.T) {
	s := &shelf{things: map[string]resource.Spec{}}
	a, err := New(Options{Accounts: map[string]Target{"acc": {s, s}}, Store: statetest.NewMemory()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	rep, err := a.Apply(ctx, &plan.Plan{Changes: []plan.Change{change("a", plan.Create)}})
	if err != nil || len(s.calls) != 0 || rep.Results[0].Outcome != Refused {
		t.Errorf("calls %v, report %+v, %v", s.calls, rep, err)
	}
}

func TestRecorderWritesBothSides(t *testing.T) {
	store := statetest.NewMemory()
	rec := NewRecorder(store)
	n, err := rec.Open(t.Context(), &call.Request{
		Account: "acc", Operation: "Op", Write: true, Params: map[string]any{"k": "v"},
		Cause: call.Cause{Resource: "acc/Thing/a", File: "a.yaml", Line: 3, Commit: "c1", Author: "eve", Revision: "r1", Plan: "h1"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := rec.Close(t.Context(), n, nil, &call.Error{Code: call.Invalid, CloudCode: "InvalidParam", Status: 400, RequestID: "rq", Message: "no"}); err != nil {
		t.Fatal(err)
	}
	list, err := store.Journal(t.Context(), state.Query{})
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	e := list[0]
	if e.Origin != (resource.Origin{File: "a.yaml", Line: 3, Commit: "c1", Author: "eve"}) || e.Plan != "h1" || !strings.Contains(e.Process, ":") {
		t.Errorf("entry %+v", e)
	}
	e.Outcome.Closed = time.Time{}
	if want := (state.Outcome{Code: "invalid", CloudCode: "InvalidParam", Status: 400, RequestID: "rq", Message: "no"}); e.Outcome != want {
		t.Errorf("outcome %+v", e.Outcome)
	}
}

// TestRemovalsWaitForWhatIsDeclaredNow: what came back while the plan was being
// carried out is not removed by it.
func TestRemovalsWaitForWhatIsDeclaredNow(t *testing.T) {
	s := &shelf{things: map[string]resource.Spec{}}
	a, err := New(Options{
		Accounts: map[string]Target{"acc": {Provider: s, Caller: s}}, Store: statetest.NewMemory(),
		Against: func(_ context.Context, _ string, c plan.Change) string {
			return map[plan.Action]string{plan.Delete: "it is declared now"}[c.Action]
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	rep, err := a.Apply(t.Context(), &plan.Plan{Changes: []plan.Change{change("a", plan.Create), change("b", plan.Delete)}})
	if err != nil || outcomes(rep)["a"] != Done || outcomes(rep)["b"] != Refused {
		t.Errorf("report %+v, %v", rep, err)
	}
	if want := []string{"create a"}; !slices.Equal(s.calls, want) {
		t.Errorf("calls %v, want %v", s.calls, want)
	}
}

// TestNothingIsRemovedBesideWhatCannotBeRead: the unknown one may be the new
// half of a rename.
func TestNothingIsRemovedBesideWhatCannotBeRead(t *testing.T) {
	s := &shelf{things: map[string]resource.Spec{}}
	unknown := change("a", plan.None)
	unknown.State, unknown.Unmade = plan.Unknown, true
	rep := carry(t, s, statetest.NewMemory(), unknown, change("b", plan.Delete))
	if got := outcomes(rep); len(got) != 1 || got["b"] != Refused {
		t.Errorf("outcomes %v", got)
	}
}

// BenchmarkManyCreates is 20,000 new resources whose calls take no time.
func BenchmarkManyCreates(b *testing.B) {
	p := &plan.Plan{}
	for i := range 20_000 {
		c := change(fmt.Sprint(i), plan.Create)
		c.Reason = plan.New
		p.Changes = append(p.Changes, c)
	}
	for b.Loop() {
		s := &shelf{things: map[string]resource.Spec{}}
		a, err := New(Options{Accounts: map[string]Target{"acc": {Provider: s, Caller: s}}, Store: statetest.NewMemory()})
		if err != nil {
			b.Fatal(err)
		}
		if rep, err := a.Apply(b.Context(), p); err != nil || rep.Summary[Done] != len(p.Changes) {
			b.Fatal(rep.Summary, err)
		}
	}
}

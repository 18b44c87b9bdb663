package apply

import (
	"slices"
	"testing"

	"weir/sync/call"
	"weir/sync/plan"
	"weir/sync/resource"
	"weir/sync/state/statetest"
)

// TestUnknownOutcomes: what becomes of a write without an answer depends on
// whether it had its effect, whether that can be read, and whether a second one
// would have a second effect.
func TestUnknownOutcomes(t *testing.T) {
	unknown := &call.Error{Code: call.Unknown}
	tests := map[string]struct {
		repeatable, blind bool
		answers           []error // of the first calls; nil has the effect and says so
		lost              bool    // an unknown first call had its effect
		calls             int
		outcome           Outcome
		code              call.Code
	}{
		"seen as wanted":                {repeatable: true, answers: []error{unknown}, lost: true, calls: 1, outcome: Done},
		"seen, though not repeatable":   {answers: []error{unknown}, lost: true, calls: 1, outcome: Done},
		"not seen, made once more":      {repeatable: true, answers: []error{unknown}, calls: 2, outcome: Done},
		"not seen, not repeatable":      {answers: []error{unknown}, calls: 1, outcome: Failed, code: call.Unknown},
		"exactly once more":             {repeatable: true, answers: []error{unknown, unknown, unknown}, calls: 2, outcome: Failed, code: call.Unknown},
		"then down: still unknown":      {repeatable: true, answers: []error{unknown, &call.Error{Code: call.Unavailable}}, calls: 2, outcome: Failed, code: call.Unknown},
		"then stopped: still unknown":   {repeatable: true, answers: []error{unknown, &call.Error{Code: call.Stopped}}, calls: 2, outcome: Failed, code: call.Unknown},
		"then refused: that tells":      {repeatable: true, answers: []error{unknown, &call.Error{Code: call.Invalid}}, calls: 2, outcome: Failed, code: call.Invalid},
		"then already done":             {repeatable: true, answers: []error{unknown, &call.Error{Code: call.AlreadyDone}}, calls: 2, outcome: Done},
		"unreadable: once more":         {repeatable: true, blind: true, answers: []error{unknown}, lost: true, calls: 2, outcome: Done},
		"unreadable and not repeatable": {blind: true, answers: []error{unknown}, lost: true, calls: 1, outcome: Failed, code: call.Unknown},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			s := &shelf{repeatable: tc.repeatable, blind: tc.blind, things: map[string]resource.Spec{}}
			s.answer = func(req *call.Request) error {
				if len(s.calls) > len(tc.answers) {
					return nil
				}
				if len(s.calls) == 1 && tc.lost {
					s.things["a"] = req.Params["Spec"].(resource.Spec)
				}
				return tc.answers[len(s.calls)-1]
			}
			store := statetest.NewMemory()
			res := carry(t, s, store, change("a", plan.Update)).Results[0]
			if len(s.calls) != tc.calls || res.Outcome != tc.outcome || res.Code != tc.code {
				t.Errorf("calls %v, %s %s (%s)", s.calls, res.Outcome, res.Code, res.Error)
			}
			records, _ := store.Applied(t.Context())
			if (len(records) == 1) != (tc.outcome == Done) {
				t.Errorf("records %+v", records)
			}
			if seen := tc.lost && !tc.blind; len(records) == 1 && records[0].Confirmed != seen {
				t.Errorf("confirmed %t, seen %t", records[0].Confirmed, seen)
			}
		})
	}
}

// TestFailure_S33_UnsentIsNoDoubt: an act whose call did not leave for want of a
// journal did not happen, and no person has to say so.
func TestFailure_S33_UnsentIsNoDoubt(t *testing.T) {
	store := statetest.NewMemory()
	s := &shelf{acts: true, things: map[string]resource.Spec{}}
	full := call.Journal(s, failing{}, nil)
	a, err := New(Options{Accounts: map[string]Target{"acc": {s, call.Begin(full)}}, Store: store})
	if err != nil {
		t.Fatal(err)
	}
	rep, err := a.Apply(t.Context(), &plan.Plan{Changes: []plan.Change{acting("a", plan.Act{Name: "one", Token: "t"})}})
	acts, _ := store.Acts(t.Context())
	if err != nil || len(acts) != 0 || len(s.calls) != 0 || rep.Results[0].Code != call.Internal {
		t.Errorf("acts %+v, calls %v, report %+v, %v", acts, s.calls, rep.Results, err)
	}
}

// TestRepeatableActIsMadeOnceMore under the same intent.
func TestRepeatableActIsMadeOnceMore(t *testing.T) {
	store := statetest.NewMemory()
	s := &shelf{acts: true, blind: true, things: map[string]resource.Spec{}}
	s.answer = func(*call.Request) error {
		if len(s.calls) == 1 {
			return &call.Error{Code: call.Unknown}
		}
		return nil
	}
	rep := carry(t, s, store, acting("a", plan.Act{Name: "start", Token: "t", Repeatable: true}))
	acts, _ := store.Acts(t.Context())
	if want := []string{"start a", "start a"}; !slices.Equal(s.calls, want) || rep.Failed() || acts[0].InDoubt() {
		t.Errorf("calls %v, acts %+v, report %+v", s.calls, acts, rep.Results)
	}
}

package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"weir/sync/call"
	"weir/sync/plan"
	"weir/sync/provider"
	"weir/sync/resource"
	"weir/sync/state"
	"weir/sync/state/statetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// shelf is a provider of one kind, Thing, whose cloud is a map: enough of a
// cloud to see what an Applier does with calls, acts and reads.
type shelf struct {
	mu     sync.Mutex
	things map[string]resource.Spec
	calls  []string
	answer func(req *call.Request) error // nil: accepted
	took   time.Duration
	acts   bool
	repair bool
}

var _ provider.Provider = (*shelf)(nil)

func (s *shelf) Limits() map[string][]call.Window { return nil }
func (s *shelf) Reads() []string                  { return nil }

func (s *shelf) Kinds() map[string]provider.Kind {
	k := provider.Kind{Judge: plan.Compare, Calls: s.requests, Independent: s.acts, Readable: true}
	if s.repair {
		k.Repair = func(c plan.Change, _ resource.Observation) []*call.Request {
			return []*call.Request{{Operation: "Repair", Params: map[string]any{"Key": c.ID.Key, "Spec": c.After}, Write: true}}
		}
	}
	return map[string]provider.Kind{"Thing": k, "Other": k}
}

// requests returns one call a change, or one an act.
func (s *shelf) requests(c plan.Change) ([]*call.Request, error) {
	if c.Note == "broken" {
		return nil, errors.New("no calls for this")
	}
	req := func(op string) *call.Request {
		return &call.Request{Operation: op, Write: true, Params: map[string]any{"Key": c.ID.Key, "Spec": c.After}}
	}
	if len(c.Acts) == 0 {
		return []*call.Request{req(string(c.Action))}, nil
	}
	var out []*call.Request
	for _, a := range c.Acts {
		r := req(a.Name)
		r.Act = call.Act{Name: a.Name, Token: a.Token, Lasts: a.Lasts, Repeatable: a.Repeatable}
		out = append(out, r)
	}
	return out, nil
}

func (s *shelf) Observe(_ context.Context, _ call.Caller, want []resource.Resource) ([]resource.Observation, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []resource.Observation
	for _, w := range want {
		spec, ok := s.things[w.ID.Key]
		out = append(out, resource.Observation{ID: w.ID, At: time.Now(), Spec: spec, Exists: ok})
	}
	return out, nil
}

// Call is the cloud's side.
func (s *shelf) Call(_ context.Context, req *call.Request) (*call.Response, error) {
	time.Sleep(s.took)
	s.mu.Lock()
	defer s.mu.Unlock()
	key := req.Params["Key"].(string)
	s.calls = append(s.calls, req.Operation+" "+key)
	if s.answer != nil {
		if err := s.answer(req); err != nil {
			return nil, err
		}
	}
	if s.repair && req.Operation != "Repair" {
		s.things[key] = `{"left":"over"}`
	} else {
		s.things[key] = req.Params["Spec"].(resource.Spec)
	}
	return &call.Response{RequestID: "r-" + key, Status: 200, Attempts: 1}, nil
}

func change(key string, action plan.Action) plan.Change {
	c := plan.Change{ID: resource.ID{Account: "acc", Kind: "Thing", Key: key}, Action: action, State: plan.Pending, After: `{"v":1}`}
	if action == plan.Delete {
		c.Before, c.After = `{"v":1}`, ""
	}
	return c
}

// carry applies changes and returns the report and the shelf's store.
func carry(t *testing.T, s *shelf, store state.Store, changes ...plan.Change) *Report {
	t.Helper()
	if s.things == nil {
		s.things = map[string]resource.Spec{}
	}
	a, err := New(Options{Accounts: map[string]Target{"acc": {s, call.Begin(s)}}, Store: store})
	if err != nil {
		t.Fatal(err)
	}
	rep, err := a.Apply(t.Context(), &plan.Plan{Revision: "r1", Hash: "h1", Changes: changes})
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

func outcomes(rep *Report) map[string]Outcome {
	out := map[string]Outcome{}
	for _, r := range rep.Results {
		out[r.ID.Key] = r.Outcome
	}
	return out
}

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

// TestFailure_D06_RenameKeepsTheOld: while the new one cannot be made the old
// one stays; a failure of something else keeps nothing.
func TestFailure_D06_RenameKeepsTheOld(t *testing.T) {
	tests := map[string]struct {
		reason plan.Reason
		want   Outcome
	}{"the new one fails": {plan.New, Refused}, "another edit fails": {plan.Edited, Done}}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			s := &shelf{answer: func(req *call.Request) error {
				if req.Params["Key"] == "new" {
					return &call.Error{Code: call.Invalid}
				}
				return nil
			}}
			fails := change("new", plan.Create)
			fails.Reason = tc.reason
			rep := carry(t, s, statetest.NewMemory(), fails, change("old", plan.Delete))
			if got := outcomes(rep)["old"]; got != tc.want {
				t.Errorf("old is %s, want %s", got, tc.want)
			}
		})
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
	if len(acts) != 2 || acts[0].InDoubt() || !acts[0].Ends.IsZero() || acts[1].Ends.Sub(acts[1].Done) != time.Hour {
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
		Superseded: func() bool { return true },
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

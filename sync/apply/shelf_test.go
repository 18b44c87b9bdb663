package apply

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"weir/sync/call"
	"weir/sync/plan"
	"weir/sync/provider"
	"weir/sync/resource"
	"weir/sync/state"
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

	repeatable bool // its calls may be made twice
	blind      bool // its things cannot be read
	dull       bool // what is written does not show

	airing map[string]string // what of each thing is on air

	together bool // one read serves all things
	observed int  // how often they were read

	urgent     bool            // its writes are
	forbids    string          // the key of a thing whose writes are
	priorities []call.Priority // of all that it was asked for
}

// failing is a journal on a disk that is full.
type failing struct{}

func (failing) Open(context.Context, *call.Request) (int64, error) {
	return 0, errors.New("no space left")
}
func (failing) Close(context.Context, int64, *call.Response, error) error { return nil }

var _ provider.Provider = (*shelf)(nil)

func (s *shelf) Limits() map[string][]call.Window { return nil }
func (s *shelf) Reads() []string                  { return nil }

// hear notes the priority of a call, or of a read where req is nil.
func (s *shelf) hear(ctx context.Context, req *call.Request) {
	if req == nil {
		req = &call.Request{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.priorities = append(s.priorities, call.PriorityOf(ctx, req))
}

func (s *shelf) OnAir(ctx context.Context, _ call.Caller, changes []plan.Change) []string {
	s.hear(ctx, nil)
	out := make([]string, len(changes))
	for i, c := range changes {
		out[i] = s.airing[c.ID.Key]
	}
	return out
}

func (s *shelf) Kinds() map[string]provider.Kind {
	k := provider.Kind{Judge: plan.Compare, Calls: s.requests, Independent: s.acts, Readable: !s.blind}
	if s.airing != nil {
		k.Interrupts = func(c plan.Change) bool { return c.Action == plan.Delete || s.urgent }
	}
	if s.together {
		k.Reads = func(resource.Resource) []*call.Request { return []*call.Request{{Operation: "List"}} }
	}
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
	var priority call.Priority
	if s.urgent || s.forbids != "" && c.ID.Key == s.forbids {
		priority = call.Urgent
	}
	req := func(op string) *call.Request {
		return &call.Request{
			Priority:  priority,
			Operation: op, Write: true, Repeatable: s.repeatable, Params: map[string]any{"Key": c.ID.Key, "Spec": c.After},
		}
	}
	if len(c.Acts) == 0 {
		return []*call.Request{req(string(c.Action))}, nil
	}
	var out []*call.Request
	for _, a := range c.Acts {
		r := req(a.Name)
		r.Repeatable = a.Repeatable
		r.Act = call.Act{Name: a.Name, Token: a.Token, Lasts: a.Lasts, Repeatable: a.Repeatable}
		out = append(out, r)
	}
	return out, nil
}

func (s *shelf) Observe(ctx context.Context, _ call.Caller, want []resource.Resource) ([]resource.Observation, error) {
	s.hear(ctx, nil)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.observed++
	var out []resource.Observation
	for _, w := range want {
		spec, ok := s.things[w.ID.Key]
		if s.dull {
			spec = `{"v":0}`
		}
		out = append(out, resource.Observation{ID: w.ID, At: time.Now(), Spec: spec, Exists: ok})
	}
	return out, nil
}

// Call is the cloud's side.
func (s *shelf) Call(ctx context.Context, req *call.Request) (*call.Response, error) {
	s.hear(ctx, req)
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

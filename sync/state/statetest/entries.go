package statetest

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"slices"
	"testing"
	"time"

	"weir/sync/resource"
	"weir/sync/state"
)

// open writes e and returns it with its number.
func open(t *testing.T, s state.Store, e state.Entry) state.Entry {
	t.Helper()
	n, err := s.Open(context.Background(), e)
	noError(t, err)
	e.Number = n
	return e
}

func expectEntries(t *testing.T, s state.Store, q state.Query, want ...state.Entry) {
	t.Helper()
	if got := journal(t, s, q); !reflect.DeepEqual(got, want) {
		t.Errorf("query %+v\ngot  %+v\nwant %+v", q, got, want)
	}
}

func journalRoundTrip(t *testing.T, s state.Store) {
	e := entry("HotLiveRtcStream")
	e.Number = 77 // is not the caller's to give
	e.Params = map[string]any{
		"int": 7, "big": int64(math.MaxInt64), "float": 1.5, "bool": true, "none": nil,
		"list": []string{"a", "<b>&"}, "map": map[string]string{"k": "v"}, "empty": map[string]any{},
	}
	e = open(t, s, e)
	e.Params = map[string]any{
		"int": json.Number("7"), "big": json.Number("9223372036854775807"), "float": json.Number("1.5"), "bool": true,
		"none": nil, "list": []any{"a", "<b>&"}, "map": map[string]any{"k": "v"}, "empty": map[string]any{},
	}
	expectEntries(t, s, state.Query{}, e)

	e.Outcome = state.Outcome{
		Closed: epoch().Add(time.Second), Code: "throttled", CloudCode: "Throttling.User",
		Status: 400, RequestID: "4A5C-01", Message: "too many",
	}
	noError(t, s.Close(context.Background(), e.Number, e.Outcome))
	expectEntries(t, s, state.Query{}, e)

	none := open(t, s, state.Entry{})
	empty := open(t, s, state.Entry{Params: map[string]any{}})
	expectEntries(t, s, state.Query{Limit: 2}, empty, none)
	if empty.Number <= none.Number || none.Number <= e.Number || e.Number <= 0 {
		t.Errorf("numbers do not grow: %d, %d, %d", e.Number, none.Number, empty.Number)
	}
}

func journalOutcomeAtOnce(t *testing.T, s state.Store) {
	e := entry("DescribeRelaySourceV3")
	e.Outcome = state.Outcome{Closed: epoch().Add(time.Second), Code: "ok", Status: 200, RequestID: "r"}
	expectEntries(t, s, state.Query{}, open(t, s, e))
}

func journalQueries(t *testing.T, s state.Store) {
	var all []state.Entry // newest first
	for i, set := range []func(*state.Entry){
		func(*state.Entry) {},
		func(e *state.Entry) { e.Write = false },
		func(e *state.Entry) { e.Account = "other" },
		func(e *state.Entry) { e.Resource = "main/RelaySource/v/live2" },
		func(e *state.Entry) { e.Opened = epoch().Add(-time.Nanosecond) },
		func(e *state.Entry) { e.Opened = epoch().Add(time.Hour) },
		func(e *state.Entry) { e.Opened = time.Time{} },
		func(e *state.Entry) { e.Opened, e.Plan, e.Origin.Commit = time.Time{}, "0b1e", "c0ffee11" },
		func(e *state.Entry) {
			e.Opened, e.Outcome = time.Time{}, state.Outcome{Closed: epoch(), Code: "throttled", RequestID: "4A5C"}
			e.Change = &state.Change{Action: "delete", Before: "{}"}
		},
	} {
		e := entry("Op" + string(rune('0'+i)))
		set(&e)
		all = slices.Insert(all, 0, open(t, s, e))
	}
	pick := func(numbers ...int) (out []state.Entry) { // by order of opening, from 0
		for _, n := range numbers {
			out = append(out, all[len(all)-1-n])
		}
		return out
	}
	cases := map[string]struct {
		q    state.Query
		want []state.Entry
	}{
		"all":             {state.Query{}, pick(8, 7, 6, 5, 4, 3, 2, 1, 0)},
		"oldest first":    {state.Query{Oldest: true, Limit: 3}, pick(0, 1, 2)},
		"account":         {state.Query{Account: "other"}, pick(2)},
		"operation":       {state.Query{Operation: "Op3"}, pick(3)},
		"action":          {state.Query{Action: "delete"}, pick(8)},
		"resource":        {state.Query{Resource: "main/RelaySource/v/live"}, pick(8, 7, 6, 5, 4, 2, 1, 0)},
		"unknown":         {state.Query{Resource: "main/RelaySource/v"}, nil},
		"plan":            {state.Query{Plan: "0b1e"}, pick(7)},
		"commit":          {state.Query{Commit: "c0ffee11"}, pick(7)},
		"commit in short": {state.Query{Commit: "c0ff", Limit: 2}, pick(8, 7)},
		"commit unknown":  {state.Query{Commit: "c0ffee12"}, nil},
		"code":            {state.Query{Code: "throttled"}, pick(8)},
		"code failed":     {state.Query{Code: state.CodeFailed}, pick(8)},
		"request":         {state.Query{RequestID: "4A5C"}, pick(8)},
		"request unknown": {state.Query{RequestID: "4A5"}, nil},
		"code open":       {state.Query{Code: state.CodeOpen, Limit: 2}, pick(7, 6)},
		"since is within": {state.Query{Since: epoch()}, pick(5, 3, 2, 1, 0)},
		"since another zone": {
			state.Query{Since: epoch().Add(time.Hour).In(time.FixedZone("UTC+8", 8*3600))}, pick(5),
		},
		"until is without": {state.Query{Until: epoch().Add(time.Hour), Since: epoch()}, pick(3, 2, 1, 0)},
		"until alone":      {state.Query{Until: epoch()}, pick(4)},
		"above and below":  {state.Query{Above: pick(2)[0].Number, Below: pick(5)[0].Number}, pick(4, 3)},
		"writes":           {state.Query{Writes: true}, pick(8, 7, 6, 5, 4, 3, 2, 0)},
		"limit":            {state.Query{Limit: 2}, pick(8, 7)},
		"limit after filter": {
			state.Query{Account: "main", Resource: "main/RelaySource/v/live", Since: epoch(), Writes: true, Limit: 1},
			pick(5),
		},
		"everything": {
			state.Query{Account: "main", Resource: "main/RelaySource/v/live", Since: epoch(), Writes: true}, pick(5, 0),
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) { expectEntries(t, s, c.q, c.want...) })
	}
}

func journalDefaultLimit(t *testing.T, s state.Store) {
	var last int64
	for range state.DefaultLimit + 5 {
		last = open(t, s, entry("Op")).Number
	}
	got := journal(t, s, state.Query{})
	if len(got) != state.DefaultLimit || got[0].Number != last {
		t.Errorf("%d entries, the newest %d; want %d, %d", len(got), got[0].Number, state.DefaultLimit, last)
	}
	if got := journal(t, s, state.Query{Limit: 5000}); len(got) != state.DefaultLimit+5 {
		t.Errorf("%d entries with a greater limit", len(got))
	}
}

func journalClose(t *testing.T, s state.Store) {
	ctx := context.Background()
	one, two := open(t, s, entry("One")), open(t, s, entry("Two"))
	for _, n := range []int64{0, -1, two.Number + 1} {
		if err := s.Close(ctx, n, state.Outcome{Closed: epoch()}); !errors.Is(err, state.ErrNoEntry) {
			t.Errorf("close of entry %d: %v", n, err)
		}
	}
	first := state.Outcome{Closed: epoch(), Code: "unknown", Message: "no answer"}
	one.Outcome = state.Outcome{Closed: epoch().Add(time.Second), Code: "ok", Status: 200}
	noError(t, s.Close(ctx, one.Number, first))
	noError(t, s.Close(ctx, one.Number, one.Outcome)) // the last word counts
	expectEntries(t, s, state.Query{}, two, one)
}

func journalRefuses(t *testing.T, s state.Store) {
	e := entry("Op")
	e.Params = map[string]any{"f": math.NaN()}
	if _, err := s.Open(context.Background(), e); err == nil {
		t.Error("an entry that cannot be written was opened")
	}
	expectEntries(t, s, state.Query{})
}

// journalNotShared makes sure that a store keeps values, not references.
func journalNotShared(t *testing.T, s state.Store) {
	inner := map[string]any{"k": "v"}
	e := entry("Op")
	e.Params = map[string]any{"inner": inner}
	e = open(t, s, e)
	inner["k"] = "changed by the writer"
	journal(t, s, state.Query{})[0].Params["inner"] = "changed by a reader"
	e.Params = map[string]any{"inner": map[string]any{"k": "v"}}
	expectEntries(t, s, state.Query{}, e)
}

// contextEnded makes sure that every method answers an ended context, and that
// none has an effect then.
func contextEnded(t *testing.T, s state.Store) {
	n := open(t, s, entry("Op"))
	noError(t, s.Save(context.Background(), record("a")))
	noError(t, s.Begin(context.Background(), act("a", "start", "1")))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	done := act("a", "start", "1")
	done.Done = epoch()
	calls := map[string]func() error{
		"Applied": func() error { _, err := s.Applied(ctx); return err },
		"Save":    func() error { return s.Save(ctx, record("b")) },
		"Forget":  func() error { return s.Forget(ctx, id("a")) },
		"Acts":    func() error { _, err := s.Acts(ctx); return err },
		"Begin":   func() error { return s.Begin(ctx, act("a", "stop", "1")) },
		"Settle":  func() error { return s.Settle(ctx, done) },
		"Open":    func() error { _, err := s.Open(ctx, entry("Op")); return err },
		"Close":   func() error { return s.Close(ctx, n.Number, state.Outcome{Closed: epoch()}) },
		"Journal": func() error { _, err := s.Journal(ctx, state.Query{}); return err },
		"Heads":   func() error { _, err := s.Heads(ctx); return err },
		"Verify":  func() error { _, err := s.Verify(ctx); return err },

		"Consent":    func() error { return s.Consent(ctx, consent("9a7d")) },
		"Consents":   func() error { _, err := s.Consents(ctx); return err },
		"UseConsent": func() error { return s.UseConsent(ctx, "9a7d", epoch(), "") },
		"Claim":      func() error { return s.Claim(ctx, "plan 1", epoch(), "") },
	}
	for name, call := range calls {
		if err := call(); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got %v, want %v", name, err, context.Canceled)
		}
	}
	expectEntries(t, s, state.Query{}, n)
	expectAct(t, s, act("a", "start", "1"))
	if got := applied(t, s); !reflect.DeepEqual(got, []resource.Applied{record("a")}) {
		t.Errorf("records: %v", got)
	}
}

package providertest

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"weir/sync/call"
	"weir/sync/plan"
	"weir/sync/provider"
	"weir/sync/resource"
)

// noon is the time of cases that are judged outside a bubble.
var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// normal checks that a normal form is its own normal form, and that the order
// in which somebody writes the keys does not show in it.
func (s Suite) normal(t *testing.T) {
	for _, one := range s.Samples {
		kind := s.New().Kinds()[one.ID.Kind]
		t.Run(one.Name, func(t *testing.T) {
			specs := []resource.Spec{one.Spec}
			if one.Edited != "" {
				specs = append(specs, one.Edited)
			}
			for _, spec := range specs {
				normalOnce(t, kind, spec)
			}
			if one.Draw != nil {
				rapid.Check(t, func(rt *rapid.T) { normalOnce(rt, kind, one.Draw(rt)) })
			}
			for _, bad := range []resource.Spec{"", "{", "[]", `"x"`, `{"noSuchField":1}`} {
				if got, err := kind.Normal(bad); err == nil {
					t.Errorf("Normal(%q) = %s, want an error", bad, got)
				}
			}
		})
	}
}

// tester is what *testing.T and *rapid.T share.
type tester interface {
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

func normalOnce(t tester, kind provider.Kind, spec resource.Spec) {
	first, err := kind.Normal(spec)
	if err != nil {
		t.Fatalf("Normal(%s): %v", spec, err)
	}
	if again, err := kind.Normal(first); err != nil || again != first {
		t.Errorf("normal form of a normal form:\n got %s (%v)\nwant %s", again, err, first)
	}
	if turned, err := kind.Normal(reversed(spec)); err != nil || turned != first {
		t.Errorf("keys in another order:\n got %s (%v)\nwant %s", turned, err, first)
	}
}

// reversed writes spec with the keys of every object in descending order.
func reversed(spec resource.Spec) resource.Spec {
	var v any
	dec := json.NewDecoder(strings.NewReader(string(spec)))
	dec.UseNumber()
	if dec.Decode(&v) != nil {
		return spec
	}
	return resource.Spec(backwards(v))
}

func backwards(v any) string {
	switch v := v.(type) {
	case map[string]any:
		var parts []string
		for k, e := range v {
			parts = append(parts, encode(k)+":"+backwards(e))
		}
		slices.Sort(parts)
		slices.Reverse(parts)
		return "{" + strings.Join(parts, ",") + "}"
	case []any:
		var parts []string
		for _, e := range v {
			parts = append(parts, backwards(e))
		}
		return "[" + strings.Join(parts, ",") + "]"
	}
	return encode(v)
}

func encode(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(err)
	}
	return string(b)
}

// pure checks that Judge, Calls, Verify and Repair answer the same when asked
// twice, and that what they return may be changed without harm to the next.
func (s Suite) pure(t *testing.T) {
	for _, one := range s.Samples {
		t.Run(one.Name, func(t *testing.T) {
			kind := s.New().Kinds()[one.ID.Kind]
			for name, c := range s.cases(t, one) {
				before := encode(c)
				first, second := kind.Judge(c), kind.Judge(c)
				if !reflect.DeepEqual(first, second) || encode(c) != before {
					t.Errorf("%s: Judge is not pure:\n%+v\n%+v", name, first, second)
				}
				pureCalls(t, kind, change(c, first), c)
			}
		})
	}
}

func pureCalls(t *testing.T, kind provider.Kind, c plan.Change, of plan.Case) {
	t.Helper()
	once := func() ([]*call.Request, string) {
		reqs, err := kind.Calls(c)
		reqs = append(reqs, kind.Verify(c)...)
		if kind.Repair != nil && of.Seen != nil {
			reqs = append(reqs, kind.Repair(c, *of.Seen)...)
		}
		return reqs, encode(reqs) + fmt.Sprint(err)
	}
	before := encode(c)
	reqs, text := once()
	for _, req := range reqs {
		for k := range req.Params {
			req.Params[k] = "spoilt"
		}
		req.Account = "spoilt"
	}
	if _, again := once(); again != text {
		t.Errorf("the calls are not pure:\n%s\n%s", text, again)
	}
	if encode(c) != before {
		t.Errorf("the calls changed the change: %s, was %s", encode(c), before)
	}
}

// cases returns what may be known of a sample: absent, as declared, declared
// otherwise, removed, unreadable, with and without a record.
func (s Suite) cases(t *testing.T, one Sample) map[string]plan.Case {
	t.Helper()
	want := s.desired(t, one, one.Spec)
	other := want
	if one.Edited != "" {
		other = s.desired(t, one, one.Edited)
	}
	last := &resource.Applied{ID: one.ID, Spec: want.Spec, At: noon.Add(-time.Hour), Confirmed: true}
	seen := func(spec resource.Spec) *resource.Observation {
		return &resource.Observation{
			ID: one.ID, At: noon, Spec: spec, Exists: spec != "", Live: true, Epoch: "2026-11-22T11:00:00Z",
		}
	}
	blind := &resource.Observation{ID: one.ID, At: noon, Unreadable: "timeout"}
	return map[string]plan.Case{
		"new":        {ID: one.ID, Want: &want, Seen: seen(""), Now: noon},
		"in sync":    {ID: one.ID, Want: &want, Last: last, Seen: seen(want.Spec), Now: noon},
		"edited":     {ID: one.ID, Want: &other, Last: last, Seen: seen(want.Spec), Now: noon},
		"drifted":    {ID: one.ID, Want: &want, Last: last, Seen: seen(other.Spec), Now: noon},
		"removed":    {ID: one.ID, Last: last, Seen: seen(want.Spec), Now: noon},
		"gone":       {ID: one.ID, Last: last, Seen: seen(""), Now: noon},
		"unreadable": {ID: one.ID, Want: &want, Last: last, Seen: blind, Now: noon},
		"not read":   {ID: one.ID, Want: &want, Now: noon},
	}
}

// change is what plan makes of a verdict.
func change(c plan.Case, v plan.Verdict) plan.Change {
	return plan.Change{
		ID: c.ID, Action: v.Action, Reason: v.Reason, State: v.State, Before: v.Before, After: v.After,
		Acts: v.Acts, Epoch: v.Epoch, Note: v.Note, Next: v.Next,
	}
}

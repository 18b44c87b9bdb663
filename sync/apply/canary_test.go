package apply

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"weir/sync/call"
	"weir/sync/plan"
	"weir/sync/resource"
	"weir/sync/state/statetest"
)

// updates returns n updates.
func updates(n int) []plan.Change {
	var out []plan.Change
	for i := range n {
		c := change(fmt.Sprintf("t%02d", i), plan.Update)
		c.Reason, c.Before = plan.Edited, `{"v":0}`
		out = append(out, c)
	}
	return out
}

// TestFailure_D03_Canary: the first of many updates speaks for the others, and
// then a tenth of them.
func TestFailure_D03_Canary(t *testing.T) {
	refuse := func(key string) func(*call.Request) error {
		return func(req *call.Request) error {
			if req.Params["Key"] == key {
				return &call.Error{Code: call.Invalid, Message: "no"}
			}
			return nil
		}
	}
	renewals, resting, unconfirmed := updates(12), updates(13), updates(12)
	for i := range renewals {
		renewals[i].Reason = plan.Expired
	}
	resting[5].Resting, resting[5].Withheld = true, "failed a moment ago"
	written := change("u", plan.None)
	unconfirmed = append(unconfirmed, written)
	without := func(keys ...string) func(*call.Request) error {
		return func(req *call.Request) error {
			if key, _ := req.Params["Key"].(string); slices.Contains(keys, key) {
				return &call.Error{Code: call.Invalid, Message: "no"}
			}
			return nil
		}
	}
	creates := append(updates(11), change("new", plan.Create))
	tests := map[string]struct {
		shelf   *shelf
		changes []plan.Change
		calls   int
		refused int
	}{
		"ten are not many":                   {&shelf{answer: refuse("t00")}, updates(10), 10, 0},
		"all goes well":                      {&shelf{}, updates(12), 12, 0},
		"the first fails":                    {&shelf{answer: refuse("t00")}, updates(12), 1, 11},
		"the tenth fails":                    {&shelf{answer: refuse("t01")}, updates(12), 2, 10},
		"half of a tenth fails":              {&shelf{answer: without("t01", "t03")}, updates(40), 5, 35},
		"less than half of a tenth fails":    {&shelf{answer: without("t02")}, updates(40), 40, 0},
		"another fails":                      {&shelf{answer: refuse("t05")}, updates(12), 12, 0},
		"the first does not show":            {&shelf{dull: true}, updates(12), 1, 11},
		"what cannot be read needs no sight": {&shelf{dull: true, blind: true}, updates(12), 12, 0},
		"routine needs no canary":            {&shelf{answer: refuse("t00")}, renewals, 12, 0},
		"one failed a moment ago":            {&shelf{}, resting, 0, 12},
		"one does not show yet":              {&shelf{}, unconfirmed, 0, 12},
		"creates go on":                      {&shelf{answer: refuse("t00")}, creates, 2, 10},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rep := carry(t, tc.shelf, statetest.NewMemory(), tc.changes...)
				if len(tc.shelf.calls) != tc.calls || rep.Summary[Refused] != tc.refused {
					t.Errorf("%d calls, %+v; want %d calls, %d refused", len(tc.shelf.calls), rep.Summary, tc.calls, tc.refused)
				}
				for _, r := range rep.Results {
					if r.Outcome == Refused && !strings.Contains(r.Error, "have to succeed before the others") {
						t.Errorf("refused: %s", r.Error)
					}
				}
			})
		})
	}
}

// TestFailure_D07_AskedBeforeItIsSent: a removal waits for nothing but what is
// on air and was not when it was planned.
func TestFailure_D07_AskedBeforeItIsSent(t *testing.T) {
	consented := change("consented", plan.Delete)
	consented.OnAir = "known"
	s := &shelf{airing: map[string]string{"live": "a stream is on air", "consented": "still"}, things: map[string]resource.Spec{}}
	rep := carry(t, s, statetest.NewMemory(), change("live", plan.Delete), change("idle", plan.Delete), consented)
	slices.Sort(s.calls)
	if got := strings.Join(s.calls, ", "); got != "delete consented, delete idle" {
		t.Errorf("calls %s", got)
	}
	r := rep.Results[2]
	if r.ID.Key != "live" || r.Outcome != Refused || r.Code != call.Stopped || !strings.Contains(r.Error, "a stream is on air") {
		t.Errorf("result %+v", r)
	}
}

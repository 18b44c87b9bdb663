package view

import (
	"slices"
	"testing"

	"weir/sync/manifest"
	"weir/sync/plan"
	"weir/sync/reconcile"
)

// TestConditions: the most urgent comes first, and nothing is in sync beside it.
func TestConditions(t *testing.T) {
	ready := reconcile.Status{Ready: true}
	held := ready
	held.Plan.Held = []plan.Hold{{Guard: "on-air"}}
	held.Fights = []reconcile.FightStatus{{}}
	broken := Source{SourceStatus: reconcile.SourceStatus{
		Revision: "b", InForce: "a", Problems: []manifest.Problem{{Severity: manifest.Error}},
	}}
	warned := broken
	warned.SourceStatus.Problems = []manifest.Problem{{Severity: manifest.Warning}}
	back := Source{SourceStatus: reconcile.SourceStatus{Pinned: &reconcile.Pin{}}}
	for name, tc := range map[string]struct {
		over Overview
		want []Condition
	}{
		"starting":         {Overview{}, []Condition{NotReady}},
		"as declared":      {Overview{Status: ready, States: map[State]int{"in-sync": 4}}, []Condition{InSync}},
		"waiting":          {Overview{Status: ready, States: map[State]int{"in-sync": 4, "waiting": 1}}, []Condition{Waits}},
		"rolled back":      {Overview{Status: ready, Sources: []Source{back}}, []Condition{Pinned}},
		"all unknown":      {Overview{Status: ready, States: map[State]int{"unknown": 2}}, []Condition{Unknown}},
		"held, and fought": {Overview{Status: held}, []Condition{Held, Fought}},
		"refused":          {Overview{Status: ready, Sources: []Source{broken}}, []Condition{Refused}},
		"only warned":      {Overview{Status: ready, Sources: []Source{warned}}, []Condition{InSync}},
		"due":              {Overview{Status: ready, States: map[State]int{"pending": 1}}, []Condition{Due}},
		"being made":       {Overview{Status: ready, States: map[State]int{"pending": 1}, Run: &Run{}}, []Condition{Applying}},
		"failed":           {Overview{Status: ready, States: map[State]int{"failed": 1, "drifted": 1}}, []Condition{Failing, Drift}},
		"a read failed":    {Overview{Status: reconcile.Status{Ready: true, Unread: []reconcile.Unread{{}}}}, []Condition{Unread}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := tc.over.Conditions(); !slices.Equal(got, tc.want) {
				t.Errorf("%v, want %v", got, tc.want)
			}
		})
	}
}

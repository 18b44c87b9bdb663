package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"weir/sync/daemon/view"
	"weir/sync/plan"
	"weir/sync/reconcile"
)

// TestStatusHeadline: what is said first does not reassure about what is not known.
func TestStatusHeadline(t *testing.T) {
	unread := []reconcile.Unread{{ID: "ali/MultiStream/live.example.com", Why: "InvalidAccessKeyId"}}
	tests := map[string]struct {
		status reconcile.Status
		want   string
	}{
		"ready":      {reconcile.Status{Ready: true}, "is ready; mode"},
		"not ready":  {reconcile.Status{}, "is not ready; mode"},
		"unreadable": {reconcile.Status{Ready: true, Unread: unread}, "is ready, but knows nothing of 1 resource; mode"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			printStatus(&b, view.Overview{Version: "v1", Status: tc.status}, time.Now(), style{})
			if !strings.Contains(b.String(), tc.want) {
				t.Errorf("status %q, want %q", b.String(), tc.want)
			}
		})
	}
}

// TestStatusOfTheScrub: what an operator asks about the search for drift.
func TestStatusOfTheScrub(t *testing.T) {
	var b bytes.Buffer
	printStatus(&b, view.Overview{Status: reconcile.Status{Scrub: []reconcile.ScrubStatus{
		{Account: "ali", Oldest: time.Now().Add(-90 * time.Second), Share: 0.2, Used: 0.1234, Cycle: 3700},
	}}}, time.Now(), style{})
	want := "ali: oldest observation 1m30s ago; looking for drift took 12.3% of a read quota (20% at most), all once in 1h1m40s\n"
	if !strings.Contains(b.String(), want) {
		t.Errorf("status %q, want %q", b.String(), want)
	}
}

// TestStatusOfTheLastLongPlan: how good the daemon's forecasts are.
func TestStatusOfTheLastLongPlan(t *testing.T) {
	last := reconcile.ApplyStatus{
		Ended: time.Now().Add(-time.Minute), Changes: 200, Seconds: 24, Predicted: &reconcile.Prediction{Seconds: 23.2, Ratio: 1.034},
	}
	for ratio, want := range map[float64]string{
		1.034: "last long plan 1m0s ago: 200 changes in 24s, 23s were foreseen (+3 %)\n",
		0:     "last long plan 1m0s ago: 200 changes in 24s, 23s were foreseen\n",
	} {
		last.Predicted.Ratio = ratio
		var b bytes.Buffer
		printStatus(&b, view.Overview{Status: reconcile.Status{LastApply: &last}}, time.Now(), style{})
		if !strings.Contains(b.String(), want) {
			t.Errorf("status %q, want %q", b.String(), want)
		}
	}
}

// TestVerdict: the first line is what matters most.
func TestVerdict(t *testing.T) {
	ready := reconcile.Status{Ready: true}
	held := ready
	held.Plan.Held = []plan.Hold{{Guard: "on-air"}}
	withheld := ready
	withheld.Plan.Summary.Withheld = 1
	for want, over := range map[string]view.Overview{
		"not ready: no complete pass yet": {},
		"not ready: source live cannot be used": {
			Sources: []view.Source{{SourceStatus: reconcile.SourceStatus{Name: "live", Error: "gone"}}},
		},
		"not ready: source live holds back its newest revision (history-rewritten)": {
			Sources: []view.Source{{SourceStatus: reconcile.SourceStatus{Name: "live", Error: "older", Code: "history-rewritten"}}},
		},
		"unknown: nothing says of any of 2 resources that it is as declared": {
			Status: ready, Total: 2, States: map[view.State]int{"unknown": 2},
		},
		"rolled back: a newest revision is not in force until there is another": {
			Status: ready, Sources: []view.Source{{SourceStatus: reconcile.SourceStatus{Pinned: &reconcile.Pin{}}}},
		},
		"pending: 1 change due": {Status: ready, States: map[view.State]int{"pending": 1}},
		"pending: 1 change due, not made in mode observe": {
			Status: reconcile.Status{Ready: true, Mode: plan.Observe}, States: map[view.State]int{"pending": 1},
		},
		"pending: 1 change due, made by other members": {
			Status: ready, States: map[view.State]int{"pending": 1},
			Kinds:   []view.Kind{{Account: "ali", States: map[view.State]int{"pending": 1}}},
			Cluster: &view.Cluster{Self: "a", Accounts: []view.Lead{{Account: "ali", Member: "b"}}},
		},
		"pending: 1 change due, withheld by the policy":    {Status: withheld, States: map[view.State]int{"pending": 1}},
		"waiting: 1 resource for a precondition":           {Status: ready, Total: 2, States: map[view.State]int{"waiting": 1, "unknown": 1}},
		"held: nothing is applied until somebody consents": {Status: held},
		"in sync: 2 resources":                             {Status: ready, Total: 2, States: map[view.State]int{"in-sync": 2}},
		"in sync: 1 of 3 resources, 1 waiting, 1 unknown": {
			Status: ready, Total: 3, States: map[view.State]int{"in-sync": 1, "waiting": 1, "unknown": 1},
		},
		"applying: 87 of 200 changes, 1 failed, about 12s left":                 {Status: ready, Run: &view.Run{Done: 87, Total: 200, Failed: 1, Left: 12}},
		"drifted: 1 resource changed behind weir's back; weir diff shows which": {Status: ready, Total: 1, States: map[view.State]int{"drifted": 1}},
		"in doubt: nothing is known of 1 resource":                              {Status: reconcile.Status{Ready: true, Unread: []reconcile.Unread{{}}}},
	} {
		if got := verdict(over).text; got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

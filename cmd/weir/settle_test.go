package main

import (
	"testing"
	"time"

	"weir/sync/resource"
	"weir/sync/state"
	"weir/sync/state/statetest"
)

// TestUnderWay: an act whose call has not ended is not to be settled.
func TestUnderWay(t *testing.T) {
	now := time.Now()
	tests := map[string]struct {
		ago    time.Duration
		called bool
		code   string
		want   bool
	}{
		"just begun":                     {ago: time.Second, want: true},
		"its call is out":                {ago: 10 * time.Second, called: true, want: true},
		"its call ended without answer":  {ago: 10 * time.Second, called: true, code: "unknown"},
		"its process died before":        {ago: 2 * time.Minute},
		"its process died with the call": {ago: 2 * time.Minute, called: true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			store := statetest.NewMemory()
			act := resource.Act{
				ID: resource.ID{Account: "ali", Kind: "Recording", Key: "d/a/s"}, Name: "restart", Begun: now.Add(-tc.ago),
			}
			if tc.called {
				e := state.Entry{Opened: act.Begun, Account: "ali", Operation: "Op", Write: true, Resource: act.ID.String()}
				if tc.code != "" {
					e.Outcome = state.Outcome{Closed: now, Code: tc.code}
				}
				if _, err := store.Open(t.Context(), e); err != nil {
					t.Fatal(err)
				}
			}
			got, err := underWay(t.Context(), store, act, now)
			if err != nil || got != tc.want {
				t.Errorf("under way %t, %v", got, err)
			}
		})
	}
}

package view

import (
	"testing"

	"weir/sync/plan"
	"weir/sync/reconcile"
	"weir/sync/resource"
)

// TestMatches: a text is looked for where a person would, in any case, and the
// filters add up.
func TestMatches(t *testing.T) {
	c := plan.Change{
		ID: resource.ID{Account: "Ali-主", Kind: "Recording", Key: "live.example.com/live/Main"}, State: plan.Pending,
		Origin: resource.Origin{Source: "live", File: "Sports/A.yaml", Commit: "9d2e1f0c"}, Labels: map[string]string{"team": "sports", "empty": ""},
	}
	ascii := c
	ascii.ID.Account = "ALI"
	shown := reconcile.Shown{}
	failed := reconcile.Shown{Failures: map[resource.ID]reconcile.Failure{c.ID: {}, ascii.ID: {}}}
	for name, tc := range map[string]struct {
		q     Query
		shown reconcile.Shown
		want  bool
	}{
		"everything":          {Query{}, shown, true},
		"across a slash":      {Query{Text: "RECORDING/live.EXAMPLE"}, shown, true},
		"the key":             {Query{Text: "live/main"}, shown, true},
		"the file":            {Query{Text: "sports/a"}, shown, true},
		"the commit":          {Query{Text: "9D2E"}, shown, true},
		"the commit's middle": {Query{Text: "2e1f"}, shown, false},
		"nothing of it":       {Query{Text: "volc"}, shown, false},
		"label":               {Query{Label: "team=sports"}, shown, true},
		"another label":       {Query{Label: "team=news"}, shown, false},
		"an empty label":      {Query{Label: "empty="}, shown, true},
		"no such label":       {Query{Label: "none="}, shown, false},
		"state":               {Query{State: "pending"}, shown, true},
		"another state":       {Query{State: "in-sync"}, shown, false},
		"failed is pending":   {Query{State: "pending"}, failed, false},
		"failed":              {Query{State: Failed}, failed, true},
		"not failed":          {Query{State: Failed}, shown, false},
		"text and kind":       {Query{Text: "main", Kind: "MultiStream"}, shown, false},
		"source":              {Query{Source: "live", Kind: "Recording"}, shown, true},
		"another source":      {Query{Source: "dead"}, shown, false},
	} {
		m := newMatcher(tc.q)
		for range 2 { // the second time from what was kept
			if got := []bool{m.matches(&c, tc.shown), m.matches(&ascii, tc.shown)}; got[0] != tc.want || got[1] != tc.want {
				t.Errorf("%s: %v, want %v", name, got, tc.want)
			}
		}
	}
	if m := newMatcher(Query{Text: "ali-主/rec"}); !m.matches(&c, shown) || m.matches(&ascii, shown) {
		t.Error("an account's name is more than ASCII")
	}
}

package guard

import (
	"fmt"
	"strings"
	"testing"

	"weir/sync/plan"
	"weir/sync/resource"
)

func changes(n int, c plan.Change) []plan.Change {
	var out []plan.Change
	for i := range n {
		c.ID = resource.ID{Account: "a", Kind: "K", Key: fmt.Sprint(i)}
		out = append(out, c)
	}
	return out
}

func TestCheck(t *testing.T) {
	removal := plan.Change{Action: plan.Delete, Reason: plan.Removed, Before: `{"on":true}`, Origin: resource.Origin{Source: "live"}}
	forgotten := plan.Change{Action: plan.Delete, Reason: plan.Removed}
	update := plan.Change{Action: plan.Update, Reason: plan.Edited, Before: `{}`, After: `{"a":1}`}
	renewal := plan.Change{Action: plan.Update, Reason: plan.Expired, Before: `{}`, After: `{}`}
	withheld := removal
	withheld.Withheld = "mode upsert never removes"
	unread := plan.Change{Action: plan.None, Reason: plan.Removed, State: plan.Unknown, Before: `{"on":true}`}
	empty, gone := removal, removal
	empty.Origin.Source, gone.Origin.Source = "empty", "former"
	waiting := update
	waiting.State = plan.Waiting
	policy := plan.Policy{Mode: plan.Sync, MaxRemoved: 5, MaxRemovedPercent: 10, MaxUpdatedPercent: 30}
	tests := map[string]struct {
		changes         []plan.Change
		declared, owned int
		want            string
	}{
		"nothing":                        {nil, 10, 10, ""},
		"one of a hundred removed":       {changes(1, removal), 99, 100, ""},
		"five of fifty removed":          {changes(5, removal), 45, 50, ""},
		"six of a hundred removed":       {changes(6, removal), 94, 100, "removals"},
		"one of nine removed":            {changes(1, removal), 8, 9, "removals-percent"},
		"two of ten removed":             {changes(2, removal), 8, 10, "removals-percent"},
		"everything removed":             {changes(3, removal), 0, 3, "empty-source removals-percent"},
		"the last one removed":           {changes(1, removal), 0, 1, "empty-source removals-percent"},
		"forgetting is no removal":       {changes(9, forgotten), 0, 9, ""},
		"withheld removals do not count": {changes(9, withheld), 0, 9, ""},
		"six unreadable alone":           {changes(6, unread), 94, 100, ""},
		"five, and one unreadable":       {append(changes(5, removal), unread), 94, 100, "removals"},
		"of a source that is empty":      {changes(1, empty), 99, 100, "empty-source"},
		"of a source that is gone":       {changes(1, gone), 99, 100, "empty-source"},
		"three of ten updated":           {changes(3, update), 10, 10, ""},
		"ten of ten updated":             {changes(10, update), 10, 10, ""},
		"four of eleven updated":         {changes(4, update), 11, 11, "updates-percent"},
		"three of eleven updated":        {changes(3, update), 11, 11, ""},
		"renewals are routine":           {changes(11, renewal), 11, 11, ""},
		"waiting is not done":            {changes(11, waiting), 11, 11, ""},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var names []string
			for _, h := range Check(Facts{
				Plan: &plan.Plan{Changes: tc.changes}, Policy: policy, Declared: tc.declared, Owned: tc.owned,
				Sources: map[string]int{"live": tc.declared, "empty": 0},
			}) {
				names = append(names, h.Guard)
				if h.Message == "" {
					t.Errorf("guard %s says nothing", h.Guard)
				}
			}
			if got := strings.Join(names, " "); got != tc.want {
				t.Errorf("held by %q, want %q", got, tc.want)
			}
		})
	}
}

func TestEveryRuleIsExplained(t *testing.T) {
	for _, r := range Rules() {
		if len(r.Explain) < 80 || r.Name == "" || r.Check == nil {
			t.Errorf("rule %q is not explained", r.Name)
		}
	}
}

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
				OwnedBy: map[string]int{"live": tc.owned, "empty": tc.owned, "former": tc.owned},
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

// of returns n changes like c of a source.
func of(source string, n int, c plan.Change) []plan.Change {
	out := changes(n, c)
	for i := range out {
		out[i].ID.Key = fmt.Sprint(source, i)
		out[i].Origin.Source = source
	}
	return out
}

func names(holds []plan.Hold) string {
	var out []string
	for _, h := range holds {
		out = append(out, h.Guard)
	}
	return strings.Join(out, " ")
}

// TestFailure_D04_CountsAreOfEachSourceToo: one team's source that loses much of
// what it declared is held, however small a part of everything that is.
func TestFailure_D04_CountsAreOfEachSourceToo(t *testing.T) {
	removal := plan.Change{Action: plan.Delete, Reason: plan.Removed, Before: `{"on":true}`}
	update := plan.Change{Action: plan.Update, Reason: plan.Edited, Before: `{}`, After: `{"a":1}`}
	tests := map[string]struct {
		changes []plan.Change
		want    string
	}{
		"two of a team's twelve removed":       {of("team", 2, removal), "removals-percent"},
		"two of the others' thousand":          {of("others", 2, removal), ""},
		"one of a small source's four (D02)":   {of("small", 1, removal), "removals-percent"},
		"four of a team's twelve updated":      {of("team", 4, update), "updates-percent"},
		"four of the others' thousand updated": {of("others", 4, update), ""},
		"all of a small source updated":        {of("small", 4, update), ""},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			sizes := map[string]int{"team": 12, "others": 1000, "small": 4}
			got := names(Check(Facts{
				Plan: &plan.Plan{Changes: tc.changes}, Declared: 1016, Owned: 1016, Sources: sizes, OwnedBy: sizes,
				Policy: plan.Policy{Mode: plan.Sync, MaxRemoved: 5, MaxRemovedPercent: 10, MaxUpdatedPercent: 30},
			}))
			if got != tc.want {
				t.Errorf("held by %q, want %q", got, tc.want)
			}
		})
	}
}

// TestFailure_D02_RemovalsInPortions: what went within the last day counts as
// part of what goes now.
func TestFailure_D02_RemovalsInPortions(t *testing.T) {
	removal := plan.Change{Action: plan.Delete, Reason: plan.Removed, Before: `{"on":true}`}
	tests := map[string]struct {
		removed int
		recent  map[string]int
		want    string
	}{
		"three, and two before":      {3, map[string]int{"live": 2}, ""},
		"three, and three before":    {3, map[string]int{"live": 3}, "removals"},
		"nothing, and much before":   {0, map[string]int{"live": 90}, ""},
		"one, and three of a source": {1, map[string]int{"small": 3}, "removals-percent"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			source := "live"
			if tc.recent["small"] > 0 {
				source = "small"
			}
			sizes := map[string]int{"live": 1000, "small": 12}
			got := names(Check(Facts{
				Plan: &plan.Plan{Changes: of(source, tc.removed, removal)}, Declared: 1012, Owned: 1012,
				Sources: sizes, OwnedBy: sizes, Recent: tc.recent,
				Policy: plan.Policy{Mode: plan.Sync, MaxRemoved: 5, MaxRemovedPercent: 10, MaxUpdatedPercent: 30},
			}))
			if got != tc.want {
				t.Errorf("held by %q, want %q", got, tc.want)
			}
		})
	}
}

// TestFailure_D03_ManyUpdates: more than fifty updates need consent, however
// small a part of everything they are.
func TestFailure_D03_ManyUpdates(t *testing.T) {
	update := plan.Change{Action: plan.Update, Reason: plan.Edited, Before: `{}`, After: `{"a":1}`}
	for n, want := range map[int]string{50: "", 51: "updates"} {
		sizes := map[string]int{"live": 1000}
		got := names(Check(Facts{
			Plan: &plan.Plan{Changes: of("live", n, update)}, Declared: 1000, Owned: 1000, Sources: sizes, OwnedBy: sizes,
			Policy: plan.Policy{Mode: plan.Sync, MaxRemoved: 5, MaxRemovedPercent: 10, MaxUpdatedPercent: 30},
		}))
		if got != want {
			t.Errorf("%d updates: held by %q, want %q", n, got, want)
		}
	}
}

// TestFailure_D03_HealsInPortions: what was put back within the last hour counts as
// part of what is put back now, in all and of the source that it is of.
func TestFailure_D03_HealsInPortions(t *testing.T) {
	drift := plan.Change{Action: plan.Update, Reason: plan.Drifted, Before: `{}`, After: `{"a":1}`}
	tests := map[string]struct {
		source  string
		updated int
		healed  map[string]int
		want    string
	}{
		"fifty in all":               {"others", 10, map[string]int{"others": 40}, ""},
		"one more":                   {"others", 1, map[string]int{"others": 40, "team": 10}, "updates"},
		"none now":                   {"others", 0, map[string]int{"others": 400}, ""},
		"three of a team's twelve":   {"team", 1, map[string]int{"team": 2}, ""},
		"four of a team's twelve":    {"team", 1, map[string]int{"team": 3}, "updates-percent"},
		"of another team's, not now": {"others", 1, map[string]int{"team": 12}, ""},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			sizes := map[string]int{"team": 12, "others": 1000}
			got := names(Check(Facts{
				Plan: &plan.Plan{Changes: of(tc.source, tc.updated, drift)}, Declared: 1012, Owned: 1012,
				Sources: sizes, OwnedBy: sizes, Healed: tc.healed,
				Policy: plan.Policy{Mode: plan.Sync, MaxRemoved: 5, MaxRemovedPercent: 10, MaxUpdatedPercent: 30},
			}))
			if got != tc.want {
				t.Errorf("held by %q, want %q", got, tc.want)
			}
		})
	}
}

func TestRulesOfOneChange(t *testing.T) {
	removal := plan.Change{Action: plan.Delete, Reason: plan.Removed, Before: `{"on":true}`}
	unread := plan.Change{Action: plan.None, Reason: plan.Removed, State: plan.Unknown, Before: `{"on":true}`}
	onAir, wide := removal, plan.Change{Action: plan.Create, Reason: plan.New, After: `{}`, Wide: "lets everything in"}
	onAir.OnAir = "two streams are on air"
	withheld := onAir
	withheld.Withheld = "mode upsert never removes"
	tests := map[string]struct {
		change plan.Change
		former plan.Mode
		want   string
	}{
		"a removal":                    {removal, plan.Sync, ""},
		"of something on air":          {onAir, plan.Sync, "on-air"},
		"that is withheld":             {withheld, plan.Sync, ""},
		"a wildcard":                   {wide, plan.Sync, "wildcard-app"},
		"after upsert (D13)":           {removal, plan.Upsert, "policy-to-sync"},
		"after nothing that is known":  {removal, "", ""},
		"not read yet, after upsert":   {unread, plan.Upsert, ""},
		"a wildcard, after observe":    {wide, plan.Observe, "wildcard-app"},
		"on air, and after an observe": {onAir, plan.Observe, "policy-to-sync on-air"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			sizes := map[string]int{"live": 100}
			got := Check(Facts{
				Plan: &plan.Plan{Changes: of("live", 1, tc.change)}, Declared: 100, Owned: 100, Sources: sizes, OwnedBy: sizes,
				Former: tc.former, Policy: plan.Policy{Mode: plan.Sync, MaxRemoved: 5, MaxRemovedPercent: 10},
			})
			if names(got) != tc.want {
				t.Errorf("held by %+v, want %q", got, tc.want)
			}
		})
	}
}

func TestMessagesNameTheFirst(t *testing.T) {
	onAir := plan.Change{Action: plan.Delete, Reason: plan.Removed, Before: `{"on":true}`, OnAir: "on air"}
	got := onAirOf(of("live", 5, onAir))
	if want := "a/K/live0: on air; a/K/live1: on air; a/K/live2: on air; and 2 more"; got != want {
		t.Errorf("message %q, want %q", got, want)
	}
}

func onAirOf(changes []plan.Change) string { return onAir(Facts{Plan: &plan.Plan{Changes: changes}}) }

func TestEveryRuleIsExplained(t *testing.T) {
	for _, r := range Rules() {
		if len(r.Explain) < 80 || r.Name == "" || r.Check == nil {
			t.Errorf("rule %q is not explained", r.Name)
		}
	}
}

// TestFailure_D03_EditsInPortions: what was updated of a revision before counts as
// part of what is updated of it now, in all and of the source that it is of.
func TestFailure_D03_EditsInPortions(t *testing.T) {
	edit := plan.Change{Action: plan.Update, Reason: plan.Edited, Before: `{}`, After: `{"a":1}`}
	for name, tc := range map[string]struct {
		source  string
		updated int
		edited  map[string]int
		want    string
	}{
		"fifty in all":             {"others", 10, map[string]int{"others": 40}, ""},
		"one more":                 {"others", 11, map[string]int{"others": 40}, "updates"},
		"nothing now":              {"others", 0, map[string]int{"others": 400}, ""},
		"four of a team's twelve":  {"team", 1, map[string]int{"team": 3}, "updates-percent"},
		"three of a team's twelve": {"team", 1, map[string]int{"team": 2}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			sizes := map[string]int{"team": 12, "others": 1000}
			got := names(Check(Facts{
				Plan: &plan.Plan{Changes: of(tc.source, tc.updated, edit)}, Declared: 1012, Owned: 1012, Sources: sizes, OwnedBy: sizes,
				Edited: tc.edited, Policy: plan.Policy{Mode: plan.Sync, MaxRemoved: 5, MaxRemovedPercent: 10, MaxUpdatedPercent: 30},
			}))
			if got != tc.want {
				t.Errorf("held by %q, want %q", got, tc.want)
			}
		})
	}
}

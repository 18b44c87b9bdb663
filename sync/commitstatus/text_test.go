package commitstatus

import (
	"strings"
	"testing"

	"weir/sync/delivery"
)

func TestSummary(t *testing.T) {
	some := Summary{Create: 2, Update: 1, Unchanged: 40}
	all := Summary{1, 2, 3, 4, 5, 6, 7}
	long := strings.Repeat("x", 300)
	for name, c := range map[string]struct{ got, want string }{
		"applied":         {some.Applied(), "applied: 2 created, 1 updated; 40 in sync"},
		"applied, all":    {all.Applied(), "applied: 1 created, 2 updated, 3 removed; 4 in sync, 5 waiting, 6 unreadable, 7 left alone"},
		"applied, none":   {Summary{Unchanged: 3}.Applied(), "applied: nothing to change; 3 in sync"},
		"applied, empty":  {Summary{}.Applied(), "applied: nothing to change"},
		"applying":        {some.Applying(), "applying: 2 to create, 1 to update; 40 in sync"},
		"applying, none":  {Summary{}.Applying(), "applying: nothing to change"},
		"failed":          {some.Failed(2, "live/a: Quota"), "failed: 2 of 3 changes: live/a: Quota"},
		"failed, only":    {Summary{Delete: 1}.Failed(1, ""), "failed: 1 of 1 change"},
		"failed, unknown": {Summary{}.Failed(2, ""), "failed: 2 of 2 changes"},
		"held":            {Summary{Delete: 7}.Held("removals", "7 removals, 5 allowed"), "held [removals]: 7 removals, 5 allowed (7 to remove)"},
		"held, no plan":   {HeldBy("history", "does not descend"), "held [history]: does not descend"},
		"held, no words":  {Summary{}.Held("", ""), "held"},
		"refused":         {Refused("live/a.yaml:3:9: unknown field", 2), "refused: live/a.yaml:3:9: unknown field (2 problems)"},
		"refused, one":    {Refused("live/a.yaml:3:9: unknown field", 1), "refused: live/a.yaml:3:9: unknown field"},
	} {
		if c.got != c.want {
			t.Errorf("%s: %q, want %q", name, c.got, c.want)
		}
	}
	if got := Refused(long, 999999); delivery.OneLine(got, shortest) != got || !strings.HasSuffix(got, "… (999999 problems)") {
		t.Errorf("%q does not show the number on every host", got)
	}
}

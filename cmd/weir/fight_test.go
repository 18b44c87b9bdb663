package main

import (
	"context"
	"slices"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"weir/sync/resource"
	"weir/sync/state/sqlitestate"
)

// fought makes of each heal in weir.db three, hours apart, as a fight that took
// its time would have left them: `fought`.
func fought(ts *testscript.TestScript, _ bool, _ []string) {
	ctx := context.Background()
	store, err := sqlitestate.Open(ctx, ts.MkAbs("weir.db"), sqlitestate.Options{})
	ts.Check(err)
	defer func() { ts.Check(store.Shut()) }()
	records, err := store.Applied(ctx)
	ts.Check(err)
	healed := func(r resource.Applied) bool { return len(r.Heals) > 0 }
	if !slices.ContainsFunc(records, healed) {
		ts.Fatalf("nothing was put back: %+v", records)
	}
	for i, r := range records {
		if !healed(r) {
			continue
		}
		last := r.Heals[len(r.Heals)-1]
		records[i].Heals = nil
		for hours := range 3 {
			h := resource.Heal{At: last.At.Add(time.Duration(hours-5) * time.Hour), Found: last.Found}
			records[i].Heals = append(records[i].Heals, h)
		}
	}
	ts.Check(store.Save(ctx, records...))
}

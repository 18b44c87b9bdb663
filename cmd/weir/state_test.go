package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"weir/sync/resource"
	"weir/sync/state"
	"weir/sync/state/sqlitestate"
)

func keptIn(t *testing.T, o sqlitestate.Options) keptAt {
	s, err := sqlitestate.Open(t.Context(), filepath.Join(t.TempDir(), "weir.db"), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Shut() })
	return keptAt{memory: s, Porter: s}
}

// TestTakeOver_Fails: where the new place has no room the old one is in use as before,
// and the new one holds nothing.
func TestTakeOver_Fails(t *testing.T) {
	from, to := keptIn(t, sqlitestate.Options{}), keptIn(t, sqlitestate.Options{MaxBytes: 512 << 10})
	var records []resource.Applied
	for i := range 1000 {
		records = append(records, resource.Applied{
			ID:   resource.ID{Account: "main", Kind: "RelaySource", Key: fmt.Sprint("v/", i)},
			Spec: resource.Spec(`{"text":"` + strings.Repeat("x", 2000) + `"}`),
		})
	}
	if err := from.Save(t.Context(), records...); err != nil {
		t.Fatal(err)
	}
	_, err := takeOver(t.Context(), from, to)
	if state.FaultOf(err) != state.Full || !strings.Contains(err.Error(), "weir.db is in use again as before") {
		t.Errorf("taken over: %v", err)
	}
	if err := from.Save(t.Context(), records[0]); err != nil {
		t.Errorf("the old one is not in use: %v", err)
	}
	if left, err := to.Applied(t.Context()); err != nil || len(left) > 0 {
		t.Errorf("%d records are left in the new one, %v", len(left), err)
	}
	done, err := takeOver(t.Context(), from, keptIn(t, sqlitestate.Options{}))
	if err != nil || done.Counts["records"] != len(records) {
		t.Errorf("%+v, %v", done, err)
	}
}

package sqlitestate

import (
	"fmt"
	"testing"

	"weir/sync/resource"
)

// TestSizeGrows: what is written counts before it is checkpointed, and after.
func TestSizeGrows(t *testing.T) {
	path := newPath(t)
	s := openAt(t, path, Options{})
	before, err := s.Size()
	if err != nil || before == 0 {
		t.Fatalf("an empty store has %d bytes, %v", before, err)
	}
	var many []resource.Applied
	for i := range 1000 {
		r := benchRecord(i)
		r.ID.Key = fmt.Sprint(i)
		many = append(many, r)
	}
	if err := s.Save(t.Context(), many...); err != nil {
		t.Fatal(err)
	}
	after, err := s.Size()
	if err != nil || after < before+100_000 {
		t.Errorf("%d bytes, then %d with 1,000 records, %v", before, after, err)
	}
	shut(t, s)
	if whole, err := openAt(t, path, Options{}).Size(); err != nil || whole < 100_000 {
		t.Errorf("%d bytes when it is opened again, %v", whole, err)
	}
}

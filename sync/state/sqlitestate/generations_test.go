package sqlitestate

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"weir/sync/resource"
	"weir/sync/state"
)

func day(n int) time.Time { return time.Date(2026, 3, n, 12, 0, 0, 0, time.UTC) }

// TestFailure_P18_ThreeGenerations: a copy a day, three of them, for the owner
// only; a damaged file names the newest, which opens with all that was there.
func TestFailure_P18_ThreeGenerations(t *testing.T) {
	s := openAt(t, newPath(t), Options{})
	for n := 1; n <= 5; n++ {
		must(t, s.Save(t.Context(), benchRecord(n)))
		must(t, s.Keep(t.Context(), day(n)), s.Keep(t.Context(), day(n).Add(23*time.Hour)))
	}
	var want []string
	for _, d := range []string{"05", "04", "03"} {
		want = append(want, s.Path()+".copy-202603"+d+"T120000Z")
	}
	if got := s.generations(); !reflect.DeepEqual(got, want) {
		t.Fatalf("copies %v, want %v", got, want)
	}
	for _, path := range want {
		if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
	if spares, _ := filepath.Glob(filepath.Join(filepath.Dir(s.Path()), "weir-copy-*")); len(spares) != 0 {
		t.Errorf("left behind: %v", spares)
	}
	call(t, s, true)
	shut(t, s)
	must(t, os.Truncate(s.Path(), 5000))
	refused(t, s.Path(), state.Damaged, "the newest copy is "+want[0]+" (3 are kept)")

	// The way back that the message tells.
	must(t, os.Rename(want[0], s.Path()))
	for _, side := range []string{"-wal", "-shm"} {
		if err := os.Remove(s.Path() + side); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
	s = openAt(t, s.Path(), Options{})
	if got := records(t, s); len(got) != 5 {
		t.Errorf("%d records, want 5", len(got))
	}
	if p := prove(t, s); !p.Sound() {
		t.Errorf("flaws %v", flaws(p))
	}
}

// TestFailure_P18_DamageMakesNoGeneration: what is damaged does not push out
// what is whole.
func TestFailure_P18_DamageMakesNoGeneration(t *testing.T) {
	s := openAt(t, newPath(t), Options{})
	must(t, s.Save(t.Context(), benchRecord(1)), s.Keep(t.Context(), day(1)))
	forge(t, s, "UPDATE applied SET spec = '{}'")
	if err := s.Keep(t.Context(), day(3)); state.FaultOf(err) != state.Damaged {
		t.Errorf("keep: %v", err)
	}
	if got := s.generations(); len(got) != 1 || !strings.HasSuffix(got[0], ".copy-20260301T120000Z") {
		t.Errorf("copies %v", got)
	}
}

// TestKeep_WithoutJournal: of a large store the copy has what decides, and a
// chain that goes on where the journal's ended.
func TestKeep_WithoutJournal(t *testing.T) {
	w := worldOf(3)
	path := newPath(t)
	must(t, os.WriteFile(path, w.save(t), 0o600))
	s := openAt(t, path, Options{})
	last := call(t, s, true)
	heads, err := s.Heads(t.Context())
	must(t, err)
	spare := newPath(t)
	must(t, os.WriteFile(spare, nil, 0o600), s.fillWithoutJournal(t.Context(), spare))
	got, err := load(t.Context(), spare)
	if err != nil || !reflect.DeepEqual(got, w) {
		t.Errorf("%+v, %v; want %+v", got, err, w)
	}
	other := openAt(t, spare, Options{})
	if n := call(t, other, true); n != last+1 {
		t.Errorf("the next entry has number %d, want %d", n, last+1)
	}
	if p := prove(t, other, heads.Writes.Hash, heads.Reads.Hash); !p.Sound() || p.Entries != 1 {
		t.Errorf("proof %+v", p)
	}
}

// TestKeep_OddPath: a path that would be a pattern is none.
func TestKeep_OddPath(t *testing.T) {
	s := openAt(t, filepath.Join(t.TempDir(), "a[b]*?.db"), Options{})
	must(t, s.Save(t.Context(), benchRecord(1)))
	for n := 1; n <= 4; n++ {
		must(t, s.Keep(t.Context(), day(n)))
	}
	if got := s.generations(); len(got) != keptGenerations {
		t.Errorf("copies %v", got)
	}
	if got := records(t, openAt(t, s.generations()[0], Options{})); !reflect.DeepEqual(got, []resource.Applied{benchRecord(1)}) {
		t.Errorf("the copy holds %v", got)
	}
}

//go:build linux

package sqlitestate

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"weir/sync/resource"
	"weir/sync/state"
)

// fill saves records until one does not fit; it returns those that did.
func fill(t *testing.T, s *Store) (saved []resource.Applied, err error) {
	t.Helper()
	for i := range 100_000 {
		r := keyed(fmt.Sprintf("app%06d", i))
		if err := s.Save(t.Context(), r); err != nil {
			return saved, err
		}
		saved = append(saved, r)
	}
	t.Fatal("it was never full")
	return nil, nil
}

// full expects a store that is full to refuse every write, with nothing of it
// done, and to go on reading.
func full(t *testing.T, s *Store, saved []resource.Applied, err error) {
	t.Helper()
	expectFull(t, "save", err)
	a := resource.Act{ID: saved[0].ID, Name: strings.Repeat("x", 1<<20), Begun: saved[0].At}
	expectFull(t, "begin", s.Begin(t.Context(), a))
	e := benchEntry()
	e.Params = map[string]any{"Text": strings.Repeat("x", 1<<20)}
	expectFull(t, "open", second(s.Open(t.Context(), e)))
	if got := records(t, s); !reflect.DeepEqual(got, saved) {
		t.Errorf("%d records can be read, want %d", len(got), len(saved))
	}
	acts, err := s.Acts(t.Context())
	entries, err2 := s.Journal(t.Context(), state.Query{})
	if err := errors.Join(err, err2); err != nil || len(acts) != 0 || len(entries) != 0 {
		t.Errorf("acts %v, entries %v, error %v", acts, entries, err)
	}
	must(t, s.Check(t.Context()))
}

func expectFull(t *testing.T, what string, err error) {
	t.Helper()
	if state.FaultOf(err) != state.Full || !strings.Contains(err.Error(), "make room") {
		t.Errorf("%s: got %v", what, err)
	}
}

func TestFailure_S33_SizeLimit(t *testing.T) {
	s := openAt(t, newPath(t), Options{MaxBytes: 1 << 20})
	saved, err := fill(t, s)
	if len(saved) < 100 {
		t.Fatalf("full after %d records: %v", len(saved), err)
	}
	full(t, s, saved, err)
	var ids []resource.ID
	for _, r := range saved[10:] {
		ids = append(ids, r.ID)
	}
	must(t, s.Forget(t.Context(), ids...)) // makes room
	saved = saved[:len(saved)*9/10]        // what was changed takes some of it
	must(t, s.Save(t.Context(), saved[10:]...))
	if got := records(t, s); !reflect.DeepEqual(got, saved) {
		t.Errorf("%d records, want %d", len(got), len(saved))
	}
}

// TestFailure_S33_FullAmongOthers fills a transaction that several writes
// share: the small ones still get through.
func TestFailure_S33_FullAmongOthers(t *testing.T) {
	s := openAt(t, newPath(t), Options{MaxBytes: 1 << 20})
	huge := benchRecord(1)
	huge.Spec = resource.Spec(make([]byte, 2<<20))
	release := hold(t, s)
	small, big := make(chan error), make(chan error)
	go func() { big <- s.Save(t.Context(), huge) }()
	go func() { small <- s.Save(t.Context(), benchRecord(2)) }()
	release()
	must(t, <-small)
	expectFull(t, "the huge one", <-big)
	if got := records(t, s); !reflect.DeepEqual(got, []resource.Applied{benchRecord(2)}) {
		t.Errorf("records %v", got)
	}
}

// TestFailure_S33_DiskFull fills a real filesystem, a small one in memory.
func TestFailure_S33_DiskFull(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=2m"); err != nil {
		t.Skipf("cannot mount a small filesystem: %v", err)
	}
	t.Cleanup(func() { must(t, syscall.Unmount(dir, 0)) })
	ballast := filepath.Join(dir, "ballast")
	must(t, os.WriteFile(ballast, make([]byte, 1<<19), 0o600))
	s, err := Open(t.Context(), filepath.Join(dir, "weir.db"), Options{})
	must(t, err)
	t.Cleanup(func() { shut(t, s) }) // before the unmount
	saved, err := fill(t, s)
	full(t, s, saved, err)

	must(t, os.Remove(ballast)) // room again: it resumes without being opened anew
	must(t, s.Save(t.Context(), benchRecord(1)))
	if got := records(t, s); len(got) != len(saved)+1 {
		t.Errorf("%d records, want %d", len(got), len(saved)+1)
	}
}

// TestFailure_S33_OpenOnFullDisk has no room to begin with.
func TestFailure_S33_OpenOnFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=16k"); err != nil {
		t.Skipf("cannot mount a small filesystem: %v", err)
	}
	t.Cleanup(func() { must(t, syscall.Unmount(dir, 0)) })
	path := filepath.Join(dir, "weir.db")
	refused(t, path, state.Full, "make room")
}

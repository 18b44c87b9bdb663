package sqlitestate

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"weir/sync/resource"
	"weir/sync/state"
)

// TestFailure_P19_FileGoneWhileOpen: what would be written into a file that
// nobody can find again is not done, and whoever puts it back goes on.
func TestFailure_P19_FileGoneWhileOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "weir.db")
	s, err := Open(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Shut(); err != nil {
			t.Error(err)
		}
	}()
	act := resource.Act{ID: resource.ID{Account: "a", Kind: "K", Key: "k"}, Name: "start", Begun: time.Now()}
	want := func(text string) {
		t.Helper()
		_, read := s.Applied(t.Context())
		begin := s.Begin(t.Context(), act)
		for _, err := range []error{read, begin} {
			if state.FaultOf(err) != state.Unusable || !strings.Contains(err.Error(), text) {
				t.Errorf("%v, want %q", err, text)
			}
		}
	}
	rename := func(from, to string) {
		t.Helper()
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	rename(path, path+".away")
	want("it was removed while it was open")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	want("it was replaced while it was open")
	rename(path+".away", path)
	if err := s.Begin(t.Context(), act); err != nil {
		t.Errorf("after it was put back: %v", err)
	}
}

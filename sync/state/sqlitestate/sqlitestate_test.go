package sqlitestate

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"weir/sync/resource"
	"weir/sync/state"
	"weir/sync/state/statetest"
)

// openAt opens the store at path for the length of the test.
func openAt(t testing.TB, path string, o Options) *Store {
	t.Helper()
	s, err := Open(t.Context(), path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shut(t, s) })
	return s
}

func shut(t testing.TB, s *Store) {
	t.Helper()
	if err := s.Shut(); err != nil {
		t.Error(err)
	}
}

func newPath(t testing.TB) string { return filepath.Join(t.TempDir(), "weir.db") }

func TestSuite(t *testing.T) {
	statetest.Run(t,
		func(t *testing.T) state.Store { return openAt(t, newPath(t), Options{}) },
		statetest.Options{
			Another: func(t *testing.T, s state.Store) state.Store { return openAt(t, s.(*Store).Path(), Options{}) },
			Reopen: func(t *testing.T, s state.Store) state.Store {
				shut(t, s.(*Store))
				return openAt(t, s.(*Store).Path(), Options{})
			},
		})
}

// TestMain is also the child processes' main; see children.
func TestMain(m *testing.M) {
	if role := os.Getenv(childRole); role != "" {
		os.Exit(child(role, os.Getenv(childPath)))
	}
	goleak.VerifyTestMain(m)
}

func records(t testing.TB, s *Store) []resource.Applied {
	t.Helper()
	got, err := s.Applied(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func must(t testing.TB, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// says expects an error with these words.
func says(t *testing.T, err error, words string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), words) {
		t.Errorf("got %v, want an error with %q", err, words)
	}
}

// refused opens the store at path and expects the fault and words of its
// message.
func refused(t *testing.T, path string, want state.Fault, words string) {
	t.Helper()
	s, err := Open(t.Context(), path, Options{})
	if err == nil {
		shut(t, s)
		t.Fatalf("opened, want %s", want)
	}
	if state.FaultOf(err) != want || !strings.Contains(err.Error(), words) || !strings.Contains(err.Error(), path) {
		t.Errorf("got  %v\nwant %s with %q and the path", err, want, words)
	}
}

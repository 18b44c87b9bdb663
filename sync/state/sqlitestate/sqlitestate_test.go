package sqlitestate

import (
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

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

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

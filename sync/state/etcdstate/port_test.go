package etcdstate

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"weir/sync/state"
	"weir/sync/state/sqlitestate"
	"weir/sync/state/statetest"
)

func empty(t *testing.T) state.Store { return openAt(t, "", Options{}) }

func another(t *testing.T, s state.Store) state.Store {
	return openAt(t, s.(*Store).conn.Prefix(), Options{})
}

// prunedStore is one whose journal has lost its beginning, with calls in it that nobody
// closed and that stay for it.
func prunedStore(t *testing.T) state.Store {
	s := openAt(t, "", Options{MaxEntries: 100, MaxReads: 50})
	at := func(i int) time.Time { return time.Unix(int64(i), 0) }
	for i := range 900 {
		e := state.Entry{Operation: fmt.Sprint("Op", i), Write: i%2 == 0, Opened: at(i)}
		if i != 4 && i != 5 {
			e.Outcome = state.Outcome{Closed: at(i), Code: "ok"}
		}
		n, err := s.Open(t.Context(), e)
		must(t, err)
		if i%50 == 0 {
			must(t, s.Close(t.Context(), n, state.Outcome{Closed: at(i), Code: "unknown"}))
		}
	}
	for _, chain := range []state.Chain{state.Writes, state.Reads} {
		for count(t, s, entriesAt(chain)) > s.most(chain)+1 {
			must(t, s.prune(t.Context(), chain))
		}
	}
	return s
}

func inFile(t *testing.T) state.Store {
	s, err := sqlitestate.Open(t.Context(), filepath.Join(t.TempDir(), "weir.db"), sqlitestate.Options{})
	must(t, err)
	t.Cleanup(func() { must(t, s.Shut()) })
	return s
}

func TestPorter(t *testing.T) {
	t.Parallel()
	statetest.RunPorter(t, statetest.PorterOptions{From: empty, To: empty, Another: another, Pruned: prunedStore})
}

// TestPorterToFile and back: `weir state migrate`.
func TestPorterToFile(t *testing.T) {
	t.Parallel()
	statetest.RunPorter(t, statetest.PorterOptions{From: empty, To: inFile, Another: another, Pruned: prunedStore})
}

func TestPorterFromFile(t *testing.T) {
	t.Parallel()
	statetest.RunPorter(t, statetest.PorterOptions{From: inFile, To: empty})
}

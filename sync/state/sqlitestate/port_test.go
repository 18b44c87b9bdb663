package sqlitestate

import (
	"fmt"
	"testing"
	"time"

	"weir/sync/state"
	"weir/sync/state/statetest"
)

func memory(*testing.T) state.Store { return statetest.NewMemory() }

func another(t *testing.T, s state.Store) state.Store { return openAt(t, s.(*Store).Path(), Options{}) }

func empty(t *testing.T) state.Store { return openAt(t, newPath(t), Options{}) }

// pruned is a store whose journal has lost its beginning, by count, with a call in it
// that nobody closed and that stays for it.
func pruned(t *testing.T) state.Store {
	s := openAt(t, newPath(t), Options{MaxEntries: 100, MaxReads: 50})
	at := func(i int) time.Time { return time.Unix(int64(i), 0) }
	for i := range 1100 {
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
	return s
}

func TestPorter(t *testing.T) {
	statetest.RunPorter(t, statetest.PorterOptions{From: empty, To: empty, Another: another, Pruned: pruned})
}

// TestPorterToMemory and back: what one kind of store writes another reads.
func TestPorterToMemory(t *testing.T) {
	statetest.RunPorter(t, statetest.PorterOptions{From: empty, To: memory, Another: another, Pruned: pruned})
}

func TestPorterFromMemory(t *testing.T) {
	statetest.RunPorter(t, statetest.PorterOptions{From: memory, To: empty})
}

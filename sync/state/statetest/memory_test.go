package statetest_test

import (
	"testing"

	"weir/sync/state"
	"weir/sync/state/statetest"
)

func TestMemory(t *testing.T) {
	same := func(_ *testing.T, s state.Store) state.Store { return s }
	open := func(*testing.T) state.Store { return statetest.NewMemory() }
	statetest.Run(t, open, statetest.Options{Another: same, Reopen: same})
}

func TestMemoryIsPorted(t *testing.T) {
	open := func(*testing.T) state.Store { return statetest.NewMemory() }
	statetest.RunPorter(t, statetest.PorterOptions{From: open, To: open})
}

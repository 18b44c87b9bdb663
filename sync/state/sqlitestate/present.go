package sqlitestate

import (
	"errors"
	"fmt"
	"os"

	"weir/sync/state"
)

// present fails where the path no longer leads to the file that is open: it
// was removed or replaced. Writing would go on without an error, into a file
// that is gone with the process, and with it what must not happen twice.
func (s *Store) present() error {
	now, err := os.Stat(s.path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return s.lost("it was removed while it was open")
	case err != nil:
		return s.lost(fmt.Sprintf("it cannot be seen any more (%v)", err))
	case !os.SameFile(now, s.file):
		return s.lost("it was replaced while it was open")
	}
	return nil
}

func (s *Store) lost(how string) error {
	return &state.Error{
		Fault: state.Unusable, Path: s.path, Err: errors.New(how),
		Advice: "put it back, or restart weir (or send SIGHUP) to go on with what is there now",
	}
}

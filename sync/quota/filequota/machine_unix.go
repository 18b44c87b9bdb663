//go:build unix

package filequota

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// noFollow keeps a link from being taken for the file.
const noFollow = unix.O_NOFOLLOW

// Supported says that processes can share books on this system.
const Supported = true

// tryLock locks a file for this opening of it, false where another has it.
func tryLock(f *os.File) (bool, error) {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) || errors.Is(err, unix.EINTR) {
		return false, nil
	}
	return err == nil, err
}

// unlock gives the lock back.
func unlock(f *os.File) { _ = unix.Flock(int(f.Fd()), unix.LOCK_UN) }

//go:build unix

package sqlitestate

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"weir/sync/state"
)

// deadMan is the byte of the -shm file on which SQLite holds a lock for as long as a
// connection is open (UNIX_SHM_DMS in its os_unix.c).
const deadMan = 128

// Holder returns the number of a process that has the store at path open, 0 for none. A
// process of another namespace has a number that says nothing here, below zero where
// there is none. It is to be asked before this process opens the store: of its own
// locks it learns nothing, and would lose them.
func Holder(path string) (pid int, err error) {
	file, err := os.OpenFile(path+"-shm", os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil // of SQLite's log there is none, so nobody has it open
	}
	if err != nil {
		return 0, faulty(state.Unusable, err)
	}
	defer func() { _ = file.Close() }()
	lock := syscall.Flock_t{Type: syscall.F_WRLCK, Start: deadMan, Len: 1}
	if err := syscall.FcntlFlock(file.Fd(), syscall.F_GETLK, &lock); err != nil {
		return 0, faulty(state.Unusable, fmt.Errorf("ask who has it open: %w", err))
	}
	switch {
	case lock.Type == syscall.F_UNLCK:
		return 0, nil
	case lock.Pid <= 0:
		return -1, nil
	}
	return int(lock.Pid), nil
}

//go:build !unix

package filequota

import (
	"errors"
	"os"
)

const noFollow = 0

// Supported says that processes cannot share books on this system.
const Supported = false

// tryLock has no lock to offer here.
func tryLock(*os.File) (bool, error) {
	return false, errors.New("weir cannot share quotas between processes on this system")
}

func unlock(*os.File) {}

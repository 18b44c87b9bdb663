package dirsource

import (
	"io/fs"
	"syscall"
)

// system returns what only this operating system's stat says.
func system(fi fs.FileInfo) (key fileKey, change int64) {
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return fileKey{}, 0
	}
	return fileKey{dev: uint64(st.Dev), ino: st.Ino}, st.Ctim.Nano() //nolint:unconvert // 32 bits on some systems
}

package dirsource

import (
	"io/fs"
	"time"
)

// identity is what a stat says about a file: as long as it is the same, and
// not racy, so is the content.
type identity struct {
	key    fileKey
	size   int64
	mtime  int64 // nanoseconds since 1970
	change int64 // ctime, which nobody can set; 0 where the system has none
}

// fileKey tells one file or folder from any other at the same time.
type fileKey struct{ dev, ino uint64 }

// How young a timestamp must be to prove nothing. Linux stamps files by its
// tick (4 ms at 250 Hz, 10 ms at 100 Hz), so two writes within one tick leave
// equal stamps: twice the longest tick is safe. A stamp without a part of a
// second comes from a file system that counts in whole seconds (or two: FAT).
const (
	tick       = 20 * time.Millisecond
	coarseTick = 2 * time.Second
)

// racy reports whether a file of this identity, read at the time given, may
// have been written once more without a trace in its identity: git's "racy"
// problem. A stamp from the future, of a server whose clock is ahead, is racy.
func (id identity) racy(read time.Time) bool {
	newest := max(id.mtime, id.change)
	window := tick
	if newest%int64(time.Second) == 0 {
		window = coarseTick
	}
	return newest > read.Add(-window).UnixNano()
}

func identify(fi fs.FileInfo) identity {
	id := identity{size: fi.Size(), mtime: fi.ModTime().UnixNano()}
	id.key, id.change = system(fi)
	return id
}

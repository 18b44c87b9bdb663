//go:build !unix

package sqlitestate

import "io/fs"

// owned is true where files have no owner in the sense of Unix.
func owned(fs.FileInfo) bool { return true }

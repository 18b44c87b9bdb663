//go:build !unix

package sqlitestate

// Holder returns 0: who has a file open cannot be known here.
func Holder(string) (pid int, err error) { return 0, nil }

// Package takeover is tests only: three weirs, as the processes that users run, on three
// etcd members and one emulator, under a load of edits, while processes are killed,
// stopped for longer than their lease, and cut off from etcd. What must be true
// meanwhile and afterwards is read from what the emulator saw arrive, and from etcd's
// own account of who led what.
package takeover

//go:build unix

package sqlitestate

import "testing"

// TestHolder: another process that has the store open is known, until it is gone.
func TestHolder(t *testing.T) {
	path := newPath(t)
	held := func(want int) {
		t.Helper()
		if pid, err := Holder(path); pid != want || err != nil {
			t.Errorf("held by %d, %v; want %d", pid, err, want)
		}
	}
	held(0)
	shut(t, openAt(t, path, Options{}))
	held(0)
	p := start(t, "steps", path)
	p.next()
	p.expect("opened")
	held(p.cmd.Process.Pid)
	p.kill()
	held(0)
}

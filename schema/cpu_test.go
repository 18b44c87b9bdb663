package schema

import (
	"syscall"
	"testing"
	"time"
)

// takesAtMost runs f and fails where it takes more processor time than limit: the
// time on the wall depends on what else the machine does.
func takesAtMost(t *testing.T, limit time.Duration, f func()) {
	t.Helper()
	before := processorTime(t)
	f()
	if took := processorTime(t) - before; took > limit*slower {
		t.Errorf("took %v of processor time, want at most %v", took, limit*slower)
	}
}

func processorTime(t testing.TB) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

package boottime

import (
	"time"

	"golang.org/x/sys/unix"
)

// Now is the time since the machine started, its sleep included.
func Now() Instant {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		return Instant(time.Now().UnixNano()) // a kernel before 2.6.39
	}
	return Instant(t.Nano())
}

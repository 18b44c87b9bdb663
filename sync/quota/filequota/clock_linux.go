package filequota

import (
	"crypto/sha256"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"weir/sync/quota"
)

// sinceBoot is the time since the machine started, its sleep included.
func sinceBoot() quota.Instant {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		return quota.Instant(time.Now().UnixNano()) // a kernel before 2.6.39
	}
	return quota.Instant(t.Nano())
}

// boot names the start of the machine.
func boot() [16]byte {
	id, _ := os.ReadFile("/proc/sys/kernel/random/boot_id") // without it all starts are one
	sum := sha256.Sum256(id)
	return [16]byte(sum[:16])
}

//go:build !linux

package boottime

import "time"

// Now is the wall clock where there is no other that processes share. Set back, it
// makes what is promised for a time last longer; set forward, shorter.
func Now() Instant { return Instant(time.Now().UnixNano()) }

//go:build !linux

package filequota

import (
	"time"

	"weir/sync/quota"
)

// sinceBoot is the wall clock where there is no other that processes share. A
// book bears its being set back; set forward by seconds while calls are under
// way, it frees their slots early.
func sinceBoot() quota.Instant { return quota.Instant(time.Now().UnixNano()) }

// boot is the same for all starts.
func boot() [16]byte { return [16]byte{} }

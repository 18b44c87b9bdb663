// Package boottime is a clock that nobody sets and that does not stand still while
// the machine sleeps: what was promised for ten seconds before a suspend is over
// after it. All processes of a machine share it.
package boottime

import "time"

// Instant is the time since the machine started.
type Instant time.Duration

// After returns the instant d later.
func (i Instant) After(d time.Duration) Instant { return i + Instant(d) }

// Until returns the time from i to a later instant.
func (i Instant) Until(later Instant) time.Duration { return time.Duration(later - i) }

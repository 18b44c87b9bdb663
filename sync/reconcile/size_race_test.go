//go:build race

package reconcile

// The sizes of long tests under the race detector, which makes them slow.
const (
	manyMetered      = 10_000
	quotaRuns        = 4
	afternoonMinutes = 90
)

//go:build !race

package reconcile

// The sizes of long tests.
const (
	manyMetered      = 100_000
	quotaRuns        = 21
	afternoonMinutes = 180
)

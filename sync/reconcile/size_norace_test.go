//go:build !race

package reconcile

// The sizes of long tests.
const (
	quotaRuns        = 21
	afternoonMinutes = 180
)

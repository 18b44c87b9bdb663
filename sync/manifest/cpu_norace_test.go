//go:build !race

package manifest

// slower is how much longer things take in this build.
const slower = 1

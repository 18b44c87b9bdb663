//go:build race

package schema

// slower is how much longer things take in this build.
const slower = 25

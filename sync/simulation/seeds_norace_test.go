//go:build !race

package simulation

// defaultSeeds is how many seeds run where nothing else is said.
const defaultSeeds = 500

// defaultEvery is of how many crash points one is tried where nothing else is
// said.
const defaultEvery = 13

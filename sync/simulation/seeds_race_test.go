//go:build race

package simulation

// defaultSeeds is how many seeds run where nothing else is said: the race
// detector makes them slow.
const defaultSeeds = 60

// defaultEvery is of how many crash points one is tried where nothing else is
// said.
const defaultEvery = 97

//go:build !race

package simulation

// defaultSeeds is how many seeds run where nothing else is said.
const defaultSeeds = 500

// Package examples holds the example configurations, so that `weir demo` has
// its quickstart on a machine with nothing but the program.
package examples

import "embed"

// Quickstart is the folder quickstart: all five kinds, against the emulator.
//
//go:embed quickstart
var Quickstart embed.FS

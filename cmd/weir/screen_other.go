//go:build !unix

package main

import "os"

// resizes tells nothing: a new size is seen when the next second is drawn.
func resizes() (sizes <-chan os.Signal, stop func()) { return nil, func() {} }

// stops tells nothing, since nothing stops a process here.
func stops() (signals <-chan os.Signal, quiet func()) { return nil, func() {} }

func suspend() {}

//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"
)

// resizes tells when the terminal gets another size, until stop is called.
func resizes() (sizes <-chan os.Signal, stop func()) {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGWINCH)
	return c, func() { signal.Stop(c) }
}

// stops tells when whoever looks wants the process to stop (Ctrl-Z), until quiet
// is called.
func stops() (signals <-chan os.Signal, quiet func()) {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGTSTP)
	return c, func() { signal.Stop(c) }
}

// suspend stops the process until it is told to go on. Where a thread is stopped
// a moment after the call has returned, nothing may be written in that moment.
func suspend() {
	again := make(chan os.Signal, 1)
	signal.Notify(again, syscall.SIGCONT)
	defer signal.Stop(again)
	if syscall.Kill(syscall.Getpid(), syscall.SIGSTOP) == nil {
		<-again
	}
}

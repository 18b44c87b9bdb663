package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
)

// The exit statuses.
const (
	exitDone    = 0
	exitFailed  = 1
	exitChanges = 2 // only `diff --exit-code`
)

// exitError ends the program with a status, after everything was said.
type exitError int

// Error returns the status in words; nobody prints it.
func (e exitError) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is the whole program as a function of its arguments and streams.
func run(ctx context.Context, args []string, in io.Reader, out, errs io.Writer) int {
	a := &app{in: in, out: out, errs: errs}
	root := a.root()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	var exit exitError
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &exit):
		return int(exit)
	}
	fmt.Fprintf(errs, "weir: %v\n", err)
	return exitFailed
}

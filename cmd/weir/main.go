package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
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
	a.tellError(err)
	return exitFailed
}

// tellError writes why weir ends, in lines that show what is in them.
func (a *app) tellError(err error) {
	s, head := a.styleOf(a.errs), cell{"weir: ", loud}
	for text := range strings.SplitSeq(err.Error(), "\n") {
		s.line(a.errs, 6, head, cell{legible(text), ""})
		head = cell{}
	}
}

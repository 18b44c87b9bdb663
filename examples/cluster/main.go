// Command cluster shows weir on more than one machine, all of them this one: three
// daemons that share their state in an etcd of three members, and the emulator for the
// clouds. It builds what it starts, says what to try, tells who leads each account, and
// ends all of it with Ctrl-C, leaving nothing behind:
//
//	go run ./examples/cluster
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	dir := flag.String("dir", "", "`folder` to work in, which stays; one that goes by default")
	flag.Parse()
	if err := run(ctx, *dir, os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "cluster:", err)
		os.Exit(1) //nolint:forbidigo // this is the main of a program of its own
	}
}

// run starts everything, follows it until ctx ends, and ends it.
func run(ctx context.Context, dir string, in io.Reader, out io.Writer) (err error) {
	if dir == "" {
		if dir, err = os.MkdirTemp("", "weir-cluster-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return err
	}
	c, err := newCluster(dir)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "Building weir and etcd ...")
	if err := build(ctx, dir); err != nil {
		return err
	}
	defer func() {
		c.stop()
		fmt.Fprintln(out, "All of it has ended.")
	}()
	if err := c.start(ctx); err != nil {
		return err
	}
	fmt.Fprint(out, c.tour())
	follow(ctx, c, in, out)
	return nil
}

// build makes the two programs: weir, and the etcd server of a module of its own.
func build(ctx context.Context, dir string) error {
	root, err := output(ctx, "", "go", "list", "-m", "-f", "{{.Dir}}", "weir")
	if err != nil {
		return err
	}
	root = strings.TrimSpace(root)
	if _, err := output(ctx, root, "go", "build", "-o", filepath.Join(dir, "weir"), "./cmd/weir"); err != nil {
		return err
	}
	_, err = output(ctx, filepath.Join(root, "sync/etcd/server"), "go", "build", "-o", filepath.Join(dir, "etcd"), ".")
	return err
}

// pause is how often the processes and what they lead is looked at.
const pause = 300 * time.Millisecond

// follow tells which processes are gone and who leads what, and starts again what is
// gone when somebody presses Enter, until ctx ends.
func follow(ctx context.Context, c *cluster, in io.Reader, out io.Writer) {
	pressed := make(chan struct{})
	go func() { // ends with the program: nothing else ends a read of the terminal
		for lines := bufio.NewScanner(in); lines.Scan(); {
			pressed <- struct{}{}
		}
	}()
	told := &told{leads: map[string]string{}}
	look := time.NewTicker(pause)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-pressed:
			c.again(ctx, out)
		case <-look.C:
			c.tellGone(out)
			told.look(ctx, c, out)
		}
	}
}

package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// patience is how long a process may take to be up, or to end when it is asked.
const patience = 30 * time.Second

// process is one of those that are started.
type process struct {
	name    string // and of its log: NAME.log
	address string // host:port that it serves on
	dir     string
	args    []string

	cmd   *exec.Cmd
	tied  io.Closer // etcd's standard input: it ends with it
	ended chan struct{}
	told  bool // that it is gone
}

// start starts it, or starts it again, and goes on writing its log.
func (p *process) start() error {
	log, err := os.OpenFile(filepath.Join(p.dir, p.name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(filepath.Join(p.dir, p.args[0]), p.args[1:]...) //nolint:gosec,noctx // what was built here; stop ends it
	cmd.Dir, cmd.Stdout, cmd.Stderr = p.dir, log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for this program alone
	if p.tied, err = cmd.StdinPipe(); err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	p.cmd, p.ended, p.told = cmd, make(chan struct{}), false
	go func(ended chan struct{}) {
		_ = cmd.Wait()
		close(ended)
	}(p.ended)
	return nil
}

// up waits until it serves.
func (p *process) up(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		if c, err := (&net.Dialer{}).DialContext(ctx, "tcp", p.address); err == nil {
			return c.Close()
		}
		select {
		case <-p.ended:
			return fmt.Errorf("%s ended:\n%s", p.name, p.lastWords())
		case <-ctx.Done():
			return fmt.Errorf("%s does not serve on %s: %w\n%s", p.name, p.address, ctx.Err(), p.lastWords())
		case <-time.After(pause / 10):
		}
	}
}

// lastWords is the end of its log.
func (p *process) lastWords() string {
	text, _ := os.ReadFile(filepath.Join(p.dir, p.name+".log"))
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-5):], "\n")
}

// gone reports whether it has ended.
func (p *process) gone() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// stop asks it to end, and ends it where it does not.
func (p *process) stop() {
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(patience):
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
	_ = p.tied.Close()
}

// stopAll stops some side by side.
func stopAll(all []*process) {
	var each sync.WaitGroup
	for _, p := range all {
		each.Go(p.stop)
	}
	each.Wait()
}

// output runs a command to its end.
func output(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...) //nolint:gosec // go, by its name
	cmd.Dir = dir
	var complaints strings.Builder
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, &complaints)
	}
	return string(out), nil
}

// addresses returns those that are wanted, and others of loopback in place of those
// that somebody has.
func addresses(wanted []string) ([]string, error) {
	var at []string
	var held []net.Listener // until all are found, so that none is found twice
	defer func() {
		for _, l := range held {
			_ = l.Close()
		}
	}()
	for _, one := range wanted {
		l, err := net.Listen("tcp", one)
		if err != nil {
			l, err = net.Listen("tcp", "127.0.0.1:0")
		}
		if err != nil {
			return nil, err
		}
		held = append(held, l)
		at = append(at, l.Addr().String())
	}
	return at, nil
}

package demotest

import (
	"context"
	"io"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long what a program does may take on a busy machine.
const patience = time.Minute

// Program is a running program.
type Program struct {
	t   *testing.T
	cmd *exec.Cmd

	mu   sync.Mutex
	text strings.Builder
}

// Run starts a program in a folder. It is stopped, as systemd does it, when the test
// ends.
func Run(t *testing.T, dir, name string, args ...string) *Program {
	t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), name, args...) //nolint:gosec // what the test names
	p := &Program{t: t, cmd: cmd}
	p.cmd.Dir = dir
	p.cmd.Stdout, p.cmd.Stderr = p, p
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
		kill := time.AfterFunc(20*time.Second, func() { _ = p.cmd.Process.Kill() })
		_ = p.cmd.Wait()
		kill.Stop()
		if t.Failed() {
			t.Logf("%s %v:\n%s", name, args, p.last(60))
		}
	})
	return p
}

// Write takes over what the program says.
func (p *Program) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.Write(b)
}

func (p *Program) said() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}

func (p *Program) last(n int) string {
	all := strings.SplitAfter(p.said(), "\n")
	return strings.Join(all[max(0, len(all)-n):], "")
}

// Says waits until the program has said what a pattern matches, and returns what the
// last group of it matches.
func (p *Program) Says(pattern string) string {
	p.t.Helper()
	re := regexp.MustCompile(pattern)
	found := ""
	Eventually(p.t, "the output has "+pattern, func() bool {
		m := re.FindStringSubmatch(p.said())
		if m != nil {
			found = m[len(m)-1]
		}
		return m != nil
	})
	return found
}

// Signal sends the program a signal.
func (p *Program) Signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// Eventually waits until something is so.
func Eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline:
			t.Fatalf("it never came that %s", what)
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		case <-tick.C:
		}
	}
}

// Ask makes a request and returns the status and the body, or 0 and the error.
func Ask(t *testing.T, method, url, body string) (int, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(b)
}

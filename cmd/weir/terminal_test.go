package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"

	"weir/sync/emulator"
)

// house is a folder with a configuration, against clouds of its own.
func house(t *testing.T, files map[string]string) (dir, listen string) {
	t.Helper()
	server := httptest.NewServer(emulator.New(emulator.DefaultWorld()))
	t.Cleanup(server.Close)
	listen, err := freeAddress()
	if err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	files["weir.yaml"] = fmt.Sprintf(testConfig, server.URL, listen, "live")
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	return dir, listen
}

const aRelay = `apiVersion: volcengine/v1
kind: RelaySource
spec:
  vhost: push.example.com
  app: live
  groups:
    - name: main
      servers: [{address: origin.with.a.name.that.is.long.example.org, protocol: rtmp, params: {title: 直播频道}}]
`

// weirIn is the program in a folder, with an environment of its own.
func weirIn(t *testing.T, dir string, env []string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "weir", args...)
	cmd.Dir = dir
	cmd.Env = append([]string{"TEST_KEY=weir-emulator", "TERM=xterm-256color", "PATH=" + os.Getenv("PATH"), "HOME=" + dir}, env...)
	return cmd
}

// onTerminal runs a command on a terminal of so many columns and returns all it
// wrote there.
func onTerminal(t *testing.T, width uint16, cmd *exec.Cmd) string {
	t.Helper()
	screen, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 40, Cols: width})
	if err != nil {
		t.Fatal(err)
	}
	defer screen.Close()
	var b bytes.Buffer
	if _, err := io.Copy(&b, screen); err != nil && !errors.Is(err, syscall.EIO) { // how Linux ends a terminal
		t.Error(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v: %v\n%s", cmd.Args, err, b.String())
	}
	return strings.ReplaceAll(b.String(), "\r\n", "\n")
}

// onScreen collects what a command writes to a terminal while it runs.
type onScreen struct {
	mu   sync.Mutex
	text bytes.Buffer
	over chan struct{}
}

func collect(screen io.Reader) *onScreen {
	s := &onScreen{over: make(chan struct{})}
	go func() {
		defer close(s.over)
		for b := make([]byte, 4096); ; {
			n, err := screen.Read(b)
			s.mu.Lock()
			s.text.Write(b[:n])
			s.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return s
}

// since returns what was written after the first so many bytes, and how many
// there are.
func (s *onScreen) since(begin int) (text string, end int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()[begin:], s.text.Len()
}

// until waits until a part is written after the first so many bytes, and returns
// how many there are then.
func (s *onScreen) until(t *testing.T, begin int, part string) int {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		text, end := s.since(begin)
		if strings.Contains(text, part) {
			return end
		}
		if time.Now().After(deadline) {
			t.Fatalf("never %q; last:\n%q", part, text[max(0, len(text)-2000):])
		}
	}
}

// lastFrame is what is on a screen that was redrawn: what came after the cursor
// went home last, whole.
func lastFrame(text string) string {
	frames := strings.Split(text, "\x1b[?2026h\x1b[H")
	for i := len(frames) - 1; i > 0; i-- {
		if frame, _, whole := strings.Cut(frames[i], "\x1b[J\x1b[?2026l"); whole {
			return strings.ReplaceAll(strings.ReplaceAll(sgr.ReplaceAllString(frame, ""), "\x1b[K", ""), "\r\n", "\n")
		}
	}
	return ""
}

var sgr = regexp.MustCompile("\x1b\\[[0-9;]*m")

// TestDiffOnATerminal: coloured and as wide as the terminal, unless somebody
// wants no colour; and the same text whole and plain into a pipe.
func TestDiffOnATerminal(t *testing.T) {
	dir, _ := house(t, map[string]string{"live/relay.yaml": aRelay})
	piped, err := weirIn(t, dir, nil, "diff").Output()
	if err != nil || sgr.Match(piped) || !bytes.Contains(piped, []byte(`"title":"直播频道"},"RelaySourceProtocol":"rtmp"}]}],"Vhost":"push.example.com"}`)) {
		t.Errorf("%v\n%s", err, piped)
	}
	for _, width := range []uint16{120, 80, 60, 40} {
		got := onTerminal(t, width, weirIn(t, dir, nil, "diff"))
		for _, want := range []string{"\x1b[32m+\x1b[0m", "直播频道", "1 to create"} {
			if !strings.Contains(got, want) {
				t.Errorf("at %d columns there is no %q:\n%s", width, want, got)
			}
		}
		for line := range strings.Lines(sgr.ReplaceAllString(got, "")) {
			line = strings.TrimRight(line, "\n")
			if columns(line) > int(width) && strings.Contains(strings.TrimLeft(line, " "), " ") {
				t.Errorf("%d columns at %d: %q", columns(line), width, line)
			}
		}
	}
	for _, plain := range [][]string{{"NO_COLOR=1"}, {"TERM=dumb"}} {
		if got := onTerminal(t, 80, weirIn(t, dir, plain, "diff")); strings.Contains(got, "\x1b") {
			t.Errorf("with %v: %q", plain, got)
		}
	}
	if got := onTerminal(t, 80, weirIn(t, dir, nil, "diff", "--no-color")); strings.Contains(got, "\x1b") {
		t.Errorf("with --no-color: %q", got)
	}
}

// TestWatchOnATerminal: what is watched is redrawn in place, in the terminal's
// size of now, is new when something changes, and gives the terminal back.
func TestWatchOnATerminal(t *testing.T) {
	dir, listen := house(t, map[string]string{"live/relay.yaml": aRelay})
	watch := weirIn(t, dir, nil, "status", "--watch")
	screen, err := pty.StartWithSize(watch, &pty.Winsize{Rows: 40, Cols: 100})
	if err != nil {
		t.Fatal(err)
	}
	defer screen.Close()
	seen := collect(screen)
	at := seen.until(t, 0, "cannot be asked") // nobody is there yet
	daemon := weirIn(t, dir, nil, "run")
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	at = seen.until(t, at, "in sync: 1 resource")
	all, _ := seen.since(0)
	if !strings.HasPrefix(all, "\x1b[?1049h\x1b[?25l\x1b[?7l") || strings.Contains(all, "\x1b[2J") {
		t.Errorf("the screen is not taken over, or is wiped: %q", all[:100])
	}

	if err := os.Remove(filepath.Join(dir, "live", "relay.yaml")); err != nil {
		t.Fatal(err)
	}
	at = seen.until(t, at, "weir apply --consent ") // long before the next poll: an event told it
	if err := pty.Setsize(screen, &pty.Winsize{Rows: 12, Cols: 40}); err != nil {
		t.Fatal(err)
	}
	seen.until(t, at, "more lines; `weir status` shows all")
	text, _ := seen.since(0)
	lines := strings.Split(lastFrame(text), "\n")
	if len(lines) > 12 || !strings.HasPrefix(lines[0], "held: nothing is applied") {
		t.Errorf("%d lines on a screen of 12: %q", len(lines), lines)
	}

	const begin, end = "\x1b[?1049h\x1b[?25l\x1b[?7l", "\x1b[?7h\x1b[?25h\x1b[?1049l"
	if err := watch.Process.Signal(syscall.SIGTSTP); err != nil { // Ctrl-Z
		t.Fatal(err)
	}
	at = seen.until(t, at, end)
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if err := watch.Process.Signal(syscall.SIGCONT); err != nil || time.Now().After(deadline) {
			t.Fatalf("it does not go on: %v", err)
		}
		if text, _ := seen.since(at); strings.Contains(text, begin) { // SIGCONT may come before it has stopped
			break
		}
	}

	if err := watch.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := watch.Wait(); err != nil {
		t.Errorf("Ctrl-C is no failure: %v", err)
	}
	<-seen.over
	if text, _ := seen.since(0); !strings.HasSuffix(text, end) {
		t.Errorf("the terminal is not given back: %q", text[max(0, len(text)-100):])
	}
	if err := daemon.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if err := daemon.Wait(); err != nil {
		t.Errorf("the daemon on %s: %v", listen, err)
	}
}

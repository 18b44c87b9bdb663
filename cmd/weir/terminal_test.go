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
	"syscall"
	"testing"

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

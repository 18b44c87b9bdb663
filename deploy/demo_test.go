package deploy

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long what a daemon does may take on a busy machine.
const patience = time.Minute

// program builds weir as `go build` does, once for all tests of a process.
func program(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("builds the program")
	}
	path, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// bin is where the program is built.
var bin string

var built = sync.OnceValues(func() (string, error) {
	path := filepath.Join(bin, "weir")
	if out, err := exec.Command("go", "build", "-o", path, "weir/cmd/weir").CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
})

// TestMain removes what was built.
func TestMain(m *testing.M) {
	var err error
	if bin, err = os.MkdirTemp("", "weir-deploy-"); err != nil {
		panic(err)
	}
	code := m.Run()
	_ = os.RemoveAll(bin)
	os.Exit(code)
}

// demo is `weir demo`, running.
type demo struct {
	t      *testing.T
	dir    string // of the copy of the quickstart
	daemon string // URL
	clouds string // URL
}

// startDemo runs it for the length of the test.
func startDemo(t *testing.T) *demo {
	t.Helper()
	d := &demo{t: t, dir: t.TempDir()}
	out := d.run(program(t), "demo", "--dir", d.dir)
	d.daemon = waitFor(t, out, `page +(http://[^/ ]+)/`)
	d.clouds = waitFor(t, out, `clouds +(http://[^/ ]+)/`)
	return d
}

// run starts a program that is stopped, as systemd does it, when the test ends.
func (d *demo) run(name string, args ...string) *lines {
	d.t.Helper()
	return start(d.t, d.dir, name, args...)
}

func start(t *testing.T, dir, name string, args ...string) *lines {
	t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), name, args...)
	cmd.Dir = dir
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	out := &lines{}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		kill := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait()
		kill.Stop()
		if t.Failed() {
			t.Logf("%s %v:\n%s", name, args, out.last(60))
		}
	})
	return out
}

// lines is what a program has said.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *lines) last(n int) string {
	all := strings.SplitAfter(l.String(), "\n")
	return strings.Join(all[max(0, len(all)-n):], "")
}

// waitFor returns what the pattern's group matches of what is said.
func waitFor(t *testing.T, l *lines, pattern string) string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	found := ""
	eventually(t, "the output has "+pattern, func() bool {
		m := re.FindStringSubmatch(l.String())
		if m != nil {
			found = m[len(m)-1]
		}
		return m != nil
	})
	return found
}

// eventually waits until something is so.
func eventually(t *testing.T, what string, ok func() bool) {
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

// ask makes a request and returns the status and the body.
func ask(t *testing.T, method, url, body string) (int, string) {
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

// ready waits until the daemon is.
func (d *demo) ready() {
	d.t.Helper()
	eventually(d.t, "the daemon is ready", func() bool {
		code, _ := ask(d.t, http.MethodGet, d.daemon+"/readyz", "")
		return code == http.StatusOK
	})
}

// write puts a manifest into the source.
func (d *demo) write(name, text string) {
	d.t.Helper()
	if err := os.WriteFile(filepath.Join(d.dir, "live", name), []byte(text), 0o600); err != nil {
		d.t.Fatal(err)
	}
}

// cloud asks something of the emulator's people.
func (d *demo) cloud(method, path string, v any) {
	d.t.Helper()
	body, err := json.Marshal(v)
	if err != nil {
		d.t.Fatal(err)
	}
	if code, answer := ask(d.t, method, d.clouds+"/_emulator/"+path, string(body)); code/100 != 2 {
		d.t.Fatalf("%s %s: %d %s", method, path, code, answer)
	}
}

// metric returns the sum of the series that begin so, for waiting.
func (d *demo) metric(prefix string) float64 {
	d.t.Helper()
	_, text := ask(d.t, http.MethodGet, d.daemon+"/metrics", "")
	sum := 0.0
	for s := bufio.NewScanner(strings.NewReader(text)); s.Scan(); {
		var v float64
		if i := strings.LastIndexByte(s.Text(), ' '); strings.HasPrefix(s.Text(), prefix) && i > 0 {
			if _, err := fmt.Sscan(s.Text()[i+1:], &v); err == nil {
				sum += v
			}
		}
	}
	return sum
}

package web

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// demo is the real program, `weir demo --git`: the daemon, both clouds as the
// emulator, and a git host whose repository is cloned in live.
type demo struct {
	t      *testing.T
	dir    string
	origin string // of the page
	clouds string // address of the emulator
	proc   *os.Process
	output *os.File
}

// startDemo builds and starts the program.
func startDemo(t *testing.T) *demo {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("there is no git on this machine, which the demo needs")
	}
	d := &demo{t: t, dir: filepath.Join(t.TempDir(), "demo")}
	weir := filepath.Join(t.TempDir(), "weir")
	run(t, ".", "go", "build", "-o", weir, "weir/cmd/weir")
	cmd := exec.CommandContext(t.Context(), weir, "demo", "--git", "--dir", d.dir)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 15 * time.Second
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if d.output, err = os.Create(filepath.Join(t.TempDir(), "log")); err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = d.output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	d.proc = cmd.Process
	t.Cleanup(func() {
		_ = d.proc.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if log, err := os.ReadFile(d.output.Name()); t.Failed() && err == nil {
			t.Logf("weir says\n%s", log)
		}
	})
	address := regexp.MustCompile(`(page|clouds)\s+(http://[0-9.:]+)`)
	for lines := bufio.NewScanner(out); d.clouds == "" && lines.Scan(); {
		for _, m := range address.FindAllStringSubmatch(lines.Text(), -1) {
			if m[1] == "page" {
				d.origin = m[2]
			} else {
				d.clouds = m[2]
			}
		}
	}
	if d.origin == "" || d.clouds == "" {
		t.Fatal("the demo names no address")
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	return d
}

func run(t *testing.T, dir, name string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

// commit pushes what was written to the clone.
func (d *demo) commit(author, subject string) {
	d.t.Helper()
	live := filepath.Join(d.dir, "live")
	who := "user.name=" + author
	mail := "user.email=" + strings.ToLower(strings.ReplaceAll(author, " ", ".")) + "@example.com"
	run(d.t, live, "git", "add", "-A")
	run(d.t, live, "git", "-c", who, "-c", mail, "commit", "-q", "-m", subject)
	run(d.t, live, "git", "push", "-q")
}

// revert takes back the last commit.
func (d *demo) revert() {
	d.t.Helper()
	live := filepath.Join(d.dir, "live")
	run(d.t, live, "git", "revert", "--no-edit", "HEAD")
	run(d.t, live, "git", "push", "-q")
}

func (d *demo) write(name, text string) {
	d.t.Helper()
	if err := os.WriteFile(filepath.Join(d.dir, name), []byte(text), 0o600); err != nil {
		d.t.Fatal(err)
	}
}

func (d *demo) read(name string) string {
	d.t.Helper()
	b, err := os.ReadFile(filepath.Join(d.dir, name))
	if err != nil {
		d.t.Fatal(err)
	}
	return string(b)
}

// replace edits a file in place.
func (d *demo) replace(name, former, latter string) {
	d.t.Helper()
	text := d.read(name)
	if !strings.Contains(text, former) {
		d.t.Fatalf("%s holds no %q", name, former)
	}
	d.write(name, strings.Replace(text, former, latter, 1))
}

// relays declares so many relay sources in a file of their own.
func (d *demo) relays(season string, n int) {
	d.t.Helper()
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "---\napiVersion: volcengine/v1\nkind: RelaySource\nmetadata: {labels: {team: %s}}\nspec:\n  vhost: push.example.com\n"+
			"  app: %[1]s-%02[2]d\n  groups:\n    - name: main\n      servers:\n        - {address: origin-%d.example.org, protocol: rtmp}\n",
			season, i+1, i%4+1)
	}
	d.write("live/"+season+".yaml", b.String())
}

// change tells the emulator what somebody did in the clouds' console, or how the
// clouds are to behave.
func (d *demo) change(method, what, body string) {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, d.clouds+"/_emulator/"+what, strings.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		d.t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		d.t.Fatalf("%s %s: %s %s", method, what, resp.Status, text)
	}
}

// signal sends the program a signal.
func (d *demo) signal(s syscall.Signal) {
	d.t.Helper()
	if err := d.proc.Signal(s); err != nil {
		d.t.Fatal(err)
	}
}

// sync asks for a full pass.
func (d *demo) sync() {
	d.t.Helper()
	resp, err := http.Post(d.origin+"/api/v1/sync", "", nil)
	if err != nil || resp.StatusCode != http.StatusAccepted {
		d.t.Fatal(resp, err)
	}
	_ = resp.Body.Close()
}

package web

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"weir/sync/daemon/demotest"
)

// demo is the real program, `weir demo --git`: the daemon, both clouds as the
// emulator, and a git host whose repository is cloned in live.
type demo struct {
	*demotest.Demo
	t *testing.T
}

// startDemo builds and starts the program.
func startDemo(t *testing.T) *demo {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("there is no git on this machine, which the demo needs")
	}
	weir := filepath.Join(t.TempDir(), "weir")
	run(t, ".", "go", "build", "-o", weir, "weir/cmd/weir")
	return &demo{demotest.Start(t, weir, "--git"), t}
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
	live := filepath.Join(d.Dir, "live")
	who := "user.name=" + author
	mail := "user.email=" + strings.ToLower(strings.ReplaceAll(author, " ", ".")) + "@example.com"
	run(d.t, live, "git", "add", "-A")
	run(d.t, live, "git", "-c", who, "-c", mail, "commit", "-q", "-m", subject)
	run(d.t, live, "git", "push", "-q")
}

// revert takes back the last commit.
func (d *demo) revert() {
	d.t.Helper()
	live := filepath.Join(d.Dir, "live")
	run(d.t, live, "git", "revert", "--no-edit", "HEAD")
	run(d.t, live, "git", "push", "-q")
}

func (d *demo) read(name string) string {
	d.t.Helper()
	b, err := os.ReadFile(filepath.Join(d.Dir, name))
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
	d.Put(name, strings.Replace(text, former, latter, 1))
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
	d.Put("live/"+season+".yaml", b.String())
}

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"weir/sync/config"
	"weir/sync/emulator"
)

const root = "../.."

// wait is how long anything may take on a machine that does other work as well.
const wait = 2 * time.Minute

// example is the documented command, running.
type example struct {
	*testing.T
	cmd   *exec.Cmd
	ended chan error

	mu   sync.Mutex
	said []string
}

// documented runs the command of the README, with a folder for temporary files of
// its own.
func documented(t *testing.T, temp string) *example {
	t.Helper()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	command := regexp.MustCompile(`(?m)^    (go run .*)$`).FindSubmatch(readme)
	if command == nil {
		t.Fatal("the README says no command")
	}
	words := strings.Fields(string(command[1]))
	e := &example{T: t, cmd: exec.CommandContext(t.Context(), words[0], words[1:]...), ended: make(chan error, 1)}
	e.cmd.Dir = root
	e.cmd.Env = append(os.Environ(), "TMPDIR="+temp)
	e.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := e.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	e.cmd.Stderr = e.cmd.Stdout
	if err := e.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			e.mu.Lock()
			e.said = append(e.said, lines.Text())
			e.mu.Unlock()
		}
		e.ended <- e.cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = syscall.Kill(-e.cmd.Process.Pid, syscall.SIGINT) // where the test did not
		if t.Failed() {
			t.Log(strings.Join(e.lines(), "\n"))
		}
	})
	return e
}

func (e *example) lines() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]string(nil), e.said...)
}

// find returns what a pattern finds in the last line that has it, after so many lines.
func (e *example) find(after int, pattern string) []string {
	re := regexp.MustCompile(pattern)
	var found []string
	for _, line := range e.lines()[after:] {
		if m := re.FindStringSubmatch(line); m != nil {
			found = m
		}
	}
	return found
}

// await waits until a line that comes after so many has a pattern.
func (e *example) await(after int, pattern string) (found []string) {
	e.Helper()
	e.until("it says "+pattern, func() bool { found = e.find(after, pattern); return found != nil })
	return found
}

func (e *example) until(what string, ok func() bool) {
	e.Helper()
	for end := time.Now().Add(wait); !ok(); time.Sleep(50 * time.Millisecond) {
		select {
		case err := <-e.ended:
			e.Fatalf("it ended before %s: %v", what, err)
		default:
		}
		if time.Now().After(end) {
			e.Fatalf("never: %s", what)
		}
	}
}

// kill ends a process that was named with its pid as a machine does whose power fails.
func (e *example) kill(pid string) {
	e.Helper()
	n, err := strconv.Atoi(pid)
	if err != nil {
		e.Fatal(err)
	}
	if err := syscall.Kill(n, syscall.SIGKILL); err != nil {
		e.Fatalf("kill %d: %v", n, err)
	}
}

// ask reads one of the emulator's own documents.
func (e *example) ask(clouds, path string, v any) {
	e.Helper()
	resp, err := http.Get("http://" + clouds + "/_emulator/" + path)
	if err != nil {
		e.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(v); err != nil {
		e.Fatal(err)
	}
}

// TestCluster kills the leader of an account and a member of etcd in the middle of an
// apply: what comes of it is what is declared, once, and within the quota.
func TestCluster(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a cluster")
	}
	temp := t.TempDir()
	e := documented(t, temp)
	inSync := fmt.Sprintf(`: %[1]d of %[1]d resources are in sync`, 3*many)
	e.await(0, inSync)
	clouds := e.find(0, `emulator .*http://([0-9.:]+)/_emulator/world`)[1]
	leader := e.find(0, `: volc-main is led by (weir-\d) \(pid (\d+)\)`)
	member := e.find(0, `etcd-1 +pid (\d+)`)
	edit(t, e.find(0, `the manifests are in (.+)\.$`)[1])
	var calls []emulator.Call
	e.until("a part of the edit is applied", func() bool {
		calls = nil
		e.ask(clouds, "calls?account=volc-main&operation=UpdateRelaySourceV3", &calls)
		return len(calls) > many+many/4
	})
	after := len(e.lines())
	e.kill(leader[2])
	e.kill(member[1])
	if next := e.await(after, `: volc-main is led by (weir-\d) `); next[1] == leader[1] {
		t.Errorf("%s is dead and leads", next[1])
	}
	if len(calls) >= 2*many {
		t.Errorf("all was applied when the leader was killed")
	}
	e.await(after, inSync)
	asDeclared(e, clouds)
	once(e, clouds)
	e.end(temp)
}

// edit changes all resources of an account in one revision.
func edit(t *testing.T, live string) {
	t.Helper()
	name := filepath.Join(live, "volc-main.yaml")
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name+".new", []byte(strings.ReplaceAll(string(text), "rtmp", "flv")), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(name+".new", name); err != nil {
		t.Fatal(err)
	}
}

// asDeclared holds the emulator's world against the manifests.
func asDeclared(e *example, clouds string) {
	e.Helper()
	var world emulator.World
	e.ask(clouds, "world", &world)
	want, on := map[string]string{}, 0
	for i := range many {
		want[fmt.Sprintf("volc-main.example.com/app-%d", i+1)] = "flv"
		want[fmt.Sprintf("volc-backup.example.com/app-%d", i+1)] = "rtmp"
	}
	for _, r := range world.RelaySources {
		key := r.Vhost + "/" + r.App
		if got := r.Groups[0].Servers[0].Protocol; got != want[key] {
			e.Errorf("%s has %s, want %q", key, got, want[key])
		}
		delete(want, key)
	}
	for _, d := range world.Domains {
		if d.MultiStream == "on" {
			on++
		}
	}
	if len(want) > 0 || on != many {
		e.Errorf("%d switches are on, want %d; without %v", on, many, want)
	}
	for _, p := range world.Prefetches {
		if p.Count != 1 {
			e.Errorf("%s/%s in %s was prefetched %d times", p.Domain, p.Stream, p.Region, p.Count)
		}
	}
	if len(world.Prefetches) != 2 || len(world.Recordings) != 1 {
		e.Errorf("%d prefetches, %d recordings", len(world.Prefetches), len(world.Recordings))
	}
}

// once holds that every write arrived once for each revision, and that no second had
// more calls than may be.
func once(e *example, clouds string) {
	e.Helper()
	var calls []emulator.Call
	e.ask(clouds, "calls", &calls)
	writes, arrivals := map[string]int{}, map[string][]time.Time{}
	for _, c := range calls {
		if c.Code != "" {
			e.Errorf("%s of %s: %s", c.Operation, c.Account, c.Code)
		}
		of := c.Account + " " + c.Operation
		arrivals[of] = append(arrivals[of], c.Time)
		if n := len(arrivals[of]); n > 10 && (c.Operation == "UpdateRelaySourceV3" || c.Operation == "DescribeRelaySourceV3") &&
			c.Time.Sub(arrivals[of][n-11]) <= time.Second {
			e.Errorf("11 of %s within %v", of, c.Time.Sub(arrivals[of][n-11]))
		}
		if c.Operation == "UpdateRelaySourceV3" {
			writes[fmt.Sprint(c.Params["Vhost"], "/", c.Params["App"])]++
		}
	}
	for what, n := range writes {
		want := 1
		if strings.HasPrefix(what, "volc-main.") {
			want = 2 // created, changed
		}
		if n != want {
			e.Errorf("%s was written %d times, want %d", what, n, want)
		}
	}
	e.Logf("%d calls, %d of them writes of relay sources", len(calls), len(arrivals["volc-main UpdateRelaySourceV3"])+len(arrivals["volc-backup UpdateRelaySourceV3"]))
}

// end interrupts it as Ctrl-C does, and holds that nothing of it is left.
func (e *example) end(temp string) {
	e.Helper()
	if err := syscall.Kill(-e.cmd.Process.Pid, syscall.SIGINT); err != nil {
		e.Fatal(err)
	}
	select {
	case <-e.ended: // go run says nothing of how it ended when it is interrupted
	case <-time.After(wait):
		e.Fatal("it does not end")
	}
	if e.find(0, "^All of it has ended.$") == nil {
		e.Error("it did not end in order")
	}
	for _, line := range e.lines() {
		if m := regexp.MustCompile(`^  \S+ +pid (\d+) `).FindStringSubmatch(line); m != nil {
			if _, err := os.Stat(filepath.Join("/proc", m[1])); err == nil {
				e.Errorf("still runs: %s", line)
			}
		}
	}
	left, err := filepath.Glob(filepath.Join(temp, "weir-cluster-*"))
	if err != nil || len(left) > 0 {
		e.Errorf("left behind: %v, %v", left, err)
	}
}

// TestDaemon holds that what each daemon reads is a configuration of a cluster.
func TestDaemon(t *testing.T) {
	cfg, problems, err := config.Read("daemon.yaml")
	if err != nil || len(problems) > 0 {
		t.Fatal(problems, err)
	}
	if len(cfg.Accounts) != 3 {
		t.Errorf("%d accounts", len(cfg.Accounts))
	}
}

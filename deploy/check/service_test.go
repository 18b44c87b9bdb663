package check

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience is how long a service may take to do what it was asked.
const patience = time.Minute

// machine is this machine's files under a systemd of its own.
type machine struct {
	t    *testing.T
	init string // process 1, as this machine numbers it
}

// boot starts a machine; where that cannot be done here, the test skips.
func boot(t *testing.T) *machine {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can start a systemd of its own")
	}
	for _, tool := range []string{"unshare", "nsenter", "dpkg", "/lib/systemd/systemd"} {
		needs(t, tool)
	}
	cmd := exec.Command("unshare", "--mount", "--pid", "--fork", "--uts", "--ipc", "testdata/boot.sh", t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	m := &machine{t: t}
	t.Cleanup(func() {
		if m.init != "" {
			_ = exec.Command("kill", "-KILL", m.init).Run() // and with it all it started
		}
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-ended
	})
	for until := time.Now().Add(patience); time.Now().Before(until); time.Sleep(100 * time.Millisecond) {
		select {
		case <-ended:
			t.Skipf("no systemd can be started here: %s", &said)
		default:
		}
		children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", cmd.Process.Pid))
		if m.init = strings.TrimSpace(string(children)); m.init == "" {
			continue
		}
		if _, err := m.try("systemctl", "is-active", "bare.target"); err == nil {
			return m
		}
	}
	t.Fatalf("systemd does not come up: %s", &said)
	return nil
}

// try runs a command on the machine.
func (m *machine) try(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(m.t.Context(), patience)
	defer cancel()
	inside := []string{"--target", m.init, "--mount", "--pid", "--uts", "--ipc", "--wd=/"}
	cmd := exec.CommandContext(ctx, "nsenter", append(inside, args...)...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (m *machine) run(args ...string) string {
	m.t.Helper()
	out, err := m.try(args...)
	if err != nil {
		journal, _ := m.try("journalctl", "--no-pager", "--output=cat", "--lines=40")
		m.t.Fatalf("%s: %v\n%s\n%s", strings.Join(args, " "), err, out, journal)
	}
	return out
}

// put copies a file onto the machine.
func (m *machine) put(file, to string) {
	m.t.Helper()
	cmd := exec.CommandContext(m.t.Context(), "nsenter", "--target", m.init, "--mount", "--pid", "sh", "-c", `cat >"$1"`, "put", to)
	cmd.Stdin = strings.NewReader(read(m.t, file))
	if out, err := cmd.CombinedOutput(); err != nil {
		m.t.Fatalf("%v\n%s", err, out)
	}
}

func (m *machine) eventually(what string, ok func() bool) {
	m.t.Helper()
	for until := time.Now().Add(patience); time.Now().Before(until); time.Sleep(200 * time.Millisecond) {
		if ok() {
			return
		}
	}
	journal, _ := m.try("journalctl", "--no-pager", "--output=cat", "--unit=weir", "--lines=40")
	m.t.Fatalf("never: %s\n%s", what, journal)
}

// TestService installs the Debian package on a machine with a real systemd, and
// runs weir there as its users do: the sandbox is the kernel's, the state is
// SQLite's on disk, the cloud is the emulator.
func TestService(t *testing.T) {
	m := boot(t)
	cfg, weir := program(t)
	clouds, listen := emulator(t, weir), freeAddress(t)
	m.put(made(t, cfg, weir, "deb", "0.1.0"), "/root/weir.deb")
	m.run("dpkg", "--force-depends", "--install", "/root/weir.deb")
	if out, err := m.try("systemctl", "is-enabled", "weir.service"); err == nil {
		t.Errorf("installing it enables it: %s", out)
	}
	configure(m, clouds, listen)
	t.Run("verify", func(t *testing.T) {
		if out := m.run("systemd-analyze", "verify", "/usr/lib/systemd/system/weir.service"); out != "" {
			t.Error(out)
		}
	})
	m.run("systemctl", "enable", "--now", "weir.service")
	status := func() string {
		out, _ := m.try("runuser", "-u", "weir", "--", "weir", "status", "--config", "/etc/weir/weir.yaml")
		return out
	}
	m.eventually("weir is ready", func() bool { return strings.Contains(status(), "is ready") })
	t.Run("sandbox", func(t *testing.T) { checkSandbox(t, m) })
	t.Run("applies", func(t *testing.T) { checkApplies(t, m, clouds) })
	t.Run("reload", func(t *testing.T) {
		m.run("sh", "-c", "sed -i 's/interval: 5m/interval: 6m/' /etc/weir/weir.yaml")
		m.run("systemctl", "reload", "weir.service")
		m.eventually("the configuration was reloaded", func() bool {
			return strings.Contains(m.run("journalctl", "--unit=weir", "--output=cat", "--no-pager"), "configuration reloaded")
		})
	})
	t.Run("upgrade", func(t *testing.T) { checkUpgrade(t, m, made(t, cfg, weir, "deb", "0.2.0")) })
	t.Run("remove", func(t *testing.T) { checkRemove(t, m) })
}

// configure writes keys, manifests and what the sample leaves open.
func configure(m *machine, clouds, listen string) {
	m.run("sh", "-c", `umask 077
		printf weir-emulator >/etc/weir/keys/aliyun-main.id
		printf weir-emulator >/etc/weir/keys/aliyun-main.secret`)
	m.run("sh", "-c", `cat >/etc/weir/live/switch.yaml <<'END'
apiVersion: aliyun/v1
kind: MultiStream
spec: {domain: live.example.com, enabled: true}
END`)
	m.run("sed", "-i", "-e", "s/mode: observe.*/mode: sync/", "-e", "s/listen: .*/listen: "+listen+"/",
		"-e", "s#provider: aliyun#provider: aliyun\\n    endpoint: "+clouds+"#", "-e", "$ a interval: 5m", "/etc/weir/weir.yaml")
}

// checkSandbox looks at the process as the kernel holds it.
func checkSandbox(t *testing.T, m *machine) {
	pid := strings.TrimSpace(m.run("systemctl", "show", "--property=MainPID", "--value", "weir.service"))
	held := m.run("cat", "/proc/"+pid+"/status")
	for _, want := range []string{`NoNewPrivs:\s+1`, `Seccomp:\s+2`, `CapEff:\s+0000000000000000`, `CapBnd:\s+0000000000000000`} {
		if !regexp.MustCompile(want).MatchString(held) {
			t.Errorf("no %s in\n%s", want, held)
		}
	}
	if regexp.MustCompile(`(?m)^Uid:\s+0\b`).MatchString(held) {
		t.Error("it is root")
	}
	if list := m.run("stat", "--format=%U %a", "/var/lib/weir", "/var/lib/weir/weir.db"); list != "weir 700\nweir 600\n" {
		t.Errorf("the state's owner and mode: %q", list)
	}
	if out, err := m.try("runuser", "-u", "weir", "--", "cat", "/etc/weir/keys/aliyun-main.id"); err == nil {
		t.Errorf("weir's user reads the keys' folder: %s", out)
	}
}

// checkApplies holds that an edit of a file reaches the cloud: the watch, the
// keys, the network and the state all work from inside.
func checkApplies(t *testing.T, m *machine, clouds string) {
	on := func(want bool) bool {
		resp, err := http.Get(clouds + "/_emulator/world")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var world strings.Builder
		_ = resp.Write(&world)
		return strings.Contains(world.String(), `"multiStream": "on"`) == want
	}
	m.eventually("the switch is on", func() bool { return on(true) })
	m.run("sed", "-i", "s/enabled: true/enabled: false/", "/etc/weir/live/switch.yaml")
	m.eventually("the switch is off", func() bool { return on(false) })
}

func checkUpgrade(t *testing.T, m *machine, next string) {
	was := m.run("systemctl", "show", "--property=MainPID", "--value", "weir.service")
	m.put(next, "/root/next.deb")
	m.run("dpkg", "--force-depends", "--install", "/root/next.deb")
	m.eventually("weir runs anew", func() bool {
		pid := m.run("systemctl", "show", "--property=MainPID", "--value", "weir.service")
		return pid != was && strings.TrimSpace(pid) != "0"
	})
	if out := m.run("cat", "/etc/weir/weir.yaml"); !strings.Contains(out, "mode: sync") {
		t.Errorf("the upgrade wrote over weir.yaml:\n%s", out)
	}
}

func checkRemove(t *testing.T, m *machine) {
	m.run("dpkg", "--force-depends", "--remove", "weir")
	if out, err := m.try("systemctl", "is-active", "weir.service"); err == nil {
		t.Errorf("it still runs: %s", out)
	}
	out := m.run("dpkg", "--purge", "weir")
	if !strings.Contains(out, "is kept") || m.run("ls", "/var/lib/weir/weir.db") == "" {
		t.Errorf("the state went: %s", out)
	}
}

// emulator serves both clouds until the test ends.
func emulator(t *testing.T, weir string) string {
	t.Helper()
	address := freeAddress(t)
	cmd := exec.CommandContext(t.Context(), weir, "emulator", "--listen", address)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	for until := time.Now().Add(patience); time.Now().Before(until); time.Sleep(50 * time.Millisecond) {
		if c, err := net.Dial("tcp", address); err == nil {
			_ = c.Close()
			return "http://" + address
		}
	}
	t.Fatal("the emulator does not answer")
	return ""
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

package check

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

const etcdFolder = "../etcd"

// etcdPrograms builds etcd and etcdctl, of the version that weir is tested with, into
// a folder.
var etcdPrograms = sync.OnceValues(func() (string, error) {
	dir := filepath.Join(bin, "etcd")
	for name, module := range map[string]string{"etcd": "go.etcd.io/etcd/server/v3", "etcdctl": "go.etcd.io/etcd/etcdctl/v3"} {
		cmd := exec.Command("go", "build", "-o", filepath.Join(dir, name), module)
		cmd.Dir = filepath.Join(repository, "sync/etcd/server")
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("%v: %w\n%s", cmd.Args, err, out)
		}
	}
	return dir, nil
})

// settings reads a file of NAME=VALUE lines as systemd does.
func settings(t *testing.T, name string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for line := range strings.Lines(read(t, name)) {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok || out[key] != "" {
			t.Fatalf("%s: %q", name, line)
		}
		out[key] = value
	}
	return out
}

// certificates makes those of etcd for some members.
func certificates(t *testing.T, names ...string) string {
	t.Helper()
	needs(t, "openssl")
	dir := filepath.Join(t.TempDir(), "tls")
	cmd := exec.CommandContext(t.Context(), filepath.Join(etcdFolder, "certificates.sh"), append([]string{dir}, names...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return dir
}

// members starts the three of etcd.env, on ports of loopback, and returns where each
// serves.
func members(t *testing.T, programs, tls string) []string {
	t.Helper()
	names := []string{"a", "b", "c"}
	moved := []string{"/run/credentials/etcd.service/tls_", tls + "/"}
	var clients []string
	for _, name := range names {
		peer, client := freeAddress(t), freeAddress(t)
		moved = append(moved, name+".example.com:2380", peer, name+".example.com:2379", client)
		clients = append(clients, "https://"+client)
	}
	places := strings.NewReplacer(moved...)
	for i, name := range names {
		env := serving(t, clients[i], "https://"+name+".example.com:2380", freeAddress(t))
		env["ETCD_NAME"] = name
		env["ETCD_DATA_DIR"] = filepath.Join(t.TempDir(), name)
		member(t, programs, env, places)
	}
	return clients
}

// serving is etcd.env for a member that serves clients and others at these URLs, and
// its metrics at an address.
func serving(t *testing.T, client, peer, metrics string) map[string]string {
	t.Helper()
	env := settings(t, filepath.Join(etcdFolder, "etcd.env"))
	env["ETCD_INITIAL_ADVERTISE_PEER_URLS"], env["ETCD_LISTEN_PEER_URLS"] = peer, peer
	env["ETCD_ADVERTISE_CLIENT_URLS"], env["ETCD_LISTEN_CLIENT_URLS"] = client, client
	env["ETCD_LISTEN_METRICS_URLS"] = "http://" + metrics
	return env
}

// member starts one, which ends with the test.
func member(t *testing.T, programs string, env map[string]string, places *strings.Replacer) {
	t.Helper()
	cmd := exec.Command(filepath.Join(programs, "etcd"))
	for key, value := range env {
		cmd.Env = append(cmd.Env, key+"="+places.Replace(value))
	}
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s", read(t, log.Name()))
		}
		_ = log.Close()
	})
}

// asking is a way to run etcdctl, and what finds it in its PATH, as a user.
func asking(t *testing.T, programs, tls, user string, endpoints []string) func(name string, args ...string) (string, error) {
	return func(name string, args ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Env = []string{
			"PATH=" + programs + ":" + os.Getenv("PATH"), "ETCDCTL_ENDPOINTS=" + strings.Join(endpoints, ","),
			"ETCDCTL_CACERT=" + tls + "/ca.crt", "ETCDCTL_CERT=" + tls + "/" + user + ".crt", "ETCDCTL_KEY=" + tls + "/" + user + ".key",
		}
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
}

// addUsers waits until the members agree, and makes root and weir users of etcd.
func addUsers(t *testing.T, programs string, root func(name string, args ...string) (string, error)) {
	t.Helper()
	waitFor(t, "the members agree", func() bool {
		_, err := root(filepath.Join(programs, "etcdctl"), "endpoint", "health")
		return err == nil
	})
	if out, err := root(filepath.Join(etcdFolder, "user.sh")); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// TestEtcd starts three members with the settings of the example, its certificates
// and its users, and holds that weir's may do what it needs, and nobody else that.
func TestEtcd(t *testing.T) {
	programs, err := etcdPrograms()
	if err != nil {
		t.Fatal(err)
	}
	tls := certificates(t, "127.0.0.1", "a.example.com", "::1")
	endpoints := members(t, programs, tls)
	root := asking(t, programs, tls, "root", endpoints)
	weir := asking(t, programs, tls, "weir", endpoints)
	etcdctl := filepath.Join(programs, "etcdctl")
	addUsers(t, programs, root)
	for _, may := range [][]string{
		{"put", "/weir/format", "1"}, {"get", "--prefix", "/weir/"}, {"lease", "grant", "10"}, {"del", "/weir/format"},
	} {
		if out, err := weir(etcdctl, may...); err != nil {
			t.Errorf("weir %v: %v\n%s", may, err, out)
		}
	}
	for _, mayNot := range [][]string{{"put", "/other", "1"}, {"get", "--prefix", "/"}, {"user", "list"}} {
		if out, err := weir(etcdctl, mayNot...); err == nil || !strings.Contains(out, "permission denied") {
			t.Errorf("weir %v: %v\n%s", mayNot, err, out)
		}
	}
	nobody := asking(t, programs, tls, "member", endpoints)
	if out, err := nobody(etcdctl, "get", "/weir/format"); err == nil {
		t.Errorf("a member's certificate reads weir's keys: %s", out)
	}
	stranger := asking(t, programs, certificates(t, "127.0.0.1"), "weir", endpoints)
	if out, err := stranger(etcdctl, "--command-timeout=2s", "get", "/weir/format"); err == nil {
		t.Errorf("a certificate of somebody else's authority reads weir's keys: %s", out)
	}
	if out, err := root(etcdctl, "endpoint", "status", "--write-out=fields"); err != nil || strings.Count(out, `"DBSizeQuota" : 8589934592`) != 3 {
		t.Errorf("the quota is another: %v\n%s", err, out)
	}
}

// TestEtcd_Weir runs weir as the user that the example makes: its rights are enough.
func TestEtcd_Weir(t *testing.T) {
	programs, err := etcdPrograms()
	if err != nil {
		t.Fatal(err)
	}
	_, weir := program(t)
	tls := certificates(t, "127.0.0.1")
	endpoints := members(t, programs, tls)
	root := asking(t, programs, tls, "root", endpoints)
	etcdctl := filepath.Join(programs, "etcdctl")
	addUsers(t, programs, root)
	dir, listen := t.TempDir(), freeAddress(t)
	write(t, filepath.Join(dir, "key"), "weir-emulator")
	write(t, filepath.Join(dir, "switch.yaml"), "apiVersion: aliyun/v1\nkind: MultiStream\nspec: {domain: live.example.com, enabled: true}\n")
	config := filepath.Join(dir, "weir.conf")
	write(t, config, fmt.Sprintf(`apiVersion: weir/v1
kind: Config
sources: [{name: live, directory: {path: .}}]
accounts:
  - {name: ali, provider: aliyun, endpoint: %q, credentials: {accessKeyIdFile: key, accessKeySecretFile: key}}
policy: {mode: sync}
state:
  etcd: {endpoints: ["%s"], caFile: %[3]s/ca.crt, certFile: %[3]s/weir.crt, keyFile: %[3]s/weir.key}
listen: %[4]s
`, emulator(t, weir), strings.Join(endpoints, `", "`), tls, listen))
	cmd := exec.CommandContext(t.Context(), weir, "run", "--config", config)
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(&said)
		}
	}()
	waitFor(t, "the switch is on record", func() bool {
		out, err := root(etcdctl, "get", "--prefix", "--keys-only", "/weir/rec/ali/MultiStream/")
		return err == nil && strings.Contains(out, "live.example.com")
	})
	resp, err := http.Get("http://" + listen + "/healthz")
	if err != nil || errors.Join(resp.Body.Close()) != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("its health: %v, %v", resp, err)
	}
}

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for until := time.Now().Add(patience); !ok(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("never: %s", what)
		}
	}
}

// TestEtcdService starts the unit under a real systemd, as one member alone.
func TestEtcdService(t *testing.T) {
	m := boot(t)
	programs, err := etcdPrograms()
	if err != nil {
		t.Fatal(err)
	}
	tls := certificates(t, "127.0.0.1")
	metrics := freeAddress(t)
	for from, to := range map[string]string{
		filepath.Join(programs, "etcd"):                   "/usr/local/bin/etcd",
		filepath.Join(etcdFolder, "etcd.service"):         "/etc/systemd/system/etcd.service",
		filepath.Join(etcdFolder, "etcd.sysusers"):        "/etc/sysusers.d/etcd.conf",
		filepath.Join(etcdFolder, "weir.conf"):            "/etc/systemd/system/weir.service.d/etcd.conf",
		filepath.Join("../systemd/weir.service"):          "/etc/systemd/system/weir.service",
		filepath.Join(tls, "ca.crt"):                      "/etc/etcd/tls/ca.crt",
		filepath.Join(tls, "member.crt"):                  "/etc/etcd/tls/member.crt",
		filepath.Join(tls, "member.key"):                  "/etc/etcd/tls/member.key",
		alone(t, freeAddress(t), freeAddress(t), metrics): "/etc/etcd/etcd.env",
	} {
		m.run("mkdir", "-p", filepath.Dir(to))
		m.put(from, to)
	}
	m.run("sh", "-c", "chmod 0755 /usr/local/bin/etcd; chmod 0600 /etc/etcd/tls/*; cp /usr/local/bin/etcd /usr/local/bin/weir; systemd-sysusers; systemctl daemon-reload")
	for _, unit := range []string{"etcd.service", "weir.service"} {
		if out := m.run("systemd-analyze", "verify", "--man=no", "/etc/systemd/system/"+unit); strings.Contains(out, unit) {
			t.Error(out)
		}
	}
	if out := m.run("systemctl", "show", "--property=After", "weir.service"); !strings.Contains(out, "etcd.service") {
		t.Errorf("weir starts whenever: %s", out)
	}
	m.run("systemctl", "start", "etcd.service")
	if state := m.run("systemctl", "show", "--property=ActiveState", "--value", "etcd.service"); state != "active\n" {
		t.Errorf("it says that it is up, and is %s", state)
	}
	pid := strings.TrimSpace(m.run("systemctl", "show", "--property=MainPID", "--value", "etcd.service"))
	held := m.run("cat", "/proc/"+pid+"/status")
	for _, want := range []string{`NoNewPrivs:\s+1`, `Seccomp:\s+2`, `CapEff:\s+0000000000000000`} {
		if !regexp.MustCompile(want).MatchString(held) {
			t.Errorf("no %s in\n%s", want, held)
		}
	}
	waitFor(t, "its own metrics say that it is well", func() bool {
		resp, err := http.Get("http://" + metrics + "/readyz")
		if err != nil {
			return false
		}
		return errors.Join(resp.Body.Close()) == nil && resp.StatusCode == http.StatusOK
	})
}

// alone is etcd.env for a member that has no others.
func alone(t *testing.T, client, peer, metrics string) string {
	t.Helper()
	env := serving(t, "https://"+client, "https://"+peer, metrics)
	env["ETCD_INITIAL_CLUSTER"] = "a=https://" + peer
	var text strings.Builder
	for key, value := range env {
		fmt.Fprintf(&text, "%s=%s\n", key, value)
	}
	file := filepath.Join(t.TempDir(), "etcd.env")
	write(t, file, text.String())
	return file
}

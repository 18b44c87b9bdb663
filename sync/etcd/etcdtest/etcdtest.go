// Package etcdtest starts real etcd servers for tests: the embedded server, built from
// the module beside this package, as processes that can be killed, stopped and cut off.
package etcdtest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"weir/sync/etcd"
)

// program builds the server once a process, and leaves it in a folder that the system
// keeps for temporary files, where the next process finds it as go build does.
var program = sync.OnceValues(func() (string, error) {
	_, here, _, _ := runtime.Caller(0)
	dir := filepath.Join(filepath.Dir(filepath.Dir(here)), "server")
	out := filepath.Join(os.TempDir(), fmt.Sprintf("weir-etcd-%d", os.Getuid()), "etcd")
	if err := os.MkdirAll(filepath.Dir(out), 0o700); err != nil {
		return "", err
	}
	lock, err := os.OpenFile(out+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", err
	}
	defer lock.Close() // frees the lock
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", err
	}
	cmd := exec.Command("go", "build", "-o", out, ".") //nolint:gosec // our own
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off")
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the etcd server: %w\n%s", err, text)
	}
	return out, nil
})

// Cluster is some etcd members on loopback.
type Cluster struct {
	Members []*Member
	token   string
	dir     string
}

// Member is one of them.
type Member struct {
	Name    string
	Client  string // http://host:port
	cluster *Cluster
	args    []string
	mu      sync.Mutex
	cmd     *exec.Cmd
	stdin   io.Closer
	ended   chan struct{}
}

// Start starts a cluster of so many members, which ends with the test. args are the
// server's, for all of them.
func Start(t testing.TB, members int, args ...string) *Cluster {
	t.Helper()
	c, err := Launch(t.TempDir(), members, args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Stop)
	return c
}

// Launch is Start outside of a test: for TestMain, whose cluster all of a package's
// tests share. Stop ends it.
func Launch(dir string, members int, args ...string) (*Cluster, error) {
	if _, err := program(); err != nil {
		return nil, err
	}
	c := &Cluster{dir: dir, token: fmt.Sprint("weir-", time.Now().UnixNano())}
	var peers, all []string
	for i := range members {
		name := string(rune('a' + i))
		client, err := address()
		if err != nil {
			return nil, err
		}
		peer, err := address()
		if err != nil {
			return nil, err
		}
		peers, all = append(peers, peer), append(all, name+"=http://"+peer)
		c.Members = append(c.Members, &Member{Name: name, Client: "http://" + client, cluster: c})
	}
	for i, m := range c.Members {
		m.args = append([]string{
			"-name", m.Name, "-dir", filepath.Join(dir, m.Name), "-client", strings.TrimPrefix(m.Client, "http://"),
			"-peer", peers[i], "-cluster", strings.Join(all, ","), "-token", c.token, "-tied",
		}, args...)
	}
	errs := make(chan error, members)
	for _, m := range c.Members {
		go func() { errs <- m.Start() }()
	}
	for range members {
		if err := <-errs; err != nil {
			c.Stop()
			return nil, err
		}
	}
	return c, nil
}

// address returns one that was free a moment ago.
func address() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close() //nolint:errcheck // it served its purpose
	return l.Addr().String(), nil
}

// Endpoints returns where the members serve.
func (c *Cluster) Endpoints() []string {
	out := make([]string, 0, len(c.Members))
	for _, m := range c.Members {
		out = append(out, m.Client)
	}
	return out
}

// Stop ends all members.
func (c *Cluster) Stop() {
	for _, m := range c.Members {
		m.Kill()
	}
}

// Conn connects to the cluster, under a prefix of its own unless one is given.
func (c *Cluster) Conn(t testing.TB, prefix string) *etcd.Conn {
	t.Helper()
	if prefix == "" {
		prefix = Prefix(t)
	}
	conn, err := etcd.Open(context.Background(), etcd.Options{Endpoints: c.Endpoints(), Prefix: prefix})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

var prefixes struct {
	sync.Mutex
	n int
}

// Prefix returns one that no other test has.
func Prefix(t testing.TB) string {
	prefixes.Lock()
	defer prefixes.Unlock()
	prefixes.n++
	return fmt.Sprintf("/%s-%d/", strings.ReplaceAll(t.Name(), "/", "_"), prefixes.n)
}

// Start starts the member, or starts it again with what it has kept.
func (m *Member) Start() error {
	path, err := program()
	if err != nil {
		return err
	}
	cmd := exec.Command(path, m.args...) //nolint:noctx,gosec // ends with Kill, or this process; built above
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	ready, ended := make(chan bool, 1), make(chan struct{})
	go func() {
		line, _ := bufio.NewReader(stdout).ReadString('\n')
		ready <- line == "ready\n"
		_ = cmd.Wait()
		close(ended)
	}()
	m.mu.Lock()
	m.cmd, m.stdin, m.ended = cmd, stdin, ended
	m.mu.Unlock()
	select {
	case ok := <-ready:
		if !ok {
			return fmt.Errorf("etcd member %s ended before it was ready", m.Name)
		}
		return nil
	case <-time.After(time.Minute):
		m.Kill()
		return fmt.Errorf("etcd member %s is not ready after a minute", m.Name)
	}
}

// Kill ends the member at once, as a machine does whose power fails.
func (m *Member) Kill() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.cmd == nil {
		return
	}
	_ = m.cmd.Process.Kill()
	<-m.ended
	_ = m.stdin.Close()
	m.cmd = nil
}

// Pause stops the member as it is; Resume lets it go on.
func (m *Member) Pause() { m.signal(syscall.SIGSTOP) }

// Resume lets a paused member go on.
func (m *Member) Resume() { m.signal(syscall.SIGCONT) }

func (m *Member) signal(s syscall.Signal) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.cmd != nil {
		_ = m.cmd.Process.Signal(s)
	}
}

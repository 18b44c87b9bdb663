package gitsource

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// sshd is OpenSSH's server with keys and a configuration of its own.
type sshd struct {
	t    testing.TB
	dir  string
	addr string
	port string
	log  *journal
}

// journal is a log that is read while it is written.
type journal struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.buf.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.buf.String()
}

func sshdPath(t testing.TB) string {
	t.Helper()
	for _, name := range []string{"sshd", "/usr/sbin/sshd"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("no sshd: install openssh-server")
	return ""
}

func newSSHD(t testing.TB, extra ...string) *sshd {
	t.Helper()
	s := &sshd{t: t, dir: t.TempDir(), log: &journal{}}
	sshdPath(t)
	keygen(t, s.file("host"), "")
	keygen(t, s.file("user"), "")
	s.authorize("user")
	s.port = freePort(t)
	s.addr = "127.0.0.1:" + s.port
	s.start(extra...)
	s.trust("host")
	return s
}

func (s *sshd) file(name string) string { return filepath.Join(s.dir, name) }

// start starts the server; as root it wants a folder of its own for
// separating privileges.
func (s *sshd) start(extra ...string) {
	s.t.Helper()
	if os.Getuid() == 0 {
		must(s.t, os.MkdirAll("/run/sshd", 0o755))
	}
	conf := []string{
		"ListenAddress " + s.addr, "HostKey " + s.file("host"), "PidFile none", "UsePAM no", "StrictModes no",
		"AuthorizedKeysFile " + s.file("authorized"), "PasswordAuthentication no", "KbdInteractiveAuthentication no",
		"PermitRootLogin prohibit-password", "LogLevel DEBUG1",
	}
	must(s.t, os.WriteFile(s.file("config"), []byte(strings.Join(append(extra, conf...), "\n")+"\n"), 0o600))
	serve(s.t, s.addr, s.log, sshdPath(s.t), "-D", "-e", "-f", s.file("config"))
}

// serve runs a server until the test ends, and waits until it listens.
func serve(t testing.TB, addr string, log io.Writer, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = log, log
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for range 200 {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			_ = conn.Close()
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("%s does not listen: %v", name, log)
}

func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	must(t, err)
	return port
}

func keygen(t testing.TB, file, phrase string, args ...string) {
	t.Helper()
	_ = os.Remove(file)
	args = append([]string{"-q", "-t", "ed25519", "-N", phrase, "-C", "test", "-f", file}, args...)
	if out, err := exec.Command("ssh-keygen", args...).CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen: %v\n%s", err, out)
	}
}

// public returns the public half of a key, its kind and its content.
func (s *sshd) public(name string) string {
	s.t.Helper()
	data, err := os.ReadFile(s.file(name + ".pub"))
	must(s.t, err)
	return strings.Join(strings.Fields(string(data))[:2], " ")
}

// authorize lets these keys in and no others.
func (s *sshd) authorize(names ...string) {
	text := ""
	for _, name := range names {
		text += s.public(name) + "\n"
	}
	must(s.t, os.WriteFile(s.file("authorized"), []byte(text), 0o600))
}

// trust makes this key the server's one in known_hosts.
func (s *sshd) trust(name string) {
	s.known("[127.0.0.1]:" + s.port + " " + s.public(name))
}

func (s *sshd) known(lines ...string) {
	must(s.t, os.WriteFile(s.file("known_hosts"), []byte(strings.Join(lines, "\n")+"\n"), 0o600))
}

// options are those for a repository of this machine.
func (s *sshd) options(r *repo) Options {
	opt := r.options()
	opt.URL = fmt.Sprintf("ssh://%s@%s%s", userName(s.t), s.addr, filepath.Join(r.dir, ".git"))
	opt.Auth.SSHKeyFile, opt.Auth.KnownHostsFile = s.file("user"), s.file("known_hosts")
	return opt
}

func userName(t testing.TB) string {
	t.Helper()
	out, err := exec.Command("id", "-un").Output()
	must(t, err)
	return strings.TrimSpace(string(out))
}

// gitDaemon serves the folder above the repository and returns its address.
func gitDaemon(t testing.TB, r *repo) string {
	t.Helper()
	port := freePort(t)
	addr := "127.0.0.1:" + port
	execs, err := exec.Command("git", "--exec-path").Output()
	must(t, err)
	// Not through git itself, which would leave the daemon behind when killed.
	serve(t, addr, &journal{}, filepath.Join(strings.TrimSpace(string(execs)), "git-daemon"),
		"--base-path="+r.dir, "--export-all", "--reuseaddr", "--informative-errors", "--listen=127.0.0.1", "--port="+port)
	return addr
}

// rogue is a server that does what it is told with each connection, then
// closes it.
func rogue(t testing.TB, each func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer conn.Close()
				each(conn)
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		all.Wait()
	})
	return l.Addr().String()
}

// drain reads until the other side is gone and returns how much came.
func drain(conn net.Conn) int64 {
	n, _ := io.Copy(io.Discard, conn)
	return n
}

// between passes bytes on to addr and lets see each piece of what comes back
// before it is passed on; false holds it back for ever.
func between(t testing.TB, addr string, see func(total int) bool) string {
	return rogue(t, func(conn net.Conn) {
		up, err := net.Dial("tcp", addr)
		if err != nil {
			return
		}
		defer up.Close()
		var done sync.WaitGroup
		done.Go(func() {
			_, _ = io.Copy(up, conn)
			_ = up.Close()
		})
		defer done.Wait()
		defer conn.Close()
		total, r, buf := 0, bufio.NewReader(up), make([]byte, 256)
		for {
			n, err := r.Read(buf)
			total += n
			if err != nil {
				return
			}
			if !see(total) {
				done.Wait() // until the client gives up
				return
			}
			if _, err := conn.Write(buf[:n]); err != nil {
				return
			}
		}
	})
}

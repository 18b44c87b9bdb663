package gitsource

import (
	"context"
	"encoding/binary"
	"encoding/pem"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"weir/sync/source"
)

// tunnel passes bytes on in both directions until either side is done.
func tunnel(a, b net.Conn) {
	var both sync.WaitGroup
	for _, ends := range [][2]net.Conn{{a, b}, {b, a}} {
		both.Go(func() {
			_, _ = io.Copy(ends[0], ends[1])
			_ = ends[0].Close()
			_ = ends[1].Close()
		})
	}
	both.Wait()
}

// socks is a SOCKS5 server that reaches every host at 127.0.0.1 and counts.
func socks(t *testing.T, count *atomic.Int32) string {
	return rogue(t, func(conn net.Conn) {
		head := make([]byte, 2)
		_, _ = io.ReadFull(conn, head)
		_, _ = io.ReadFull(conn, make([]byte, head[1]))
		_, _ = conn.Write([]byte{5, 0}) // no authentication
		ask := make([]byte, 4)
		if _, err := io.ReadFull(conn, ask); err != nil || ask[1] != 1 {
			return
		}
		size := []byte{net.IPv4len}
		if ask[3] == 3 { // a name
			_, _ = io.ReadFull(conn, size)
		}
		_, _ = io.ReadFull(conn, make([]byte, size[0]))
		port := make([]byte, 2)
		_, _ = io.ReadFull(conn, port)
		up, err := net.Dial("tcp", "127.0.0.1:"+strconv.Itoa(int(binary.BigEndian.Uint16(port))))
		if err != nil {
			_, _ = conn.Write([]byte{5, 5, 0, 1, 0, 0, 0, 0, 0, 0})
			return
		}
		count.Add(1)
		_, _ = conn.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
		tunnel(conn, up)
	})
}

func TestProxy_SOCKS(t *testing.T) {
	var used atomic.Int32
	proxy := socks(t, &used)
	t.Setenv("ALL_PROXY", "socks5://"+proxy)
	t.Setenv("NO_PROXY", "other.example.com,10.0.0.0/8")
	r := newRepo(t)
	head := r.save("a.yaml", "x: 1\n")
	s := newSSHD(t)
	s.known("[git.test]:" + s.port + " " + s.public("host"))
	daemon := gitDaemon(t, r)
	ssh, git := s.options(r), r.options()
	ssh.URL = strings.Replace(ssh.URL, "127.0.0.1", "git.test", 1) // a name that only the proxy knows
	git.URL = "git://git.test" + daemon[strings.LastIndex(daemon, ":"):] + "/.git"
	for _, opt := range []Options{ssh, git} {
		before := used.Load()
		open(t, opt).want(head, one("x: 1\n"))
		if used.Load() == before {
			t.Errorf("%s went round the proxy", opt.URL)
		}
	}
	git.URL = "git://git.test:" + freePort(t) + "/.git"
	open(t, git).refuses(source.CodeRemote, "")

	git.URL = "git://" + daemon + "/.git"
	for _, none := range []string{"127.0.0.1", "x, 127.0.0.0/8", "*"} {
		t.Setenv("NO_PROXY", none)
		before := used.Load()
		open(t, git).want(head, one("x: 1\n"))
		if used.Load() != before {
			t.Errorf("NO_PROXY=%s went through the proxy", none)
		}
	}
	t.Setenv("NO_PROXY", "")
	t.Setenv("ALL_PROXY", "http://bob:hunter2@"+proxy)
	if text := open(t, git).refuses(source.CodeRemote, ""); !strings.Contains(text, "SOCKS5") || strings.Contains(text, "hunter2") {
		t.Errorf("%q does not tell of the proxy", text)
	}
}

func TestDialer_NoProxy(t *testing.T) {
	t.Setenv("ALL_PROXY", "none://x") // so that what would go through it is refused
	t.Setenv("NO_PROXY", "one.test, .two.test,*.three.test")
	d, err := dialer()
	must(t, err)
	for host, direct := range map[string]bool{
		"one.test": true, "a.one.test": true, "two.test": true, "a.two.test": true, "a.three.test": true,
		"four.test": false, "xone.test": false, "10.1.1.1": false,
	} {
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // nothing is to be reached
		_, err := d.DialContext(ctx, "tcp", host+":1")
		if got := err != errProxy; got != direct {
			t.Errorf("%s: direct is %v, want %v (%v)", host, got, direct, err)
		}
	}
}

// TestProxy_CONNECT runs itself with another environment, as net/http reads it
// only once.
func TestProxy_CONNECT(t *testing.T) {
	if os.Getenv("WEIR_TEST_URL") != "" {
		opt := newRepo(t).options()
		opt.URL, opt.Auth.CAFile = os.Getenv("WEIR_TEST_URL"), os.Getenv("WEIR_TEST_CA")
		open(t, opt).want(os.Getenv("WEIR_TEST_HEAD"), one("x: 1\n"))
		return
	}
	r := newRepo(t)
	head := r.save("a.yaml", "x: 1\n")
	secure := httptest.NewUnstartedServer(r.server.Config.Handler)
	secure.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	secure.StartTLS()
	defer secure.Close()
	var used atomic.Int32
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.Method != http.MethodConnect || !strings.HasPrefix(req.Host, "example.com:") {
			http.Error(w, "CONNECT only", http.StatusBadRequest)
			return
		}
		used.Add(1)
		up, err := net.Dial("tcp", secure.Listener.Addr().String())
		if err != nil {
			return
		}
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 200 Connection established\r\n\r\n")
		tunnel(conn, up)
	}))
	defer proxy.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	block := &pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw}
	must(t, os.WriteFile(ca, pem.EncodeToMemory(block), 0o600))
	_, port, err := net.SplitHostPort(secure.Listener.Addr().String())
	must(t, err)
	cmd := exec.Command(os.Args[0], "-test.run=^TestProxy_CONNECT$", "-test.count=1")
	cmd.Env = append(os.Environ(), "HTTPS_PROXY="+proxy.URL, "WEIR_TEST_CA="+ca, "WEIR_TEST_HEAD="+head,
		"WEIR_TEST_URL=https://example.com:"+port+"/.git") // the name in httptest's certificate
	if out, err := cmd.CombinedOutput(); err != nil || used.Load() == 0 {
		t.Errorf("%v, the proxy was used %d times\n%s", err, used.Load(), out)
	}
}

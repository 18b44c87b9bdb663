package daemon

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"weir/sync/daemon/access"
	"weir/sync/daemon/access/accesstest"
)

const (
	withTLS   = "tls_server_config: {cert_file: server.pem, key_file: server-key.pem}\n"
	withUsers = "basic_auth_users: {alice: HASH}\n"
)

// webConfig writes a web config file for the world's daemon; HASH is of "secret".
func (w *world) webConfig(text string) {
	w.t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost)
	if err != nil {
		w.t.Fatal(err)
	}
	if w.access.ConfigFile == "" {
		dir := w.t.TempDir()
		authority, err := accesstest.New(dir)
		if err != nil {
			w.t.Fatal(err)
		}
		if err := authority.Issue("server", "127.0.0.1"); err != nil {
			w.t.Fatal(err)
		}
		w.access = access.Options{ConfigFile: filepath.Join(dir, "web.yml")}
	}
	if err := os.WriteFile(w.access.ConfigFile, []byte(strings.ReplaceAll(text, "HASH", string(hash))), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// knock asks a daemon as alice where password is not empty, and returns the
// status of its answer, 0 where there is none.
func knock(t *testing.T, url, method, password string) (int, string) {
	t.Helper()
	c := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{
		InsecureSkipVerify: true,
	}, ForceAttemptHTTP2: true}}
	defer c.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), method, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if password != "" {
		req.SetBasicAuth("alice", password)
	}
	resp, err := c.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body)
}

func TestFailure_C19_WideAndOpenIsRefused(t *testing.T) {
	for _, listen := range []string{"0.0.0.0:0", "[::]:0", ":0"} {
		for name, tc := range map[string]struct {
			web      string
			insecure bool
			want     string // a part of the refusal, "" for none
		}{
			"open":          {"", false, "no TLS (tls_server_config in the file that web.configFile names) and no authentication"},
			"TLS alone":     {withTLS, false, "no authentication"},
			"users alone":   {withUsers, false, "no TLS"},
			"both":          {withTLS + withUsers, false, ""},
			"said insecure": {"", true, ""},
		} {
			t.Run(listen+" "+name, func(t *testing.T) {
				w := newWorld(t)
				if w.insecure = tc.insecure; tc.web != "" {
					w.webConfig(tc.web)
				}
				d, err := New(t.Context(), Options{Listen: listen, Load: w.load})
				if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
					t.Errorf("%v, want %q", err, tc.want)
				}
				if d != nil {
					err = errors.Join(d.Stop(t.Context()), d.listener.Close())
				}
				if d != nil && err != nil || w.closes != 1 {
					t.Errorf("%d closes, %v", w.closes, err)
				}
			})
		}
	}
}

// TestFailure_C19_ReloadOpensNothing: rules that would open the door to strangers
// are refused, and so are broken ones; those before stay.
func TestFailure_C19_ReloadOpensNothing(t *testing.T) {
	w := newWorld(t)
	w.listen = "0.0.0.0:0"
	w.webConfig(withTLS + withUsers)
	d := w.start()
	_, port, err := net.SplitHostPort(d.Addr())
	if err != nil {
		t.Fatal(err)
	}
	url := "https://127.0.0.1:" + port + "/api/v1/status"
	for name, web := range map[string]string{
		"no users": withTLS, "no TLS": withUsers, "nothing": "{}\n", "broken": "tls_server_config: [\n",
		"no certificate": "tls_server_config: {cert_file: gone.pem, key_file: gone.pem}\n" + withUsers,
	} {
		w.webConfig(web)
		if code, _ := knock(t, url, http.MethodGet, ""); code != http.StatusUnauthorized {
			t.Errorf("%s, before it is loaded: %d", name, code)
		}
		if err := d.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), "the old configuration stays in force") {
			t.Errorf("%s: %v", name, err)
		}
		if code, _ := knock(t, url, http.MethodGet, ""); code != http.StatusUnauthorized {
			t.Errorf("%s: %d", name, code)
		}
		if code, _ := knock(t, url, http.MethodGet, "secret"); code != http.StatusOK {
			t.Errorf("%s, with the password: %d", name, code)
		}
	}
}

// TestReloadTakesOverRules: what was open is closed without a restart.
func TestReloadTakesOverRules(t *testing.T) {
	w := newWorld(t)
	d := w.start()
	if code, _ := knock(t, "http://"+d.Addr()+"/", http.MethodGet, ""); code != http.StatusOK {
		t.Fatal(code)
	}
	w.webConfig(withTLS + withUsers)
	if err := d.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if code, body := knock(t, "http://"+d.Addr()+"/", http.MethodGet, "secret"); code != http.StatusBadRequest {
		t.Errorf("without TLS: %d %s", code, body)
	}
	if code, _ := knock(t, "https://"+d.Addr()+"/", http.MethodGet, ""); code != http.StatusUnauthorized {
		t.Errorf("without a password: %d", code)
	}
	if code, _ := knock(t, "https://"+d.Addr()+"/", http.MethodGet, "secret"); code != http.StatusOK {
		t.Errorf("with it: %d", code)
	}
}

// TestWhatStrangersSee: every route but the probes and the webhooks is behind the
// door, and a probe hears no reason.
func TestWhatStrangersSee(t *testing.T) {
	w := newWorld(t)
	w.webConfig(withTLS + withUsers)
	d := w.start()
	base := "https://" + d.Addr()
	deadline := time.Now().Add(10 * time.Second)
	for code := 0; code != http.StatusOK && time.Now().Before(deadline); {
		code, _ = knock(t, base+"/readyz", http.MethodGet, "")
	}
	for path, want := range map[string]int{
		"GET /": 401, "GET /metrics": 401, "GET /api/v1/status": 401, "GET /api/v1/plan": 401, "GET /api/v1/resources": 401,
		"GET /api/v1/observations": 401, "POST /api/v1/sync": 401, "GET /nothing": 401, "DELETE /": 401, "GET /healthz/": 404,
		"GET //metrics": 404, "GET /%6Detrics": 404, "GET /webhook/../metrics": 404, "GET /healthz/../metrics": 404,
		"GET /healthz": 200, "GET /readyz": 200, "POST /webhook/live": 404,
	} {
		method, where, _ := strings.Cut(path, " ")
		if code, body := knock(t, base+where, method, ""); code != want {
			t.Errorf("%s: %d %q, want %d", path, code, body, want)
		}
	}
	if err := os.Rename(w.dir, w.dir+".gone"); err != nil {
		t.Fatal(err)
	}
	body := ""
	for !strings.Contains(body, "source live") && time.Now().Before(deadline) {
		_, body = knock(t, base+"/readyz", http.MethodGet, "secret")
	}
	if code, said := knock(t, base+"/readyz", http.MethodGet, ""); code != http.StatusServiceUnavailable || said != "not ready\n" {
		t.Errorf("a stranger hears %d %q; who proved: %q", code, said, body)
	}
}

// TestStopEndsConnections: one that does nothing does not keep the daemon.
func TestStopEndsConnections(t *testing.T) {
	w := newWorld(t)
	w.webConfig(withTLS + withUsers)
	d := w.start()
	conn, err := tls.Dial("tcp", d.Addr(), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "GET / HTTP/1.1\r\n")
	_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.ReadAll(conn); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("a request that never ends keeps its connection")
	}
}

// TestStreamsEndWithTheRules: a stream of events comes through TLS and HTTP/2, and
// who was let in by rules of before has to prove itself again.
func TestStreamsEndWithTheRules(t *testing.T) {
	w := newWorld(t)
	w.webConfig(withTLS + withUsers)
	d := w.start()
	url := "https://" + d.Addr() + "/api/v1/events"
	if code, body := knock(t, url, http.MethodGet, ""); code != http.StatusUnauthorized {
		t.Fatalf("a stranger: %d %s", code, body)
	}
	c := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}}
	defer c.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("alice", "secret")
	resp, err := c.Do(req)
	if err != nil || resp.StatusCode != http.StatusOK || resp.ProtoMajor != 2 {
		t.Fatal(resp, err)
	}
	defer resp.Body.Close()
	first := make([]byte, 1)
	if _, err := io.ReadFull(resp.Body, first); err != nil || string(first) != ":" {
		t.Fatalf("%q, %v", first, err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, resp.Body)
		ended <- err
	}()
	select {
	case err := <-ended:
		t.Fatalf("the stream ends while nothing happens: %v", err)
	case <-time.After(streamWrite + 4*time.Second):
	}
	w.webConfig(withTLS + strings.Replace(withUsers, "alice", "bob", 1))
	if err := d.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ended:
	case <-time.After(5 * time.Second):
		t.Error("the stream goes on")
	}
	if code, _ := knock(t, url, http.MethodGet, "secret"); code != http.StatusUnauthorized {
		t.Errorf("who is not known any longer: %d", code)
	}
}

// TestFailure_W09_ANameThatLeadsHere: a site elsewhere whose name leads to this
// machine learns nothing from a daemon that lets everybody here in, by whatever
// form of request; a git host is heard under every name.
func TestFailure_W09_ANameThatLeadsHere(t *testing.T) {
	w := newWorld(t)
	d := w.start()
	until(t, d, "/readyz", "ready\n")
	_, port, err := net.SplitHostPort(d.Addr())
	if err != nil {
		t.Fatal(err)
	}
	all := []string{
		"GET / ", "GET /metrics ", "HEAD /api/v1/status ", "HEAD /api/v1/events ", "POST /api/v1/sync ", "GET /assets/app.js ",
		"GET http://evil.example/api/v1/plan ",
	}
	for host, want := range map[string]bool{
		"127.0.0.1:" + port: true, "[::1]:" + port: true, "localhost": true, "LocalHost.:" + port: true, "weir.localhost:1": true,
		"example.com": true, "EXAMPLE.com:443": true, "192.0.2.1": true,
		"evil.example:" + port: false, "localhost.evil.example": false, "example.com.evil.example": false,
		"127.0.0.1.evil.example": false, "evillocalhost": false,
	} {
		for _, request := range all {
			if strings.Contains(request, "evil.example/") {
				request = strings.Replace(request, "evil.example", host, 1)
			}
			if code := raw(t, d, request+"HTTP/1.1\r\nHost: "+host+"\r\n"); (code == http.StatusMisdirectedRequest) == want {
				t.Errorf("%s for %s: %d", request, host, code)
			}
		}
	}
	for request, want := range map[string]int{
		"GET /healthz ": 200, "GET /readyz ": 200, "POST /webhook/live ": 404,
	} {
		if code := raw(t, d, request+"HTTP/1.1\r\nHost: evil.example\r\n"); code != want {
			t.Errorf("%s: %d, want %d", request, code, want)
		}
	}
	if code := raw(t, d, "GET /metrics HTTP/1.0\r\n"); code != http.StatusOK {
		t.Errorf("without a host: %d", code)
	}
}

// raw sends the head of a request as it stands, and returns the status of the answer.
func raw(t *testing.T, d *Daemon, head string) int {
	t.Helper()
	conn, err := net.Dial("tcp", d.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprint(conn, head+"Connection: close\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("%s: %v", head, err)
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

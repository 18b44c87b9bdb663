package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// hostToken is what the git host of a story wants, hookSecret what it signs
// with.
const (
	hostToken  = "token-7f3a9c-of-the-story"
	hookSecret = "hook-secret-5d21e8-of-the-story"
)

// gitHost is a git host over https: git's own server behind a token, a GitHub
// API that takes commit statuses, and webhooks.
type gitHost struct {
	server *httptest.Server
	down   atomic.Bool
	mute   atomic.Bool // takes statuses and does not answer

	mu       sync.Mutex
	statuses []string // "<hash> <state> <description>"
}

// startGitHost starts the host of a story: `githost`. It serves the bare
// repository live.git, and sets GIT_URL (what weir is told) and PUSH_URL (with
// the token, for git).
func startGitHost(ts *testscript.TestScript, _ bool, _ []string) {
	work := ts.Getenv("WORK")
	h := &gitHost{}
	out, err := exec.Command("git", "--exec-path").Output()
	ts.Check(err)
	backend := &cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(string(out)), "git-http-backend"),
		Env:  []string{"GIT_PROJECT_ROOT=" + work, "GIT_HTTP_EXPORT_ALL=1", "REMOTE_USER=story"},
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/v3/repos/ops/live/statuses/{sha}", h.status)
	mux.HandleFunc("/", func(w http.ResponseWriter, req *http.Request) {
		if _, token, _ := req.BasicAuth(); token != hostToken {
			w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		backend.ServeHTTP(w, req)
	})
	h.server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if h.down.Load() {
			panic(http.ErrAbortHandler)
		}
		mux.ServeHTTP(w, req)
	}))
	ts.Defer(h.server.Close)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: h.server.Certificate().Raw})
	ts.Check(os.WriteFile(filepath.Join(work, "ca.pem"), ca, 0o600))
	ts.Check(os.WriteFile(filepath.Join(work, "token"), []byte(hostToken+"\n"), 0o600))
	ts.Check(os.WriteFile(filepath.Join(work, "hook.secret"), []byte(hookSecret+"\n"), 0o600))
	makeBare(ts, filepath.Join(work, "ops", "live.git"))
	address := strings.TrimPrefix(h.server.URL, "https://")
	ts.Setenv("GIT_HOST", h.server.URL)
	ts.Setenv("GIT_URL", h.server.URL+"/ops/live.git")
	ts.Setenv("PUSH_URL", "https://story:"+hostToken+"@"+address+"/ops/live.git")
	ts.Setenv("GIT_SSL_CAINFO", filepath.Join(work, "ca.pem"))
	hosts.Store(work, h)
}

// hosts are the git hosts of the stories under way, by their folder: a script's
// values can only be set before it begins.
var hosts sync.Map

func makeBare(ts *testscript.TestScript, dir string) {
	for _, args := range [][]string{{"init", "-q", "--bare", "-b", "main", dir}, {"-C", dir, "config", "http.receivepack", "true"}} {
		out, err := exec.Command("git", args...).CombinedOutput()
		if err != nil {
			ts.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
}

func (h *gitHost) status(w http.ResponseWriter, req *http.Request) {
	if h.mute.Load() {
		_, _ = io.Copy(io.Discard, req.Body) // so that the end of the connection is seen
		<-req.Context().Done()
		return
	}
	var s struct{ State, Description, Context string }
	err := json.NewDecoder(io.LimitReader(req.Body, 1<<20)).Decode(&s)
	if err != nil || !strings.HasSuffix(req.Header.Get("Authorization"), " "+hostToken) {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.statuses = append(h.statuses, req.PathValue("sha")+" "+s.State+" "+s.Description)
	w.WriteHeader(http.StatusCreated)
	_, _ = w.Write([]byte("{}"))
}

// useGitHost does something at the host: `host down`, `host up`, `host hook`
// delivers a webhook, `host mute` leaves
// commit statuses without an answer, `host status STATE TEXT` waits for a commit status.
func useGitHost(ts *testscript.TestScript, _ bool, args []string) {
	found, ok := hosts.Load(ts.Getenv("WORK"))
	if !ok {
		ts.Fatalf("no githost")
	}
	h := found.(*gitHost)
	switch args[0] {
	case "down":
		h.down.Store(true)
		h.server.CloseClientConnections()
	case "up":
		h.down.Store(false)
	case "mute":
		h.mute.Store(true)
	case "hook":
		h.deliver(ts)
	case "status":
		h.await(ts, args[1], args[2])
	default:
		ts.Fatalf("host %s?", args[0])
	}
}

// await waits until the newest status has that state and text.
func (h *gitHost) await(ts *testscript.TestScript, state, text string) {
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		h.mu.Lock()
		last := ""
		if n := len(h.statuses); n > 0 {
			last = h.statuses[n-1]
		}
		h.mu.Unlock()
		if _, rest, _ := strings.Cut(last, " "); strings.HasPrefix(rest, state+" ") && strings.Contains(rest, text) {
			return
		}
	}
	ts.Fatalf("no status %s %q; the host was told\n%s", state, text, strings.Join(h.statuses, "\n"))
}

// deliver sends a webhook as GitHub does.
func (h *gitHost) deliver(ts *testscript.TestScript) {
	body, err := json.Marshal(map[string]any{
		"ref": "refs/heads/main", "repository": map[string]any{"full_name": "ops/live", "clone_url": ts.Getenv("GIT_URL")},
	})
	ts.Check(err)
	mac := hmac.New(sha256.New, []byte(hookSecret))
	mac.Write(body)
	req, err := http.NewRequest(http.MethodPost, "http://"+ts.Getenv("LISTEN")+"/webhook/live", bytes.NewReader(body))
	ts.Check(err)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-GitHub-Event", "push")
	req.Header.Set("X-GitHub-Delivery", rand.Text())
	req.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	resp, err := http.DefaultClient.Do(req)
	ts.Check(err)
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusAccepted {
		ts.Fatalf("webhook: %s", resp.Status)
	}
}

// startSSH starts a real sshd for the user who runs the test: `sshd`. It sets
// GIT_URL, and GIT_SSH_COMMAND for git; weir's key is id, the host's keys are in
// known_hosts.
func startSSH(ts *testscript.TestScript, _ bool, _ []string) {
	sshd, err := exec.LookPath("sshd")
	if err != nil {
		sshd = "/usr/sbin/sshd"
	}
	work := ts.Getenv("WORK")
	for _, name := range []string{"id", "hostkey"} {
		out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(work, name)).CombinedOutput()
		if err != nil {
			ts.Fatalf("ssh-keygen: %v\n%s", err, out)
		}
	}
	address, err := freeAddress()
	ts.Check(err)
	host, port, err := net.SplitHostPort(address)
	ts.Check(err)
	public, err := os.ReadFile(filepath.Join(work, "id.pub"))
	ts.Check(err)
	ts.Check(os.WriteFile(filepath.Join(work, "authorized_keys"), public, 0o600))
	key, err := os.ReadFile(filepath.Join(work, "hostkey.pub"))
	ts.Check(err)
	ts.Check(os.WriteFile(filepath.Join(work, "known_hosts"), fmt.Appendf(nil, "[%s]:%s %s", host, port, key), 0o600))
	makeBare(ts, filepath.Join(work, "ops", "live.git"))
	if os.Geteuid() == 0 {
		ts.Check(os.MkdirAll("/run/sshd", 0o755)) // where sshd of root locks itself in
	}
	ts.Check(os.WriteFile(filepath.Join(work, "sshd_config"), fmt.Appendf(nil, `ListenAddress %s
Port %s
HostKey %s/hostkey
AuthorizedKeysFile %[3]s/authorized_keys
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
`, host, port, work), 0o600))
	cmd := exec.Command(sshd, "-D", "-e", "-f", filepath.Join(work, "sshd_config"))
	ts.Check(cmd.Start())
	ts.Defer(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	user := os.Getenv("USER")
	if user == "" {
		user = "root"
	}
	ts.Setenv("GIT_URL", fmt.Sprintf("ssh://%s@%s%s/ops/live.git", user, address, work))
	ts.Setenv("GIT_SSH_COMMAND", fmt.Sprintf("ssh -F none -i %s/id -o UserKnownHostsFile=%[1]s/known_hosts -o IdentitiesOnly=yes", work))
	awaitListen(ts, address)
}

func awaitListen(ts *testscript.TestScript, address string) {
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if c, err := net.Dial("tcp", address); err == nil {
			_ = c.Close()
			return
		}
	}
	ts.Fatalf("nothing listens on %s", address)
}

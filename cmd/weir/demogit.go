package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/cgi" //nolint:gosec // Httpoxy was repaired in Go 1.6.3
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// demoGitTime bounds each git command of the demo, demoHookTime its webhook.
const (
	demoGitTime  = 30 * time.Second
	demoHookTime = 5 * time.Second
)

// demoHost is a git host for one repository: git's own server behind HTTP, and
// a webhook that tells the daemon of each push.
type demoHost struct {
	served
	hook, secret string
}

// startDemoGit makes the manifests in dir/live a clone of a repository that is
// served, and points dir/weir.yaml at it.
func startDemoGit(ctx context.Context, dir string) (*demoHost, error) {
	if _, err := exec.LookPath("git"); err != nil {
		return nil, errors.New("--git needs the program git, which is not on the PATH; without --git nothing is needed")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	bare, clone := filepath.Join(dir, "live.git"), filepath.Join(dir, "live")
	for _, args := range [][]string{
		{"init", "-q", "--bare", "-b", "main", bare},
		{"-C", bare, "config", "http.receivepack", "true"},
		{"init", "-q", "-b", "main", clone},
		{"-C", clone, "config", "user.name", "weir demo"},
		{"-C", clone, "config", "user.email", "demo@example.com"},
		{"-C", clone, "add", "-A"},
		{"-C", clone, "commit", "-q", "-m", "The five kinds of the quickstart"},
		{"-C", clone, "push", "-q", bare, "main"},
	} {
		if err := demoGit(ctx, args...); err != nil {
			return nil, err
		}
	}
	host, err := serveDemoGit(ctx, dir)
	if err != nil {
		return nil, err
	}
	url := "http://" + host.addr + "/live.git"
	err = demoGit(ctx, "-C", clone, "remote", "add", "origin", url)
	if err == nil {
		err = demoGit(ctx, "-C", clone, "config", "branch.main.remote", "origin")
	}
	if err == nil {
		err = demoGit(ctx, "-C", clone, "config", "branch.main.merge", "refs/heads/main")
	}
	if err == nil {
		err = host.point(dir, url)
	}
	if err != nil {
		return nil, errors.Join(err, host.close())
	}
	return host, nil
}

func demoGit(ctx context.Context, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, demoGitTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, "git", args...) //nolint:gosec // the demo's own words and folders
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("git %s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(out))
	}
	return nil
}

// serveDemoGit serves the repositories below dir on a free port of loopback.
func serveDemoGit(ctx context.Context, dir string) (*demoHost, error) {
	out, err := exec.CommandContext(ctx, "git", "--exec-path").Output()
	if err != nil {
		return nil, fmt.Errorf("git --exec-path: %w", err)
	}
	secret := make([]byte, sha256.Size)
	_, _ = rand.Read(secret) // never fails
	h := &demoHost{secret: hex.EncodeToString(secret)}
	backend := &cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(string(out)), "git-http-backend"),
		Env:  []string{"GIT_PROJECT_ROOT=" + dir, "GIT_HTTP_EXPORT_ALL=1", "REMOTE_USER=demo"},
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	srv := &http.Server{ReadHeaderTimeout: emulatorHeaderTimeout, Handler: http.HandlerFunc(
		func(w http.ResponseWriter, req *http.Request) {
			backend.ServeHTTP(w, req)
			if req.Method == http.MethodPost && strings.HasSuffix(req.URL.Path, "/git-receive-pack") {
				h.tell(context.WithoutCancel(req.Context()))
			}
		})}
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(l) }()
	h.served = served{addr: l.Addr().String(), close: func() error {
		err := srv.Close()
		if serr := <-ended; !errors.Is(serr, http.ErrServerClosed) {
			err = errors.Join(err, serr)
		}
		return err
	}}
	return h, nil
}

// point makes the configuration follow the repository.
func (h *demoHost) point(dir, url string) error {
	if err := os.WriteFile(filepath.Join(dir, "webhook.secret"), []byte(h.secret+"\n"), 0o600); err != nil {
		return err
	}
	path := filepath.Join(dir, "weir.yaml")
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	source := "git:\n      url: " + url + "\n      branch: main\n      interval: 30s # a push is told by the webhook\n" +
		"      webhook: {kind: generic, secretFile: webhook.secret}"
	text := strings.Replace(string(b), "directory: {path: live}", source, 1)
	if listen := demoListenOf(text); listen != "" {
		h.hook = "http://" + listen + "/webhook/live"
	}
	return os.WriteFile(path, []byte(text), 0o600)
}

// demoListenOf returns the address that the daemon of the demo listens on.
func demoListenOf(config string) string {
	for line := range strings.Lines(config) {
		if rest, ok := strings.CutPrefix(line, "listen: "); ok {
			return strings.TrimSpace(rest)
		}
	}
	return ""
}

// tell delivers the webhook, as a git host does after a push.
func (h *demoHost) tell(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, demoHookTime)
	defer cancel()
	body := []byte(`{"ref":"refs/heads/main"}`)
	mac := hmac.New(sha256.New, []byte(h.secret))
	mac.Write(body)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.hook, bytes.NewReader(body))
	if err != nil {
		return
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	req.Header.Set("X-Delivery-Id", rand.Text())
	if resp, err := http.DefaultClient.Do(req); err == nil { // without an answer the poll sees it
		_ = resp.Body.Close()
	}
}

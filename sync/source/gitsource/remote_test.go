package gitsource

import (
	"bytes"
	"encoding/pem"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"weir/sync/secret"
	"weir/sync/source"
)

func TestFailure_S01_RemoteDown(t *testing.T) {
	r := newRepo(t)
	head := r.save("a.yaml", "x: 1\n")
	opt := r.options()
	opt.Mirror = t.TempDir()
	f := open(t, opt)
	f.want(head, one("x: 1\n"))
	r.server.Close()
	f.refuses(source.CodeRemote, "")
	must(t, f.src.Close())
	f = open(t, opt) // a restart while it is down: what was accepted is in force
	f.want(head, one("x: 1\n"))
	f.refuses(source.CodeRemote, "")

	opt.Mirror = ""
	open(t, opt).refuses(source.CodeRemote, "")
}

func TestFailure_S01_EqualAfterError(t *testing.T) {
	r := newRepo(t)
	head := r.save("a.yaml", "x: 1\n")
	f := open(t, r.options())
	f.want(head, one("x: 1\n"))
	r.answer(http.StatusServiceUnavailable, "", "")
	text := f.refuses(source.CodeRemote, "")
	if !strings.Contains(text, "status 503") {
		t.Errorf("%q does not name the status", text)
	}
	r.intercept(func(http.ResponseWriter, *http.Request) bool { return false })
	f.reaches(head, one("x: 1\n"))
	f.quiet()
}

// answer lets the server answer every request like this.
func (r *repo) answer(status int, kind, body string) {
	r.intercept(func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
		return true
	})
}

func TestFailure_S02_NeverAnswers(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	r := newRepo(t)
	opt := r.options()
	opt.URL, opt.Timeout = "http://"+l.Addr().String()+"/x.git", 50*time.Millisecond
	f := open(t, opt)
	f.refuses(source.CodeTimeout, "")
}

func TestFailure_S03_SlowPack(t *testing.T) {
	r := newRepo(t)
	r.save("a.yaml", "x: 1\n")
	r.intercept(func(w http.ResponseWriter, req *http.Request) bool {
		if req.Method != http.MethodPost {
			return false
		}
		w.Header().Set("Content-Type", "application/x-git-upload-pack-result")
		for req.Context().Err() == nil {
			_, _ = io.WriteString(w, "0")
			_ = http.NewResponseController(w).Flush()
			select {
			case <-time.After(20 * time.Millisecond):
			case <-req.Context().Done():
			}
		}
		return true
	})
	opt := r.options()
	opt.Timeout = 150 * time.Millisecond
	f := open(t, opt)
	_, err := f.next()
	if err == nil || !strings.Contains(err.Error(), "remote-") {
		t.Errorf("got %v, want a fault of the remote", err)
	}
}

func TestFailure_S04_NotGit(t *testing.T) {
	r := newRepo(t)
	head := r.save("a.yaml", "x: 1\n")
	f := open(t, r.options())
	f.want(head, one("x: 1\n"))
	const advert = "application/x-git-upload-pack-advertisement"
	for name, c := range map[string]struct{ kind, body string }{
		"a login page":               {"text/html; charset=utf-8", "<html>please log in</html>"},
		"a login page that pretends": {advert, "<html>please log in</html>"},
		"nothing":                    {advert, ""},
		"an error of git":            {advert, "001e# service=git-upload-pack\n00000011ERR go away"},
		"bytes":                      {advert, "\xff\x00\x1b[31m"},
	} {
		t.Run(name, func(t *testing.T) {
			r.answer(http.StatusOK, c.kind, c.body)
			_, err := f.next()
			if err == nil || !strings.Contains(err.Error(), "["+source.CodeProtocol+"]") &&
				!strings.Contains(err.Error(), "["+source.CodeBranch+"]") {
				t.Errorf("got %v, want a fault", err)
			}
			if err != nil && strings.ContainsAny(err.Error(), "\x1b\x00") {
				t.Errorf("control characters in %q", err)
			}
		})
	}
}

func TestFailure_S05_Redirect(t *testing.T) {
	var reached atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	defer other.Close()
	r := newRepo(t)
	head := r.save("a.yaml", "x: 1\n")
	opt := r.options()
	t.Setenv("TOKEN", "canary-4711")
	opt.Auth.Token = secret.Ref{Env: "TOKEN"}
	for name, target := range map[string]string{
		"another host": other.URL, "link-local": "http://169.254.169.254/latest", "a file": "file:///etc/passwd",
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			t.Run(name+" on "+method, func(t *testing.T) {
				r.intercept(func(w http.ResponseWriter, req *http.Request) bool {
					if req.Method != method {
						return false
					}
					http.Redirect(w, req, target+req.URL.Path+"?"+req.URL.RawQuery, http.StatusTemporaryRedirect)
					return true
				})
				_, err := open(t, opt).next()
				if err == nil || strings.Contains(err.Error(), "canary") {
					t.Errorf("got %v", err)
				}
			})
		}
	}
	if n := reached.Load(); n != 0 {
		t.Errorf("the other host saw %d requests", n)
	}
	r.intercept(func(w http.ResponseWriter, req *http.Request) bool {
		if !strings.HasPrefix(req.URL.Path, "/old") {
			return false
		}
		http.Redirect(w, req, strings.TrimPrefix(req.URL.Path, "/old")+"?"+req.URL.RawQuery, http.StatusMovedPermanently)
		return true
	})
	opt.URL = r.server.URL + "/old/.git" // within the host it is followed
	open(t, opt).want(head, one("x: 1\n"))
}

// guarded lets only this password through.
func (r *repo) guarded(user, password string) {
	r.intercept(func(w http.ResponseWriter, req *http.Request) bool {
		u, p, _ := req.BasicAuth()
		if u == user && p == password {
			return false
		}
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, "you sent "+req.Header.Get("Authorization"))
		return true
	})
}

func TestFailure_S06_TokenRotated(t *testing.T) {
	r := newRepo(t)
	head := r.save("a.yaml", "x: 1\n")
	file := filepath.Join(t.TempDir(), "token")
	opt := r.options()
	opt.Auth.Token = secret.Ref{File: file}
	var log bytes.Buffer
	opt.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	f := open(t, opt)
	f.refuses(source.CodeAuth, "") // no file yet
	must(t, os.WriteFile(file, []byte("canary-old\n"), 0o600))
	r.guarded("oauth2", "canary-old")
	f.reaches(head, one("x: 1\n"))
	r.guarded("oauth2", "canary-new")
	text := f.refuses(source.CodeAuth, "")
	must(t, os.WriteFile(file, []byte("canary-new\n"), 0o600))
	f.reaches(head, one("x: 1\n"))
	if all := text + log.String(); strings.Contains(all, "canary") || strings.Contains(all, "you sent") {
		t.Errorf("a secret is in %q", all)
	}
}

func TestAuth_Bearer(t *testing.T) {
	t.Setenv("TOKEN", "x")
	for want, a := range map[string]Auth{
		"Bearer x":           {Token: secret.Ref{Env: "TOKEN"}, Bearer: true},
		"Basic b2F1dGgyOng=": {Token: secret.Ref{Env: "TOKEN"}},
		"Basic Ym9iOng=":     {User: "bob", Password: secret.Ref{Env: "TOKEN"}},
		"":                   {User: "bob"},
	} {
		got, err := a.header()
		if err != nil || got.Reveal() != want {
			t.Errorf("got %q, %v; want %q", got.Reveal(), err, want)
		}
	}
}

func TestFailure_S07_UnknownCA(t *testing.T) {
	r := newRepo(t)
	head := r.save("a.yaml", "x: 1\n")
	handler := r.server.Config.Handler
	secure := httptest.NewUnstartedServer(handler)
	secure.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	secure.StartTLS()
	defer secure.Close()
	opt := r.options()
	opt.URL = secure.URL + "/.git"
	f := open(t, opt)
	if text := f.refuses(source.CodeRemote, ""); !strings.Contains(text, "certificate") {
		t.Errorf("%q does not tell of the certificate", text)
	}
	ca := filepath.Join(t.TempDir(), "ca.pem")
	opt.Auth.CAFile = ca
	f = open(t, opt)
	f.refuses(source.CodeAuth, "")
	must(t, os.WriteFile(ca, []byte("nothing"), 0o600))
	f.refuses(source.CodeAuth, "")
	block := &pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw}
	must(t, os.WriteFile(ca, pem.EncodeToMemory(block), 0o600))
	f.reaches(head, one("x: 1\n"))
}

// TestFailure_S36_Disagreement has a remote that advertises what it does not
// have.
func TestFailure_S36_Disagreement(t *testing.T) {
	r := newRepo(t)
	head := r.save("a.yaml", "x: 1\n")
	f := open(t, r.options())
	f.want(head, one("x: 1\n"))
	ghost := strings.Repeat("12", 20)
	r.intercept(func(w http.ResponseWriter, req *http.Request) bool {
		if req.Method != http.MethodGet {
			return false
		}
		w.Header().Set("Content-Type", "application/x-git-upload-pack-advertisement")
		_, _ = io.WriteString(w, "001e# service=git-upload-pack\n0000003d"+ghost+" refs/heads/main\n0000")
		return true
	})
	f.refuses(source.CodeProtocol, "")
	r.intercept(func(http.ResponseWriter, *http.Request) bool { return false })
	f.reaches(head, one("x: 1\n"))
}

func TestTrip_Clean(t *testing.T) {
	tr := &trip{header: secret.New("Basic canary")}
	if got := tr.clean("a\x1b[31m canary\n\u202e\xff"); got != "a [31m [redacted]  ?" {
		t.Errorf("got %q", got)
	}
	if got := tr.clean(strings.Repeat("x", 10_000)); len(got) != longestText+len("…") {
		t.Errorf("%d bytes", len(got))
	}
}

package commitstatus

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"weir/sync/secret"
)

// The token goes to the configured host alone, over real connections, and a
// repository that moved within its host is found.
func TestFailure_S05_RedirectToAnotherHost(t *testing.T) {
	for _, kind := range []string{"github", "gitlab", "gitea", "gitee"} {
		t.Run(kind, func(t *testing.T) {
			var reached atomic.Int32
			evil := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
			defer evil.Close()
			h := newGitHost(kind)
			for _, status := range []int{301, 302, 303, 307, 308} {
				h.answerWith(answer(status, "Location", evil.URL+"/x"))
				server := httptest.NewServer(h)
				r := newRig(t, optionsOf(h, server.URL))
				r.Report(Status{commit, Success, "a"})
				if err := r.close(); err == nil || reached.Load() != 0 {
					t.Errorf("%d: %v, the other host was asked %d times", status, err, reached.Load())
				}
				server.Close()
			}
		})
	}
}

func TestReport_MovedWithinTheHost(t *testing.T) {
	for _, kind := range []string{"github", "gitlab", "gitea", "gitee"} {
		t.Run(kind, func(t *testing.T) {
			h := newGitHost(kind)
			h.answerWith(func(w http.ResponseWriter, req *http.Request) bool {
				if strings.Contains(req.URL.Path, h.repo) {
					return false
				}
				to := *req.URL
				to.RawPath = strings.NewReplacer("old", "live").Replace(to.EscapedPath())
				to.Path = strings.NewReplacer("old", "live").Replace(to.Path)
				http.Redirect(w, req, to.String(), http.StatusTemporaryRedirect)
				return true
			})
			server := httptest.NewServer(h)
			defer server.Close()
			opt := optionsOf(h, server.URL)
			opt.URL = strings.Replace(opt.URL, "live", "old", 1)
			r := newRig(t, opt)
			r.Report(Status{commit, Success, "a"})
			r.end()
			if len(h.statuses()) != 1 {
				t.Errorf("%+v, %v", h.statuses(), h.complaints())
			}
		})
	}
}

// Whatever the client above does, the token leaves for no other origin.
func TestFailure_S05_TripToAnotherHost(t *testing.T) {
	at, err := url.Parse("https://git.example.com/api")
	if err != nil {
		t.Fatal(err)
	}
	base := &inside{Handler: http.NotFoundHandler()}
	tr := &trip{base: base, at: at, token: secret.New(token), header: func(http.Header, secret.Secret) {}}
	for _, to := range []string{
		"http://git.example.com/", "https://git.example.com:444/", "https://git.example.com.evil.example/",
		"https://git.example.com@evil.example/", "https://GIT.example.com/",
	} {
		req := httptest.NewRequest(http.MethodPost, to, nil)
		if _, err := tr.RoundTrip(req); !errors.Is(err, errElsewhere) || len(base.at()) != 0 {
			t.Errorf("%s: %v", to, err)
		}
	}
}

// What comes after a redirect counts, not the redirect.
func TestFailure_DownAfterRedirect(t *testing.T) {
	bubble(t, "github", func(t *testing.T, h *gitHost, in *inside, r *rig) {
		h.answerWith(func(w http.ResponseWriter, req *http.Request) bool {
			in.set(true)
			return answer(307, "Location", "/moved")(w, req)
		})
		r.Report(Status{commit, Success, "a"})
		time.Sleep(time.Second)
		if !strings.Contains(r.log.String(), errDown.Error()) || strings.Contains(r.log.String(), "elsewhere") {
			t.Error(r.log.String())
		}
		h.answerWith(nil)
		in.set(false)
		r.end()
	})
}

// A proxy is asked as proxies are, also for a project whose name is escaped.
func TestReport_Proxy(t *testing.T) {
	for _, kind := range []string{"github", "gitlab", "gitea", "gitee"} {
		t.Run(kind, func(t *testing.T) {
			h := newGitHost(kind)
			proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				if req.URL.Host != "git.example.com" {
					t.Errorf("the proxy is asked for %s", req.RequestURI)
				}
				h.ServeHTTP(w, req)
			}))
			defer proxy.Close()
			at, err := url.Parse(proxy.URL)
			if err != nil {
				t.Fatal(err)
			}
			transport := &http.Transport{Proxy: http.ProxyURL(at)}
			defer transport.CloseIdleConnections()
			opt := optionsOf(h, "http://git.example.com")
			opt.Transport = transport
			r := newRig(t, opt)
			r.Report(Status{commit, Success, "a"})
			r.end()
			if len(h.statuses()) != 1 {
				t.Errorf("%+v, %v", h.statuses(), h.complaints())
			}
		})
	}
}

// The end of a reporter is the end of its connections.
func TestClose_Connections(t *testing.T) {
	h := newGitHost("github")
	closed := make(chan struct{})
	server := httptest.NewUnstartedServer(h)
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateClosed {
			close(closed)
		}
	}
	server.Start()
	r := newRig(t, optionsOf(h, server.URL))
	r.Report(Status{commit, Success, "a"})
	r.end()
	select {
	case <-closed:
	case <-time.After(10 * time.Second):
		t.Error("the connection is still open")
	}
	server.Close()
}

package commitstatus

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// inside is a transport to a handler in this process, which works in a bubble.
type inside struct {
	http.Handler

	mu    sync.Mutex
	down  bool
	tries []time.Duration // since the first, of each request
	first time.Time
}

var errDown = errors.New("dial tcp 192.0.2.1:443: connect: connection refused")

func (i *inside) RoundTrip(req *http.Request) (*http.Response, error) {
	i.mu.Lock()
	if i.first.IsZero() {
		i.first = time.Now()
	}
	i.tries = append(i.tries, time.Since(i.first))
	down := i.down
	i.mu.Unlock()
	if down {
		return nil, errDown
	}
	if req.Body == nil {
		req.Body = http.NoBody
	}
	rec := httptest.NewRecorder()
	done := make(chan struct{})
	go func() {
		defer close(done)
		i.ServeHTTP(rec, req)
	}()
	select {
	case <-done:
		resp := rec.Result()
		resp.Request = req
		return resp, nil
	case <-req.Context().Done():
		<-done // the handlers below end with their request
		return nil, req.Context().Err()
	}
}

func (i *inside) set(down bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.down = down
}

func (i *inside) at() []time.Duration {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.tries
}

// bubble runs f in a bubble with a reporter to a host of the kind given.
func bubble(t *testing.T, kind string, f func(t *testing.T, h *gitHost, in *inside, r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := newGitHost(kind)
		in := &inside{Handler: h}
		opt := optionsOf(h, "https://git.example.com")
		opt.Transport = in
		f(t, h, in, newRig(t, opt))
	})
}

func answer(status int, header ...string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, _ *http.Request) bool {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(`{"message":"no: ` + token + `"}`))
		return true
	}
}

func seconds(tries []time.Duration) (out []int) {
	for _, d := range tries {
		out = append(out, int(d/time.Second))
	}
	return out
}

func same(t *testing.T, got []time.Duration, want ...int) {
	t.Helper()
	g := seconds(got)
	if len(g) < len(want) {
		t.Fatalf("tried after %v seconds, want %v", g, want)
	}
	for i := range want {
		if g[i] != want[i] {
			t.Fatalf("tried after %v seconds, want %v", g, want)
		}
	}
}

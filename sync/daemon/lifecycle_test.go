package daemon

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"weir/sync/plan"
)

// closing makes a world whose next closing waits: begun is closed when it has begun,
// and it ends with goOn.
func closing(w *world) (begun, goOn chan struct{}) {
	begun, goOn = make(chan struct{}), make(chan struct{})
	w.closing = func() {
		w.closing = nil
		close(begun)
		<-goOn
	}
	return begun, goOn
}

// asked asks for a path, and gives the status of the answer to the channel it returns.
func asked(d *Daemon, method, path string) <-chan int {
	out := make(chan int, 1)
	go func() {
		req, err := http.NewRequest(method, "http://"+d.Addr()+path, http.NoBody)
		if err != nil {
			panic(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			out <- 0
			return
		}
		_ = resp.Body.Close()
		out <- resp.StatusCode
	}()
	return out
}

// TestNobodyWaitsForTheEnd: a probe, a scrape and whoever asks for a pass are
// answered while weir reloads or stops, and none of them keeps it.
func TestNobodyWaitsForTheEnd(t *testing.T) {
	for name, do := range map[string]func(*Daemon) error{
		"reload": func(d *Daemon) error { return d.Reload(context.Background()) },
		"stop": func(d *Daemon) error {
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			defer cancel()
			return d.Stop(ctx)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			d := w.make()
			d.Start()
			until(t, d, "/readyz", "ready\n")
			begun, goOn := closing(w)
			done := make(chan error, 1)
			go func() { done <- do(d) }()
			<-begun
			for _, path := range []string{"GET /readyz", "POST /api/v1/sync", "GET /api/v1/observations", "GET /metrics", "GET /"} {
				method, path, _ := strings.Cut(path, " ")
				select {
				case code := <-asked(d, method, path):
					if code != http.StatusOK && code != http.StatusAccepted {
						t.Errorf("%s: %d", path, code)
					}
				case <-time.After(5 * time.Second):
					t.Errorf("%s is not answered", path)
				}
			}
			close(goOn)
			if err := <-done; err != nil {
				t.Error(err)
			}
			if name == "reload" {
				if err := d.Stop(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// TestReloadsFollowEachOther: of two at once the one that read the configuration last
// is in force in the end, and after a stop there is none.
func TestReloadsFollowEachOther(t *testing.T) {
	w := newWorld(t)
	d := w.make()
	d.Start()
	until(t, d, "/readyz", "ready\n")
	begun, goOn := closing(w)
	first, second := make(chan error, 1), make(chan error, 1)
	go func() { first <- d.Reload(context.Background()) }()
	<-begun
	go func() { second <- d.Reload(context.Background()) }()
	select {
	case <-second:
		t.Error("a reload overtakes another")
	case <-time.After(100 * time.Millisecond):
	}
	w.mode = plan.Observe // as the second reads it
	close(goOn)
	for _, done := range []chan error{first, second} {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	until(t, d, "/api/v1/status", `"mode": "observe"`)
	if err := d.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if err := d.Reload(t.Context()); err == nil || w.closes != w.loads {
		t.Errorf("reload after the stop: %v; %d loads, %d closes", err, w.loads, w.closes)
	}
}

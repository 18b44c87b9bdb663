package notify

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"weir/sync/notify/channel"
	"weir/sync/notify/message"
	"weir/sync/secret"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server is somebody's, reached without a socket: what it answers, and
// what it got.
type server struct {
	mu     sync.Mutex
	status []int // of each try in turn, the last for all that follow; 0: no answer
	head   http.Header
	got    []*http.Request
	bodies [][]byte
	tries  []time.Time
}

func (r *server) RoundTrip(req *http.Request) (*http.Response, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	r.got, r.bodies, r.tries = append(r.got, req), append(r.bodies, body), append(r.tries, time.Now())
	status := r.status[min(len(r.got), len(r.status))-1]
	if status == 0 {
		return nil, errors.New("connection refused by https://alerts.example.com/topsecret")
	}
	rec := httptest.NewRecorder()
	maps.Copy(rec.Header(), r.head)
	rec.WriteHeader(status)
	return rec.Result(), nil
}

// open returns a notifier of a receiver, and what it logs.
func open(t *testing.T, r http.RoundTripper) (*Notifier, *Metrics, *strings.Builder) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("topsecret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	metrics, err := NewMetrics(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	log := &strings.Builder{}
	hook, err := channel.NewWebhook(channel.WebhookOptions{
		Address: channel.Address{URL: "https://alerts.example.com/weir"}, Secret: secret.Ref{File: file}, Source: "/weir/here",
		Transport: r,
	})
	if err != nil {
		t.Fatal(err)
	}
	n, err := New(Options{
		Receivers: []Receiver{{Name: "hook", Channel: hook, Began: true}}, Metrics: metrics,
		Logger: slog.New(slog.NewTextHandler(log, nil)), random: func() float64 { return 0 },
	})
	if err != nil {
		t.Fatal(err)
	}
	return n, metrics, log
}

func held(n int) Event {
	return Event{Name: message.Held, Key: "plan", Plan: fmt.Sprint("plan", n)}
}

func TestAnEventIsASignedCloudEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &server{status: []int{202}}
		n, metrics, _ := open(t, r)
		n.Tell(held(1))
		synctest.Wait()
		if err := n.Close(t.Context()); err != nil || len(r.got) != 1 {
			t.Fatalf("%d requests, %v", len(r.got), err)
		}
		var e map[string]any
		if err := json.Unmarshal(r.bodies[0], &e); err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]string{
			"specversion": "1.0", "type": "weir.plan.held", "source": "/weir/here", "subject": "plan1",
			"datacontenttype": "application/json", "time": "2000-01-01T00:00:00Z",
		} {
			if e[name] != want {
				t.Errorf("%s is %v, want %s", name, e[name], want)
			}
		}
		if id, _ := e["id"].(string); len(id) < 16 {
			t.Errorf("id %q", id)
		}
		mac := hmac.New(sha256.New, []byte("topsecret"))
		mac.Write(r.bodies[0])
		head := r.got[0].Header
		if got := head.Get("X-Signature-256"); got != "sha256="+hex.EncodeToString(mac.Sum(nil)) {
			t.Errorf("signature %s", got)
		}
		if got := head.Get("Content-Type"); got != "application/cloudevents+json; charset=utf-8" {
			t.Errorf("content type %s", got)
		}
		if sum := testutil.ToFloat64(metrics.all.WithLabelValues(sent)); sum != 1 {
			t.Errorf("sent %v", sum)
		}
	})
}

func TestWhatAnAnswerLeadsTo(t *testing.T) {
	tests := map[string]struct {
		status []int
		head   http.Header
		tries  int
		after  time.Duration // of the last try
	}{
		"taken":                   {[]int{204}, nil, 1, 0},
		"down, then up":           {[]int{0, 503, 200}, nil, 3, 6 * time.Second},
		"too many":                {[]int{429, 200}, http.Header{"Retry-After": {"60"}}, 2, time.Minute},
		"the secret was not told": {[]int{401, 200}, nil, 2, 2 * time.Second},
		"never":                   {[]int{400}, nil, 1, 0},
		"gone":                    {[]int{410}, nil, 1, 0},
		"elsewhere":               {[]int{302}, http.Header{"Location": {"https://other.example.com/"}}, 1, 0},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := &server{status: tc.status, head: tc.head}
				n, _, log := open(t, r)
				n.Tell(held(1))
				time.Sleep(10 * time.Minute)
				synctest.Wait()
				_ = n.Close(t.Context())
				if len(r.tries) != tc.tries || r.tries[len(r.tries)-1].Sub(r.tries[0]) != tc.after {
					t.Errorf("tries %v", r.tries)
				}
				for i := range r.bodies {
					if string(r.bodies[i]) != string(r.bodies[0]) {
						t.Errorf("try %d has another body", i)
					}
				}
				if strings.Contains(log.String(), "topsecret") {
					t.Errorf("the log holds the secret:\n%s", log)
				}
			})
		})
	}
}

// TestSendNeverBlocks: with nobody there the oldest are dropped, and weir stops
// in time.
func TestSendNeverBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &server{status: []int{0}}
		n, metrics, _ := open(t, r)
		began := time.Now()
		for i := range 3 * maxGroups {
			n.Tell(held(i))
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("it took %s", took)
		}
		time.Sleep(2 * time.Hour)
		if err := n.Close(t.Context()); err == nil && testutil.ToFloat64(metrics.all.WithLabelValues(failed)) < 3*maxGroups {
			t.Errorf("close: %v, failed %v", err, testutil.ToFloat64(metrics.all.WithLabelValues(failed)))
		}
		n.Tell(held(0)) // after the end: dropped
	})
}

// TestCloseIsBounded: a receiver that hangs does not keep weir from stopping.
func TestCloseIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, _, _ := open(t, hanging{})
		n.Tell(held(1))
		synctest.Wait()
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := n.Close(ctx)
		if took := time.Since(began); err == nil || took > time.Second {
			t.Errorf("%v after %s", err, took)
		}
	})
}

type hanging struct{}

func (hanging) RoundTrip(req *http.Request) (*http.Response, error) {
	<-req.Context().Done()
	return nil, req.Context().Err()
}

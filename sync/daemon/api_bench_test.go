package daemon

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"weir/sync/emulator"
)

// BenchmarkAPI is what is asked of a daemon that keeps 100,000 resources: time of
// the whole answer, and its size.
func BenchmarkAPI(b *testing.B) {
	w := newWorldIn(&testing.T{}, b.TempDir())
	w.crowd(100_000)
	d, err := New(b.Context(), Options{Listen: "127.0.0.1:0", Load: w.load, Registry: w.registry})
	if err != nil {
		b.Fatal(err)
	}
	d.Start()
	defer func() { _ = d.Stop(context.Background()) }()
	for deadline := time.Now().Add(3 * time.Minute); d.viewer().Headline().States["in-sync"] < 100_000; {
		if time.Now().After(deadline) {
			b.Fatalf("never in sync: %+v", d.viewer().Headline())
		}
		time.Sleep(50 * time.Millisecond)
	}
	for name, path := range map[string]string{
		"overview": "/api/v1/status",
		"page":     "/api/v1/resources?limit=100",
		"last":     "/api/v1/resources?limit=100&offset=99900",
		"search":   "/api/v1/resources?q=Channel-77777",
		"nothing":  "/api/v1/resources?q=no-such-thing",
		"state":    "/api/v1/resources?state=drifted",
		"label":    "/api/v1/resources?label=team%3Dsports&limit=100",
		"detail":   "/api/v1/resources/volc/RelaySource/push.example.com/channel-77777",
		"unknown":  "/api/v1/resources/volc/RelaySource/push.example.com/chanel-77777",
		"plan":     "/api/v1/plan?limit=100",
	} {
		b.Run(name, func(b *testing.B) {
			var rec *httptest.ResponseRecorder
			for b.Loop() {
				rec = httptest.NewRecorder()
				d.server.Handler.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, path, http.NoBody))
			}
			b.ReportMetric(float64(rec.Body.Len())/1e3, "kB")
			if rec.Code != http.StatusOK && name != "unknown" {
				b.Fatal(rec.Body.String())
			}
		})
	}
}

// crowd declares many relay sources that the cloud already holds.
func (w *world) crowd(n int) {
	var held emulator.World
	var docs []string
	for i := range n {
		app := fmt.Sprintf("channel-%05d", i)
		held.RelaySources = append(held.RelaySources, emulator.RelaySource{
			Vhost: "push.example.com", App: app, Groups: []emulator.RelayGroup{
				{Name: "main", Servers: []emulator.RelayServer{{Address: "a.example.org", Protocol: "rtmp"}}},
			},
		})
		docs = append(docs, strings.Replace(relayed, "app: live", "app: "+app, 1))
		if len(docs) == 1000 || i == n-1 {
			w.write(fmt.Sprintf("crowd-%05d.yaml", i), strings.Join(docs, "---\n"))
			docs = nil
		}
	}
	if err := w.clouds.Patch(held); err != nil {
		w.t.Fatal(err)
	}
}

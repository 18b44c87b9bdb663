package reconcile

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"weir/sync/call"
	"weir/sync/resource"
)

// metered returns a house with so many resources in sync, after its first passes, and
// with the metrics of its calls.
func metered(t testing.TB, n int) *house {
	t.Helper()
	h := open(&testing.T{})
	calls, err := call.NewMetrics(h.registry)
	if err != nil {
		t.Fatal(err)
	}
	for name, l := range h.limiters {
		calls.Preset(name, []string{"UpdateRelaySourceV3", "DescribeRelaySourceV3"})
		calls.Watch(name, l)
	}
	h.seed(n)
	h.commit(many(1)...)
	h.rec.beginMetrics()
	h.rec.feeds[0].arrive(h.source.current, time.Now())
	h.rec.load(t.Context(), h.rec.announce, h.rec.holdBack)
	h.declare(n)
	h.rec.turn(t.Context(), true)
	h.rec.workers.Wait()
	h.rec.turn(t.Context(), true)
	if s := h.rec.Status(); s.Plan.Summary.Unchanged != n {
		t.Fatalf("plan %+v, unread %.300v", s.Plan, s.Unread)
	}
	return h
}

// declare puts so many relay sources in force, which are what the one in force is.
func (h *house) declare(n int) {
	f := h.rec.feeds[0]
	var edits []resource.Edit[resource.Resource]
	for first := range f.accepted.normals.All() {
		for i := range n {
			app := fmt.Sprintf("channel-%05d", i)
			next := first
			next.ID.Key = strings.Replace(first.ID.Key, "channel-00000", app, 1)
			next.Spec = resource.Spec(strings.Replace(string(first.Spec), "channel-00000", app, 1))
			edits = append(edits, resource.Edit[resource.Resource]{ID: next.ID, Value: &next})
		}
	}
	f.accepted.normals = f.accepted.normals.With(edits)
	h.rec.merge(context.Background())
}

// TestSeriesAreBounded: with a hundred thousand resources there are as many series as
// with a hundred.
func TestSeriesAreBounded(t *testing.T) {
	few, err := testutil.GatherAndCount(metered(t, 100).registry)
	if err != nil {
		t.Fatal(err)
	}
	many, err := testutil.GatherAndCount(metered(t, manyMetered).registry)
	if err != nil {
		t.Fatal(err)
	}
	if few != many || few < 100 {
		t.Errorf("%d series of 100 resources, %d of %d", few, many, manyMetered)
	}
}

// BenchmarkScrape is what a scrape costs: of few resources, of many that lists show, and
// of many that are read one by one.
func BenchmarkScrape(b *testing.B) {
	for name, build := range map[string]func() *house{
		"100":    func() *house { return metered(b, 100) },
		"100000": func() *house { return metered(b, 100_000) },
		"100000 one by one": func() *house {
			h := metered(b, 100)
			h.rec.sights.follow(slices.Values(subjectsOf(100_000, time.Now())), func(func(resource.ID) bool) {}, h.rec.kinds, time.Now())
			return h
		},
	} {
		b.Run(name, func(b *testing.B) {
			handler := promhttp.HandlerFor(build().registry, promhttp.HandlerOpts{})
			size := 0
			for b.Loop() {
				w := httptest.NewRecorder()
				handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
				if size = w.Body.Len(); w.Code != http.StatusOK {
					b.Fatal(w.Code)
				}
			}
			b.ReportMetric(float64(size), "bytes")
		})
	}
}

package reconcile

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// lookups reports, at each scrape, when each source was last looked at with
// success: a source without news has no pass that could tell.
type lookups struct {
	desc *prometheus.Desc
	mu   sync.Mutex
	ask  func() map[string]time.Time // nil before there is a loop
}

func newLookups() *lookups {
	return &lookups{desc: prometheus.NewDesc("weir_source_last_success_timestamp_seconds",
		"When a source was last looked at with success, 0 for never.", []string{"source"}, nil)}
}

func (l *lookups) set(ask func() map[string]time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ask = ask
}

// Describe sends the one description.
func (l *lookups) Describe(ch chan<- *prometheus.Desc) { ch <- l.desc }

// Collect sends a time for each source.
func (l *lookups) Collect(ch chan<- prometheus.Metric) {
	l.mu.Lock()
	ask := l.ask
	l.mu.Unlock()
	if ask == nil {
		return
	}
	for name, at := range ask() {
		seconds := 0.0
		if !at.IsZero() {
			seconds = float64(at.UnixMilli()) / 1000
		}
		ch <- prometheus.MustNewConstMetric(l.desc, prometheus.GaugeValue, seconds, name)
	}
}

// checkedAt returns when each source was last looked at with success.
func (r *Reconciler) checkedAt() map[string]time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make(map[string]time.Time, len(r.feeds))
	for _, f := range r.feeds {
		out[f.Name] = f.checked()
	}
	return out
}

package call

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// clockCollector asks the clients when it is asked itself.
type clockCollector struct {
	desc  *prometheus.Desc
	mu    sync.Mutex
	skews map[string]func() time.Duration // by account
}

func newClockCollector() *clockCollector {
	return &clockCollector{
		desc: prometheus.NewDesc("weir_clock_skew_seconds",
			"By how much the cloud's clock was ahead of this machine's at the last answer, 0 within a second.",
			[]string{"account"}, nil),
		skews: map[string]func() time.Duration{},
	}
}

// WatchClock exposes by how much the clock of an account's cloud is ahead of ours,
// as skew says at each scrape.
func (m *Metrics) WatchClock(account string, skew func() time.Duration) {
	if m == nil {
		return
	}
	m.clocks.mu.Lock()
	defer m.clocks.mu.Unlock()
	m.clocks.skews[account] = skew
}

// Describe sends the one description.
func (c *clockCollector) Describe(descs chan<- *prometheus.Desc) { descs <- c.desc }

// Collect sends a gauge for each account.
func (c *clockCollector) Collect(metrics chan<- prometheus.Metric) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for account, skew := range c.skews {
		metrics <- prometheus.MustNewConstMetric(c.desc, prometheus.GaugeValue, skew().Seconds(), account)
	}
}

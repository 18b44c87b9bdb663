package reconcile

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type accountKind struct{ account, kind string }

// ages reports, at each scrape, how old the oldest observation is by then.
type ages struct {
	desc *prometheus.Desc
	mu   sync.Mutex
	ask  func() map[accountKind]time.Time // nil before there is a loop
}

func newAges() *ages {
	return &ages{desc: prometheus.NewDesc("weir_observation_age_seconds",
		"Age of the oldest observation.", []string{"account", "kind"}, nil)}
}

func (a *ages) set(ask func() map[accountKind]time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ask = ask
}

// Describe sends the one description.
func (a *ages) Describe(ch chan<- *prometheus.Desc) { ch <- a.desc }

// Collect sends an age for each account and kind.
func (a *ages) Collect(ch chan<- prometheus.Metric) {
	a.mu.Lock()
	ask := a.ask
	a.mu.Unlock()
	if ask == nil {
		return
	}
	for k, at := range ask() {
		ch <- prometheus.MustNewConstMetric(a.desc, prometheus.GaugeValue, time.Since(at).Seconds(), k.account, k.kind)
	}
}

// scrubCycles reports, at each scrape, how long the scrub of each account takes to
// read everything once.
type scrubCycles struct {
	desc *prometheus.Desc
	mu   sync.Mutex
	ask  func() []ScrubStatus // nil before there is a loop
}

func newScrubCycles() *scrubCycles {
	return &scrubCycles{desc: prometheus.NewDesc("weir_scrub_cycle_seconds",
		"Estimate of how long it takes until everything was read once to look for drift.", []string{"account"}, nil)}
}

func (c *scrubCycles) set(ask func() []ScrubStatus) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ask = ask
}

// Describe sends the one description.
func (c *scrubCycles) Describe(ch chan<- *prometheus.Desc) { ch <- c.desc }

// Collect sends a time for each account.
func (c *scrubCycles) Collect(ch chan<- prometheus.Metric) {
	c.mu.Lock()
	ask := c.ask
	c.mu.Unlock()
	if ask == nil {
		return
	}
	for _, s := range ask() {
		ch <- prometheus.MustNewConstMetric(c.desc, prometheus.GaugeValue, s.Cycle, s.Account)
	}
}

// scrubbed counts reads that looked for drift.
func (m *Metrics) scrubbed(account, operation string, calls int) {
	if m != nil {
		m.scrubReads.WithLabelValues(account, operation).Add(float64(calls))
	}
}

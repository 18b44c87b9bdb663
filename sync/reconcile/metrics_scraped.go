package reconcile

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// scraped is a gauge whose values are asked for at each scrape: they change while
// no pass runs that could set them.
type scraped struct {
	desc *prometheus.Desc
	mu   sync.Mutex
	ask  asking // nil before there is a loop
}

// asking tells emit each value with its labels.
type asking func(emit func(value float64, labels ...string))

func newScraped(reg prometheus.Registerer, name, help string, labels ...string) *scraped {
	s := &scraped{desc: prometheus.NewDesc(name, help, labels, nil)}
	reg.MustRegister(s)
	return s
}

func (s *scraped) set(ask asking) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ask = ask
}

// Describe sends the one description.
func (s *scraped) Describe(ch chan<- *prometheus.Desc) { ch <- s.desc }

// Collect sends what is so now.
func (s *scraped) Collect(ch chan<- prometheus.Metric) {
	s.mu.Lock()
	ask := s.ask
	s.mu.Unlock()
	if ask == nil {
		return
	}
	ask(func(value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(s.desc, prometheus.GaugeValue, value, labels...)
	})
}

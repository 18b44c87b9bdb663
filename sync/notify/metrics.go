package notify

import "github.com/prometheus/client_golang/prometheus"

const (
	sent   = "sent"
	failed = "failed"
)

// Metrics count what was told. A nil *Metrics measures nothing.
type Metrics struct {
	events *prometheus.CounterVec
}

// NewMetrics registers the metrics.
func NewMetrics(registerer prometheus.Registerer) (*Metrics, error) {
	m := &Metrics{events: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "weir_notifications_total",
		Help: "Events told to the address under notify: sent, or failed, which are those given up.",
	}, []string{"result"})}
	return m, registerer.Register(m.events)
}

// preset makes the series appear with zero.
func (m *Metrics) preset() {
	if m != nil {
		m.events.WithLabelValues(sent)
		m.events.WithLabelValues(failed)
	}
}

func (m *Metrics) count(result string) {
	if m != nil {
		m.events.WithLabelValues(result).Inc()
	}
}

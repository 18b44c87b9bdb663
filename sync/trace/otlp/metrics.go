package otlp

import "github.com/prometheus/client_golang/prometheus"

const (
	sent    = "sent"
	failed  = "failed"
	dropped = "dropped"
)

// Metrics count spans. A nil *Metrics measures nothing.
type Metrics struct{ spans *prometheus.CounterVec }

// NewMetrics registers the metrics.
func NewMetrics(registerer prometheus.Registerer) (*Metrics, error) {
	m := &Metrics{prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "weir_trace_spans_total",
		Help: "Spans for the collector under tracing: sent, failed, which are those given up, or dropped since too many waited.",
	}, []string{"result"})}
	return m, registerer.Register(m.spans)
}

// preset makes the series appear with zero.
func (m *Metrics) preset() {
	for _, r := range []string{sent, failed, dropped} {
		m.count(r, 0)
	}
}

func (m *Metrics) count(result string, n int) {
	if m != nil {
		m.spans.WithLabelValues(result).Add(float64(n))
	}
}

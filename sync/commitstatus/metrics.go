package commitstatus

import "github.com/prometheus/client_golang/prometheus"

const (
	sent   = "sent"
	failed = "failed"
)

// Metrics are the metrics of reports, for all sources together. A nil *Metrics
// measures nothing.
type Metrics struct {
	reports *prometheus.CounterVec
}

// NewMetrics registers the metrics of reports.
func NewMetrics(registerer prometheus.Registerer) (*Metrics, error) {
	m := &Metrics{reports: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "weir_commit_status_reports_total",
		Help: "Commit statuses for the git host: sent, or failed, which are those given up. A newer one replaces one that waits.",
	}, []string{"source", "result"})}
	return m, registerer.Register(m.reports)
}

// preset makes a source's series appear with zero.
func (m *Metrics) preset(source string) {
	if m != nil {
		m.reports.WithLabelValues(source, sent)
		m.reports.WithLabelValues(source, failed)
	}
}

func (m *Metrics) count(source, result string) {
	if m != nil {
		m.reports.WithLabelValues(source, result).Inc()
	}
}

package webhook

import "github.com/prometheus/client_golang/prometheus"

// result is what became of a delivery, as a label.
type result string

// The results.
const (
	resultAccepted     result = "accepted"
	resultDuplicate    result = "duplicate"
	resultIgnored      result = "ignored"
	resultUnauthorized result = "unauthorized"
	resultMalformed    result = "malformed"
	resultTooLarge     result = "too_large"
	resultLimited      result = "limited"
	resultError        result = "error"
)

var results = []result{
	resultAccepted, resultDuplicate, resultIgnored, resultUnauthorized,
	resultMalformed, resultTooLarge, resultLimited, resultError,
}

// Metrics count deliveries. A nil Metrics counts nothing.
type Metrics struct{ deliveries *prometheus.CounterVec }

// NewMetrics registers the metrics on reg.
func NewMetrics(reg prometheus.Registerer) (*Metrics, error) {
	m := &Metrics{prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "weir_webhook_deliveries_total", Help: "Webhook deliveries to sources by what became of them.",
	}, []string{"source", "result"})}
	return m, reg.Register(m.deliveries)
}

// preset fills in the labels that are known before anything happens.
func (m *Metrics) preset(source string) {
	if m == nil {
		return
	}
	for _, r := range results {
		m.deliveries.WithLabelValues(source, string(r))
	}
}

// count counts a delivery to a source that is there; others would let senders
// make up labels.
func (m *Metrics) count(source string, r result) {
	if m != nil {
		m.deliveries.WithLabelValues(source, string(r)).Inc()
	}
}

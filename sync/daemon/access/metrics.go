package access

import "github.com/prometheus/client_golang/prometheus"

// refused is why a request was not let in, as a label.
type refused string

// The reasons.
const (
	refusedMissing refused = "missing" // nothing was proved
	refusedWrong   refused = "wrong"   // a password or token that is nobody's
	refusedBusy    refused = "busy"    // passwords are tried faster than they are checked
	refusedHost    refused = "host"    // the request is for another host
	refusedLimited refused = "limited" // more requests than the web config's rate_limit
)

// Metrics count who was not let in. A nil Metrics counts nothing.
type Metrics struct{ refused *prometheus.CounterVec }

// NewMetrics registers the metrics on reg.
func NewMetrics(reg prometheus.Registerer) (*Metrics, error) {
	m := &Metrics{prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "weir_http_refused_total", Help: "Requests that were not let in, by reason.",
	}, []string{"reason"})}
	for _, r := range []refused{refusedMissing, refusedWrong, refusedBusy, refusedHost, refusedLimited} {
		m.refused.WithLabelValues(string(r))
	}
	return m, reg.Register(m.refused)
}

func (m *Metrics) count(r refused) {
	if m != nil {
		m.refused.WithLabelValues(string(r)).Inc()
	}
}

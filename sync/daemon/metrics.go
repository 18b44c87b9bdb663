package daemon

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics tell of the configuration, as Prometheus tells of its own.
type metrics struct {
	successful prometheus.Gauge
	success    prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		successful: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "weir_config_last_reload_successful",
			Help: "1 while the newest weir.yaml is in force, 0 since a reload that was refused.",
		}),
		success: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "weir_config_last_reload_success_timestamp_seconds",
			Help: "When the configuration in force was read.",
		}),
	}
	return m, errors.Join(reg.Register(m.successful), reg.Register(m.success))
}

// loaded notes how reading the configuration went.
func (m *metrics) loaded(err error) {
	if err != nil {
		m.successful.Set(0)
		return
	}
	m.successful.Set(1)
	m.success.SetToCurrentTime()
}

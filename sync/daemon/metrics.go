package daemon

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"weir/sync/cluster"
)

// metrics tell of the configuration, as Prometheus tells of its own, and of the
// cluster.
type metrics struct {
	successful prometheus.Gauge
	success    prometheus.Gauge
}

// newMetrics registers the metrics; view returns the cluster as it is known now, the
// zero View where there is none.
func newMetrics(reg prometheus.Registerer, view func() cluster.View) (*metrics, error) {
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
	members := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "weir_cluster_members",
		Help: "Members of the cluster that this process knows, itself among them, without commands; 0 where it works alone.",
	}, func() float64 { return float64(daemons(view())) })
	age := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "weir_cluster_view_age_seconds",
		Help: "For how long nothing has shown that what is known of the cluster is still so; 0 where there is none.",
	}, func() float64 { return view().Age.Seconds() })
	return m, errors.Join(reg.Register(m.successful), reg.Register(m.success), reg.Register(members), reg.Register(age))
}

// daemons is how many members a cluster has that stay.
func daemons(v cluster.View) (n int) {
	for _, m := range v.Members {
		if !m.Once {
			n++
		}
	}
	return n
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

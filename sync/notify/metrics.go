package notify

import (
	"github.com/prometheus/client_golang/prometheus"

	"weir/sync/notify/message"
)

// What becomes of messages and events.
const (
	sent   = "sent"
	failed = "failed"
	told   = "told"
	lost   = "lost"
)

// Metrics count what was told. A nil *Metrics measures nothing.
type Metrics struct {
	all      *prometheus.CounterVec
	messages *prometheus.CounterVec
	each     *prometheus.CounterVec
	wait     *prometheus.GaugeVec
}

// NewMetrics registers the metrics.
func NewMetrics(registerer prometheus.Registerer) (*Metrics, error) {
	m := &Metrics{
		all: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "weir_notifications_total",
			Help: "Messages to all receivers under notify: sent, or failed, which are those given up.",
		}, []string{"result"}),
		messages: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "weir_notification_messages_total",
			Help: "Messages by receiver: sent, or failed, which are those given up.",
		}, []string{"receiver", "result"}),
		each: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "weir_notification_events_total",
			Help: "Events by receiver: told in a message, or lost, as too many waited or the message failed.",
		}, []string{"receiver", "event", "result"}),
		wait: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "weir_notification_waiting_events",
			Help: "Events that wait to be told, by receiver.",
		}, []string{"receiver"}),
	}
	for _, c := range []prometheus.Collector{m.all, m.messages, m.each, m.wait} {
		if err := registerer.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// preset makes the series appear with zero.
func (m *Metrics) preset(receivers []Receiver) {
	if m == nil {
		return
	}
	m.all.WithLabelValues(sent)
	m.all.WithLabelValues(failed)
	for _, r := range receivers {
		m.messages.WithLabelValues(r.Name, sent)
		m.messages.WithLabelValues(r.Name, failed)
		m.wait.WithLabelValues(r.Name)
		for _, name := range message.Names() {
			m.each.WithLabelValues(r.Name, string(name), told)
			m.each.WithLabelValues(r.Name, string(name), lost)
		}
	}
}

func (m *Metrics) message(receiver, result string) {
	if m != nil {
		m.all.WithLabelValues(result).Inc()
		m.messages.WithLabelValues(receiver, result).Inc()
	}
}

// events counts the events of a message; those that it does not list have the name
// of the others.
func (m *Metrics) events(receiver string, d message.Data, result string) {
	if m == nil || d.Repeat {
		return
	}
	for _, e := range d.Events {
		m.each.WithLabelValues(receiver, string(e.Name), result).Inc()
	}
	m.each.WithLabelValues(receiver, string(d.First().Name), result).Add(float64(d.More()))
}

func (m *Metrics) waiting(receiver string, n int) {
	if m != nil {
		m.wait.WithLabelValues(receiver).Set(float64(n))
	}
}

package etcd

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Metrics tell how etcd answers this process. They are of requests as they are sent:
// one that is sent again counts again.
type Metrics struct {
	durations *prometheus.HistogramVec
	errors    *prometheus.CounterVec
	sizes     *sizes
}

// The sorts of requests, as the metrics name them.
const (
	requestRead  = "read"
	requestWrite = "write"
	requestLease = "lease" // granted or given back
	requestRenew = "renew"
	requestOther = "other"
)

// NewMetrics registers the metrics on reg.
func NewMetrics(reg prometheus.Registerer) (*Metrics, error) {
	m := &Metrics{
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "weir_etcd_request_duration_seconds", Help: "Time until etcd answered a request, or until it was given up.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5},
		}, []string{"request"}),
		errors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "weir_etcd_request_errors_total", Help: "Requests that etcd did not carry out, by what is wrong with it.",
		}, []string{"trouble"}),
		sizes: newSizes(),
	}
	for _, request := range []string{requestRead, requestWrite, requestLease, requestRenew, requestOther} {
		m.durations.WithLabelValues(request)
	}
	for _, t := range Troubles() {
		m.errors.WithLabelValues(string(t))
	}
	return m, errors.Join(reg.Register(m.durations), reg.Register(m.errors), reg.Register(m.sizes))
}

// did notes a request that took from began until now. One whose caller was no longer
// interested says nothing.
func (m *Metrics) did(request string, began time.Time, err error) {
	if m == nil || errors.Is(err, context.Canceled) || status.Code(err) == codes.Canceled {
		return
	}
	m.durations.WithLabelValues(request).Observe(time.Since(began).Seconds())
	m.trouble(TroubleOf(fault(err)))
}

// trouble notes what is wrong with etcd, "" for nothing.
func (m *Metrics) trouble(t Trouble) {
	if m != nil && t != "" {
		m.errors.WithLabelValues(string(t)).Inc()
	}
}

// intercept notes each request of a connection that has one answer.
func (m *Metrics) intercept(
	ctx context.Context, method string, req, reply any, conn *grpc.ClientConn, next grpc.UnaryInvoker, opts ...grpc.CallOption,
) error {
	began := time.Now()
	err := next(ctx, method, req, reply, conn, opts...)
	m.did(requestOf(method), began, err)
	return err
}

// requestOf is the sort of a method of gRPC, such as /etcdserverpb.KV/Range.
func requestOf(method string) string {
	service, name, _ := strings.Cut(strings.TrimPrefix(method, "/etcdserverpb."), "/")
	switch {
	case name == "Range":
		return requestRead
	case service == "KV":
		return requestWrite
	case service == "Lease":
		return requestLease
	}
	return requestOther
}

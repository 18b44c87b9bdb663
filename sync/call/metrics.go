package call

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics are the metrics of calls. A nil *Metrics measures nothing.
type Metrics struct {
	calls     *prometheus.CounterVec
	durations *prometheus.HistogramVec
	retries   *prometheus.CounterVec
	waits     *prometheus.CounterVec
	throttled *prometheus.CounterVec
	strangers *prometheus.CounterVec
	fenced    *prometheus.CounterVec
	limits    *limitCollector
	clocks    *clockCollector
}

// NewMetrics registers the metrics of calls.
func NewMetrics(registerer prometheus.Registerer) (*Metrics, error) {
	labels := []string{"account", "operation"}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	m := &Metrics{
		calls: counter("weir_calls_total",
			"API calls made (each try), and calls that were not sent, by outcome.", append(labels, "code")...),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "weir_call_duration_seconds",
			Help:    "Time from sending an API call to the end of its answer.",
			Buckets: []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 15},
		}, labels),
		retries:   counter("weir_call_retries_total", "API calls that were made again.", labels...),
		waits:     counter("weir_quota_wait_seconds_total", "Time calls have waited for quota.", labels...),
		throttled: counter("weir_throttled_total", "API calls the cloud refused as above a quota.", labels...),
		strangers: counter("weir_throttled_foreign_total",
			"API calls the cloud refused as above a quota though all that is known of was within what is documented.", labels...),
		fenced: counter("weir_calls_fenced_total",
			"API calls that were not sent, since another process may lead the account, or does.", "account"),
		limits: newLimitCollector(),
		clocks: newClockCollector(),
	}
	var errs []error
	for _, c := range []prometheus.Collector{
		m.calls, m.durations, m.retries, m.waits, m.throttled, m.strangers, m.fenced, m.limits, m.clocks,
	} {
		errs = append(errs, registerer.Register(c))
	}
	return m, errors.Join(errs...)
}

// Preset makes the series of an account's operations appear with zero, so that
// the first failure is an increase that can be alerted on.
func (m *Metrics) Preset(account string, operations []string) {
	if m == nil {
		return
	}
	m.fenced.WithLabelValues(account)
	for _, operation := range operations {
		for _, code := range Codes() {
			m.calls.WithLabelValues(account, operation, string(code))
		}
		m.durations.WithLabelValues(account, operation)
		m.retries.WithLabelValues(account, operation)
		m.waits.WithLabelValues(account, operation)
		m.throttled.WithLabelValues(account, operation)
		m.strangers.WithLabelValues(account, operation)
	}
}

// Watch exposes an account's limits as they are at each scrape. A second call
// for one account replaces the first; a nil limiter ends it.
func (m *Metrics) Watch(account string, limiter *Limiter) {
	if m != nil {
		m.limits.watch(account, limiter)
	}
}

// Meter counts and times every call that is sent.
func Meter(next Caller, m *Metrics) Caller {
	if m == nil {
		return next
	}
	return Func(func(ctx context.Context, req *Request) (*Response, error) {
		start := time.Now()
		resp, err := next.Call(ctx, req)
		code := CodeOf(err)
		m.calls.WithLabelValues(req.Account, req.Operation, string(code)).Inc()
		m.durations.WithLabelValues(req.Account, req.Operation).Observe(time.Since(start).Seconds())
		if code == Throttled {
			m.throttled.WithLabelValues(req.Account, req.Operation).Inc()
		}
		return resp, err
	})
}

// MeterUnsent counts the calls that ended without being sent even once.
func MeterUnsent(next Caller, m *Metrics) Caller {
	if m == nil {
		return next
	}
	return Func(func(ctx context.Context, req *Request) (*Response, error) {
		resp, err := next.Call(ctx, req)
		if err != nil {
			m.unsent(req, asError(err))
		}
		return resp, err
	})
}

// unsent counts e where nothing was sent. What had no mandate Meter has counted, which
// stands above what asks for one.
func (m *Metrics) unsent(req *Request, e *Error) {
	if Lapsed(e) {
		m.fenced.WithLabelValues(req.Account).Inc()
	}
	_, counted := errors.AsType[lapsed](e)
	if e.unsent && e.Attempts == 0 && !counted {
		m.calls.WithLabelValues(req.Account, req.Operation, string(e.Code)).Inc()
	}
}

// waited counts a wait for quota.
func (m *Metrics) waited(req *Request, d time.Duration) {
	if m != nil {
		m.waits.WithLabelValues(req.Account, req.Operation).Add(d.Seconds())
	}
}

// foreign counts a throttle that somebody else has caused.
func (m *Metrics) foreign(req *Request) {
	if m != nil {
		m.strangers.WithLabelValues(req.Account, req.Operation).Inc()
	}
}

// retried counts a retry.
func (m *Metrics) retried(req *Request) {
	if m != nil {
		m.retries.WithLabelValues(req.Account, req.Operation).Inc()
	}
}

// limitCollector reads the limits and the queues from the limiters when it is
// asked, for they change all the time.
type limitCollector struct {
	desc     *prometheus.Desc
	ceiling  *prometheus.Desc
	waiting  *prometheus.Desc
	shared   *prometheus.Desc
	mu       sync.Mutex
	limiters Limiters
}

func newLimitCollector() *limitCollector {
	return &limitCollector{
		desc: prometheus.NewDesc("weir_quota_limit_per_second",
			"Calls a second that may be made now: the quota times the share, less what throttles and outages took.",
			[]string{"account", "operation"}, nil),
		ceiling: prometheus.NewDesc("weir_quota_ceiling_per_second",
			"Calls a second that throttles leave: the quota times the share, halved by each and coming back slowly.",
			[]string{"account", "operation"}, nil),
		waiting: prometheus.NewDesc("weir_quota_waiting",
			"Calls of this process that wait for quota, by priority.",
			[]string{"account", "operation", "priority"}, nil),
		shared: prometheus.NewDesc("weir_quota_shared",
			"1 while the quota is shared with the other processes on this state, 0 while that cannot be done and a part is used.",
			[]string{"account"}, nil),
		limiters: Limiters{},
	}
}

func (c *limitCollector) watch(account string, limiter *Limiter) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if limiter == nil {
		delete(c.limiters, account)
		return
	}
	c.limiters[account] = limiter
}

// Describe sends the descriptions.
func (c *limitCollector) Describe(descs chan<- *prometheus.Desc) {
	descs <- c.desc
	descs <- c.ceiling
	descs <- c.waiting
	descs <- c.shared
}

// Collect sends the gauges of each account and operation, and one for each account
// that shares its quota.
func (c *limitCollector) Collect(metrics chan<- prometheus.Metric) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for account, limiter := range c.limiters {
		gauge := func(desc *prometheus.Desc, value float64, labels ...string) {
			metrics <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, append([]string{account}, labels...)...)
		}
		if shares, usable := limiter.Sharing(); shares {
			gauge(c.shared, float(usable))
		}
		for operation, windows := range limiter.Limits() {
			gauge(c.desc, PerSecond(windows), operation)
		}
		for operation, windows := range limiter.Ceilings() {
			gauge(c.ceiling, PerSecond(windows), operation)
		}
		for operation, waiting := range limiter.Waiting() {
			for priority, n := range waiting {
				gauge(c.waiting, float64(n), operation, priority.String())
			}
		}
	}
}

// float returns 1 for true.
func float(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

package etcd

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// How long a scrape waits for how large etcd is, and for how long it is remembered,
// also that nobody knows.
const (
	sizeWait = 500 * time.Millisecond
	sizeAge  = time.Minute
)

// sizes tells how large etcd's data is, and how large it may be, as one of the
// connections that are open finds it.
type sizes struct {
	size, quota *prometheus.Desc

	mu    sync.Mutex
	conns []*Conn // open, the newest last
	asked time.Time
	bytes [2]int64 // size and quota
}

func newSizes() *sizes {
	return &sizes{
		size: prometheus.NewDesc("weir_etcd_size_bytes",
			"Size of etcd's data, with what is free in it; 0 where there is none or it is not known.",
			nil, nil),
		quota: prometheus.NewDesc("weir_etcd_quota_bytes",
			"Size from which on etcd takes no more writes; 0 where there is none or it is not known.", nil, nil),
	}
}

// Describe says that there are always the same two.
func (s *sizes) Describe(out chan<- *prometheus.Desc) {
	out <- s.size
	out <- s.quota
}

// Collect tells both.
func (s *sizes) Collect(out chan<- prometheus.Metric) {
	bytes := s.ask()
	out <- prometheus.MustNewConstMetric(s.size, prometheus.GaugeValue, float64(bytes[0]))
	out <- prometheus.MustNewConstMetric(s.quota, prometheus.GaugeValue, float64(bytes[1]))
}

// ask returns size and quota, which are asked for once in a while.
func (s *sizes) ask() [2]int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.conns) == 0 {
		return [2]int64{}
	}
	if time.Since(s.asked) < sizeAge {
		return s.bytes
	}
	ctx, cancel := context.WithTimeout(context.Background(), sizeWait)
	defer cancel()
	s.asked, s.bytes = time.Now(), [2]int64{}
	conn := s.conns[len(s.conns)-1]
	for _, member := range conn.Endpoints() {
		if resp, err := conn.Status(ctx, member); err == nil {
			s.bytes = [2]int64{resp.DbSize, resp.DbSizeQuota}
			break
		}
	}
	return s.bytes
}

// open and closed keep the connections that can be asked.
func (s *sizes) open(c *Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns, s.asked = append(s.conns, c), time.Time{}
}

func (s *sizes) closed(c *Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns = slices.DeleteFunc(s.conns, func(other *Conn) bool { return other == c })
}

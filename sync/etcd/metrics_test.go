package etcd_test

import (
	"context"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	clientv3 "go.etcd.io/etcd/client/v3"

	"weir/sync/etcd"
	"weir/sync/etcd/etcdtest"
)

// counted returns by label what a metric counts: requests of a histogram, or a counter.
func counted(t *testing.T, reg *prometheus.Registry, name string) map[string]int {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]int{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name {
				out[m.GetLabel()[0].GetValue()] = countOf(m)
			}
		}
	}
	if len(out) == 0 {
		t.Fatalf("there is no %s", name)
	}
	return out
}

func countOf(m *dto.Metric) int {
	if h := m.GetHistogram(); h != nil {
		return int(h.GetSampleCount())
	}
	return int(m.GetCounter().GetValue())
}

// TestMetrics: requests are counted by their sort, and by what is wrong with etcd where
// something is.
func TestMetrics(t *testing.T) {
	reg := prometheus.NewRegistry()
	m, err := etcd.NewMetrics(reg)
	if err != nil {
		t.Fatal(err)
	}
	cluster := etcdtest.Start(t, 1)
	ctx := context.Background()
	conn, err := etcd.Open(ctx, etcd.Options{Endpoints: cluster.Endpoints(), Prefix: etcdtest.Prefix(t), Metrics: m})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	l, err := conn.Grant(ctx, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Do(ctx, nil, []clientv3.Op{l.Put(conn.Key("a"), "b")}, nil); err != nil {
		t.Fatal(err)
	}
	const durations, errors = "weir_etcd_request_duration_seconds", "weir_etcd_request_errors_total"
	for deadline := time.Now().Add(10 * time.Second); counted(t, reg, durations)["renew"] == 0; {
		if time.Now().After(deadline) {
			t.Fatal("no renewal was counted")
		}
		time.Sleep(20 * time.Millisecond)
	}
	for request, least := range map[string]int{"read": 1, "write": 1, "lease": 1} {
		if n := counted(t, reg, durations)[request]; n != least {
			t.Errorf("%d requests of %s, want %d", n, request, least)
		}
	}
	for trouble, n := range counted(t, reg, errors) {
		if n > 0 {
			t.Errorf("%d times %s of an etcd that is well", n, trouble)
		}
	}
	size, quota := gauge(t, reg, "weir_etcd_size_bytes"), gauge(t, reg, "weir_etcd_quota_bytes")
	if size <= 0 || quota != 2<<30 {
		t.Errorf("etcd has %v bytes of %v, which is 2 GiB", size, quota)
	}
	cluster.Stop()
	short, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	if _, err := conn.Read(short, conn.Key("a")); err == nil {
		t.Fatal("an etcd that is gone has answered")
	}
	if n := counted(t, reg, errors)[string(etcd.Away)]; n == 0 {
		t.Error("it is not counted that etcd is away")
	}
	began := time.Now()
	if _, err := reg.Gather(); err != nil || time.Since(began) > 2*time.Second {
		t.Errorf("a scrape takes %s while etcd is away, %v", time.Since(began), err)
	}
	given, stop := context.WithCancel(ctx)
	stop()
	before := counted(t, reg, durations)["read"]
	if _, err := conn.Read(given, conn.Key("a")); err == nil || counted(t, reg, durations)["read"] != before {
		t.Errorf("a request that nobody waits for any more is counted, %v", err)
	}
}

// gauge returns a metric without labels.
func gauge(t *testing.T, reg *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatalf("there is no %s", name)
	return 0
}

// TestSizeWithoutEtcd: nobody is asked where there is no connection, or none any more.
func TestSizeWithoutEtcd(t *testing.T) {
	reg := prometheus.NewRegistry()
	m, err := etcd.NewMetrics(reg)
	if err != nil {
		t.Fatal(err)
	}
	if size := gauge(t, reg, "weir_etcd_size_bytes"); size != 0 {
		t.Errorf("no etcd has %v bytes", size)
	}
	cluster := etcdtest.Start(t, 1)
	conn, err := etcd.Open(context.Background(), etcd.Options{
		Endpoints: cluster.Endpoints(), Prefix: etcdtest.Prefix(t), Metrics: m,
	})
	if err != nil {
		t.Fatal(err)
	}
	if size := gauge(t, reg, "weir_etcd_size_bytes"); size <= 0 {
		t.Errorf("etcd has %v bytes", size)
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	if size := gauge(t, reg, "weir_etcd_size_bytes"); size != 0 {
		t.Errorf("an etcd that is left has %v bytes", size)
	}
}

package etcdcluster_test

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"weir/sync/cluster/etcdcluster"
	"weir/sync/etcd"
	"weir/sync/etcd/etcdtest"
)

// TestLoad prints what a thousand accounts cost, and how long they are without a leader.
// It takes minutes, so it is run where WEIR_CLUSTER_LOAD is set.
func TestLoad(t *testing.T) {
	if os.Getenv("WEIR_CLUSTER_LOAD") == "" {
		t.Skip("WEIR_CLUSTER_LOAD is not set")
	}
	f := newFleet(t, server, etcdcluster.DefaultLease, 1000)
	begun := time.Now()
	fleet := []*vessel{f.start()}
	f.allLed(fleet...)
	t.Logf("one process leads all after %v, its start included", time.Since(begun).Round(time.Millisecond))
	begun = time.Now()
	fleet = append(fleet, f.start(), f.start())
	f.evenly(fleet...)
	t.Logf("of three each leads a third after %v", time.Since(begun).Round(time.Millisecond))
	before := bytesOf(fleet)
	time.Sleep(20 * time.Second)
	t.Logf("%.0f bytes a second of each while nothing happens", float64(bytesOf(fleet)-before)/20/3)
	fleet[0].kill()
	begun = time.Now()
	f.allLed(fleet[1:]...)
	took := time.Since(begun)
	t.Logf("%d accounts are taken over %v after a kill", 333, took.Round(time.Millisecond))
	if took > f.lease+spare {
		t.Error("that is too long")
	}
	f.single()
}

// evenly waits until each process leads as many accounts as the others, or one less.
func (f *fleet) evenly(fleet ...*vessel) {
	f.t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		even := true
		for _, v := range fleet {
			even = even && f.leads(v) >= len(f.accounts)/len(fleet)
		}
		if even {
			f.allLed(fleet...)
			return
		}
	}
	f.t.Fatal("the shares are not even after a minute")
}

func bytesOf(fleet []*vessel) int64 {
	var n int64
	for _, v := range fleet {
		for _, w := range v.ways {
			n += w.bytes.Load()
		}
	}
	return n
}

// TestLoad_LeaseEach prints what a lease for each account would cost.
func TestLoad_LeaseEach(t *testing.T) {
	if os.Getenv("WEIR_CLUSTER_LOAD") == "" {
		t.Skip("WEIR_CLUSTER_LOAD is not set")
	}
	w := newWay(t, strings.TrimPrefix(server.Endpoints()[0], "http://"))
	t.Cleanup(w.close)
	conn, err := etcd.Open(t.Context(), etcd.Options{Endpoints: []string{"http://" + w.at}, Prefix: etcdtest.Prefix(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	var leases []*etcd.Lease
	begun := time.Now()
	for range 1000 {
		l, err := conn.Grant(t.Context(), etcdcluster.DefaultLease)
		if err != nil {
			t.Fatal(err)
		}
		leases = append(leases, l)
	}
	t.Logf("%v for a thousand leases", time.Since(begun).Round(time.Millisecond))
	bytes, cpu := w.bytes.Load(), used(t)
	time.Sleep(20 * time.Second)
	t.Logf("%.0f bytes a second, %.1f %% of a processor in this process alone",
		float64(w.bytes.Load()-bytes)/20, 100*(used(t)-cpu).Seconds()/20)
	for _, l := range leases {
		l.Drop()
	}
}

func used(t *testing.T) time.Duration {
	t.Helper()
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		t.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

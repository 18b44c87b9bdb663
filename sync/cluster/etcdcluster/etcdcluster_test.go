package etcdcluster_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"weir/sync/cluster/clustertest"
	"weir/sync/cluster/etcdcluster"
	"weir/sync/etcd"
	"weir/sync/etcd/etcdtest"
)

// lease is that of most tests: the shortest that etcd gives.
const lease = 2 * time.Second

var server *etcdtest.Cluster

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	if what := os.Getenv("WEIR_VESSEL"); what != "" {
		if err := mainVessel(what); err != nil {
			fmt.Fprintln(os.Stderr, what, err)
			return 1
		}
		return 0
	}
	dir, err := os.MkdirTemp("", "etcdcluster")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	if server, err = etcdtest.Launch(dir, 1); err != nil {
		panic(err)
	}
	defer server.Stop()
	if err := flag.Set("test.parallel", "16"); err != nil { // they wait, mostly
		panic(err)
	}
	return m.Run()
}

// join makes a member that leaves with the test.
func join(t *testing.T, conn *etcd.Conn, o etcdcluster.Options) *etcdcluster.Member {
	t.Helper()
	if o.Lease == 0 {
		o.Lease = lease
	}
	if o.Idle == nil {
		o.Idle = func(context.Context, string) {}
	}
	m, err := etcdcluster.Join(t.Context(), conn, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = m.Close(ctx)
	})
	return m
}

// TestSuite is what every cluster does.
func TestSuite(t *testing.T) {
	plain := func(t *testing.T, test func(*testing.T)) {
		t.Parallel()
		test(t)
	}
	clustertest.Run(t, plain, func(t *testing.T) clustertest.World {
		prefix := etcdtest.Prefix(t)
		conns := map[clustertest.Joined]*etcd.Conn{}
		return clustertest.World{
			Lease: lease,
			Join: func(j clustertest.Joining) clustertest.Joined {
				conn := server.Conn(t, prefix)
				m := join(t, conn, etcdcluster.Options{
					Name: j.Name, Process: j.Process, Version: j.Version, Address: j.Address, Format: j.Format,
					Once: j.Once, Idle: j.Idle, Heard: j.Heard,
				})
				conns[m] = conn
				return m
			},
			Lose: func(m clustertest.Joined) { _ = conns[m].Close() },
		}
	})
}

// TestMember_Fence: what is written under a term that is over is refused.
func TestMember_Fence(t *testing.T) {
	conn := server.Conn(t, "")
	a := join(t, conn, etcdcluster.Options{Name: "a"})
	a.Ready("x")
	clustertest.Await(t, a, "it leads x", func() bool { return a.Term("x") != 0 })
	fence, ok := a.Fence("x")
	if !ok || fence.Revision != a.Term("x") {
		t.Fatalf("the fence is %+v, %v", fence, ok)
	}
	if _, ok := a.Fence("y"); ok {
		t.Error("there is a fence for an account that it does not lead")
	}
	if resp, err := conn.Do(t.Context(), cmps(fence), nil, nil); err != nil || !resp.Succeeded {
		t.Fatalf("the fence does not hold: %v", err)
	}
	a.Ready()
	clustertest.Await(t, a, "it leads x no more", func() bool { _, led := a.View().Leaders["x"]; return !led })
	if resp, err := conn.Do(t.Context(), cmps(fence), nil, nil); err != nil || resp.Succeeded {
		t.Fatalf("the fence of a term that is over holds: %v", err)
	}
}

func cmps(f etcd.Fence) []clientv3.Cmp { return []clientv3.Cmp{f.Cmp()} }

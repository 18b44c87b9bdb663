package etcdcluster_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/goleak"

	"weir/sync/cluster/clustertest"
	"weir/sync/cluster/etcdcluster"
	"weir/sync/etcd"
	"weir/sync/etcd/etcdtest"
)

// lease is that of most tests: short, and no machine is so busy that it is lost.
const lease = 3 * time.Second

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
	code := m.Run()
	server.Stop()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
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

// TestMember_HandsOver: what is under way may be written down until it has ended, or
// until a lease is over, and nothing is begun meanwhile.
func TestMember_HandsOver(t *testing.T) {
	t.Parallel()
	conn := server.Conn(t, "")
	asked := make(chan string)
	a := join(t, conn, etcdcluster.Options{Name: "a", Idle: func(ctx context.Context, account string) {
		select {
		case asked <- account:
		case <-ctx.Done():
		}
		<-ctx.Done() // it never is
	}})
	a.Ready("x")
	clustertest.Await(t, a, "it leads x", func() bool { return a.Term("x") != 0 })
	term := a.Term("x")
	begun := time.Now()
	a.Ready()
	select {
	case <-asked:
	case <-time.After(time.Minute):
		t.Fatal("nobody asks whether something is under way")
	}
	fence, ok := a.Fence("x")
	if !ok || fence.Revision != term || a.Term("x") != 0 || a.Left("x") != 0 {
		t.Errorf("the fence is %+v, %v, the term %d", fence, ok, a.Term("x"))
	}
	if resp, err := conn.Do(t.Context(), cmps(fence), nil, nil); err != nil || !resp.Succeeded {
		t.Errorf("what was under way cannot be written: %v", err)
	}
	clustertest.Await(t, a, "nobody leads x", func() bool { _, led := a.View().Leaders["x"]; return !led })
	if took := time.Since(begun); took < lease/2 || took > lease+time.Second {
		t.Errorf("it was waited %v for what never ends", took)
	}
	if _, ok := a.Fence("x"); ok {
		t.Error("there is a fence for what it leads no more")
	}
}

func cmps(f etcd.Fence) []clientv3.Cmp { return []clientv3.Cmp{f.Cmp()} }

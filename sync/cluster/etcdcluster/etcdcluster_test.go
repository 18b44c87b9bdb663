package etcdcluster_test

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"weir/sync/cluster"
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
	dir, err := os.MkdirTemp("", "etcdcluster")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	if server, err = etcdtest.Launch(dir, 1); err != nil {
		panic(err)
	}
	defer server.Stop()
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

// await waits until something is so in a cluster.
func await(t *testing.T, c cluster.Cluster, what string, is func() bool) {
	t.Helper()
	late := time.After(20 * time.Second)
	for {
		changed := c.Changed()
		if is() {
			return
		}
		select {
		case <-changed:
		case <-late:
			t.Fatalf("not within 20 s: %s; the view is %+v", what, c.View())
		}
	}
}

func names(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("account/%04d", i)
	}
	return out
}

// leads counts the accounts that a member leads.
func leads(c cluster.Cluster, accounts []string) int {
	n := 0
	for _, a := range accounts {
		if c.Term(a) != 0 && c.Left(a) > 0 {
			n++
		}
	}
	return n
}

// TestMember_LeadsAndHandsOver: one member leads all, of two each leads half, and what a
// member that leaves has led is led by the other well within a second.
func TestMember_LeadsAndHandsOver(t *testing.T) {
	conn := server.Conn(t, "")
	accounts := names(10)
	a := join(t, conn, etcdcluster.Options{Name: "a"})
	a.Ready(accounts...)
	await(t, a, "the only member leads everything", func() bool { return leads(a, accounts) == 10 })
	was := a.Term(accounts[0])
	b := join(t, conn, etcdcluster.Options{Name: "b"})
	b.Ready(accounts...)
	await(t, b, "it gets half", func() bool { return leads(b, accounts) == 5 })
	await(t, a, "the other knows", func() bool { return leads(a, accounts) == 5 && len(a.View().Leaders) == 10 })
	for _, account := range accounts {
		if (a.Term(account) != 0) == (b.Term(account) != 0) {
			t.Errorf("%s is led with term %d and %d", account, a.Term(account), b.Term(account))
		}
	}
	begun := time.Now()
	if err := b.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	await(t, a, "it takes over what the other leaves", func() bool { return leads(a, accounts) == 10 })
	if took := time.Since(begun); took > time.Second {
		t.Errorf("to take over from one that leaves took %v", took)
	}
	if v := a.View(); len(v.Members) != 1 || v.Error != "" || v.Leaders[accounts[0]].Name != "a" {
		t.Errorf("the view is %+v", v)
	}
	if leads(b, accounts) != 0 || a.Term(accounts[0]) < was {
		t.Error("who has left still leads")
	}
}

// TestMember_Fence: what is written under a term that is over is refused.
func TestMember_Fence(t *testing.T) {
	conn := server.Conn(t, "")
	a := join(t, conn, etcdcluster.Options{Name: "a"})
	a.Ready("x")
	await(t, a, "it leads x", func() bool { return a.Term("x") != 0 })
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
	await(t, a, "it leads x no more", func() bool { _, led := a.View().Leaders["x"]; return !led })
	if resp, err := conn.Do(t.Context(), cmps(fence), nil, nil); err != nil || resp.Succeeded {
		t.Fatalf("the fence of a term that is over holds: %v", err)
	}
}

// TestMember_Gone: a member that is not heard of is taken over from, and does not lead
// for as long as it cannot prove it.
func TestMember_Gone(t *testing.T) {
	prefix := etcdtest.Prefix(t)
	cut := server.Conn(t, prefix)
	a := join(t, cut, etcdcluster.Options{Name: "a"})
	a.Ready("x")
	await(t, a, "it leads x", func() bool { return a.Term("x") != 0 })
	b := join(t, server.Conn(t, prefix), etcdcluster.Options{Name: "b"})
	b.Ready("x")
	await(t, b, "it sees who leads", func() bool { return b.View().Leaders["x"].Name == "a" })
	begun := time.Now()
	_ = cut.Close()
	await(t, b, "it takes over", func() bool {
		if b.Left("x") > 0 && a.Left("x") > 0 {
			t.Fatal("both lead x")
		}
		return b.Left("x") > 0
	})
	took := time.Since(begun)
	t.Logf("taken over %v after it was cut off, with a lease of %v", took.Round(time.Millisecond), lease)
	if took > lease+2*time.Second {
		t.Errorf("to take over took %v", took)
	}
	if a.Term("x") != 0 || a.View().Error == "" {
		t.Errorf("who is cut off leads with term %d, and says %q", a.Term("x"), a.View().Error)
	}
}

func cmps(f etcd.Fence) []clientv3.Cmp { return []clientv3.Cmp{f.Cmp()} }

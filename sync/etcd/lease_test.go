package etcd_test

import (
	"context"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"weir/sync/etcd"
	"weir/sync/etcd/etcdtest"
)

// TestLease_IsOverBeforeEtcdSaysSo: what hangs on a lease that nobody renews is there
// for as long as its holder may rely on it.
func TestLease_IsOverBeforeEtcdSaysSo(t *testing.T) {
	cluster := etcdtest.Start(t, 1)
	conn := cluster.Conn(t, "")
	ctx := context.Background()
	l, err := conn.Grant(ctx, 2*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Do(ctx, nil, []clientv3.Op{l.Put(conn.Key("leader"), "a")}, nil); err != nil {
		t.Fatal(err)
	}
	for range 6 {
		time.Sleep(500 * time.Millisecond)
		if l.Left() <= 0 {
			t.Fatal("a lease that is renewed was lost")
		}
	}
	cluster.Members[0].Pause()
	select {
	case <-l.Lost():
	case <-time.After(10 * time.Second):
		t.Fatal("the lease of an etcd that does not answer is still held")
	}
	if l.Left() != 0 {
		t.Errorf("it has %v left", l.Left())
	}
	cluster.Members[0].Resume()
}

// TestLease_Released is gone at once, with what hangs on it.
func TestLease_Released(t *testing.T) {
	conn := etcdtest.Start(t, 1).Conn(t, "")
	ctx := context.Background()
	l, err := conn.Grant(ctx, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	_, err = conn.Do(ctx, nil, []clientv3.Op{l.Put(conn.Key("leader"), "a")}, nil)
	if err == nil {
		err = l.Release(ctx)
	}
	if err != nil || l.Left() != 0 {
		t.Fatalf("%v left, %v", l.Left(), err)
	}
	if resp, err := conn.Read(ctx, conn.Key("leader")); err != nil || resp.Count != 0 {
		t.Errorf("%d keys hang on a lease that is over, %v", resp.Count, err)
	}
	<-l.Lost()
}

// TestTroubleOf_NobodyAnswers tells a cluster that is away.
func TestTroubleOf_NobodyAnswers(t *testing.T) {
	cluster := etcdtest.Start(t, 1)
	conn := cluster.Conn(t, "")
	cluster.Stop()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if _, err := conn.Read(ctx, conn.Key("x")); etcd.TroubleOf(err) != etcd.Away {
		t.Errorf("%v", err)
	}
}

package etcdstate

import (
	"context"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"weir/sync/etcd"
	"weir/sync/etcd/etcdtest"
	"weir/sync/state"
	"weir/sync/state/statetest"
)

// cluster is the etcd of all tests of the package.
var cluster *etcdtest.Cluster

// TestMain is also the child processes' main; see child.
func TestMain(m *testing.M) {
	if role := os.Getenv(childRole); role != "" {
		os.Exit(child(role))
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "weir-etcdstate-")
	if err == nil {
		defer os.RemoveAll(dir)
		cluster, err = etcdtest.Launch(dir, 1)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	cluster.Stop()
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// openAt opens the store under a prefix for the length of the test, on a connection of
// its own, as another process has one.
func openAt(t testing.TB, prefix string, o Options) *Store {
	t.Helper()
	return openOn(t, cluster.Conn(t, prefix), o)
}

func openOn(t testing.TB, conn *etcd.Conn, o Options) *Store {
	t.Helper()
	s, err := Open(context.Background(), conn, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shut(t, s) })
	return s
}

func shut(t testing.TB, s *Store) {
	t.Helper()
	if err := s.Shut(); err != nil {
		t.Error(err)
	}
}

func TestSuite(t *testing.T) {
	t.Parallel()
	statetest.Run(t,
		func(t *testing.T) state.Store { return openAt(t, "", Options{}) },
		statetest.Options{
			Another: func(t *testing.T, s state.Store) state.Store { return openAt(t, s.(*Store).conn.Prefix(), Options{}) },
			Reopen: func(t *testing.T, s state.Store) state.Store {
				shut(t, s.(*Store))
				return openAt(t, s.(*Store).conn.Prefix(), Options{})
			},
		})
}

package etcdquota_test

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"weir/sync/etcd/etcdtest"
)

// shared is the etcd of all tests here.
var shared *etcdtest.Cluster

func TestMain(m *testing.M) {
	if role := os.Getenv(childRole); role != "" {
		child(role)
		return
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "etcdquota")
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer os.RemoveAll(dir)
	if shared, err = etcdtest.Launch(dir, 1); err != nil {
		fmt.Println(err)
		return 1
	}
	_ = flag.Set("test.parallel", "12") // tests here wait for most of their time
	code := m.Run()
	shared.Stop()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Println(err)
			return 1
		}
	}
	return code
}

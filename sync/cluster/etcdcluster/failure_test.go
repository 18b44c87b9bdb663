package etcdcluster_test

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"weir/sync/cluster/clustertest"
	"weir/sync/cluster/etcdcluster"
	"weir/sync/etcd"
	"weir/sync/etcd/etcdtest"
)

// spare is within how much time after a lease another leads what one has led that was
// killed.
const spare = 2 * time.Second

// TestFailure_P12_Killed: what a process has led that is killed is led by others within
// the lease and two seconds.
func TestFailure_P12_Killed(t *testing.T) {
	t.Parallel()
	f := newFleet(t, server, lease, 6)
	a := f.start()
	f.allLed(a)
	b := f.start()
	a.kill()
	begun := time.Now()
	f.allLed(b)
	took := time.Since(begun)
	t.Logf("taken over %v after the kill, with a lease of %v", took.Round(time.Millisecond), lease)
	if took > lease+spare {
		t.Errorf("to take over took %v", took)
	}
	f.single()
}

// TestFailure_P13_Stopped: a process that is stopped for longer than its lease leads
// nothing when it wakes up, before it has heard of anything; then it is a member again.
func TestFailure_P13_Stopped(t *testing.T) {
	t.Parallel()
	f := newFleet(t, server, lease, 6)
	a := f.start()
	f.allLed(a)
	b := f.start()
	a.pause()
	f.allLed(b)
	a.resume()
	clustertest.Await(t, f.watch, "it gets its share again", func() bool { return f.leads(a) == 3 && f.leads(b) == 3 })
	if n := f.single(); n < 6+6 {
		t.Errorf("accounts were led %d times", n)
	}
}

// TestFailure_P12_CutOff: a process that reaches etcd no more leads until its lease may
// be over, and not one moment longer.
func TestFailure_P12_CutOff(t *testing.T) {
	t.Parallel()
	f := newFleet(t, server, lease, 6)
	a := f.start()
	f.allLed(a)
	b := f.start()
	a.cut(true)
	begun := time.Now()
	f.allLed(b)
	if took := time.Since(begun); took > lease+spare {
		t.Errorf("to take over took %v", took)
	}
	a.cut(false)
	clustertest.Await(t, f.watch, "it gets its share again", func() bool { return f.leads(a) == 3 && f.leads(b) == 3 })
	f.single()
}

// TestFailure_P12_NeverTwo: at no moment do two processes lead an account, whoever is
// killed, stopped or cut off. With WEIR_CLUSTER_LONG, a duration, it takes that long,
// with leases of five seconds, and three etcd members of which now one, now another is
// killed or stopped.
func TestFailure_P12_NeverTwo(t *testing.T) {
	long, lease, servers := 10*time.Second, lease, server
	if text := os.Getenv("WEIR_CLUSTER_LONG"); text != "" {
		var err error
		if long, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
		lease, servers = 5*time.Second, etcdtest.Start(t, 3)
	} else {
		t.Parallel()
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	f := newFleet(t, servers, lease, 6)
	fleet := []*vessel{f.start(), f.start(), f.start()}
	var all sync.WaitGroup
	if len(servers.Members) > 1 {
		all.Go(func() { f.troubleEtcd(servers, rand.New(rand.NewPCG(seed, 99)), time.Now().Add(long)) })
	}
	done := make([]map[string]int, len(fleet))
	for i := range fleet {
		all.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(i)))
			done[i] = map[string]int{}
			for end := time.Now().Add(long); time.Now().Before(end); {
				done[i][f.trouble(r, &fleet[i])]++
			}
		})
	}
	all.Wait()
	f.allLed(fleet...)
	n := f.single()
	t.Logf("accounts were led %d times, %v", n, done)
	if n < len(f.accounts) {
		t.Error("nothing was led")
	}
}

// troubleEtcd kills and stops one member of etcd after the other.
func (f *fleet) troubleEtcd(servers *etcdtest.Cluster, r *rand.Rand, end time.Time) {
	for n := 0; ; n++ {
		if time.Now().After(end) {
			f.t.Logf("%d times an etcd member was killed or stopped", n)
			return
		}
		time.Sleep(time.Duration(r.Int64N(int64(2 * f.lease))))
		m := servers.Members[r.IntN(len(servers.Members))]
		if r.IntN(2) == 0 {
			m.Pause()
			time.Sleep(time.Duration(r.Int64N(int64(2 * f.lease))))
			m.Resume()
			continue
		}
		m.Kill()
		time.Sleep(time.Duration(r.Int64N(int64(f.lease))))
		if err := m.Start(); err != nil {
			f.t.Error(err)
			return
		}
	}
}

// trouble does one thing to a process, waits until it is over, and returns what it was.
func (f *fleet) trouble(r *rand.Rand, v **vessel) string {
	short := time.Duration(r.Int64N(int64(f.lease / 2)))
	past := f.lease + short
	time.Sleep(time.Duration(r.Int64N(int64(f.lease))))
	what := []string{"killed", "stopped", "stopped shortly", "cut off", "cut off shortly"}[r.IntN(5)]
	switch what {
	case "killed":
		(*v).kill()
		time.Sleep(short)
		*v = f.launch()
	case "stopped", "stopped shortly":
		(*v).pause()
		time.Sleep(map[bool]time.Duration{true: past, false: short}[what == "stopped"])
		(*v).resume()
	default:
		(*v).cut(true)
		time.Sleep(map[bool]time.Duration{true: past, false: short}[what == "cut off"])
		(*v).cut(false)
	}
	return what
}

// TestFailure_P14_Away: while etcd does not answer the view stays and says since when it
// is old, and nothing is led for longer than the lease; then all is as before.
func TestFailure_P14_Away(t *testing.T) {
	t.Parallel()
	own := etcdtest.Start(t, 1)
	a := join(t, own.Conn(t, ""), optionsOf("a"))
	a.Ready("x")
	clustertest.Await(t, a, "it leads", func() bool { return a.Left("x") > 0 })
	own.Members[0].Pause()
	clustertest.Await(t, a, "it leads no more", func() bool { return a.Term("x") == 0 })
	clustertest.Await(t, a, "it says so", func() bool { return a.View().Error != "" })
	if v := a.View(); v.Leaders["x"].Name != "a" || len(v.Members) != 1 {
		t.Errorf("the view is %+v", v)
	}
	own.Members[0].Resume()
	clustertest.Await(t, a, "it leads again", func() bool { return a.Left("x") > 0 && a.View().Error == "" })
}

// TestFailure_P14_MemberLost: an etcd member that dies takes nobody's lead away.
func TestFailure_P14_MemberLost(t *testing.T) {
	t.Parallel()
	own := etcdtest.Start(t, 3)
	o := optionsOf("a")
	o.Lease = 6 * time.Second // an election takes more than a second
	a := join(t, own.Conn(t, ""), o)
	a.Ready("x")
	clustertest.Await(t, a, "it leads", func() bool { return a.Left("x") > 0 })
	term := a.Term("x")
	for _, m := range own.Members {
		m.Kill()
		renewed(t, a)
		if err := m.Start(); err != nil {
			t.Fatal(err)
		}
	}
	if a.Term("x") != term {
		t.Errorf("it led in term %d, and now in %d", term, a.Term("x"))
	}
}

// TestFailure_P14_Compacted: a watch whose place in history is no more begins anew.
func TestFailure_P14_Compacted(t *testing.T) {
	t.Parallel()
	prefix := etcdtest.Prefix(t)
	w := newWay(t, strings.TrimPrefix(server.Endpoints()[0], "http://"))
	t.Cleanup(w.close)
	conn, err := etcd.Open(t.Context(), etcd.Options{Endpoints: []string{"http://" + w.at}, Prefix: prefix})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	a := join(t, conn, optionsOf("a"))
	w.cut(true)
	b := join(t, server.Conn(t, prefix), optionsOf("b"))
	b.Ready("x")
	clustertest.Await(t, b, "it leads", func() bool { return b.Term("x") != 0 })
	resp, err := server.Conn(t, prefix).Read(t.Context(), "none")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := server.Conn(t, prefix).Compact(t.Context(), resp.Header.Revision); err != nil {
		t.Fatal(err)
	}
	clustertest.Await(t, a, "it says that it is behind", func() bool { return a.View().Error != "" })
	w.cut(false)
	clustertest.Await(t, a, "it sees who leads", func() bool { v := a.View(); return v.Leaders["x"].Name == "b" && v.Error == "" })
}

// TestFailure_P15_Restored: on data of yesterday nobody leads anything.
func TestFailure_P15_Restored(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	own, err := etcdtest.Launch(dir, 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(own.Stop)
	o := optionsOf("a")
	o.Lease = time.Minute // which is in the backup as well, and lives
	a := join(t, own.Conn(t, ""), o)
	data, backup := filepath.Join(dir, "a"), filepath.Join(dir, "backup")
	own.Members[0].Kill()
	if err := os.CopyFS(backup, os.DirFS(data)); err != nil {
		t.Fatal(err)
	}
	if err := own.Members[0].Start(); err != nil {
		t.Fatal(err)
	}
	a.Ready("x")
	clustertest.Await(t, a, "it leads", func() bool { return a.Left("x") > 0 })
	own.Members[0].Kill()
	if err := errors.Join(os.RemoveAll(data), os.Rename(backup, data)); err != nil {
		t.Fatal(err)
	}
	if err := own.Members[0].Start(); err != nil {
		t.Fatal(err)
	}
	clustertest.Await(t, a, "it is no member any more", func() bool { return a.Over() != nil })
	if a.Term("x") != 0 || a.Left("x") != 0 || etcd.TroubleOf(a.Over()) != etcd.Restored || a.View().Error == "" {
		t.Errorf("it leads with term %d, of %v: %q", a.Term("x"), a.Over(), a.View().Error)
	}
}

func optionsOf(name string) etcdcluster.Options { return etcdcluster.Options{Name: name} }

// renewed waits until a member's lease has been renewed more than once.
func renewed(t *testing.T, a *etcdcluster.Member) {
	t.Helper()
	for range 2 {
		last := a.Left("x")
		for end := time.Now().Add(time.Minute); a.Left("x") <= last; time.Sleep(10 * time.Millisecond) {
			last = a.Left("x")
			if last == 0 || time.Now().After(end) {
				t.Fatalf("its lease is not renewed, %v are left", last)
			}
		}
	}
}

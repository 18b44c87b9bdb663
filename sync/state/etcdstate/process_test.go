package etcdstate

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"weir/sync/etcd"
	"weir/sync/state"
)

// The environment of a child process: what it does, and where.
const (
	childRole     = "WEIR_ETCDSTATE_CHILD"
	childEndpoint = "WEIR_ETCDSTATE_ENDPOINT"
	childPrefix   = "WEIR_ETCDSTATE_PREFIX"
)

// savedTogether is how many records a child saves at once.
const savedTogether = 3000

// child is a process of its own: "saver" saves generation after generation of the same
// records, "caller" journals 50 calls a second for three seconds.
func child(role string) int {
	conn, err := etcd.Open(context.Background(), etcd.Options{
		Endpoints: []string{os.Getenv(childEndpoint)}, Prefix: os.Getenv(childPrefix),
	})
	if err == nil {
		defer conn.Close()
		var s *Store
		if s, err = Open(context.Background(), conn, Options{}); err == nil {
			defer s.Shut()
			fmt.Println("ready")
			err = map[string]func(*Store) error{"saver": saver, "caller": caller}[role](s)
		}
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println("done")
	return 0
}

func saver(s *Store) error {
	first := int(time.Now().UnixNano())
	for i := range 1_000_000 {
		if err := s.Save(context.Background(), recordsOf("k", savedTogether, first+i)...); err != nil {
			return err
		}
	}
	return nil
}

func caller(s *Store) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	var wg sync.WaitGroup
	var mu sync.Mutex
	var worst error
	for range 150 {
		<-tick.C
		wg.Go(func() {
			began := time.Now()
			n, err := s.Open(context.Background(), state.Entry{Account: "a", Operation: "Op", Write: true, Process: fmt.Sprint(os.Getpid())})
			if err == nil {
				err = s.Close(context.Background(), n, state.Outcome{Closed: time.Now(), Code: "ok"})
			}
			if took := time.Since(began); err == nil && took > 5*time.Second {
				err = fmt.Errorf("a call's two words took %v", took)
			}
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				worst = err
			}
		})
	}
	wg.Wait()
	return worst
}

// startChild starts a process and waits until it has opened the store.
func startChild(t *testing.T, role, prefix string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childRole+"="+role, childEndpoint+"="+cluster.Members[0].Client, childPrefix+"="+prefix)
	out, err := cmd.StdoutPipe()
	must(t, err, cmd.Start())
	lines := bufio.NewScanner(out)
	if !lines.Scan() || lines.Text() != "ready" {
		t.Fatalf("it says %q", lines.Text())
	}
	return cmd, lines
}

// TestFailure_P04_KilledWhileSaving: of a process that is killed in the middle of a large
// save all is there, or nothing; and the next one goes on.
func TestFailure_P04_KilledWhileSaving(t *testing.T) {
	t.Parallel()
	s := openAt(t, "", Options{})
	for round := range 6 {
		cmd, _ := startChild(t, "saver", s.conn.Prefix())
		revision := s.revision.Load()
		for enough := revision + 5 + rand.Int64N(60); revision < enough; { // so many of its transactions
			resp, err := s.conn.Get(t.Context(), s.key(formatKey))
			must(t, err)
			revision = resp.Header.Revision
		}
		must(t, cmd.Process.Kill())
		_ = cmd.Wait()
		together(t, s, round)
		if round%2 == 1 { // who writes next puts it into its place
			must(t, s.Save(t.Context(), recordOf("other", 1)), s.Forget(t.Context(), recordOf("other", 1).ID))
			together(t, s, round)
			if n := count(t, s, batchKey); n != 0 {
				t.Errorf("round %d: the batch is not in its place", round)
			}
		}
	}
	for _, k := range leases(t, s) {
		t.Logf("left to its lease: %s", k)
	}
}

// leases are the batches that were staged and not committed.
func leases(t *testing.T, s *Store) (keys []string) {
	must(t, s.walk(t.Context(), pages{prefix: stagedAt}, func(key string, _ *mvccpb.KeyValue) (bool, error) {
		keys = append(keys, strings.TrimPrefix(key, stagedAt))
		return true, nil
	}))
	return keys
}

// together fails unless all records are of one generation.
func together(t *testing.T, s *Store, round int) {
	t.Helper()
	records := applied(t, s)
	if len(records) != 0 && len(records) != savedTogether {
		t.Fatalf("round %d: %d records", round, len(records))
	}
	for _, r := range records {
		if r.Revision != records[0].Revision {
			t.Fatalf("round %d: %s is of generation %s, %s of %s", round, r.ID, r.Revision, records[0].ID, records[0].Revision)
		}
	}
}

// TestSweep: what was staged and never committed is gone with the next large save, once
// its writer's lease is.
func TestSweep(t *testing.T) {
	s := openAt(t, "", Options{})
	var c changes
	for _, r := range recordsOf("k", 200, 1) {
		c.put(r.ID, recordKey(r.ID), value(recordKey(r.ID), appliedFields(r)))
	}
	lease, err := s.conn.Grant(t.Context(), time.Minute)
	must(t, err)
	_, err = s.do(t.Context(), nil, []clientv3.Op{lease.Put(s.key(stagedKey("dead")), "")}, nil)
	must(t, err)
	_, err = s.writeChunks(t.Context(), "dead", &c)
	must(t, err)
	must(t, s.Save(t.Context(), recordsOf("l", 200, 1)...))
	if n := count(t, s, chunksOf("dead")); n != 1 {
		t.Errorf("%d chunks of who may still be at it", n)
	}
	must(t, lease.Release(t.Context()), s.Save(t.Context(), recordsOf("l", 200, 2)...))
	if n := count(t, s, chunksAt); n != 0 {
		t.Errorf("%d chunks are left", n)
	}
	if got := applied(t, s); len(got) != 200 {
		t.Errorf("%d records", len(got))
	}
}

// TestThreeProcesses that journal 50 calls a second each are all served, and number and
// chain their calls as one.
func TestThreeProcesses(t *testing.T) {
	t.Parallel()
	s := openAt(t, "", Options{})
	type process struct {
		cmd   *exec.Cmd
		lines *bufio.Scanner
	}
	var all []process
	for range 3 {
		cmd, lines := startChild(t, "caller", s.conn.Prefix())
		all = append(all, process{cmd, lines})
	}
	for _, p := range all {
		if !p.lines.Scan() || p.lines.Text() != "done" {
			t.Errorf("it says %q", p.lines.Text())
		}
		_ = p.cmd.Wait()
	}
	proof, err := s.Verify(t.Context())
	if err != nil || !proof.Sound() || proof.Entries != 450 || proof.Last != 450 || proof.Heads.Writes.Seq != 900 {
		t.Errorf("%+v, %v", proof, err)
	}
}

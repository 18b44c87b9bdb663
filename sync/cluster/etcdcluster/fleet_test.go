package etcdcluster_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"weir/sync/boottime"
	"weir/sync/cluster"
	"weir/sync/cluster/clustertest"
	"weir/sync/cluster/etcdcluster"
	"weir/sync/etcd"
	"weir/sync/etcd/etcdtest"
)

// fleet is real processes that are members, each behind a network of its own, which
// write down when they could prove that they lead an account.
type fleet struct {
	t        testing.TB
	prefix   string
	dir      string
	lease    time.Duration
	accounts []string
	targets  []string
	watch    *etcdcluster.Member // the test's own, which leads nothing

	mu  sync.Mutex
	all []*vessel
}

// vessel is a process of a fleet.
type vessel struct {
	name  string
	cmd   *exec.Cmd
	stdin io.Closer
	ways  []*way
	log   string
	dead  bool
}

func newFleet(t testing.TB, servers *etcdtest.Cluster, lease time.Duration, accounts int) *fleet {
	t.Helper()
	f := &fleet{t: t, prefix: etcdtest.Prefix(t), dir: t.TempDir(), lease: lease, accounts: clustertest.Accounts(accounts), targets: servers.Endpoints()}
	conn := servers.Conn(t, f.prefix)
	m, err := etcdcluster.Join(context.Background(), conn, etcdcluster.Options{Name: "watch", Once: true, Lease: lease})
	if err != nil {
		t.Fatal(err)
	}
	f.watch = m
	t.Cleanup(func() {
		for _, v := range f.all {
			v.kill()
		}
		_ = m.Close(context.Background())
	})
	return f
}

// start starts a process and waits until it is a member.
func (f *fleet) start() *vessel {
	f.t.Helper()
	v := f.launch()
	clustertest.Await(f.t, f.watch, v.name+" is a member", func() bool {
		return slices.ContainsFunc(f.watch.View().Members, func(m cluster.Member) bool { return m.Name == v.name && len(m.Accounts) > 0 })
	})
	return v
}

func (f *fleet) launch() *vessel {
	f.t.Helper()
	f.mu.Lock()
	v := &vessel{name: fmt.Sprint("v", len(f.all))}
	f.all = append(f.all, v)
	f.mu.Unlock()
	v.log = filepath.Join(f.dir, v.name)
	var endpoints []string
	for _, target := range f.targets {
		w := newWay(f.t, strings.TrimPrefix(target, "http://"))
		v.ways = append(v.ways, w)
		endpoints = append(endpoints, "http://"+w.at)
	}
	v.cmd = exec.Command(os.Args[0])
	v.cmd.Env = append(os.Environ(), "WEIR_VESSEL="+strings.Join([]string{
		v.name, v.log, f.prefix, f.lease.String(), fmt.Sprint(len(f.accounts)), strings.Join(endpoints, ","),
	}, "|"))
	v.cmd.Stderr = os.Stderr
	stdin, err := v.cmd.StdinPipe()
	if err != nil {
		f.t.Fatal(err)
	}
	v.stdin = stdin
	if err := v.cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	return v
}

func (v *vessel) kill() {
	if v.dead || v.stdin == nil {
		return
	}
	v.dead = true
	_ = v.cmd.Process.Kill()
	_ = v.cmd.Wait()
	_ = v.stdin.Close()
	for _, w := range v.ways {
		w.close()
	}
}

func (v *vessel) pause()  { _ = v.cmd.Process.Signal(syscall.SIGSTOP) }
func (v *vessel) resume() { _ = v.cmd.Process.Signal(syscall.SIGCONT) }

func (v *vessel) cut(off bool) {
	for _, w := range v.ways {
		w.cut(off)
	}
}

// leads counts what a process leads as the others see it.
func (f *fleet) leads(v *vessel) int {
	n := 0
	for _, l := range f.watch.View().Leaders {
		if l.Name == v.name {
			n++
		}
	}
	return n
}

// allLed waits until all accounts are led by some of these processes.
func (f *fleet) allLed(by ...*vessel) {
	f.t.Helper()
	clustertest.Await(f.t, f.watch, "all accounts are led", func() bool {
		n := 0
		for _, v := range by {
			n += f.leads(v)
		}
		return n == len(f.accounts)
	})
}

// mainVessel is the process itself: see fleet.launch.
func mainVessel(what string) error {
	args := strings.Split(what, "|")
	lease, err := time.ParseDuration(args[3])
	if err != nil {
		return err
	}
	var count int
	if _, err := fmt.Sscan(args[4], &count); err != nil {
		return err
	}
	conn, err := etcd.Open(context.Background(), etcd.Options{Endpoints: strings.Split(args[5], ","), Prefix: args[2]})
	if err != nil {
		return err
	}
	m, err := etcdcluster.Join(context.Background(), conn, etcdcluster.Options{
		Name: args[0], Process: "vessel", Lease: lease,
		Idle: func(ctx context.Context, account string) {
			select {
			case <-ctx.Done():
			case <-time.After(time.Duration(len(account)%7) * 20 * time.Millisecond):
			}
		},
	})
	if err != nil {
		return err
	}
	accounts := clustertest.Accounts(count)
	m.Ready(accounts...)
	accounts = accounts[:min(count, sampled)]
	log, err := os.Create(args[1])
	if err != nil {
		return err
	}
	end := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(end)
	}()
	return sample(m, accounts, log, end)
}

// sampled is of how many accounts a process writes down what it leads.
const sampled = 20

// sample writes down what the member says, often.
func sample(m *etcdcluster.Member, accounts []string, log io.Writer, end <-chan struct{}) error {
	claims := make([]claimed, len(accounts))
	every := time.NewTicker(time.Millisecond)
	defer every.Stop()
	for {
		select {
		case <-end:
			return nil
		case <-every.C:
		}
		for i, account := range accounts {
			before := boottime.Now()
			left, term := m.Left(account), m.Term(account)
			after := boottime.Now()
			if left <= 0 || term == 0 {
				left, term = 0, 0
			}
			if line := claims[i].next(term, before, after, left); line != "" {
				if _, err := fmt.Fprintf(log, "%d %s\n", i, line); err != nil {
					return err
				}
			}
		}
	}
}

// claimed is what a process claims of an account: that it leads it from one instant to
// another.
type claimed struct {
	term        int64
	from, until boottime.Instant // until: as far as was promised
	last        boottime.Instant // when it was said last
	written     boottime.Instant
}

// wrote is how often a claim that lasts is written down.
const wrote = 50 * time.Millisecond

// next takes what is said now, and returns a line when one is due. A claim that the
// process itself has taken back lasts until it did, another as long as was promised.
func (c *claimed) next(term int64, before, after boottime.Instant, left time.Duration) string {
	if term != c.term {
		line := ""
		if c.term != 0 {
			line = fmt.Sprint(c.term, " ", int64(c.from), " ", int64(min(c.until, max(c.last, c.from))), " end")
		}
		*c = claimed{term: term, from: after, until: before.After(left), last: before, written: before}
		if term != 0 && line == "" {
			return fmt.Sprint(term, " ", int64(c.from), " ", int64(c.until), " on")
		}
		return line
	}
	if term == 0 {
		return ""
	}
	c.until, c.last = max(c.until, before.After(left)), before
	if c.written.Until(before) < wrote {
		return ""
	}
	c.written = before
	return fmt.Sprint(c.term, " ", int64(c.from), " ", int64(c.until), " on")
}

// span is a time for which a process led an account by its own account.
type span struct {
	vessel      string
	term        int64
	from, until boottime.Instant
}

// spans reads what all processes have written down, by account.
func (f *fleet) spans() map[int][]span {
	f.t.Helper()
	out := map[int][]span{}
	for _, v := range f.all {
		file, err := os.Open(v.log)
		if err != nil {
			continue // it was killed before it said anything
		}
		latest := map[[2]int64]span{}
		for lines := bufio.NewScanner(file); lines.Scan(); {
			var account int
			var term, from, until int64
			var word string
			if n, _ := fmt.Sscan(lines.Text(), &account, &term, &from, &until, &word); n == 5 {
				latest[[2]int64{int64(account), term}] = span{v.name, term, boottime.Instant(from), boottime.Instant(until)}
			}
		}
		_ = file.Close()
		for key, s := range latest {
			out[int(key[0])] = append(out[int(key[0])], s)
		}
	}
	return out
}

// single checks that no two have led an account at one moment, and that terms grow with
// time, and returns how often accounts were led.
func (f *fleet) single() int {
	f.t.Helper()
	n := 0
	for account, all := range f.spans() {
		slices.SortFunc(all, func(a, b span) int { return int(a.from.Until(b.from) * -1) })
		n += len(all)
		for i := 1; i < len(all); i++ {
			a, b := all[i-1], all[i]
			if b.from < a.until {
				f.t.Errorf("account %d was led by %s in term %d until %v, and by %s in term %d from %v on: %v too early",
					account, a.vessel, a.term, time.Duration(a.until), b.vessel, b.term, time.Duration(b.from), b.from.Until(a.until))
			}
			if b.term <= a.term {
				f.t.Errorf("account %d: term %d follows %d", account, b.term, a.term)
			}
		}
	}
	return n
}

// way is a network between a process and an etcd member, which can be broken: nothing
// comes through any more, and nobody is told.
type way struct {
	at     string
	target string
	listen net.Listener
	mu     sync.Mutex
	open   chan struct{} // closed while it is whole
	conns  []net.Conn
	closed bool
	bytes  atomic.Int64 // both ways
}

func newWay(t testing.TB, target string) *way {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &way{at: l.Addr().String(), target: target, listen: l, open: make(chan struct{})}
	close(w.open)
	go w.serve()
	return w
}

func (w *way) serve() {
	for {
		in, err := w.listen.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", w.target)
		if err != nil {
			_ = in.Close()
			continue
		}
		w.mu.Lock()
		w.conns = append(w.conns, in, out)
		closed := w.closed
		w.mu.Unlock()
		if closed {
			w.close()
			return
		}
		go w.copy(in, out)
		go w.copy(out, in)
	}
}

func (w *way) copy(from, to net.Conn) {
	defer to.Close()
	defer from.Close()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		w.bytes.Add(int64(n))
		w.mu.Lock()
		open := w.open
		w.mu.Unlock()
		<-open
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

func (w *way) cut(off bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case <-w.open:
		if off {
			w.open = make(chan struct{})
		}
	default:
		if !off {
			close(w.open)
		}
	}
}

func (w *way) close() {
	_ = w.listen.Close()
	w.cut(false)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	for _, c := range w.conns {
		_ = c.Close()
	}
}

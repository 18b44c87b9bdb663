package etcdquota_test

import (
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// way is a way to etcd that can be cut: what is sent then is neither answered nor
// refused.
type way struct {
	listener net.Listener
	to       string
	mu       sync.Mutex
	cut      chan struct{} // closed while the way is open
	ends     []net.Conn
}

func newWay(t *testing.T, to string) *way {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	w := &way{listener: l, to: strings.TrimPrefix(to, "http://"), cut: make(chan struct{})}
	close(w.cut)
	var work sync.WaitGroup
	work.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			work.Go(func() { w.carry(c) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		w.mend()
		w.mu.Lock()
		for _, c := range w.ends {
			_ = c.Close()
		}
		w.mu.Unlock()
		work.Wait()
	})
	return w
}

func (w *way) endpoint() string { return "http://" + w.listener.Addr().String() }

// carry carries bytes both ways.
func (w *way) carry(c net.Conn) {
	defer c.Close()
	d, err := net.Dial("tcp", w.to)
	if err != nil {
		return
	}
	defer d.Close()
	w.mu.Lock()
	w.ends = append(w.ends, c, d)
	w.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { w.copy(c, d) })
	both.Go(func() { w.copy(d, c) })
	both.Wait()
}

func (w *way) copy(to io.WriteCloser, from io.Reader) {
	defer to.Close()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		w.mu.Lock()
		open := w.cut
		w.mu.Unlock()
		<-open
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// sever cuts the way; what is on it arrives when it is mended.
func (w *way) sever() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = make(chan struct{})
}

func (w *way) mend() {
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case <-w.cut:
	default:
		close(w.cut)
	}
}

// TestFailure_P06_P12_KilledStoppedCutOff: of processes under load one is killed, one is
// stopped for longer than its lease, and one is cut off from etcd for as long, again and
// again. No window has more calls than its limit, and each calls when it can.
func TestFailure_P06_P12_KilledStoppedCutOff(t *testing.T) {
	t.Parallel()
	const limit = 10
	s := newSite(t, "10/1s,40/5s")
	w := newWay(t, s.etcd.Endpoints()[0])
	steady, stopped := s.start("busy/0"), s.start("busy/0")
	cutOff, killed := s.start("busy/0", w.endpoint()), s.start("busy/0")
	time.Sleep(2 * time.Second)
	for round := range 2 {
		must(t, stopped.cmd.Process.Signal(syscall.SIGSTOP))
		w.sever()
		if round == 0 {
			must(t, killed.cmd.Process.Signal(os.Kill))
		}
		severed := time.Now()
		time.Sleep(lease + 2*time.Second)
		if n := s.server.total(severed.Add(lease), cutOff); n > 0 {
			t.Errorf("%d calls of a process that was cut off for longer than its lease", n)
		}
		must(t, stopped.cmd.Process.Signal(syscall.SIGCONT))
		w.mend()
		mended := time.Now()
		time.Sleep(4 * time.Second)
		for name, p := range map[string]*process{"steady": steady, "stopped": stopped, "cut off": cutOff} {
			if s.server.total(mended, p) == 0 {
				t.Errorf("round %d: the one that was %s does not call", round, name)
			}
		}
	}
	if got := s.server.most(time.Second); got > limit {
		t.Errorf("%d calls in one second, limit %d", got, limit)
	}
	if got := s.server.most(5 * time.Second); got > 40 {
		t.Errorf("%d calls in five seconds, limit 40", got)
	}
}

// TestFailure_P12_KilledUnderFullLoad: the slots of a process that had all of them and
// was killed are another's within its lease and two seconds.
func TestFailure_P12_KilledUnderFullLoad(t *testing.T) {
	t.Parallel()
	s := newSite(t, "10/1s")
	one := s.start("busy/0")
	time.Sleep(3 * time.Second)
	killed := time.Now()
	must(t, one.cmd.Process.Signal(os.Kill))
	_ = one.cmd.Wait()
	next := s.start("busy/0")
	for s.server.total(killed, next) == 0 {
		time.Sleep(10 * time.Millisecond)
		if time.Since(killed) > lease+10*time.Second {
			t.Fatal("it has no slot")
		}
	}
	took := time.Since(killed)
	t.Logf("the first call after %v, lease %v", took, lease)
	if took > lease+2*time.Second {
		t.Errorf("the first call came %v after the kill, lease %v", took, lease)
	}
	if got := s.server.most(time.Second); got > 10 {
		t.Errorf("%d calls in one second", got)
	}
}

// TestShare_HigherPriorityFirst: beside processes that flood the operation with a scrub
// and with planning, one that works for a person has nearly all of it, and they still
// get a slot now and then.
func TestShare_HigherPriorityFirst(t *testing.T) {
	t.Parallel()
	s := newSite(t, "10/1s")
	scrub, planning := s.start("busy/-2"), s.start("busy/-1")
	time.Sleep(time.Second)
	person := s.start("busy/1")
	time.Sleep(3 * time.Second)
	begin := time.Now()
	time.Sleep(8 * time.Second)
	all, mine := s.server.total(begin), s.server.total(begin, person)
	low, mid := s.server.total(begin, scrub), s.server.total(begin, planning)
	t.Logf("%d calls: %d of the person, %d planning, %d scrub, %d changes", all, mine, mid, low, s.changes())
	if mine*100 < all*88 {
		t.Errorf("%d of %d calls were the person's", mine, all)
	}
	if low == 0 || mid == 0 {
		t.Errorf("%d scrub and %d planning: somebody starves", low, mid)
	}
	if got := s.server.most(time.Second); got > 10 {
		t.Errorf("%d calls in one second", got)
	}
}

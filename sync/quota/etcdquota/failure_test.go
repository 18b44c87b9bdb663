package etcdquota_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"weir/sync/etcd/etcdtest"
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

func newWay(t testing.TB, to string) *way {
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

// TestFailure_P12_CutOff: a process that is cut off from etcd makes no call when its
// lease is over, others have its part then, and it goes on when it reaches etcd again.
func TestFailure_P12_CutOff(t *testing.T) {
	t.Parallel()
	s := newSite(t, "10/1s")
	w := newWay(t, s.etcd.Endpoints()[0])
	cutOff, other := s.start("busy/0", w.endpoint()), s.start("busy/0")
	time.Sleep(2 * time.Second)
	w.sever()
	severed := time.Now()
	time.Sleep(lease + 3*time.Second)
	if n := s.server.total(severed.Add(lease), cutOff); n > 0 {
		t.Errorf("%d calls of a process that was cut off for longer than its lease", n)
	}
	if n := s.server.total(severed.Add(lease+2*time.Second), other); n < 8 {
		t.Errorf("%d calls of the other in a second, with the whole quota", n)
	}
	w.mend()
	mended := time.Now()
	for s.server.total(mended, cutOff) == 0 {
		time.Sleep(10 * time.Millisecond)
		if time.Since(mended) > 10*time.Second {
			t.Fatal("it does not call although it reaches etcd again")
		}
	}
	if got := s.server.most(time.Second); got > 10 {
		t.Errorf("%d calls in one second", got)
	}
}

// TestFailure_P06_P12_UnderTrouble: whichever process is killed, stopped or cut off, for
// longer or shorter than its lease, no window has more calls than its limit. With
// WEIR_QUOTA_LONG, a duration, it takes that long, and members of etcd die too.
func TestFailure_P06_P12_UnderTrouble(t *testing.T) {
	const limit, longLimit = 10, 40
	s, long := newSite(t, fmt.Sprintf("%d/1s,%d/5s", limit, longLimit)), 9*time.Second
	if text := os.Getenv("WEIR_QUOTA_LONG"); text != "" {
		var err error
		long, err = time.ParseDuration(text)
		must(t, err)
		s.etcd = etcdtest.Start(t, 3)
	} else {
		t.Parallel()
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	end := time.Now().Add(long)
	troubles, vessels := make([]map[string]int, 4), make([]*vessel, 4)
	var all sync.WaitGroup
	for i := range troubles {
		r := rand.New(rand.NewPCG(seed, uint64(i)))
		troubles[i] = map[string]int{}
		v := s.launch(s.etcd.Endpoints()[i%len(s.etcd.Endpoints())])
		vessels[i] = v
		all.Go(func() {
			for time.Now().Before(end) {
				troubles[i][v.trouble(r)]++
			}
		})
	}
	for n := 0; len(s.etcd.Members) > 1 && time.Now().Before(end); n++ {
		m := s.etcd.Members[n%len(s.etcd.Members)]
		time.Sleep(7 * time.Second)
		m.Kill()
		time.Sleep(3 * time.Second)
		must(t, m.Start())
	}
	all.Wait()
	calls := s.server.total(time.Time{})
	t.Logf("%d calls, %.0f %% of the quota, %v", calls, 100*float64(calls)/(float64(longLimit)/5*long.Seconds()), troubles)
	over := time.Now()
	for i, v := range vessels {
		for s.server.total(over, v.process) == 0 {
			if time.Sleep(10 * time.Millisecond); time.Since(over) > 30*time.Second {
				t.Fatalf("process %d does not call although its troubles are over", i)
			}
		}
	}
	t.Logf("all call %v after the troubles", time.Since(over))
	if got := s.server.most(time.Second); got > limit {
		t.Errorf("%d calls in one second, limit %d", got, limit)
	}
	if got := s.server.most(5 * time.Second); got > longLimit {
		t.Errorf("%d calls in five seconds, limit %d", got, longLimit)
	}
}

// vessel is a process and its own way to etcd.
type vessel struct {
	site *site
	way  *way
	*process
}

func (s *site) launch(endpoint string) *vessel {
	w := newWay(s.t, endpoint)
	return &vessel{s, w, s.start("busy/0", w.endpoint())}
}

// trouble does one thing to a process, waits until it is over, and returns what it was.
func (v *vessel) trouble(r *rand.Rand) string {
	t := v.site.t
	time.Sleep(time.Duration(r.Int64N(int64(lease))))
	what := []string{"killed", "stopped", "stopped shortly", "cut off", "cut off shortly"}[r.IntN(5)]
	lasts := time.Duration(r.Int64N(int64(lease / 2)))
	if what == "stopped" || what == "cut off" {
		lasts += lease
	}
	switch what {
	case "killed":
		must(t, v.cmd.Process.Kill())
		time.Sleep(lasts)
		v.process = v.site.start("busy/0", v.way.endpoint())
	case "stopped", "stopped shortly":
		must(t, v.cmd.Process.Signal(syscall.SIGSTOP))
		time.Sleep(lasts)
		must(t, v.cmd.Process.Signal(syscall.SIGCONT))
	default:
		v.way.sever()
		time.Sleep(lasts)
		v.way.mend()
	}
	return what
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

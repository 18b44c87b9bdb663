package filequota

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"weir/sync/call"
)

// The environment of a child process: what it has to do, and with what.
const (
	childRole = "WEIR_QUOTA_TEST_ROLE"
	childDir  = "WEIR_QUOTA_TEST_DIR"
	childURL  = "WEIR_QUOTA_TEST_URL"
	limit     = 10
)

var long = flag.Bool("long", false, "stop processes for longer than their slots last")

func TestMain(m *testing.M) {
	if role := os.Getenv(childRole); role != "" {
		child(role)
		return
	}
	goleak.VerifyTestMain(m)
}

// child is the main of a child process.
func child(role string) {
	switch role {
	case "busy":
		busy(20, call.Routine)
	case "scrub":
		busy(100, call.Scrub)
	case "planning":
		busy(100, call.Planning)
	case "person":
		busy(100, call.Person)
	case "slow":
		slow()
	case "race":
		race()
	}
}

// caller returns the child's way to the server; between does what may take long
// between the slot and the sending.
func caller(between func()) call.Caller {
	l, err := call.NewLimiter(call.LimiterOptions{
		Limits: map[string][]call.Window{"Op": {{Limit: limit, Per: time.Second}}},
	})
	if err != nil {
		panic(err)
	}
	l.Share(New(os.Getenv(childDir), nil).Share(), func(err error) { fmt.Println("apart", err) })
	url := os.Getenv(childURL) + "/?by=" + fmt.Sprint(os.Getpid())
	send := call.WhenReady(call.Func(func(context.Context, *call.Request) (*call.Response, error) {
		sent := time.Now()
		resp, err := http.Get(url)
		if err != nil {
			return nil, &call.Error{Code: call.Unknown}
		}
		_, err = io.Copy(io.Discard, resp.Body)
		return &call.Response{RTT: time.Since(sent)}, err
	}))
	return call.Limit(call.Func(func(ctx context.Context, req *call.Request) (*call.Response, error) {
		between()
		return send.Call(ctx, req)
	}), call.Limiters{"a": l}, nil)
}

// busy calls as often as it may, with so many calls at a time.
func busy(calls int, p call.Priority) {
	c := caller(func() {})
	fmt.Println("ready")
	ctx := call.WithPriority(context.Background(), p)
	for range calls {
		go func() {
			for {
				_, _ = c.Call(ctx, &call.Request{Account: "a", Operation: "Op"})
			}
		}()
	}
	select {}
}

// slow makes one call and waits for its parent between slot and sending.
func slow() {
	in := bufio.NewReader(os.Stdin)
	c := caller(func() {
		fmt.Println("slot")
		_, _ = in.ReadString('\n')
	})
	_, err := c.Call(context.Background(), &call.Request{Account: "a", Operation: "Op"})
	fmt.Println("called", err)
}

// server notes when each call arrives, and from whom.
type server struct {
	*httptest.Server
	mu       sync.Mutex
	arrivals []time.Time
	by       map[string]int
}

// newServer returns one that is so far away, in the time of both ways.
func newServer(t testing.TB, away time.Duration) *server {
	s := &server{by: map[string]int{}}
	s.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		time.Sleep(away / 2)
		s.mu.Lock()
		s.arrivals = append(s.arrivals, time.Now())
		s.by[r.FormValue("by")]++
		s.mu.Unlock()
		time.Sleep(away / 2)
	}))
	t.Cleanup(s.Close)
	return s
}

// most counts the most arrivals in any sliding second, both ends included.
func (s *server) most() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	best, first := 0, 0
	for i, at := range s.arrivals {
		for at.Sub(s.arrivals[first]) > time.Second {
			first++
		}
		best = max(best, i-first+1)
	}
	return best
}

// total counts the arrivals, of one process or of all.
func (s *server) total(c *process) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c == nil {
		return len(s.arrivals)
	}
	return s.by[fmt.Sprint(c.cmd.Process.Pid)]
}

// process is a child that runs this test binary.
type process struct {
	t   testing.TB
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

func start(t testing.TB, role, dir, url string) *process {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childRole+"="+role, childDir+"="+dir, childURL+"="+url)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	p := &process{t: t, cmd: cmd, in: in, out: bufio.NewScanner(out)}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return p
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// says reads a line that begins with the text.
func (p *process) says(text string) {
	p.t.Helper()
	if !p.out.Scan() || !strings.HasPrefix(p.out.Text(), text) {
		p.t.Fatalf("the child says %q, want %q", p.out.Text(), text)
	}
}

func (p *process) signal(s os.Signal) {
	p.t.Helper()
	must(p.t, p.cmd.Process.Signal(s))
}

// TestFailure_P06_A26_Processes lets four processes be busy, stops one and kills
// another one in the middle.
func TestFailure_P06_A26_Processes(t *testing.T) {
	t.Parallel()
	s, dir := newServer(t, 0), t.TempDir()
	var all []*process
	for range 4 {
		all = append(all, start(t, "busy", dir, s.URL))
	}
	stopped := 2 * time.Second
	if *long {
		stopped = call.Lease + 3*time.Second
	}
	time.Sleep(2 * time.Second)
	all[0].signal(os.Kill)
	all[1].signal(syscall.SIGSTOP)
	time.Sleep(stopped)
	all[1].signal(syscall.SIGCONT)
	time.Sleep(2 * time.Second)
	if got := s.most(); got > limit {
		t.Errorf("%d calls in one second, limit %d", got, limit)
	}
	for i, p := range all {
		if s.total(p) == 0 {
			t.Errorf("process %d never called", i)
		}
	}
}

// TestShare_BusyProcessesGetEqualParts: two processes each have 35 to 65 % of
// the quota, which is used.
func TestShare_BusyProcessesGetEqualParts(t *testing.T) {
	t.Parallel()
	s, dir := newServer(t, 0), t.TempDir()
	one, two := start(t, "busy", dir, s.URL), start(t, "busy", dir, s.URL)
	one.says("ready")
	two.says("ready")
	time.Sleep(2 * time.Second)
	before, first := s.total(nil), s.total(one)
	begin := time.Now()
	time.Sleep(6 * time.Second)
	took := time.Since(begin)
	all, of := s.total(nil)-before, s.total(one)-first
	if got := s.most(); got > limit {
		t.Errorf("%d calls in one second, limit %d", got, limit)
	}
	if part := float64(of) / float64(all); part < 0.35 || part > 0.65 {
		t.Errorf("one process made %d of %d calls", of, all)
	}
	used := float64(all) / (limit * took.Seconds())
	t.Logf("%.1f %% of the quota used, %d of %d calls by one", 100*used, of, all)
	if used < 0.7 { // a busy machine must not make it fail
		t.Errorf("%.2f of the quota used", used)
	}
}

// TestShare_ProcessOfAPersonGoesFirst: beside a process that floods the operation
// with a scrub and one that does with planning, one that works for a person has its
// nineteen slots of twenty.
func TestShare_ProcessOfAPersonGoesFirst(t *testing.T) {
	t.Parallel()
	s, dir := newServer(t, 0), t.TempDir()
	start(t, "scrub", dir, s.URL).says("ready")
	start(t, "planning", dir, s.URL).says("ready")
	time.Sleep(time.Second)
	person := start(t, "person", dir, s.URL)
	person.says("ready")
	time.Sleep(2 * time.Second)
	before, of := s.total(nil), s.total(person)
	time.Sleep(8 * time.Second)
	all, mine := s.total(nil)-before, s.total(person)-of
	t.Logf("%d of %d calls in 8 s were the person's", mine, all)
	if mine*10 < all*9 {
		t.Errorf("%d of %d calls were the person's, want 90 %%", mine, all)
	}
	if got := s.most(); got > limit {
		t.Errorf("%d calls in one second, limit %d", got, limit)
	}
}

// TestFailure_P06_StoppedProcessTakesAnotherSlot: one that is stopped between
// slot and sending does not send on that slot when it goes on.
func TestFailure_P06_StoppedProcessTakesAnotherSlot(t *testing.T) {
	t.Parallel()
	s := newServer(t, 0)
	p := start(t, "slow", t.TempDir(), s.URL)
	p.says("slot")
	p.signal(syscall.SIGSTOP)
	time.Sleep(call.Fresh + 500*time.Millisecond)
	p.signal(syscall.SIGCONT)
	_, err := io.WriteString(p.in, "\n")
	must(t, err)
	p.says("slot") // another one
	if n := s.total(nil); n != 0 {
		t.Fatalf("it sent %d calls on the old slot", n)
	}
	_, err = io.WriteString(p.in, "\n")
	must(t, err)
	p.says("called <nil>")
	if n := s.total(nil); n != 1 {
		t.Errorf("it sent %d calls, want 1", n)
	}
}

// race takes and gives as fast as it can and says how long each took.
func race() {
	shared := New(os.Getenv(childDir), nil).Share()
	fmt.Println("ready")
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
	var times []time.Duration
	for range raceCalls {
		begin := time.Now()
		slot, err := shared.Take(context.Background(), raceWant)
		if err != nil {
			panic(err)
		}
		slot.Give(call.End{Unsent: true})
		times = append(times, time.Since(begin))
	}
	slices.Sort(times)
	fmt.Println(times[raceCalls/2].Microseconds(), times[raceCalls*99/100].Microseconds())
}

const raceCalls = 3000

var raceWant = call.Want{Operation: "Op", Windows: []call.Window{{Limit: 50, Per: time.Second}}}

// BenchmarkCall is the cost of a call's slot: taken and given back, by one
// process alone, with 45 calls in the book.
func BenchmarkCall(b *testing.B) {
	desk := New(b.TempDir(), nil)
	defer desk.Close()
	shared := desk.Share()
	for range 45 {
		if _, err := shared.Take(b.Context(), raceWant); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		slot, err := shared.Take(b.Context(), raceWant)
		if err != nil {
			b.Fatal(err)
		}
		slot.Give(call.End{Unsent: true})
	}
}

// BenchmarkContention is the same in four processes at once that do nothing
// else.
func BenchmarkContention(b *testing.B) {
	for b.Loop() {
		dir := b.TempDir()
		var all []*process
		for range 4 {
			p := start(b, "race", dir, "")
			p.says("ready")
			all = append(all, p)
		}
		for _, p := range all {
			_, _ = io.WriteString(p.in, "\n")
		}
		for _, p := range all {
			p.out.Scan()
			var median, most float64
			_, _ = fmt.Sscan(p.out.Text(), &median, &most)
			b.ReportMetric(median, "µs/median")
			b.ReportMetric(most, "µs/99th")
			_ = p.cmd.Wait()
		}
	}
}

// BenchmarkUse tells which part of a quota two processes use together through real
// files, with a server at a distance.
func BenchmarkUse(b *testing.B) {
	for _, away := range []time.Duration{0, 100 * time.Millisecond, 500 * time.Millisecond} {
		b.Run(fmt.Sprintf("rtt=%v", away), func(b *testing.B) {
			for b.Loop() {
				s, dir := newServer(b, away), b.TempDir()
				for range 2 {
					start(b, "busy", dir, s.URL)
				}
				time.Sleep(25 * time.Second) // until there are a hundred answers for each
				s.mu.Lock()
				before := len(s.arrivals)
				s.mu.Unlock()
				time.Sleep(15 * time.Second)
				s.mu.Lock()
				settled := s.arrivals[before:]
				var sum time.Duration
				for i, last := range settled[limit:] {
					sum += last.Sub(settled[i])
				}
				s.mu.Unlock()
				b.ReportMetric(100*float64(time.Second)*float64(len(settled)-limit)/float64(sum), "%-used")
				b.ReportMetric(float64(max(0, s.most()-limit)), "calls-above")
			}
		})
	}
}

package etcdquota_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"weir/sync/call"
	"weir/sync/etcd"
	"weir/sync/etcd/etcdtest"
	"weir/sync/quota/etcdquota"
)

// The environment of a child process: what it has to do, and with what.
const (
	childRole   = "WEIR_ETCDQUOTA_TEST_ROLE"
	childEtcd   = "WEIR_ETCDQUOTA_TEST_ETCD"
	childPrefix = "WEIR_ETCDQUOTA_TEST_PREFIX"
	childURL    = "WEIR_ETCDQUOTA_TEST_URL"
	childLimit  = "WEIR_ETCDQUOTA_TEST_LIMIT"
	lease       = 3 * time.Second
)

// child is the main of a child process: "busy" calls as often as it may, "lone" one
// call after the other, each with a priority behind a slash.
func child(role string) {
	conn, err := etcd.Open(context.Background(), etcd.Options{
		Endpoints: strings.Split(os.Getenv(childEtcd), ","), Prefix: os.Getenv(childPrefix),
	})
	if err != nil {
		panic(err)
	}
	desk := etcdquota.New(conn, lease, nil)
	c := caller(desk)
	kind, priority, _ := strings.Cut(role, "/")
	p, _ := strconv.Atoi(priority)
	ctx := call.WithPriority(context.Background(), call.Priority(p))
	fmt.Println("ready")
	calls := 40
	if kind == "lone" {
		calls = 1
	}
	for range calls {
		go func() {
			for {
				_, _ = c.Call(ctx, &call.Request{Account: "a", Operation: "Op"})
			}
		}()
	}
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
}

// caller returns the child's way to the server.
func caller(desk *etcdquota.Desk) call.Caller {
	var windows []call.Window
	for w := range strings.SplitSeq(os.Getenv(childLimit), ",") {
		n, per, _ := strings.Cut(w, "/")
		limit, _ := strconv.Atoi(n)
		d, _ := time.ParseDuration(per)
		windows = append(windows, call.Window{Limit: limit, Per: d})
	}
	l, err := call.NewLimiter(call.LimiterOptions{Limits: map[string][]call.Window{"Op": windows}})
	if err != nil {
		panic(err)
	}
	l.Share(desk.Share("a"), func(err error) { fmt.Println("apart", err) })
	url := os.Getenv(childURL) + "/?by=" + fmt.Sprint(os.Getpid())
	send := call.Func(func(ctx context.Context, _ *call.Request) (*call.Response, error) {
		sent := time.Now()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return nil, &call.Error{Code: call.Unknown}
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return nil, &call.Error{Code: call.Unknown}
		}
		defer resp.Body.Close()
		_, err = io.Copy(io.Discard, resp.Body)
		return &call.Response{RTT: time.Since(sent)}, err
	})
	mandated := call.WhileMandated(send, nil, call.Least(lease))
	return call.Limit(call.WhenReady(mandated), call.Limiters{"a": l}, nil)
}

// server notes when each call arrives, and from whom.
type server struct {
	*httptest.Server
	mu       sync.Mutex
	arrivals []arrival
}

type arrival struct {
	at time.Time
	by string
}

func newServer(t testing.TB) *server {
	s := &server{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.arrivals = append(s.arrivals, arrival{time.Now(), r.FormValue("by")})
	}))
	t.Cleanup(s.Close)
	return s
}

// most counts the most arrivals in any sliding window, both ends included.
func (s *server) most(per time.Duration) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	best, first := 0, 0
	for i, a := range s.arrivals {
		for a.at.Sub(s.arrivals[first].at) > per {
			first++
		}
		best = max(best, i-first+1)
	}
	return best
}

// total counts the arrivals since a time, of some processes or of all.
func (s *server) total(since time.Time, of ...*process) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, a := range s.arrivals {
		if a.at.Before(since) {
			continue
		}
		if len(of) == 0 {
			n++
		}
		for _, p := range of {
			if a.by == fmt.Sprint(p.cmd.Process.Pid) {
				n++
			}
		}
	}
	return n
}

// used returns which part of a limit a second was used since a time: of each call how
// long it came after the one a limit before it, as calls may come in bursts.
func (s *server) used(since time.Time, limit int) float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, sum := 0, time.Duration(0)
	for i, a := range s.arrivals {
		if i >= limit && !s.arrivals[i-limit].at.Before(since) {
			n++
			sum += a.at.Sub(s.arrivals[i-limit].at)
		}
	}
	return float64(n) * float64(time.Second) / float64(max(1, sum))
}

// process is a child that runs this test binary.
type process struct {
	cmd *exec.Cmd
	out *bufio.Scanner
}

// site is where the processes of a test meet.
type site struct {
	t      testing.TB
	server *server
	etcd   *etcdtest.Cluster
	prefix string
	limits string
}

func newSite(t testing.TB, limits string) *site {
	return &site{t: t, server: newServer(t), etcd: shared, prefix: etcdtest.Prefix(t), limits: limits}
}

func (s *site) start(role string, endpoints ...string) *process {
	s.t.Helper()
	if len(endpoints) == 0 {
		endpoints = s.etcd.Endpoints()
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childRole+"="+role, childEtcd+"="+strings.Join(endpoints, ","),
		childPrefix+"="+s.prefix, childURL+"="+s.server.URL, childLimit+"="+s.limits)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	must(s.t, err)
	out, err := cmd.StdoutPipe()
	must(s.t, err)
	must(s.t, cmd.Start())
	p := &process{cmd: cmd, out: bufio.NewScanner(out)}
	s.t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	if !p.out.Scan() || p.out.Text() != "ready" {
		s.t.Fatalf("the child says %q", p.out.Text())
	}
	go func() {
		for p.out.Scan() {
			s.t.Errorf("a child says %q", p.out.Text())
		}
	}()
	return p
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// changes counts the changes of the operation's sheet until now.
func (s *site) changes() int64 {
	s.t.Helper()
	conn := s.etcd.Conn(s.t, s.prefix)
	resp, err := conn.Read(context.Background(), conn.Key("quota", "a", "Op"))
	must(s.t, err)
	if resp.Count == 0 {
		return 0
	}
	return resp.Kvs[0].Version
}

// TestShare_UsesTheQuota: one process uses nearly all of it, several that compete most
// of it, in equal parts.
func TestShare_UsesTheQuota(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		limits string
		of     int
		least  float64
	}{
		// A busy machine must not make it fail.
		{"one", "10/1s", 1, .85},
		{"three", "10/1s", 3, .75},
		{"three of one slot", "1/1s", 3, .75},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, test.limits)
			var all []*process
			for range test.of {
				all = append(all, s.start("busy/0"))
			}
			time.Sleep(1500 * time.Millisecond)
			begin, before := time.Now(), s.changes()
			time.Sleep(5 * time.Second)
			changes := s.changes() - before
			limit, _ := strconv.Atoi(strings.TrimSuffix(test.limits, "/1s"))
			if got := s.server.most(time.Second); got > limit {
				t.Errorf("%d calls in one second, limit %d", got, limit)
			}
			calls := s.server.total(begin)
			used := s.server.used(begin, limit)
			t.Logf("%.1f %% of the quota used, %.2f changes in etcd a call", 100*used, float64(changes)/float64(calls))
			if used < test.least {
				t.Errorf("%.1f %% of the quota used", 100*used)
			}
			for i, p := range all {
				part := float64(s.server.total(begin, p)) * float64(test.of) / float64(calls)
				t.Logf("process %d made %.2f of its part", i, part)
				if part < .5 || part > 1.5 {
					t.Errorf("process %d made %.2f of its part", i, part)
				}
			}
		})
	}
}

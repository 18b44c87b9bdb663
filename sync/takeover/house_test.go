package takeover

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"weir/sync/cluster"
	"weir/sync/etcd"
	"weir/sync/etcd/etcdtest"
)

// weir is the program under test, built once.
var weir string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "weir-takeover-")
	if err == nil {
		weir = filepath.Join(dir, "weir")
		var out []byte
		if out, err = exec.Command("go", "build", "-o", weir, "weir/cmd/weir").CombinedOutput(); err != nil {
			err = fmt.Errorf("%w\n%s", err, out)
		}
	}
	if err != nil {
		log.Fatal(err)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// house is all of it.
type house struct {
	t       *testing.T
	dir     string
	prefix  string
	lease   time.Duration
	etcd    *etcdtest.Cluster
	clouds  *clouds
	daemons []*daemon
	load    *load
	reigns  *reigns

	mu        sync.Mutex // guards the pids of daemons
	processes map[string]int
}

// daemon is one weir.
type daemon struct {
	house   *house
	host    string
	starts  int
	name    string // another one at each start, as of a pod: a crash loop would be held up
	config  string
	listen  string
	proxies []*proxy
	cmd     *exec.Cmd
	ended   chan struct{}
}

// newHouse starts everything, and waits until each account is led.
func newHouse(t *testing.T, daemons int, lease time.Duration) *house {
	t.Helper()
	h := &house{
		t: t, dir: t.TempDir(), prefix: etcdtest.Prefix(t), lease: lease, etcd: etcdtest.Start(t, 3),
		processes: map[string]int{},
	}
	h.clouds = newClouds(t, func(peer net.Addr) string {
		h.mu.Lock()
		defer h.mu.Unlock()
		return peerOf(peer, h.processes)
	})
	h.load = newLoad(t, filepath.Join(h.dir, "live"))
	h.reigns = watchReigns(t, h.etcd.Conn(t, h.prefix))
	for i := range daemons {
		h.daemons = append(h.daemons, h.newDaemon(fmt.Sprint("weir-", i)))
	}
	for _, d := range h.daemons {
		d.start()
	}
	h.until("each account is led", time.Minute, func() error { return h.reigns.all() })
	return h
}

// newDaemon writes the configuration of one, with a way of its own to each member of
// etcd that can be cut.
func (h *house) newDaemon(name string) *daemon {
	h.t.Helper()
	d := &daemon{house: h, host: name, name: name, listen: freeAddress(h.t), config: filepath.Join(h.dir, name+".yaml")}
	for _, m := range h.etcd.Members {
		p := newProxy(h.t, strings.TrimPrefix(m.Client, "http://"))
		d.proxies = append(d.proxies, p)
	}
	h.writeConfig(d)
	return d
}

func (h *house) writeConfig(d *daemon) {
	h.t.Helper()
	var endpoints []string
	for _, p := range d.proxies {
		endpoints = append(endpoints, "http://"+p.addr)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "apiVersion: weir/v1\nkind: Config\nsources: [{name: live, directory: {path: %s}}]\naccounts:\n", h.load.dir)
	for account, key := range accounts {
		provider := "{name: %s, provider: volcengine, endpoint: %q, credentials: {accessKeyIdFile: %s, accessKeySecretFile: %[3]s}}"
		if strings.HasPrefix(account, "aliyun") {
			provider = strings.Replace(provider, "volcengine,", "aliyun, region: cn-shanghai,", 1)
		}
		file := filepath.Join(h.dir, key)
		if err := os.WriteFile(file, []byte(key), 0o600); err != nil {
			h.t.Fatal(err)
		}
		fmt.Fprintf(&b, "  - "+provider+"\n", account, h.clouds.server.URL, file)
	}
	fmt.Fprintf(&b, "policy: {mode: sync, drift: heal, maxUpdatesPercent: 100, maxUpdates: 10000}\ninterval: 10s\nlisten: %s\n", d.listen)
	fmt.Fprintf(&b, "state: {etcd: {endpoints: [%s], prefix: %s}}\n", strings.Join(endpoints, ", "), h.prefix)
	fmt.Fprintf(&b, "cluster: {name: %s, lease: %s}\n", d.name, h.lease)
	if err := os.WriteFile(d.config, []byte(b.String()), 0o600); err != nil {
		h.t.Fatal(err)
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// start starts the daemon, anew where it was killed.
func (d *daemon) start() {
	d.house.t.Helper()
	d.starts++
	if d.starts > 1 {
		d.name = fmt.Sprint(d.host, "-", d.starts)
		d.house.writeConfig(d)
	}
	out, err := os.OpenFile(strings.TrimSuffix(d.config, ".yaml")+".log", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		d.house.t.Fatal(err)
	}
	d.cmd = exec.Command(weir, "run", "--config", d.config)
	d.cmd.Stdout, d.cmd.Stderr = out, out
	if err := d.cmd.Start(); err != nil {
		d.house.t.Fatal(err)
	}
	d.house.mu.Lock()
	d.house.processes[d.name] = d.cmd.Process.Pid
	d.house.mu.Unlock()
	ended := make(chan struct{})
	d.ended = ended
	go func(cmd *exec.Cmd) {
		_ = cmd.Wait()
		_ = out.Close()
		close(ended)
	}(d.cmd)
	d.house.t.Cleanup(d.kill)
}

func (d *daemon) kill() {
	_ = d.cmd.Process.Kill()
	<-d.ended
}

func (d *daemon) signal(s syscall.Signal) { _ = d.cmd.Process.Signal(s) }

// cut cuts the daemon off from etcd, or lets it through again.
func (d *daemon) cut(off bool) {
	for _, p := range d.proxies {
		p.set(off)
	}
}

// log returns the end of what it has said.
func (d *daemon) log() string {
	b, _ := os.ReadFile(strings.TrimSuffix(d.config, ".yaml") + ".log")
	return string(b[max(0, len(b)-4000):])
}

// run runs a command of weir with the configuration of a daemon.
func (d *daemon) run(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, weir, append(args, "--config", d.config)...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

// status asks the daemon's API for a document.
func (d *daemon) get(path string, into any) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+d.listen+path, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", path, resp.Status)
	}
	return json.NewDecoder(resp.Body).Decode(into)
}

// until waits until ok has nothing to say against it.
func (h *house) until(what string, most time.Duration, ok func() error) {
	h.t.Helper()
	deadline := time.Now().Add(most)
	err := ok()
	for ; err != nil && time.Now().Before(deadline); err = ok() {
		time.Sleep(50 * time.Millisecond)
	}
	if err == nil {
		return
	}
	for _, d := range h.daemons {
		h.t.Logf("%s says:\n%s", d.name, d.log())
	}
	h.t.Fatalf("after %v still not: %s: %v", most, what, err)
}

// proxy is a way to a server that can be cut: what is under way is lost, and nothing
// gets through, as on a network that is broken.
type proxy struct {
	addr, to string
	mu       sync.Mutex
	off      bool
	conns    map[net.Conn]bool
}

func newProxy(t *testing.T, to string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{addr: l.Addr().String(), to: to, conns: map[net.Conn]bool{}}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go p.pass(conn)
		}
	}()
	return p
}

func (p *proxy) pass(conn net.Conn) {
	defer conn.Close()
	if !p.take(conn) {
		_, _ = io.Copy(io.Discard, conn) // it is cut off: it waits, as for packets that are lost
		return
	}
	defer p.drop(conn)
	far, err := net.Dial("tcp", p.to)
	if err != nil {
		return
	}
	defer far.Close()
	if !p.take(far) {
		return
	}
	defer p.drop(far)
	done := make(chan struct{}, 2)
	for _, way := range [][2]net.Conn{{conn, far}, {far, conn}} {
		go func() {
			p.copy(way[0], way[1])
			done <- struct{}{}
		}()
	}
	<-done
}

// copy passes bytes on while the way is open, and swallows them while it is not.
func (p *proxy) copy(to, from net.Conn) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		if p.isOff() {
			continue
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

func (p *proxy) isOff() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.off
}

func (p *proxy) take(conn net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.off {
		p.conns[conn] = true
	}
	return !p.off
}

func (p *proxy) drop(conn net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, conn)
}

// set opens or cuts the way. When it is opened again, connections of before are reset:
// bytes of theirs are missing.
func (p *proxy) set(off bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.off && !off {
		for conn := range p.conns {
			_ = conn.Close()
		}
	}
	p.off = off
}

// reigns is who led which account when, as etcd's own watch has it.
type reigns struct {
	mu   sync.Mutex
	past map[string][]reign // by account, the oldest first
}

// reign is the time of one leader; until is zero while it lasts.
type reign struct {
	name        string
	term        int64
	since, last time.Time
}

func watchReigns(t *testing.T, conn *etcd.Conn) *reigns {
	t.Helper()
	r := &reigns{past: map[string][]reign{}}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	key := conn.Key("lead", "")
	events := conn.Watch(clientv3.WithRequireLeader(ctx), key, clientv3.WithPrefix(), clientv3.WithRev(1))
	go func() {
		for {
			for resp := range events {
				r.take(key, resp)
			}
			if ctx.Err() != nil {
				return
			}
			events = conn.Watch(ctx, key, clientv3.WithPrefix(), clientv3.WithRev(r.next()))
		}
	}()
	return r
}

func (r *reigns) next() (rev int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, past := range r.past {
		for _, one := range past {
			rev = max(rev, one.term)
		}
	}
	return rev + 1
}

func (r *reigns) take(prefix string, resp clientv3.WatchResponse) {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range resp.Events {
		account := etcd.Unescape(strings.TrimPrefix(string(e.Kv.Key), prefix))
		past := r.past[account]
		switch {
		case e.Type == clientv3.EventTypeDelete && len(past) > 0:
			past[len(past)-1].last = now
		case e.IsCreate():
			var leader cluster.Leader
			_ = json.Unmarshal(e.Kv.Value, &leader)
			r.past[account] = append(past, reign{name: leader.Name, term: e.Kv.CreateRevision, since: now})
		}
	}
}

// leader returns who leads an account now, "" for nobody.
func (r *reigns) leader(account string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	past := r.past[account]
	if len(past) == 0 || !past[len(past)-1].last.IsZero() {
		return ""
	}
	return past[len(past)-1].name
}

// all says which account nobody leads.
func (r *reigns) all() error {
	for account := range accounts {
		if r.leader(account) == "" {
			return fmt.Errorf("nobody leads %s", account)
		}
	}
	return nil
}

// watchLag is how much later than etcd this process may see who leads.
const watchLag = 300 * time.Millisecond

// led reports whether a daemon led an account at a time, as far as that is certain.
func (r *reigns) led(account, name string, at time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, one := range r.past[account] {
		if one.name == name && !at.Before(one.since.Add(-watchLag)) && (one.last.IsZero() || !at.After(one.last.Add(watchLag))) {
			return true
		}
	}
	return false
}

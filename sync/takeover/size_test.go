package takeover

import (
	"bufio"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"weir/sync/emulator"
	"weir/sync/etcd/etcdtest"
)

var resources = flag.Int("resources", 0, "how many resources two weirs hold whose memory is compared, one on SQLite and one on etcd; 0: none")

// perVhost is how many of them one read of the cloud shows.
const perVhost = 1000

// TestMemory reports what a daemon needs for many resources on etcd, compared with one
// on SQLite.
func TestMemory(t *testing.T) {
	if *resources == 0 {
		t.Skip("takes minutes; set -resources")
	}
	h := &house{t: t, dir: t.TempDir(), prefix: etcdtest.Prefix(t), lease: 10 * time.Second, etcd: etcdtest.Start(t, 1), processes: map[string]int{}}
	h.clouds = newClouds(t, func(net.Addr) string { return "" })
	h.load = &load{t: t, dir: filepath.Join(h.dir, "live")}
	h.many(*resources)
	used := map[string][2]float64{}
	for _, kind := range []string{"sqlite", "etcd"} {
		d := h.newDaemon(kind)
		if kind == "sqlite" {
			h.onSQLite(d)
		}
		h.daemons = []*daemon{d}
		began := time.Now()
		d.start()
		h.until("all is in sync on "+kind, 10*time.Minute, func() error { return d.inSync(*resources) })
		took := time.Since(began)
		time.Sleep(30 * time.Second)
		used[kind] = [2]float64{d.metric("process_resident_memory_bytes"), d.metric("go_memstats_heap_inuse_bytes")}
		t.Logf("%s: %d resources in sync after %v, %.0f MiB resident, %.0f MiB of heap",
			kind, *resources, took.Round(time.Second), used[kind][0]/(1<<20), used[kind][1]/(1<<20))
		d.kill()
	}
	if most := 1.5; used["etcd"][0] > most*used["sqlite"][0] {
		t.Errorf("%.2f times as much, at most %.1f", used["etcd"][0]/used["sqlite"][0], most)
	}
}

// many declares so many relay sources, which the clouds hold as declared.
func (h *house) many(n int) {
	var w emulator.World
	if err := os.MkdirAll(h.load.dir, 0o700); err != nil {
		h.t.Fatal(err)
	}
	for vhost := range n / perVhost {
		var b strings.Builder
		for app := range perVhost {
			name := fmt.Sprintf("v%d.example.com", vhost)
			server := emulator.RelayServer{Address: "origin.example.org", Protocol: "rtmp"}
			w.RelaySources = append(w.RelaySources, emulator.RelaySource{
				Vhost: name, App: fmt.Sprint("app", app), Groups: []emulator.RelayGroup{{Name: "main", Servers: []emulator.RelayServer{server}}},
			})
			fmt.Fprintf(&b, "apiVersion: volcengine/v1\nkind: RelaySource\nmetadata: {account: volc-a}\nspec: {vhost: %s, app: app%d, "+
				"groups: [{name: main, servers: [{address: origin.example.org, protocol: rtmp}]}]}\n---\n", name, app)
		}
		file := filepath.Join(h.load.dir, fmt.Sprintf("v%d.yaml", vhost))
		if err := os.WriteFile(file, []byte(strings.TrimSuffix(b.String(), "---\n")), 0o600); err != nil {
			h.t.Fatal(err)
		}
	}
	if err := h.clouds.Patch(w); err != nil {
		h.t.Fatal(err)
	}
}

// onSQLite gives a daemon a state of its own instead.
func (h *house) onSQLite(d *daemon) {
	b, err := os.ReadFile(d.config)
	if err != nil {
		h.t.Fatal(err)
	}
	text, _, _ := strings.Cut(string(b), "state:")
	if err := os.WriteFile(d.config, []byte(text), 0o600); err != nil {
		h.t.Fatal(err)
	}
}

// inSync says what is missing to so many resources in sync.
func (d *daemon) inSync(n int) error {
	in := d.metric(`weir_resources{account="volc-a",kind="RelaySource",state="in-sync"}`)
	if int(in) != n {
		return fmt.Errorf("%.0f of %d are in sync", in, n)
	}
	return nil
}

// metric returns a value of the daemon's own, 0 for none.
func (d *daemon) metric(name string) float64 {
	resp, err := http.Get("http://" + d.listen + "/metrics")
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		if rest, found := strings.CutPrefix(lines.Text(), name+" "); found {
			v, _ := strconv.ParseFloat(rest, 64)
			return v
		}
	}
	return 0
}

package reconcile

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"weir/sync/emulator"
	"weir/sync/resource"
	"weir/sync/source"
	"weir/sync/source/dirsource"
)

// relayDoc is one of many relay sources of a vhost, about 350 bytes.
func relayDoc(i int, address string) string {
	return fmt.Sprintf(`apiVersion: volcengine/v1
kind: RelaySource
metadata:
  labels: {team: sports, tier: gold}
spec:
  vhost: push.example.com
  app: channel-%05d
  groups:
    - name: main
      servers:
        - {address: %s, protocol: rtmp}
        - {address: origin-b.example.org, protocol: rtmp, params: {zone: east}}
    - name: backup
      servers:
        - {address: origin-c.example.org, protocol: flv}
`, i, address)
}

// many returns n one-document files in turn: name, text.
func many(n int) []string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf("f%05d.yaml", i), relayDoc(i, "origin-a.example.org"))
	}
	return out
}

// BenchmarkSourceToPlan is from the files' bytes to the plan, with what the
// clouds hold and what was last applied at hand.
func BenchmarkSourceToPlan(b *testing.B) {
	for _, n := range []int{1_000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			t := &testing.T{}
			files := many(n)
			var peak uint64
			for b.Loop() {
				h := open(t)
				h.commit(files...)
				h.rec.feeds[0].arrive(h.source.current, time.Now())
				h.rec.load(b.Context(), func(*feed, bool) {}, h.rec.notePin)
				m := memory{last: map[resource.ID]resource.Applied{}}
				for r := range h.rec.desired.set.All() {
					h.rec.seen.put(r.ID, resource.Observation{ID: r.ID, Spec: r.Spec, Exists: true, At: time.Now()})
					m.last[r.ID] = resource.Applied{ID: r.ID, Spec: r.Spec, Origin: r.Origin, Confirmed: true}
				}
				p := h.rec.decide(m, time.Now())
				if s := p.Summary(); s.Unchanged != n {
					b.Fatalf("summary %+v", s)
				}
				var mem runtime.MemStats
				runtime.ReadMemStats(&mem)
				peak = max(peak, mem.HeapInuse)
			}
			b.ReportMetric(float64(peak)/1e6, "MB-heap")
		})
	}
}

// BenchmarkEditToCall is one file of many written to disk until its call
// arrives at the cloud: 250 ms of it are the quiet time after a write.
func BenchmarkEditToCall(b *testing.B) {
	for _, n := range []int{100, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) { editToCall(b, n) })
	}
}

func editToCall(b *testing.B, n int) {
	dir := b.TempDir()
	files := many(n)
	for i := 0; i < len(files); i += 2 {
		if err := os.WriteFile(filepath.Join(dir, files[i]), []byte(files[i+1]), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	src, err := dirsource.New(dirsource.Options{Name: "live", Path: dir})
	if err != nil {
		b.Fatal(err)
	}
	defer src.Close()
	t := &testing.T{}
	h := open(t)
	h.seed(n)
	h.build(func(_ *house, o *Options) { o.Feeds[0].Source = src; o.Policy.MaxUpdatedPercent = 100 })
	h.start()
	defer h.stop()
	h.until(b, func() bool { return h.rec.Status().Ready })
	turn := 0
	for b.Loop() {
		turn++
		h.clouds.ClearJournal()
		path, text := filepath.Join(dir, files[0]), relayDoc(0, fmt.Sprintf("edit-%d.example.org", turn))
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
		h.until(b, func() bool {
			return slices.ContainsFunc(h.clouds.Journal(), func(c emulator.Call) bool { return c.Operation == "UpdateRelaySourceV3" })
		})
	}
}

// seed puts the relay sources of many(n) into the cloud, so that nothing but
// an edit has to be applied.
func (h *house) seed(n int) {
	w := emulator.World{}
	for i := range n {
		w.RelaySources = append(w.RelaySources, emulator.RelaySource{
			Vhost: "push.example.com", App: fmt.Sprintf("channel-%05d", i), Groups: []emulator.RelayGroup{
				{Name: "main", Servers: []emulator.RelayServer{
					{Address: "origin-a.example.org", Protocol: "rtmp"},
					{Address: "origin-b.example.org", Protocol: "rtmp", Params: map[string]string{"zone": "east"}},
				}},
				{Name: "backup", Servers: []emulator.RelayServer{{Address: "origin-c.example.org", Protocol: "flv"}}},
			},
		})
	}
	h.patch(w)
}

func (h *house) until(b *testing.B, ok func() bool) {
	b.Helper()
	deadline := time.Now().Add(time.Minute)
	for !ok() {
		if time.Now().After(deadline) {
			b.Fatal("never came")
		}
		time.Sleep(time.Millisecond)
	}
}

// far delays each request and each answer.
type far struct {
	next   http.RoundTripper
	rtt    time.Duration
	jitter time.Duration // at most, each way
	rand   *rand.Rand
	gate   chan struct{} // guards rand
}

func (f *far) RoundTrip(r *http.Request) (*http.Response, error) {
	f.gate <- struct{}{}
	there, back := f.delay(), f.delay()
	<-f.gate
	time.Sleep(there)
	resp, err := f.next.RoundTrip(r)
	time.Sleep(back)
	return resp, err
}

func (f *far) delay() time.Duration {
	d := f.rtt / 2
	if f.jitter > 0 {
		d += time.Duration(f.rand.Int64N(int64(f.jitter)))
	}
	return d
}

// TestQuotaIsFilledAndNeverExceeded applies 200 changes at ten calls a second
// through the whole of weir, in virtual time: 20 runs with jitter and one
// without.
func TestQuotaIsFilledAndNeverExceeded(t *testing.T) {
	for seed := range quotaRuns {
		jitter := 200 * time.Millisecond
		if seed == 0 {
			jitter = 0
		}
		t.Run(fmt.Sprintf("seed %d jitter %v", seed, jitter), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { fill(t, uint64(seed), jitter) })
		})
	}
}

func fill(t *testing.T, seed uint64, jitter time.Duration) {
	h := open(t)
	h.share, h.away = 1, &far{rtt: 50 * time.Millisecond, jitter: jitter, rand: rand.New(rand.NewPCG(seed, 1)), gate: make(chan struct{}, 1)}
	h.build()
	var docs []string
	for i := range 200 {
		docs = append(docs, strings.Replace(multiOn, "live.example.com", fmt.Sprintf("live.c%d.example.com", i), 1))
	}
	h.commit("all.yaml", strings.Join(docs, "---\n"))
	h.start()
	h.wait(5 * time.Minute)
	h.stop()
	var times []time.Time
	for _, c := range h.clouds.Journal() {
		if c.Code != "" {
			t.Errorf("%s: %s", c.Operation, c.Code)
		}
		if c.Operation == "SetLiveDomainMultiStreamConfig" {
			times = append(times, c.Time)
		}
	}
	if len(times) != 200 {
		t.Fatalf("%d writes", len(times))
	}
	for i := 10; i < len(times); i++ {
		if times[i].Sub(times[i-10]) < time.Second {
			t.Fatalf("eleven calls within %v", times[i].Sub(times[i-10]))
		}
	}
	used := 19.0 / times[199].Sub(times[0]).Seconds() // 200 calls need 19 whole windows
	t.Logf("%.1f %% of the quota", 100*used)
	if jitter == 0 && used < 0.94 { // what is read right before shares its quota with what is read back
		t.Errorf("%.1f %% of the quota is used, want 94", 100*used)
	}
}

var _ source.Source = (*tree)(nil)

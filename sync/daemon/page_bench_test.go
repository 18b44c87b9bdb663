package daemon

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"weir/sync/call"
	"weir/sync/emulator"
)

// BenchmarkPage is what pages of a hundred thousand resources cost, over loopback:
// the time until the first byte, of which the slowest is told too, the processor
// time of daemon and client together, which tells more on a busy machine, and the
// size.
func BenchmarkPage(b *testing.B) {
	const n, each = 100_000, 5_000
	const read = "DescribeLiveDomainMultiStreamConfig"
	w := newWorldIn(&testing.T{}, b.TempDir())
	w.write("a.yaml", "")
	world := emulator.World{}
	for i := 0; i < n; i += each {
		var docs strings.Builder
		for j := i; j < i+each; j++ {
			domain := fmt.Sprintf("live%06d.example.com", j)
			fmt.Fprintf(&docs, "---\napiVersion: aliyun/v1\nkind: MultiStream\nmetadata: {labels: {team: t%02d}}\nspec: {domain: %s, enabled: true}\n", j%50, domain)
			world.Domains = append(world.Domains, emulator.Domain{Name: domain, MultiStream: "on"})
		}
		w.write(fmt.Sprintf("f%06d.yaml", i), docs.String())
	}
	if err := w.clouds.Patch(world); err != nil {
		b.Fatal(err)
	}
	if err := w.clouds.SetQuotas(emulator.Quota{Operation: read, Limit: n, Per: emulator.Duration(time.Second)}); err != nil {
		b.Fatal(err)
	}
	w.overrides = map[string]call.Window{read: {Limit: n, Per: time.Second}}
	d, err := New(b.Context(), Options{Listen: "127.0.0.1:0", Load: w.load, Registry: w.registry})
	if err != nil {
		b.Fatal(err)
	}
	d.Start()
	defer func() { _ = d.Stop(context.Background()) }()
	for deadline := time.Now().Add(5 * time.Minute); !d.reconciler().Status().Ready; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			b.Fatalf("not ready: %+v", d.reconciler().Status())
		}
	}
	for name, path := range map[string]string{
		"overview": "/", "resources": "/resources", "last": "/resources?offset=99900", "search": "/resources?q=LIVE0999&state=in-sync",
		"nothing": "/resources?q=no+such+thing", "label": "/resources?label=team%3Dt49", "plan": "/plan",
		"resource": "/resources/ali/MultiStream/live050000.example.com",
	} {
		b.Run(name, func(b *testing.B) { fetch(b, "http://"+d.Addr()+path) })
	}
}

func fetch(b *testing.B, address string) {
	var took []time.Duration
	size, busy := 0, processorTime(b)
	for b.Loop() {
		var first time.Time
		ctx := httptrace.WithClientTrace(b.Context(), &httptrace.ClientTrace{GotFirstResponseByte: func() { first = time.Now() }})
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
		if err != nil {
			b.Fatal(err)
		}
		began := time.Now()
		resp, err := http.DefaultClient.Do(req)
		if err != nil || resp.StatusCode != http.StatusOK {
			b.Fatal(resp, err)
		}
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			b.Fatal(err)
		}
		size = len(text)
		took = append(took, first.Sub(began))
	}
	b.ReportMetric(float64((processorTime(b)-busy).Microseconds())/1000/float64(len(took)), "cpu-ms/op")
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "median-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
	b.ReportMetric(float64(size)/1000, "kB")
}

// processorTime is what this process has used of the processors.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkOpenPages is what 200 open pages of a daemon with 10,000 resources cost:
// each is told of a change and then fetches all of itself, as its script does. The
// processor time is that of daemon and pages together, for one change; the memory is
// what is there with all of them open beyond what was there before.
func BenchmarkOpenPages(b *testing.B) {
	const open = 200
	w := newWorldIn(&testing.T{}, b.TempDir())
	w.crowd(10_000)
	d, err := New(b.Context(), Options{Listen: "127.0.0.1:0", Load: w.load, Registry: w.registry})
	if err != nil {
		b.Fatal(err)
	}
	d.Start()
	defer func() { _ = d.Stop(context.Background()) }()
	for deadline := time.Now().Add(3 * time.Minute); d.viewer().Headline().States["in-sync"] < 10_000; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			b.Fatalf("never in sync: %+v", d.viewer().Headline())
		}
	}
	before := inUse()
	var pages sync.WaitGroup
	var fetched atomic.Int64
	ctx, cancel := context.WithCancel(b.Context())
	defer pages.Wait()
	defer cancel()
	for range open {
		pages.Go(func() { openPage(ctx, d.Addr(), &fetched) })
	}
	settle := func(least int64) {
		for deadline := time.Now().Add(time.Minute); fetched.Load() < least; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				b.Fatalf("%d pages of %d", fetched.Load(), least)
			}
		}
		time.Sleep(3 * time.Second) // in which the last of them fetch
	}
	settle(open)
	cost, began, busy, turn := float64(inUse()-before)/1e6, fetched.Load(), processorTime(b), 0
	for b.Loop() {
		turn++
		w.write("a.yaml", fmt.Sprintf("%s# %d\n", multi, turn))
		settle(began + int64(turn*open))
	}
	b.ReportMetric(cost, "MB")
	b.ReportMetric(float64((processorTime(b)-busy).Milliseconds())/float64(turn), "cpu-ms/change")
	b.ReportMetric(float64(fetched.Load()-began)/float64(turn), "pages/change")
}

// openPage is a page that is open until ctx ends.
func openPage(ctx context.Context, address string, fetched *atomic.Int64) {
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	ask := func(path string) io.ReadCloser {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+path, http.NoBody)
		if err != nil {
			return http.NoBody
		}
		resp, err := client.Do(req)
		if err != nil {
			return http.NoBody
		}
		return resp.Body
	}
	events := ask("/api/v1/events")
	defer events.Close()
	told := make(chan struct{}, 1)
	go func() {
		defer close(told)
		for lines := bufio.NewScanner(events); lines.Scan(); {
			if lines.Text() == "event: status" {
				select {
				case told <- struct{}{}:
				default:
				}
			}
		}
	}()
	for range told {
		time.Sleep(300*time.Millisecond + rand.N(500*time.Millisecond))
		page := ask("/")
		_, _ = io.Copy(io.Discard, page)
		_ = page.Close()
		fetched.Add(1)
		time.Sleep(time.Second)
	}
}

package reconcile

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"weir/sync/call"
	"weir/sync/emulator"
	"weir/sync/provider/aliyunlive"
)

// BenchmarkRevisionToCall is one MultiStream of many edited, from its revision's
// arrival until its write arrives at the cloud, while the scrub reads the others:
// at its share of nine reads a second, one call each, it is never done.
func BenchmarkRevisionToCall(b *testing.B) {
	for _, n := range []int{100, 10_000, 100_000} {
		for _, each := range []int{1, 1000} {
			b.Run(fmt.Sprintf("%d in files of %d", n, each), func(b *testing.B) { revisionToCall(b, n, each) })
		}
	}
}

func revisionToCall(b *testing.B, n, each int) {
	const read = "DescribeLiveDomainMultiStreamConfig"
	h := open(&testing.T{})
	files := declaredSwitches(n, each)
	world := emulator.World{}
	for i := range n {
		world.Domains = append(world.Domains, emulator.Domain{Name: switchDomain(i), MultiStream: "on"})
	}
	h.patch(world)
	// The first scan is let through at once: it would take three hours.
	limits := call.LimiterOptions{Limits: aliyunlive.New().Limits(), Share: 0.9}
	scanning := limits
	scanning.Overrides = map[string]call.Window{read: {Limit: 100_000, Per: time.Second}}
	quotas(b, h, scanning, emulator.Quota{Operation: read, Limit: 100_000, Per: emulator.Duration(time.Second)})
	h.commit(files...)
	h.start()
	defer h.stop()
	for deadline := time.Now().Add(5 * time.Minute); !h.rec.Status().Ready; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			b.Fatalf("not ready: %+v", h.rec.Status().Plan)
		}
	}
	quotas(b, h, limits)
	runtime.GC()
	from, to := "enabled: true", "enabled: false"
	var took []time.Duration
	for b.Loop() {
		b.StopTimer()
		time.Sleep(3 * time.Second) // the write before was confirmed, its slots are free
		h.clouds.ClearJournal()
		files[1] = strings.Replace(files[1], from, to, 1)
		from, to = to, from
		h.commit(files...) // hashes all of its files, which no source of weir's does
		arrived := time.Now()
		b.StartTimer()
		h.until(b, func() bool {
			return slices.ContainsFunc(h.clouds.Journal(), func(c emulator.Call) bool { return c.Operation == "SetLiveDomainMultiStreamConfig" })
		})
		took = append(took, time.Since(arrived))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Milliseconds()), "median-ms")
	b.ReportMetric(float64(took[len(took)-1].Milliseconds()), "max-ms")
}

// quotas sets what the limiter of ApsaraVideo keeps to, and what the cloud allows.
func quotas(b *testing.B, h *house, limits call.LimiterOptions, allowed ...emulator.Quota) {
	b.Helper()
	if err := h.clouds.SetQuotas(allowed...); err != nil {
		b.Fatal(err)
	}
	if err := h.limiters["ali"].Set(limits); err != nil {
		b.Fatal(err)
	}
}

func switchDomain(i int) string { return fmt.Sprintf("live%06d.example.com", i) }

// declaredSwitches returns n MultiStream documents in files of so many: name, text.
func declaredSwitches(n, each int) []string {
	var out []string
	for i := 0; i < n; i += each {
		var docs []string
		for j := i; j < min(i+each, n); j++ {
			docs = append(docs, strings.Replace(multiOn, "live.example.com", switchDomain(j), 1))
		}
		out = append(out, fmt.Sprintf("f%06d.yaml", i), strings.Join(docs, "---\n"))
	}
	return out
}

package reconcile

import (
	"context"
	"fmt"
	"math"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"weir/sync/provider/aliyunlive"
	"weir/sync/resource"
)

// subjectsOf returns n switches that were read, the first one longest ago.
func subjectsOf(n int, now time.Time) []subject {
	normal := aliyunlive.New().Kinds()["MultiStream"].Normal
	out := make([]subject, 0, n)
	for i := range n {
		domain := fmt.Sprintf("live.c%06d.example.com", i)
		spec, err := normal(resource.Spec(fmt.Sprintf(`{"domain":%q,"enabled":false}`, domain)))
		if err != nil {
			panic(err)
		}
		id := resource.ID{Account: "ali", Kind: "MultiStream", Key: domain}
		out = append(out, subject{
			res:  resource.Resource{ID: id, Spec: spec},
			seen: resource.Observation{ID: id, Spec: spec, At: now.Add(time.Duration(i-n) * time.Second)},
		})
	}
	return out
}

// cpu returns the time that this process has spent computing.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// TestScrub_AHundredThousand: of 100,000 switches, each with a read of its own,
// the scrub reads the oldest, spends its share within five percent minute by
// minute, and costs next to nothing.
func TestScrub_AHundredThousand(t *testing.T) {
	const n, minutes = 100_000, 10
	synctest.Test(t, func(t *testing.T) {
		h := open(t)
		k := h.rec.sights
		began := time.Now()
		spent := cpu()
		k.follow(slices.Values(subjectsOf(n, began)), func(func(resource.ID) bool) {}, h.rec.kinds, began)
		k.ready = map[string]bool{"ali": true, "volc": true}
		t.Logf("%d resources are taken over in %v of computing", n, (cpu() - spent).Round(time.Millisecond))
		spent = cpu()
		ctx, stop := context.WithCancel(context.Background())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			h.rec.scrubs["ali"].run(ctx)
		}()
		var domains []string
		for minute := range minutes {
			h.wait(time.Minute)
			reads := 0
			for _, c := range h.clouds.Journal() {
				reads++
				domains = append(domains, fmt.Sprint(c.Params["Domain"]))
			}
			h.clouds.ClearJournal()
			if want := 9 * 60 * DefaultScrub; math.Abs(float64(reads)-want) > 0.05*want {
				t.Errorf("minute %d: %d reads, want %v", minute, reads, want)
			}
		}
		stop()
		<-ended
		each := (cpu() - spent) / time.Duration(len(domains))
		t.Logf("%d reads in %d minutes, %v of computing each, the clouds' part included", len(domains), minutes, each.Round(time.Microsecond))
		for i, domain := range domains {
			if domain > fmt.Sprintf("live.c%06d.example.com", len(domains)) {
				t.Fatalf("read %d is of %s, which is not among the oldest", i, domain)
			}
		}
		if each > 20*time.Millisecond {
			t.Errorf("a read costs %v", each)
		}
	})
}

// BenchmarkSightsOldest is what a scrape costs.
func BenchmarkSightsOldest(b *testing.B) {
	h := open(&testing.T{})
	h.rec.sights.follow(slices.Values(subjectsOf(100_000, time.Now())), func(func(resource.ID) bool) {}, h.rec.kinds, time.Now())
	for b.Loop() {
		if len(h.rec.sights.oldest()) != 1 {
			b.Fatal("no age")
		}
	}
}

// BenchmarkScrubChoice is what choosing the next reads costs, every five seconds.
func BenchmarkScrubChoice(b *testing.B) {
	h := open(&testing.T{})
	k := h.rec.sights
	k.follow(slices.Values(subjectsOf(100_000, time.Now())), func(func(resource.ID) bool) {}, h.rec.kinds, time.Now())
	s := h.rec.scrubs["ali"]
	var q *queue
	for _, q = range k.queues {
	}
	for b.Loop() {
		if !s.choose(q, &scrubQueue{}, time.Now()) {
			b.Fatal("nothing is chosen")
		}
	}
}

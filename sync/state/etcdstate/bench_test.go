package etcdstate

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"weir/sync/resource"
	"weir/sync/state"
)

func benchRecord(i int) resource.Applied {
	return resource.Applied{
		ID: resource.ID{Account: "volc-main", Kind: "RelaySource", Key: fmt.Sprintf("push.example.com/app%06d", i)},
		Spec: `{"vhost":"push.example.com","app":"live","groups":[{"name":"main","servers":[` +
			`{"address":"rtmp://origin-a.example.com/live","protocol":"rtmp"},` +
			`{"address":"rtmp://origin-b.example.com/live","protocol":"rtmp"}]}]}`,
		Origin:   benchOrigin(),
		Revision: "c0ffee", At: time.Unix(0, int64(i)).UTC(), Confirmed: true,
	}
}

func benchOrigin() resource.Origin {
	return resource.Origin{Source: "live", File: "teams/sports/relay.yaml", Line: 12, Commit: "c0ffee", Author: "Ann"}
}

func benchRecords(n int) (records []resource.Applied) {
	for i := range n {
		records = append(records, benchRecord(i))
	}
	return records
}

func benchEntry() state.Entry {
	return state.Entry{
		Opened: time.Now(), Account: "volc-main", Operation: "UpdateRelaySourceV3", Write: true,
		Params:   map[string]any{"Vhost": "push.example.com", "App": "live"},
		Resource: "volc-main/RelaySource/push.example.com/live",
		Origin:   benchOrigin(), Revision: "c0ffee", Plan: "9a7d", Process: "host:4711",
		Change: &state.Change{Action: "update", Reason: "edited", Before: `{"n":1}`, After: `{"n":2}`},
	}
}

// inUse returns the bytes of etcd that are in use, without what was before.
func inUse(b *testing.B, s *Store) int64 {
	b.Helper()
	resp, err := s.conn.Get(b.Context(), s.key(formatKey))
	must(b, err)
	_, err = s.conn.Compact(b.Context(), resp.Header.Revision)
	must(b, err)
	time.Sleep(time.Second) // it compacts in portions
	status, err := s.conn.Status(b.Context(), cluster.Members[0].Client)
	must(b, err)
	return status.DbSizeInUse
}

// median reports the median of a benchmark's rounds.
func median(b *testing.B, round func(i int)) {
	var took []time.Duration
	for i := 0; b.Loop(); i++ {
		began := time.Now()
		round(i)
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "ms/median")
}

// BenchmarkSave100000 saves all resources of a large fleet at once.
func BenchmarkSave100000(b *testing.B) {
	s := openAt(b, "", Options{})
	records := benchRecords(100_000)
	before := inUse(b, s)
	for b.Loop() {
		must(b, s.Save(b.Context(), records...))
	}
	b.ReportMetric(float64(inUse(b, s)-before)/100_000, "B/resource")
}

func BenchmarkSave(b *testing.B) {
	s := openAt(b, "", Options{})
	must(b, s.Save(b.Context(), benchRecords(100_000)...))
	median(b, func(i int) { must(b, s.Save(b.Context(), benchRecord(i%1000))) })
}

func BenchmarkApplied100000(b *testing.B) {
	s := openAt(b, "", Options{})
	must(b, s.Save(b.Context(), benchRecords(100_000)...))
	for b.Loop() {
		if records := applied(b, s); len(records) != 100_000 {
			b.Fatal(len(records))
		}
	}
}

func BenchmarkBeginSettle(b *testing.B) {
	s := openAt(b, "", Options{})
	median(b, func(i int) {
		a := resource.Act{ID: benchRecord(i % 1000).ID, Name: "start", Token: fmt.Sprint(i), Begun: time.Now()}
		must(b, s.Begin(b.Context(), a))
		a.Done = time.Now()
		must(b, s.Settle(b.Context(), a))
	})
}

func openClose(b *testing.B, s *Store) {
	n, err := s.Open(b.Context(), benchEntry())
	must(b, err, s.Close(b.Context(), n, state.Outcome{Closed: time.Now(), Code: "ok", Status: 200, RequestID: "r"}))
}

func BenchmarkOpenClose(b *testing.B) {
	s := openAt(b, "", Options{})
	before, n := inUse(b, s), 0
	median(b, func(int) { openClose(b, s); n++ })
	b.ReportMetric(float64(inUse(b, s)-before)/float64(n), "B/entry")
}

// BenchmarkOpenClose16 has 16 goroutines write: their words share transactions.
func BenchmarkOpenClose16(b *testing.B) {
	s := openAt(b, "", Options{})
	var left atomic.Int64
	left.Store(int64(b.N))
	b.ResetTimer()
	done := make(chan struct{})
	for range 16 {
		go func() {
			for left.Add(-1) >= 0 {
				openClose(b, s)
			}
			done <- struct{}{}
		}()
	}
	for range 16 {
		<-done
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
}

// BenchmarkChangesNone is what a pass pays that finds nothing new.
func BenchmarkChangesNone(b *testing.B) {
	s := openAt(b, "", Options{})
	must(b, s.Save(b.Context(), benchRecord(1)))
	c, err := s.Changes(b.Context(), 0)
	must(b, err)
	median(b, func(int) {
		_, err := s.Changes(b.Context(), c.Next)
		must(b, err)
	})
}

func benchSeen(n int) (seen []resource.Observation) {
	for i := range n {
		r := benchRecord(i)
		seen = append(seen, resource.Observation{ID: r.ID, At: time.Unix(int64(1000+i%300), 0), Spec: r.Spec, Exists: true})
	}
	return seen
}

// BenchmarkPostAgain posts the times of 100,000 resources that are as they were.
func BenchmarkPostAgain(b *testing.B) {
	s := openAt(b, "", Options{PostEvery: time.Nanosecond})
	seen := benchSeen(100_000)
	must(b, s.Post(b.Context(), "volc-main", seen, nil))
	for b.Loop() {
		for i := range seen {
			seen[i].At = seen[i].At.Add(300 * time.Second)
		}
		must(b, s.Post(b.Context(), "volc-main", seen, nil))
	}
	bytes := 0
	h := s.board.sheet("volc-main")
	for page := range (len(h.times) + pageSlots - 1) / pageSlots {
		bytes += len(timesValue("k", h.times[page*pageSlots:min((page+1)*pageSlots, len(h.times))]))
	}
	b.ReportMetric(float64(bytes)/DefaultPostEvery.Seconds(), "B/s")
}

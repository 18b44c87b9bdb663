package sqlitestate

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"weir/sync/resource"
	"weir/sync/state"
)

func benchOrigin() resource.Origin {
	return resource.Origin{Source: "live", File: "teams/sports/relay.yaml", Line: 12, Commit: "c0ffee", Author: "Ann"}
}

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

func benchEntry() state.Entry {
	return state.Entry{
		Opened: time.Now(), Account: "volc-main", Operation: "UpdateRelaySourceV3", Write: true,
		Params:   map[string]any{"Vhost": "push.example.com", "App": "live"},
		Resource: "volc-main/RelaySource/push.example.com/live",
		Origin:   benchOrigin(),
		Revision: "c0ffee", Plan: "9a7d", Process: "host:4711",
	}
}

// report says how many durable writes a second that is, at each a write.
func report(b *testing.B, each int) {
	b.ReportMetric(float64(b.N*each)/b.Elapsed().Seconds(), "durable/s")
}

func BenchmarkSave(b *testing.B) {
	s := openAt(b, newPath(b), Options{})
	for i := 0; b.Loop(); i++ {
		if err := s.Save(b.Context(), benchRecord(i%1000)); err != nil {
			b.Fatal(err)
		}
	}
	report(b, 1)
}

func BenchmarkSave10000(b *testing.B) {
	s := openAt(b, newPath(b), Options{})
	records := make([]resource.Applied, 10_000)
	for i := range records {
		records[i] = benchRecord(i)
	}
	for b.Loop() {
		if err := s.Save(b.Context(), records...); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkBeginSettle(b *testing.B) {
	s := openAt(b, newPath(b), Options{})
	for i := 0; b.Loop(); i++ {
		a := resource.Act{ID: benchRecord(i % 1000).ID, Name: "start", Token: fmt.Sprint(i), Begun: time.Now()}
		if err := s.Begin(b.Context(), a); err != nil {
			b.Fatal(err)
		}
		a.Done = time.Now()
		if err := s.Settle(b.Context(), a); err != nil {
			b.Fatal(err)
		}
	}
	report(b, 2)
}

func openClose(b *testing.B, s *Store) {
	n, err := s.Open(b.Context(), benchEntry())
	if err != nil {
		b.Fatal(err)
	}
	o := state.Outcome{Closed: time.Now(), Code: "ok", Status: 200, RequestID: "r"}
	if err := s.Close(b.Context(), n, o); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkOpenClose(b *testing.B) {
	s := openAt(b, newPath(b), Options{})
	for b.Loop() {
		openClose(b, s)
	}
	report(b, 2)
}

// BenchmarkOpenClose16 has 16 goroutines write: their writes share transactions.
func BenchmarkOpenClose16(b *testing.B) {
	s := openAt(b, newPath(b), Options{})
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
	report(b, 2)
}

// filled is the path of a store with n records.
func filled(b *testing.B, n int) string {
	path := newPath(b)
	s := openAt(b, path, Options{})
	records := make([]resource.Applied, n)
	for i := range records {
		records[i] = benchRecord(i)
	}
	if err := s.Save(b.Context(), records...); err != nil {
		b.Fatal(err)
	}
	shut(b, s)
	return path
}

func BenchmarkApplied100000(b *testing.B) {
	s := openAt(b, filled(b, 100_000), Options{})
	for b.Loop() {
		records, err := s.Applied(b.Context())
		if err != nil || len(records) != 100_000 {
			b.Fatal(len(records), err)
		}
	}
}

// BenchmarkReopen100000 is what a command pays to open a large store.
func BenchmarkReopen100000(b *testing.B) {
	path := filled(b, 100_000)
	for b.Loop() {
		s, err := Open(b.Context(), path, Options{})
		if err != nil {
			b.Fatal(err)
		}
		shut(b, s)
	}
}

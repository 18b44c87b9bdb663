package manifest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"weir/sync/source"
)

// tree makes a snapshot of n one-document files of about 350 bytes.
func tree(n int) *source.Snapshot {
	snap := &source.Snapshot{Source: "live", Revision: "1"}
	for i := range n {
		snap.Files = append(snap.Files, file(fmt.Sprintf("team%03d/relay%06d.yaml", i%500, i), fmt.Sprintf(relayText,
			i, i)))
	}
	slices.SortFunc(snap.Files, func(a, b source.File) int { return strings.Compare(a.Path, b.Path) })
	return snap
}

const relayText = `apiVersion: volcengine/v1
kind: RelaySource
metadata:
  account: volc-main
  labels: {team: sports, site: north}
spec:
  vhost: push%06d.example.com
  app: live
  groups:
    - name: main
      servers:
        - address: origin%06d.example.com:1935
          protocol: rtmp
          params: {key: value}
        - address: backup.example.com
          protocol: flv
`

func file(path, text string) source.File {
	sum := sha256.Sum256([]byte(text))
	return source.File{Path: path, Hash: hex.EncodeToString(sum[:]), Data: []byte(text)}
}

func volc() Options {
	return Options{Accounts: map[string][]string{"volcengine/v1": {"volc-main"}, "aliyun/v1": {"aliyun-main"}}}
}

// peak runs f and returns the largest heap that was seen beside it, in bytes.
func peak(f func()) uint64 {
	runtime.GC()
	debug.FreeOSMemory()
	var most atomic.Uint64
	done, gone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			most.Store(max(most.Load(), m.HeapInuse+m.StackInuse))
			select {
			case <-done:
				return
			case <-tick.C:
			}
		}
	}()
	f()
	close(done)
	<-gone
	return most.Load()
}

func benchmarkValidate(b *testing.B, n int) {
	snap := tree(n)
	b.SetBytes(int64(len(snap.Files[0].Data)) * int64(n))
	before := processorTime(b)
	for b.Loop() {
		if r := New(volc()).Load(snap); r.Set.Len() != n || len(r.Problems) != 0 {
			b.Fatalf("%d resources, problems %v", r.Set.Len(), r.Problems[:1])
		}
	}
	b.StopTimer()
	b.ReportMetric((processorTime(b)-before).Seconds()/float64(b.N), "cpu-s/op")
	most := peak(func() { New(volc()).Load(snap) })
	b.ReportMetric(float64(most)/1e6, "MB-peak")
}

func BenchmarkValidate10000(b *testing.B)  { benchmarkValidate(b, 10_000) }
func BenchmarkValidate100000(b *testing.B) { benchmarkValidate(b, 100_000) }

func BenchmarkReload10000Unchanged(b *testing.B) {
	snap, l := tree(10_000), New(volc())
	l.Load(snap)
	for b.Loop() {
		if r := l.Load(snap); r.Parsed != 0 || r.Set.Len() != 10_000 {
			b.Fatalf("parsed %d", r.Parsed)
		}
	}
}

func BenchmarkReload10000OneChanged(b *testing.B) {
	snap, l := tree(10_000), New(volc())
	l.Load(snap)
	n := 0
	for b.Loop() {
		n++
		snap.Files[77] = file(snap.Files[77].Path, fmt.Sprintf(relayText, 1_000_000, n))
		if r := l.Load(snap); r.Parsed != 1 || r.Set.Len() != 10_000 {
			b.Fatalf("parsed %d", r.Parsed)
		}
	}
}

func BenchmarkOneFileOfManyDocuments(b *testing.B) {
	var text strings.Builder
	for i := range 2_000 {
		fmt.Fprintf(&text, relayText, i, i)
		text.WriteString("---\n")
	}
	snap := &source.Snapshot{Files: []source.File{file("a.yaml", text.String())}}
	for b.Loop() {
		if r := New(volc()).Load(snap); r.Set.Len() != 2_000 {
			b.Fatal(r.Problems[0])
		}
	}
}

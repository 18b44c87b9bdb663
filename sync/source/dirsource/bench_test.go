package dirsource

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"weir/sync/source"
)

// many makes a tree of n one-document files of 350 bytes in folders of 500.
func many(tb testing.TB, n int) string {
	tb.Helper()
	dir := tb.TempDir()
	body := strings.Repeat("x", 330)
	for i := range n {
		path := filepath.Join(dir, fmt.Sprintf("team-%03d", i/500), fmt.Sprintf("live-%05d.yaml", i))
		if i%500 == 0 {
			must(tb, os.MkdirAll(filepath.Dir(path), 0o755))
		}
		must(tb, os.WriteFile(path, fmt.Appendf(nil, "kind: %05d\nx: %s\n", i, body), 0o644))
	}
	return dir
}

func begin(tb testing.TB, opt Options) (*Source, *source.Snapshot) {
	tb.Helper()
	src, err := New(opt)
	must(tb, err)
	snap, err := src.Next(context.Background(), nil)
	must(tb, err)
	return src, snap
}

// BenchmarkFirst is New, the first snapshot and Close.
func BenchmarkFirst(b *testing.B) {
	for _, n := range []int{10_000, 20_000} {
		b.Run(fmt.Sprintf("files=%d", n), func(b *testing.B) {
			dir := many(b, n)
			b.ReportAllocs()
			for b.Loop() {
				src, snap := begin(b, Options{Name: "live", Path: dir})
				if len(snap.Files) != n {
					b.Fatalf("%d files, want %d", len(snap.Files), n)
				}
				must(b, src.Close())
			}
		})
	}
}

// BenchmarkScan is one scan in which nothing changed: by stat, and by content.
func BenchmarkScan(b *testing.B) {
	for _, n := range []int{10_000, 20_000} {
		dir := many(b, n)
		for _, reread := range []bool{false, true} {
			b.Run(fmt.Sprintf("files=%d/reread=%t", n, reread), func(b *testing.B) {
				src, _ := begin(b, Options{Name: "live", Path: dir})
				defer src.Close()
				b.ReportAllocs()
				for b.Loop() {
					list, err := src.scan(context.Background(), src.last, reread)
					must(b, err)
					if !list.agrees(src.last) {
						b.Fatal("the scan differs")
					}
				}
			})
		}
	}
}

// BenchmarkOneChange is the time from one file's write to its snapshot, with
// the default quiet of 250 ms in it.
func BenchmarkOneChange(b *testing.B) {
	for _, n := range []int{100, 10_000, 20_000} {
		b.Run(fmt.Sprintf("files=%d", n), func(b *testing.B) {
			dir := many(b, n)
			src, snap := begin(b, Options{Name: "live", Path: dir})
			defer src.Close()
			var longest time.Duration
			for i := 0; b.Loop(); i++ {
				began := time.Now()
				path := filepath.Join(dir, "team-000", "live-00007.yaml")
				must(b, os.WriteFile(path, fmt.Appendf(nil, "kind: changed %d\n", i), 0o644))
				next, err := src.Next(context.Background(), snap)
				must(b, err)
				if next.Revision == snap.Revision {
					b.Fatal("the revision is the same")
				}
				snap, longest = next, max(longest, time.Since(began))
			}
			b.ReportMetric(float64(longest.Milliseconds()), "max-ms")
		})
	}
}

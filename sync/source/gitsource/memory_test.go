package gitsource

import (
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"testing"
)

// Where a process of its own finds what it is to read: the repository's URL and
// whether a refusal is what it must get.
const (
	childURL  = "GITSOURCE_CHILD_URL"
	childFail = "GITSOURCE_CHILD_REFUSED"
)

// TestChild is the process that the benchmarks of memory start: one first sync
// and nothing else.
func TestChild(t *testing.T) {
	url := os.Getenv(childURL)
	if url == "" {
		t.Skip("only for the benchmarks of memory")
	}
	src, err := New(Options{Name: "live", URL: url, Branch: "main", Mirror: t.TempDir()})
	must(t, err)
	defer src.Close()
	if _, err := src.Next(t.Context(), nil); (err != nil) != (os.Getenv(childFail) != "") {
		t.Fatal(err)
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip("no /proc")
	}
	t.Logf("%s", regexp.MustCompile(`VmHWM:.*`).Find(status))
}

// BenchmarkMemory is the most memory that a process had with a first sync, or
// with the refusal of a million files: all of it, not only the heap.
func BenchmarkMemory(b *testing.B) {
	b.Run("20000", func(b *testing.B) { peak(b, stocked(b, 20_000), "") })
	b.Run("million", func(b *testing.B) {
		r := newRepo(b)
		r.save("a.yaml", "x: 1\n")
		r.git("config", "pack.window", "0")
		million(b, r)
		peak(b, r, "refused")
	})
}

func peak(b *testing.B, r *repo, refused string) {
	self, err := os.Executable()
	must(b, err)
	most := 0
	for b.Loop() {
		cmd := exec.Command(self, "-test.run", "^TestChild$", "-test.v")
		cmd.Env = append(os.Environ(), childURL+"="+r.server.URL+"/.git", childFail+"="+refused)
		out, err := cmd.CombinedOutput()
		m := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(out)
		if err != nil || m == nil {
			b.Fatalf("%v\n%s", err, out)
		}
		kb, err := strconv.Atoi(string(m[1]))
		must(b, err)
		most = max(most, kb)
	}
	b.ReportMetric(float64(most)/1024, "peak-MiB")
}

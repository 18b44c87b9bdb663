package gitsource

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// stocked returns a repository of n manifests of about 400 bytes, 100 a folder.
func stocked(b *testing.B, n int) *repo {
	b.Helper()
	r := newRepo(b)
	for i := range n {
		r.write(file(i), body(i))
	}
	r.commit()
	r.git("gc", "-q")
	return r
}

func file(i int) string { return fmt.Sprintf("live/d%03d/s%05d.yaml", i/100, i) }

func body(i int) string {
	text := "apiVersion: weir/v1\nkind: Stream\n"
	for k := range 12 {
		text += "key" + strconv.Itoa(k) + ": value-" + strconv.Itoa(i*31+k*7) + "-xxxx\n"
	}
	return text
}

func sizes(b *testing.B, run func(b *testing.B, n int)) {
	for _, n := range []int{1_000, 20_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) { run(b, n) })
	}
}

func BenchmarkFirst(b *testing.B) {
	sizes(b, func(b *testing.B, n int) {
		r := stocked(b, n)
		for b.Loop() {
			opt := r.options()
			opt.Mirror = b.TempDir()
			f := open(b, opt)
			snap, err := f.next()
			must(b, err)
			if len(snap.Files) != n {
				b.Fatalf("%d files", len(snap.Files))
			}
			must(b, f.src.Close())
		}
	})
}

// BenchmarkGit is what git itself needs for the same.
func BenchmarkGit(b *testing.B) {
	sizes(b, func(b *testing.B, n int) {
		r := stocked(b, n)
		for b.Loop() {
			dir := filepath.Join(b.TempDir(), "x.git")
			script := `git clone -q --bare --depth 1 "$1" "$2" && cd "$2" &&
				git ls-tree -r HEAD | cut -c 13-52 | git cat-file --batch >/dev/null`
			out, err := exec.Command("sh", "-c", script, "sh", r.server.URL+"/.git", dir).CombinedOutput()
			if err != nil {
				b.Fatalf("%v\n%s", err, out)
			}
		}
	})
}

func BenchmarkOneFile(b *testing.B) {
	sizes(b, func(b *testing.B, n int) {
		r := stocked(b, n)
		opt := r.options()
		opt.Mirror = b.TempDir()
		opt.Interval, opt.gap = time.Hour, time.Nanosecond
		f := open(b, opt)
		var err error
		f.got, err = f.next()
		must(b, err)
		i := 0
		for b.Loop() {
			b.StopTimer()
			i++
			r.write(file(n/2), body(n+i))
			r.git("commit", "-q", "-a", "-m", "x")
			f.src.Poke()
			b.StartTimer()
			f.got, err = f.next()
			must(b, err)
		}
	})
}

func BenchmarkPoll(b *testing.B) {
	sizes(b, func(b *testing.B, n int) {
		r := stocked(b, n)
		opt := r.options()
		opt.Mirror = b.TempDir()
		f := open(b, opt)
		_, err := f.next()
		must(b, err)
		var before, after syscall.Rusage
		must(b, syscall.Getrusage(syscall.RUSAGE_SELF, &before))
		for b.Loop() {
			_, err := f.src.look(b.Context())
			must(b, err)
		}
		must(b, syscall.Getrusage(syscall.RUSAGE_SELF, &after))
		cpu := after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano()
		b.ReportMetric(float64(cpu)/float64(b.N)/1e6, "cpu-ms/op")
	})
}

// BenchmarkOneFileSSH is BenchmarkOneFile over ssh, with a handshake each time.
func BenchmarkOneFileSSH(b *testing.B) {
	sizes(b, func(b *testing.B, n int) {
		r, s := stocked(b, n), newSSHD(b)
		opt := s.options(r)
		opt.Mirror = b.TempDir()
		opt.Interval, opt.gap = time.Hour, time.Nanosecond
		f := open(b, opt)
		var err error
		f.got, err = f.next()
		must(b, err)
		i := 0
		for b.Loop() {
			b.StopTimer()
			i++
			r.write(file(n/2), body(n+i))
			r.git("commit", "-q", "-a", "-m", "x")
			f.src.Poke()
			b.StartTimer()
			f.got, err = f.next()
			must(b, err)
		}
	})
}

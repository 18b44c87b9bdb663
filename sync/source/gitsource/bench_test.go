package gitsource

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"weir/sync/source"
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

func BenchmarkOneFile(b *testing.B) { oneFile(b, (*repo).options) }

// oneFile times a commit of one file from the look at the remote on, with these
// options.
func oneFile(b *testing.B, options func(*repo) Options) {
	sizes(b, func(b *testing.B, n int) {
		r := stocked(b, n)
		opt := options(r)
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

// aged returns a repository of n manifests with a history of so many commits,
// each of one file, and the manifests' places.
func aged(b *testing.B, n, commits int) (*traced, []source.Place) {
	b.Helper()
	r := stocked(b, n)
	var s strings.Builder
	for i := range commits {
		text := body(n + i)
		fmt.Fprintf(&s, "commit refs/heads/main\ncommitter c <c@example.com> %d +0000\ndata 1\nx\n", 1_900_000_000+i)
		if i == 0 {
			fmt.Fprintf(&s, "from refs/heads/main^0\n")
		}
		fmt.Fprintf(&s, "M 644 inline %s\ndata %d\n%s\n", file(i*7%n), len(text), text)
	}
	cmd := exec.Command("git", "fast-import", "--quiet")
	cmd.Dir, cmd.Stdin = r.dir, strings.NewReader(s.String())
	out, err := cmd.CombinedOutput()
	if err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	r.git("reset", "-q", "--hard")
	r.git("gc", "-q")
	f := r.follow(b, func(o *Options) {
		o.Mirror = b.TempDir()
		o.Interval, o.gap = time.Hour, time.Nanosecond
	})
	places := make([]source.Place, n)
	for i := range places {
		places[i] = source.Place{File: file(i), Line: 1}
	}
	return f, places
}

const (
	agedFiles   = 20_000
	agedCommits = 2_000
)

// asks traces places and holds that all have an answer.
func (f *traced) asks(b *testing.B, places []source.Place) {
	b.Helper()
	got, err := f.src.Trace(b.Context(), f.got.Revision, places)
	must(b, err)
	for i, c := range got {
		if c.Commit == "" {
			b.Fatalf("nobody made %v", places[i])
		}
	}
}

// BenchmarkTraceFirst is what the places of a first revision cost.
func BenchmarkTraceFirst(b *testing.B) {
	f, places := aged(b, agedFiles, agedCommits)
	for _, n := range []int{1, 1_000, agedFiles} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			for b.Loop() {
				f.src.tracer.known = known{}
				f.asks(b, places[agedFiles-n:])
			}
		})
	}
}

// BenchmarkTracePush is what one document costs that a push changed, and, where
// it was asked for before, one that it did not change.
func BenchmarkTracePush(b *testing.B) {
	f, places := aged(b, agedFiles, agedCommits)
	f.asks(b, places[:1_000])
	run := func(name string, place int) {
		b.Run(name, func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				b.StopTimer()
				f.repo.write(file(agedFiles/2), body(agedFiles+i))
				f.repo.git("commit", "-q", "-a", "-m", name)
				f.src.Poke()
				f.take()
				b.StartTimer()
				f.asks(b, places[place:place+1])
			}
		})
	}
	run("changed", agedFiles/2)
	run("unchanged", 1)
}

// BenchmarkOneFileSSH is BenchmarkOneFile over ssh, with a handshake each time.
func BenchmarkOneFileSSH(b *testing.B) {
	oneFile(b, func(r *repo) Options { return newSSHD(b).options(r) })
}

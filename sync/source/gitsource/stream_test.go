package gitsource

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-git/go-git/v5/plumbing/format/pktline"

	"weir/sync/source"
)

func TestDaemon_Push(t *testing.T) {
	r := newRepo(t)
	first := r.save("a.yaml", "x: 1\n")
	r.git("tag", "-a", "-m", "x", "v1")
	opt := r.options()
	opt.URL, opt.Mirror = "git://"+gitDaemon(t, r)+"/.git", t.TempDir()
	f := open(t, opt)
	f.want(first, one("x: 1\n"))
	f.want(r.save("a.yaml", "x: 2\n"), one("x: 2\n"))
	f.quiet()
	opt.Mirror, opt.Branch, opt.Tag = "", "", "v1"
	open(t, opt).want(first, one("x: 1\n"))
	opt.Tag, opt.Commit = "", first
	open(t, opt).want(first, one("x: 1\n"))

	opt.URL += "/nothing"
	open(t, opt).refuses(source.CodeAuth, "")
}

// TestDaemon_Empty has a repository without a commit.
func TestDaemon_Empty(t *testing.T) {
	r := newRepo(t)
	opt := r.options()
	opt.URL = "git://" + gitDaemon(t, r) + "/.git"
	f := open(t, opt)
	f.refuses(source.CodeBranch, "")
	f.reaches(r.save("a.yaml", "x: 1\n"), one("x: 1\n"))
}

func TestFailure_S02_DaemonStops(t *testing.T) {
	r := newRepo(t)
	r.write("noise", noise(t, 200<<10))
	r.save("a.yaml", "x: 1\n")
	addr := gitDaemon(t, r)
	for _, most := range []int{0, 10, 60 << 10} {
		opt := r.options()
		opt.URL = "git://" + between(t, addr, func(total int) bool { return total <= most }) + "/.git"
		opt.Timeout = 200 * time.Millisecond
		open(t, opt).refuses(source.CodeTimeout, "")
	}
}

// slowly passes on some bytes and then one at a time.
func slowly(t testing.TB, addr string, quick int) string {
	return between(t, addr, func(total int) bool {
		if total > quick {
			time.Sleep(40 * time.Millisecond)
		}
		return true
	})
}

func TestFailure_S03_Slow(t *testing.T) {
	r := newRepo(t)
	r.write("noise", noise(t, 400<<10))
	head := r.save("a.yaml", "x: 1\n")
	s := newSSHD(t)
	daemon := gitDaemon(t, r)
	opt := s.options(r)
	opt.slowWindow, opt.slowRate = time.Second, 20<<10
	for name, change := range map[string]func(*Options, int){
		"http": func(o *Options, quick int) {
			o.URL = "http://" + slowly(t, r.server.Listener.Addr().String(), quick) + "/.git"
		},
		"git": func(o *Options, quick int) { o.URL = "git://" + slowly(t, daemon, quick) + "/.git" },
		"ssh": func(o *Options, quick int) {
			addr := slowly(t, s.addr, quick)
			s.known("[127.0.0.1]:" + addr[strings.LastIndex(addr, ":")+1:] + " " + s.public("host"))
			o.URL = strings.Replace(o.URL, s.addr, addr, 1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			slow, quick := opt, opt
			change(&slow, 20<<10)
			open(t, slow).refuses(source.CodeSlow, "")
			change(&quick, math.MaxInt)
			open(t, quick).want(head, one("x: 1\n"))
		})
	}
}

// TestFailure_S03_SteadyIsNotSlow holds that an answer that takes many windows
// but keeps the rate goes on.
func TestFailure_S03_SteadyIsNotSlow(t *testing.T) {
	fed := make(chan struct{})
	in, out := io.Pipe()
	tr := &trip{limit: 1 << 20, window: 60 * time.Millisecond, rate: 1000}
	a := tr.answer(in, 1<<20, func() { _ = in.Close() })
	go func() {
		defer close(fed)
		for range 40 {
			_, _ = out.Write(make([]byte, 50))
			time.Sleep(10 * time.Millisecond)
		}
		_ = out.Close()
	}()
	n, err := io.Copy(io.Discard, a)
	a.end()
	<-fed
	if n != 2000 || err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
}

// says is a git server that answers the first request like this.
func says(t testing.TB, text string) string {
	return "git://" + rogue(t, func(conn net.Conn) {
		scan := pktline.NewScanner(conn)
		scan.Scan()
		_, _ = io.WriteString(conn, text)
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.CloseWrite()
		}
		drain(conn)
	}) + "/x"
}

func TestFailure_S04_StreamNotGit(t *testing.T) {
	r := newRepo(t)
	line := func(s string) string { return fmt.Sprintf("%04x%s", len(s)+4, s) }
	ghost := strings.Repeat("12", 20) + " refs/heads/main"
	for name, c := range map[string]struct{ text, code string }{
		"nothing":          {"", source.CodeRemote},
		"half a line":      {"00ff" + ghost, source.CodeRemote},
		"a web server":     {"HTTP/1.1 400 Bad Request\r\n\r\n", source.CodeProtocol},
		"bytes":            {"\xff\x00\x1b[31m", source.CodeProtocol},
		"a huge length":    {"ffff" + strings.Repeat("x", 70_000), source.CodeProtocol},
		"an error":         {line("ERR \x1b[31mgo away"), source.CodeProtocol},
		"no such thing":    {line("ERR access denied or repository not exported: /x"), source.CodeAuth},
		"no pack":          {line(ghost+"\x00") + "0000", source.CodeRemote},
		"an error, late":   {line(ghost+"\x00") + "0000" + line("ERR upload-pack: not our ref"), source.CodeProtocol},
		"a pack of noise":  {line(ghost+"\x00") + "0000" + line("NAK\n") + strings.Repeat("noise", 50), source.CodeProtocol},
		"band of an error": {line(ghost+"\x00side-band-64k") + "0000" + line("NAK\n") + line("\x03no more\x1b"), source.CodeProtocol},
	} {
		t.Run(name, func(t *testing.T) {
			opt := r.options()
			opt.URL = says(t, c.text)
			text := open(t, opt).refuses(c.code, "")
			if strings.ContainsAny(text, "\x1b\x00") {
				t.Errorf("control characters in %q", text)
			}
		})
	}
}

// TestFailure_S15_EndlessReferences holds that a list without end takes no more
// memory than a limit of its own.
func TestFailure_S15_EndlessReferences(t *testing.T) {
	r := newRepo(t)
	var sent atomic.Int64
	endless := func(w io.Writer) {
		out := bufio.NewWriterSize(w, 64<<10)
		pkt := pktline.NewEncoder(out)
		hash := strings.Repeat("12", 20)
		err := pkt.Encodef("%s refs/heads/main\x00ofs-delta", hash)
		for i := 0; err == nil; i++ {
			err = pkt.Encodef("%s refs/heads/%d", hash, i)
			sent.Add(70)
		}
	}
	addr := rogue(t, func(conn net.Conn) { endless(conn) })
	r.intercept(func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Content-Type", "application/x-git-upload-pack-advertisement")
		_, _ = io.WriteString(w, "001e# service=git-upload-pack\n0000")
		endless(w)
		return true
	})
	for _, url := range []string{"git://" + addr + "/x", r.server.URL + "/.git"} {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		sent.Store(0)
		opt := r.options()
		opt.URL, opt.Timeout = url, time.Minute
		open(t, opt).refuses(source.CodeFetchSize, "")
		runtime.ReadMemStats(&after)
		if got := after.HeapSys - before.HeapSys; got > 120<<20 && after.HeapSys > before.HeapSys {
			t.Errorf("%s: the heap grew by %d MiB", url, got>>20)
		}
		if sent.Load() > 64<<20 {
			t.Errorf("%s: %d bytes were read", url, sent.Load())
		}
	}
}

func TestEndpoint(t *testing.T) {
	auth := Auth{SSHKeyFile: "key", KnownHostsFile: "known"}
	for in, want := range map[string]string{
		"ssh://git.example.com/a/b.git":    "ssh git git.example.com:22 /a/b.git",
		"ssh://bob@git.example.com:2222/b": "ssh bob git.example.com:2222 /b",
		"ssh://bob@[::1]:2222/b":           "ssh bob [::1]:2222 /b",
		"ssh://bob@host/~carol/b":          "ssh bob host:22 ~carol/b",
		"bob@git.example.com:a/b.git":      "ssh bob git.example.com:22 a/b.git",
		"bob@[::1]:/a":                     "ssh bob [::1]:22 /a",
		"git://Git.Example.com/a":          "git  git.example.com:22 /a",
		"ssh://host/a'b%20$(x)":            "ssh git host:22 /a'b $(x)",
		"https://git.example.com/a":        "https  git.example.com:22 /a",
		"ssh://bob:hunter2@host/x":         "!password",
		"bob:hunter2@host:x":               "!password",
		"bob:hunter2@ho st:x":              "!password",
		"git://bob@host/x":                 "!only ssh has a user",
		"git://bob:hunter2@host/x":         "!password",
		"https://bob@host/x":               "!only ssh has a user",
		"ssh://host":                       "!must name a repository",
		"git://host/":                      "!must name a repository",
		"bob@host:":                        "!must name a repository",
		"bob@host:-oProxyCommand=x":        "!reads as an option",
		"git://host/x%00host=other":        "!control characters",
		"ssh://host/x%0arm":                "!control characters",
		"ssh://bo%0ab@host/x":              "!control characters",
		"ssh://host/x?y":                   "!query",
		"host:path":                        "!must begin with",
		"/a/b":                             "!must begin with",
		"file:///a":                        "!must begin with",
		"ftp://host/x":                     "!must begin with",
		"ssh:///x":                         "!must begin with",
	} {
		opt := Options{Name: "live", URL: in, Auth: auth}
		at, err := opt.endpoint()
		got := ""
		if err == nil {
			got = fmt.Sprint(at.Scheme, " ", at.User.Username(), " ", address(at, "22"), " ", at.Path)
		} else if fault, ok := strings.CutPrefix(want, "!"); ok && strings.Contains(err.Error(), fault) {
			got = want
		}
		if got != want || err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: got %q, %v; want %q", in, got, err, want)
		}
	}
	for _, auth := range []Auth{{}, {SSHKeyFile: "key"}, {KnownHostsFile: "known"}} {
		opt := Options{Name: "live", URL: "bob@host:x", Auth: auth, Branch: "main"}
		if _, err := New(opt); err == nil || !strings.Contains(err.Error(), "known_hosts") {
			t.Errorf("%v: got %v", auth, err)
		}
	}
}

// FuzzAdvertisement has a remote send any bytes, on which nothing may be read
// for ever, panic, or be kept that is longer than they are.
func FuzzAdvertisement(f *testing.F) {
	hash := strings.Repeat("12", 20)
	var good bytes.Buffer
	pkt := pktline.NewEncoder(&good)
	_ = pkt.EncodeString(hash+" HEAD\x00ofs-delta side-band-64k\n", hash+" refs/heads/main\n", hash+" refs/tags/v1^{}\n")
	_ = pkt.EncodeString("shallow " + hash)
	_ = pkt.Flush()
	f.Add(good.Bytes())
	f.Add([]byte("0000"))
	f.Add([]byte("ffff"))
	f.Add([]byte("0008NAK\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		us, them := net.Pipe()
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			_, _ = them.Write(data)
			_ = them.Close()
		}()
		tr := &trip{limit: 1 << 20, window: time.Minute, rate: 1}
		l := &line{Conn: us, trip: tr}
		s := &stream{trip: tr, line: l, in: io.Discard, out: l.whole(l)}
		refs, err := s.advertised(t.Context())
		if err != nil {
			if text := s.fault(t.Context(), err).Error(); len(text) > 2*longestText {
				t.Errorf("an error of %d bytes", len(text))
			}
		} else if got := 40 * len(refs.References); got > len(data) {
			t.Errorf("%d references of %d bytes", len(refs.References), len(data))
		}
		s.close()
		<-sent
	})
}

func TestReadPrivate_NotAFile(t *testing.T) {
	if _, err := readPrivate(t.TempDir()); err == nil {
		t.Error("a folder is a key")
	}
	if _, err := readPrivate(os.DevNull); err == nil {
		t.Error("a device is a key")
	}
}

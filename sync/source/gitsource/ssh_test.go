package gitsource

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"weir/sync/secret"
	"weir/sync/source"
)

func TestSSH_PushTagAndCommit(t *testing.T) {
	s, r := newSSHD(t), newRepo(t)
	first := r.save("a.yaml", "x: 1\n")
	r.git("tag", "-a", "-m", "x", "v1")
	opt := s.options(r)
	opt.Mirror = t.TempDir()
	f := open(t, opt)
	f.want(first, one("x: 1\n"))
	second := r.save("a.yaml", "x: 2\n")
	f.want(second, one("x: 2\n"))
	f.quiet()
	if strings.Contains(s.log.String(), "hung up") {
		t.Errorf("the server does not like how weir leaves: %s", s.log)
	}

	opt = s.options(r)
	opt.Branch, opt.Tag = "", "v1"
	open(t, opt).want(first, one("x: 1\n"))
	opt.Tag, opt.Commit = "", first
	open(t, opt).want(first, one("x: 1\n"))
}

// TestSSH_Increment holds that a fetch brings what is new and not the rest.
func TestSSH_Increment(t *testing.T) {
	s, r := newSSHD(t), newRepo(t)
	r.write("noise", noise(t, 1<<20))
	f := open(t, func() Options { o := s.options(r); o.Limits.FetchBytes = 4 << 20; return o }())
	f.want(r.save("a.yaml", "x: 1\n"), one("x: 1\n"))
	f.src.remote.limit = 200 << 10
	f.want(r.save("a.yaml", "x: 2\n"), one("x: 2\n"))
}

// noise is text that does not get shorter.
func noise(t testing.TB, size int) string {
	t.Helper()
	data := make([]byte, size/2)
	_, err := rand.Read(data)
	must(t, err)
	return hex.EncodeToString(data)
}

func TestSSH_Short(t *testing.T) {
	s, r := newSSHD(t), newRepo(t)
	head := r.save("a.yaml", "x: 1\n")
	opt := s.options(r)
	src, err := New(opt)
	must(t, err)
	defer src.Close()
	at, ok := short(userName(t) + "@127.0.0.1:" + filepath.Join(r.dir, ".git"))
	if !ok {
		t.Fatal("the short form is not read")
	}
	at.Host += ":" + s.port // which the short form cannot name
	src.remote.at = at
	(&tracked{t: t, src: src}).want(head, one("x: 1\n"))
}

// TestSSH_PathIsOneWord has a path with all that a shell would act on.
func TestSSH_PathIsOneWord(t *testing.T) {
	s, r := newSSHD(t), newRepo(t)
	head := r.save("a.yaml", "x: 1\n")
	odd := filepath.Join(t.TempDir(), "a'b; touch $(echo pwned) `x` \"!\\ &.git")
	must(t, os.Symlink(filepath.Join(r.dir, ".git"), odd))
	src, err := New(s.options(r))
	must(t, err)
	defer src.Close()
	src.remote.at.Path = odd
	(&tracked{t: t, src: src}).want(head, one("x: 1\n"))
	for _, text := range []string{odd, "'", "", "!'!"} {
		out, err := exec.Command("sh", "-c", "printf %s "+strings.ReplaceAll(quote(text), `\!`, "!")).Output()
		if err != nil || string(out) != text {
			t.Errorf("a shell reads %q as %q, %v", text, out, err)
		}
	}
}

func TestFailure_S01_SSHRefused(t *testing.T) {
	s, r := newSSHD(t), newRepo(t)
	opt := s.options(r)
	port := freePort(t)
	opt.URL = "ssh://git@127.0.0.1:" + port + "/x"
	s.known("[127.0.0.1]:" + port + " " + s.public("host"))
	open(t, opt).refuses(source.CodeRemote, "")
	opt.URL = "git://127.0.0.1:" + port + "/x"
	open(t, opt).refuses(source.CodeRemote, "")
}

// TestFailure_S02_SSHStops has a server that says nothing any more at each
// stage of the conversation.
func TestFailure_S02_SSHStops(t *testing.T) {
	s, r := newSSHD(t), newRepo(t)
	r.write("noise", noise(t, 200<<10))
	r.save("a.yaml", "x: 1\n")
	for name, most := range map[string]int{
		"before the banner": 0, "in the banner": 10, "in the key exchange": 300, "after the key exchange": 1400,
		"in the pack": 60 << 10,
	} {
		t.Run(name, func(t *testing.T) {
			base := goleak.IgnoreCurrent()
			addr := between(t, s.addr, func(total int) bool { return total <= most })
			opt := s.options(r)
			opt.URL = strings.Replace(opt.URL, s.addr, addr, 1)
			opt.Timeout = 400 * time.Millisecond
			s.known("[127.0.0.1]:" + addr[strings.LastIndex(addr, ":")+1:] + " " + s.public("host"))
			f := open(t, opt)
			began := time.Now()
			f.refuses(source.CodeTimeout, "")
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("it took %v", took)
			}
			must(t, f.src.Close())
			goleak.VerifyNone(t, base, goleak.IgnoreAnyFunction("weir/sync/source/gitsource.rogue.func1"),
				goleak.IgnoreAnyFunction("weir/sync/source/gitsource.rogue.func1.1"))
		})
	}
}

// TestFailure_S02_CloseDuringHandshake holds that Close need not wait for the
// deadline.
func TestFailure_S02_CloseDuringHandshake(t *testing.T) {
	s, r := newSSHD(t), newRepo(t)
	reached := make(chan struct{}, 1)
	addr := rogue(t, func(conn net.Conn) {
		reached <- struct{}{}
		drain(conn)
	})
	opt := s.options(r)
	opt.URL, opt.Timeout = "ssh://git@"+addr+"/x", time.Minute
	s.known("[127.0.0.1]:" + addr[strings.LastIndex(addr, ":")+1:] + " " + s.public("host"))
	f := open(t, opt)
	ended := make(chan error, 1)
	go func() {
		_, err := f.next()
		ended <- err
	}()
	<-reached
	began := time.Now()
	must(t, f.src.Close())
	if err := <-ended; err != os.ErrClosed || time.Since(began) > 2*time.Second {
		t.Errorf("%v after %v", err, time.Since(began))
	}
}

func TestFailure_S06_SSHKeyRotated(t *testing.T) {
	s, r := newSSHD(t), newRepo(t)
	head := r.save("a.yaml", "x: 1\n")
	opt := s.options(r)
	f := open(t, opt)
	f.want(head, one("x: 1\n"))
	keygen(t, s.file("next"), "")
	s.authorize("next")
	f.refuses(source.CodeAuth, "")
	must(t, os.Rename(s.file("next"), s.file("user")))
	f.reaches(head, one("x: 1\n"))
	must(t, os.Remove(s.file("user")))
	f.refuses(source.CodeAuth, "")
}

func TestFailure_S07_HostKey(t *testing.T) {
	s, r := newSSHD(t), newRepo(t)
	head := r.save("a.yaml", "x: 1\n")
	keygen(t, s.file("other"), "")
	keygen(t, s.file("ec"), "", "-t", "ecdsa")
	keygen(t, s.file("ca"), "")
	at := "[127.0.0.1]:" + s.port + " "
	opt := s.options(r)
	f := open(t, opt)
	f.want(head, one("x: 1\n"))
	const request = "userauth-request for user"
	if !strings.Contains(s.log.String(), request) {
		t.Fatalf("the log does not tell of logins: %s", s.log)
	}
	for _, c := range []struct {
		name, says string
		lines      []string
	}{
		{"unknown", "no key of", []string{"git.example.com " + s.public("host")}},
		{"of another port", "no key of", []string{"127.0.0.1 " + s.public("host")}},
		{"empty", "no key of", []string{"# nothing"}},
		{"changed", "mismatch", []string{at + s.public("other")}},
		{"of another kind", "ecdsa", []string{at + s.public("ec")}},
		{"revoked", "revoked", []string{at + s.public("host"), "@revoked * " + s.public("host")}},
		{"signed by nobody", "", []string{"@cert-authority " + at + s.public("ca")}},
		{"damaged", "known_hosts:1", []string{"what is this"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s.known(c.lines...)
			before := strings.Count(s.log.String(), request)
			text := f.refuses(source.CodeHostKey, "")
			if !strings.Contains(text, c.says) {
				t.Errorf("%q does not say %q", text, c.says)
			}
			if after := strings.Count(s.log.String(), request); after != before {
				t.Errorf("%d bids for a login were sent", after-before)
			}
		})
	}
	must(t, os.Remove(s.file("known_hosts")))
	f.refuses(source.CodeHostKey, "")

	s.trust("host") // a person put the right one there
	f.reaches(head, one("x: 1\n"))
	out, err := exec.Command("ssh-keygen", "-H", "-f", s.file("known_hosts")).CombinedOutput()
	must(t, err)
	if data, _ := os.ReadFile(s.file("known_hosts")); !bytes.HasPrefix(data, []byte("|1|")) {
		t.Fatalf("known_hosts is not hashed: %s", out)
	}
	open(t, opt).want(head, one("x: 1\n"))
}

func TestSSH_HostCertificate(t *testing.T) {
	s := &sshd{t: t, dir: t.TempDir(), log: &journal{}}
	sshdPath(t)
	r := newRepo(t)
	head := r.save("a.yaml", "x: 1\n")
	for _, name := range []string{"host", "user", "ca"} {
		keygen(t, s.file(name), "")
	}
	s.authorize("user")
	out, err := exec.Command("ssh-keygen", "-q", "-s", s.file("ca"), "-I", "host", "-h", "-n", "127.0.0.1",
		s.file("host.pub")).CombinedOutput()
	if err != nil {
		t.Fatalf("%v %s", err, out)
	}
	s.port = freePort(t)
	s.addr = "127.0.0.1:" + s.port
	s.start("HostCertificate " + s.file("host-cert.pub"))
	authority := "@cert-authority [127.0.0.1]:" + s.port + " " + s.public("ca")
	s.known(authority)
	f := open(t, s.options(r))
	f.want(head, one("x: 1\n"))
	s.known(authority, "@revoked * "+s.public("ca"))
	f.refuses(source.CodeHostKey, "")
}

func TestSSH_KeyFile(t *testing.T) {
	s, r := newSSHD(t), newRepo(t)
	head := r.save("a.yaml", "x: 1\n")
	const phrase = "canary-phrase"
	keygen(t, s.file("locked"), phrase)
	s.authorize("user", "locked")
	opt := s.options(r)
	opt.Auth.SSHKeyFile = s.file("locked")
	var log bytes.Buffer
	opt.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	f := open(t, opt)
	texts := f.refuses(source.CodeAuth, "") // no passphrase

	t.Setenv("PHRASE", "wrong-"+phrase)
	opt.Auth.SSHPassphrase = secret.Ref{Env: "PHRASE"}
	f = open(t, opt)
	texts += f.refuses(source.CodeAuth, "")
	t.Setenv("PHRASE", phrase)
	f.reaches(head, one("x: 1\n"))

	for _, mode := range []os.FileMode{0o604, 0o660, 0o644} {
		must(t, os.Chmod(s.file("locked"), mode))
		text := f.refuses(source.CodeAuth, "")
		if !strings.Contains(text, "chmod 0600") {
			t.Errorf("mode %v: %q does not say what to do", mode, text)
		}
		texts += text
	}
	must(t, os.Chmod(s.file("locked"), 0o440)) // a mounted secret, where root owns it
	if os.Getuid() == 0 {
		f.reaches(head, one("x: 1\n"))
	} else {
		f.refuses(source.CodeAuth, "")
	}
	must(t, os.Chmod(s.file("locked"), 0o600))
	key, err := os.ReadFile(s.file("locked"))
	must(t, err)
	must(t, os.WriteFile(s.file("locked"), key[:len(key)/2], 0o600))
	texts += f.refuses(source.CodeAuth, "")
	must(t, os.WriteFile(s.file("locked"), nil, 0o600))
	texts += f.refuses(source.CodeAuth, "")
	material := strings.Split(string(key), "\n")
	for _, word := range append(material[1:len(material)-2], "canary") {
		if strings.Contains(texts+log.String(), word) {
			t.Errorf("a secret is in %q", texts+log.String())
		}
	}
}

// TestSSH_NoAgent holds that a key of the agent does not help.
func TestSSH_NoAgent(t *testing.T) {
	s, r := newSSHD(t), newRepo(t)
	r.save("a.yaml", "x: 1\n")
	asked := false
	socket := filepath.Join(s.dir, "agent")
	l, err := net.Listen("unix", socket)
	must(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if conn, err := l.Accept(); err == nil {
			asked = true
			_ = conn.Close()
		}
	}()
	t.Setenv("SSH_AUTH_SOCK", socket)
	home := t.TempDir()
	t.Setenv("HOME", home)
	must(t, os.Mkdir(filepath.Join(home, ".ssh"), 0o700))
	keygen(t, filepath.Join(home, ".ssh", "id_ed25519"), "")
	must(t, os.Rename(filepath.Join(home, ".ssh", "id_ed25519.pub"), s.file("other.pub")))
	s.authorize("other")
	open(t, s.options(r)).refuses(source.CodeAuth, "")
	_ = l.Close()
	<-done
	if asked {
		t.Error("the agent was asked")
	}
}

func TestFailure_S15_SSHTooLarge(t *testing.T) {
	s, r := newSSHD(t), newRepo(t)
	r.write("noise", noise(t, 1<<20))
	head := r.save("a.yaml", "x: 1\n")
	opt := s.options(r)
	for _, limit := range []int64{1, 100 << 10, 300<<10 + 1, 400<<10 + 2} {
		opt.Limits.FetchBytes = limit
		open(t, opt).refuses(source.CodeFetchSize, "")
	}
	opt.Limits.FetchBytes = 0
	open(t, opt).want(head, one("x: 1\n"))
}

func TestSSH_RemoteRefuses(t *testing.T) {
	s, r := newSSHD(t), newRepo(t)
	opt := s.options(r)
	opt.URL = strings.Replace(opt.URL, r.dir, r.dir+"/nothing", 1)
	text := open(t, opt).refuses(source.CodeAuth, "")
	if !strings.Contains(text, "does not appear to be a git repository") {
		t.Errorf("%q does not say what the remote said", text)
	}
	for want, command := range map[string]string{
		source.CodeAuth:   `printf 'ERROR: Repository not found.\033[31m\n' >&2; exit 1`,
		source.CodeRemote: `head -c 1000000 /dev/zero | tr '\0' x >&2; exit 1`,
	} {
		authorized := `command="` + strings.ReplaceAll(command, `"`, `\"`) + `" ` + s.public("user") + "\n"
		must(t, os.WriteFile(s.file("authorized"), []byte(authorized), 0o600))
		text := open(t, s.options(r)).refuses(want, "")
		if strings.ContainsRune(text, 0x1b) || len(text) > 2*longestText {
			t.Errorf("%q is not fit for a log", text)
		}
	}
	authorized := `command="echo This account is not available." ` + s.public("user") + "\n"
	must(t, os.WriteFile(s.file("authorized"), []byte(authorized), 0o600))
	open(t, s.options(r)).refuses(source.CodeProtocol, "")
}

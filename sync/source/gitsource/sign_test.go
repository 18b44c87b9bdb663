package gitsource

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// gnupg is a home of gpg with keys of its own.
type gnupg struct {
	t    *testing.T
	home string
}

func newGnuPG(t *testing.T) *gnupg {
	t.Helper()
	if _, err := exec.LookPath("gpg"); err != nil {
		t.Skip("gpg is not installed")
	}
	home, err := os.MkdirTemp("", "gpg") //nolint:usetesting // the path of a socket, which is in it, must be short
	must(t, err)
	t.Setenv("GNUPGHOME", home)
	t.Cleanup(func() {
		_ = exec.Command("gpgconf", "--homedir", home, "--kill", "all").Run()
		_ = os.RemoveAll(home)
	})
	must(t, os.WriteFile(filepath.Join(home, "gpg.conf"), []byte("quiet\n"), 0o600))
	return &gnupg{t, home}
}

func (g *gnupg) run(args ...string) string {
	g.t.Helper()
	cmd := exec.Command("gpg", append([]string{"--batch", "--quiet", "--yes", "--pinentry-mode", "loopback", "--passphrase", ""}, args...)...)
	cmd.Env = append(os.Environ(), "GNUPGHOME="+g.home)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		g.t.Fatalf("gpg %v: %v\n%s", args, err, stderr.String())
	}
	return string(out)
}

// key makes a key and returns its fingerprint. Options come first.
func (g *gnupg) key(name, kind, ends string, options ...string) string {
	g.t.Helper()
	g.run(append(options, "--quick-gen-key", name, kind, "sign", ends)...)
	for line := range strings.Lines(g.run(append(options, "--with-colons", "--list-keys", "="+name)...)) {
		if fields := strings.Split(line, ":"); fields[0] == "fpr" {
			return fields[9]
		}
	}
	g.t.Fatal("gpg has no such key")
	return ""
}

// put writes the output of gpg into a file.
func (g *gnupg) put(file string, args ...string) {
	g.t.Helper()
	must(g.t, os.WriteFile(file, []byte(g.run(args...)), 0o600))
}

// at makes gpg, when git calls it, believe that it is another time.
func (g *gnupg) at(r *repo, when string) {
	g.t.Helper()
	script := filepath.Join(g.home, "then")
	must(g.t, os.WriteFile(script, []byte("#!/bin/sh\nexec gpg --ignore-time-conflict --ignore-valid-from --faked-system-time "+when+"! \"$@\"\n"), 0o700))
	r.git("config", "gpg.program", script)
}

// signs makes git sign all commits with an OpenPGP key.
func (r *repo) signs(key string) {
	r.git("config", "user.signingkey", key)
	r.git("config", "commit.gpgsign", "true")
	r.git("config", "gpg.format", "openpgp")
}

func (r *repo) unsigned() { r.git("config", "commit.gpgsign", "false") }

// sshKey makes a key and returns its file and the line of its public half.
func sshKey(t *testing.T, kind string) (file, line string) {
	t.Helper()
	if _, err := exec.LookPath("ssh-keygen"); err != nil {
		t.Skip("ssh-keygen is not installed")
	}
	file = filepath.Join(t.TempDir(), "key")
	out, err := exec.Command("ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "a comment", "-f", file).CombinedOutput()
	if err != nil {
		t.Fatalf("ssh-keygen: %v\n%s", err, out)
	}
	data, err := os.ReadFile(file + ".pub")
	must(t, err)
	return file, strings.TrimSpace(string(data))
}

// signsSSH makes git sign all commits with an SSH key.
func (r *repo) signsSSH(file string) {
	r.git("config", "user.signingkey", file)
	r.git("config", "commit.gpgsign", "true")
	r.git("config", "gpg.format", "ssh")
}

// raw returns an object as git has it.
func (r *repo) raw(kind, hash string) string {
	r.t.Helper()
	return r.git("cat-file", kind, hash)
}

// plant writes an object as it is and lets the branch be at it.
func (r *repo) plant(text string) string {
	r.t.Helper()
	hash := r.object("commit", text)
	r.git("update-ref", "refs/heads/main", hash)
	return hash
}

func (r *repo) object(kind, text string) string {
	r.t.Helper()
	file := filepath.Join(r.t.TempDir(), "object")
	must(r.t, os.WriteFile(file, []byte(text), 0o600))
	return strings.TrimSpace(r.git("hash-object", "-t", kind, "--literally", "-w", file))
}

// header returns the signature's header of a commit, in full.
func (r *repo) header(hash string) string {
	text := r.raw("commit", hash)
	from := strings.Index(text, "gpgsig ")
	end := strings.Index(text, "\n\n")
	return text[from : end+1]
}

// paste puts a header at the end of a commit's headers.
func (r *repo) paste(hash, header string) string {
	text := r.raw("commit", hash)
	end := strings.Index(text, "\n\n") + 1
	return text[:end] + header + text[end:]
}

// revoke revokes a key with the certificate that gpg wrote as it made it.
func (g *gnupg) revoke(key string) {
	g.t.Helper()
	data, err := os.ReadFile(filepath.Join(g.home, "openpgp-revocs.d", key+".rev"))
	must(g.t, err)
	file := filepath.Join(g.home, "revocation")
	must(g.t, os.WriteFile(file, []byte(strings.Replace(string(data), ":-----BEGIN", "-----BEGIN", 1)), 0o600))
	g.run("--import", file)
}

// sshSign signs bytes in a namespace.
func sshSign(t *testing.T, file, namespace string, data []byte) []byte {
	t.Helper()
	cmd := exec.Command("ssh-keygen", "-Y", "sign", "-f", file, "-n", namespace)
	cmd.Stdin = strings.NewReader(string(data))
	out, err := cmd.Output()
	must(t, err)
	return out
}

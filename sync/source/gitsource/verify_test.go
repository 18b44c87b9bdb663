package gitsource

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"weir/sync/source"
)

// keyed is a repository whose commits are signed by a key that the source
// wants.
func keyed(t *testing.T) (*repo, *gnupg, Options, string) {
	t.Helper()
	g := newGnuPG(t)
	key := g.key("good", "ed25519", "never")
	r := newRepo(t)
	r.signs(key)
	opt := r.options()
	opt.Verify.KeyringFile = filepath.Join(t.TempDir(), "keys")
	g.put(opt.Verify.KeyringFile, "--armor", "--export", key)
	return r, g, opt, key
}

func TestVerify_Keyrings(t *testing.T) {
	g := newGnuPG(t)
	ed, rsa := g.key("ed", "ed25519", "never"), g.key("rsa", "rsa2048", "2y")
	g.run("--quick-add-key", rsa, "ed25519", "sign", "1y")
	for name, write := range map[string]func(file string){
		"armoured": func(file string) { g.put(file, "--armor", "--export", ed, rsa) },
		"binary":   func(file string) { g.put(file, "--export", ed, rsa) },
		"in a row": func(file string) {
			text := g.run("--armor", "--export", rsa) + "\n# the other\n" + g.run("--armor", "--export", ed)
			must(t, os.WriteFile(file, []byte(text), 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRepo(t)
			opt := r.options()
			opt.Verify.KeyringFile = filepath.Join(t.TempDir(), "keys")
			write(opt.Verify.KeyringFile)
			f := open(t, opt)
			for i, key := range []string{ed, rsa, rsa + "!"} { // its subkey, then itself
				r.signs(key)
				text := strings.Repeat("#", i+1) + "\n"
				f.want(r.save("a.yaml", text), one(text))
			}
		})
	}
}

// attempt is a head that must be refused, and why.
type attempt struct {
	make func() string
	want string
}

// refusesAll sets each head and takes its refusals; then the good one is back,
// and what again restores.
func (f *tracked) refusesAll(r *repo, good string, again func(), all map[string]attempt) {
	for name, c := range all {
		f.t.(*testing.T).Run(name, func(t *testing.T) {
			g := &tracked{t: t, src: f.src, got: f.got}
			bad := c.make()
			for range 2 {
				text := g.refuses(source.CodeUnsigned, "")
				if !strings.Contains(text, c.want) || !strings.Contains(text, bad) {
					t.Errorf("got %q, want %q of %s", text, c.want, bad)
				}
			}
			again()
			r.git("reset", "-q", "--hard", good)
			g.reaches(good, one("x: 1\n"))
		})
	}
}

func TestFailure_S37_OpenPGP(t *testing.T) {
	r, g, opt, key := keyed(t)
	old := g.key("old", "ed25519", "1y", "--faked-system-time", "20200101T000000!")
	other, late := g.key("other", "rsa2048", "never"), g.key("late", "ed25519", "never")
	revoked := g.key("revoked", "ed25519", "never")
	good := r.save("a.yaml", "x: 1\n")
	signed := func(key string) func() string {
		return func() string { r.signs(key); return r.commit() }
	}
	planted := func(header string) func() string {
		return func() string { r.unsigned(); return r.plant(r.paste(r.commit(), header)) }
	}
	r.git("checkout", "-q", "-b", "side")
	was := signed(revoked)()
	r.git("checkout", "-q", "main")
	g.revoke(revoked)
	g.put(opt.Verify.KeyringFile, "--armor", "--export", key, old, late, revoked)
	f := open(t, opt)
	f.want(good, one("x: 1\n"))
	f.refusesAll(r, good, func() { r.git("config", "gpg.program", "gpg") }, map[string]attempt{
		"unsigned":           {func() string { r.unsigned(); return r.commit() }, "no signature"},
		"unknown key":        {signed(other), "signed by unknown key " + other},
		"expired":            {func() string { g.at(r, "20200601T000000"); return signed(old)() }, "key " + old + " expired on 2020-12-31"},
		"older than the key": {func() string { g.at(r, "20200601T000000"); return signed(late)() }, "older than its key"},
		"of the future":      {func() string { g.at(r, "20500601T000000"); return signed(key)() }, "of the future, 2050-06-01"},
		"revoked":            {func() string { r.git("reset", "-q", "--hard", was); return was }, "key " + revoked + " is revoked"},
		"tampered": {func() string {
			return r.plant(strings.Replace(r.raw("commit", good), "\n\nx", "\n\ny", 1))
		}, "bad signature"},
		"other tree": {func() string {
			was := r.tree()
			r.write("a.yaml", "x: 2\n")
			r.git("add", "-A")
			return r.plant(strings.Replace(r.raw("commit", good), was, strings.TrimSpace(r.git("write-tree")), 1))
		}, "bad signature"},
		"of another commit":  {planted(r.header(good)), "bad signature"},
		"two signatures":     {func() string { return r.plant(r.paste(good, r.header(good))) }, "more than one signature"},
		"no armour":          {planted("gpgsig -----BEGIN PGP SIGNATURE-----\n \n !\n"), "bad signature"},
		"a key as signature": {planted("gpgsig " + strings.ReplaceAll(strings.TrimSpace(g.run("--armor", "--export", key)), "\n", "\n ") + "\n"), "neither"},
		"of X.509":           {planted("gpgsig -----BEGIN SIGNED MESSAGE-----\n"), "neither OpenPGP's nor SSH's"},
		"for sha256 only":    {planted(strings.Replace(r.header(good), "gpgsig", "gpgsig-sha256", 1)), "no signature"},
		"empty signature":    {planted("gpgsig \n"), "neither"},
		"in the message":     {func() string { r.unsigned(); return r.plant(r.raw("commit", r.commit()) + r.header(good)) }, "no signature"},
	})
}

func TestFailure_S37_RevokedCopy(t *testing.T) {
	r, g, opt, key := keyed(t)
	head := r.save("a.yaml", "x: 1\n")
	was := g.run("--armor", "--export", key)
	g.revoke(key)
	is := g.run("--armor", "--export", key)
	for _, text := range []string{was + is, is + was} {
		must(t, os.WriteFile(opt.Verify.KeyringFile, []byte(text), 0o600))
		if got := open(t, opt).refuses(source.CodeUnsigned, ""); !strings.Contains(got, "is revoked") {
			t.Errorf("got %q", got)
		}
	}
	must(t, os.WriteFile(opt.Verify.KeyringFile, []byte(was), 0o600))
	open(t, opt).want(head, one("x: 1\n"))
}

func TestFailure_S37_KeyFiles(t *testing.T) {
	r, g, opt, key := keyed(t)
	sound := g.run("--armor", "--export", key)
	f := open(t, opt)
	good := r.save("a.yaml", "x: 1\n")
	f.want(good, one("x: 1\n"))
	for name, c := range map[string]struct{ text, want string }{
		"empty":     {"", "is empty"},
		"garbage":   {"hello\n", "no OpenPGP key"},
		"cut":       {sound[:len(sound)/2], "no OpenPGP key"},
		"private":   {g.run("--armor", "--export-secret-keys", key), "want only public keys"},
		"binary":    {g.run("--export-secret-keys", key), "a private key"},
		"too large": {strings.Repeat("x", mostKeyBytes+1), "more than"},
	} {
		t.Run(name, func(t *testing.T) {
			must(t, os.WriteFile(opt.Verify.KeyringFile, []byte(c.text), 0o600))
			f.quiet() // what is in force stays
			head := r.commit()
			if text := f.refuses(source.CodeUnsigned, ""); !strings.Contains(text, c.want) {
				t.Errorf("got %q, want %q", text, c.want)
			}
			must(t, os.WriteFile(opt.Verify.KeyringFile, []byte(sound), 0o600))
			f.reaches(head, one("x: 1\n"))
		})
	}
	must(t, os.Remove(opt.Verify.KeyringFile))
	r.commit()
	if text := f.refuses(source.CodeUnsigned, ""); !strings.Contains(text, "no such file") {
		t.Errorf("got %q", text)
	}
}

func TestFailure_S37_Rotation(t *testing.T) {
	r, g, opt, _ := keyed(t)
	f := open(t, opt)
	f.want(r.save("a.yaml", "x: 1\n"), one("x: 1\n"))
	next := g.key("next", "ed25519", "never")
	r.signs(next)
	head := r.save("a.yaml", "x: 2\n")
	f.refuses(source.CodeUnsigned, "")
	g.put(opt.Verify.KeyringFile, "--armor", "--export", next)
	f.want(head, one("x: 2\n")) // at the very next look
}

func TestFailure_S37_SwitchedOn(t *testing.T) {
	for name, signed := range map[string]bool{"unsigned": false, "signed": true} {
		t.Run(name, func(t *testing.T) {
			r, _, opt, _ := keyed(t)
			wanted := opt.Verify
			opt.Verify, opt.Mirror = Verify{}, filepath.Join(t.TempDir(), "m")
			if !signed {
				r.unsigned()
			}
			head := r.save("a.yaml", "x: 1\n")
			f := open(t, opt)
			f.want(head, one("x: 1\n"))
			must(t, f.src.Close())
			opt.Verify = wanted
			r.server.Close()
			f = open(t, opt)
			if signed {
				f.want(head, one("x: 1\n"))
			}
			f.refuses(source.CodeRemote, "")
		})
	}
}

// What came into force while its key was valid does so again after a restart.
// What never did does not.
func TestFailure_S37_ExpiredSince(t *testing.T) {
	r, g, opt, _ := keyed(t)
	key := g.key("short", "ed25519", "2d")
	r.signs(key)
	g.put(opt.Verify.KeyringFile, "--armor", "--export", key)
	opt.Mirror = filepath.Join(t.TempDir(), "m")
	head := r.save("a.yaml", "x: 1\n")
	f := open(t, opt)
	f.want(head, one("x: 1\n"))
	must(t, f.src.Close())
	opt.now = func() time.Time { return time.Now().Add(72 * time.Hour) }
	f = open(t, opt)
	f.want(head, one("x: 1\n"))
	r.commit()
	f.refuses(source.CodeUnsigned, "")
	must(t, f.src.Close())
	f = open(t, opt)
	f.want(head, one("x: 1\n"))
	f.refuses(source.CodeUnsigned, "")
	opt.Mirror, opt.Accepted = "", func(context.Context) (string, error) { return head, nil }
	open(t, opt).refuses(source.CodeUnsigned, "") // nothing here says that it was in force
}

func TestFailure_C11_UnsignedIsNotAccepted(t *testing.T) {
	r, _, opt, _ := keyed(t)
	stored := ""
	opt.FollowRewrites = true
	opt.Accepted = func(context.Context) (string, error) { return stored, nil }
	opt.Remember = func(_ context.Context, hash string) error { stored = hash; return nil }
	good := r.save("a.yaml", "x: 1\n")
	f := open(t, opt)
	f.want(good, one("x: 1\n"))
	r.unsigned()
	bad := r.save("a.yaml", "x: 2\n")
	f.refuses(source.CodeUnsigned, "")
	must(t, f.src.Accept(bad))
	f.refuses(source.CodeUnsigned, "")
	if stored != good {
		t.Errorf("%s is stored, want %s", stored, good)
	}
	stored = bad // as by a command in another process
	f.refuses(source.CodeUnsigned, "")
	opt.Mirror = filepath.Join(t.TempDir(), "m")
	f = open(t, opt)
	f.refuses(source.CodeUnsigned, "")
	f.refuses(source.CodeUnsigned, "")
}

func TestFailure_S37_Commit(t *testing.T) {
	r, _, opt, _ := keyed(t)
	good := r.save("a.yaml", "x: 1\n")
	r.unsigned()
	bad := r.commit()
	opt.Branch, opt.Commit = "", good
	open(t, opt).want(good, one("x: 1\n"))
	opt.Commit = bad
	open(t, opt).refuses(source.CodeUnsigned, "")
}

func TestFailure_S37_Tag(t *testing.T) {
	r, g, opt, _ := keyed(t)
	other := g.key("other", "ed25519", "never")
	signed := r.commit()
	r.unsigned()
	unsigned := r.save("a.yaml", "x: 1\n")
	r.git("tag", "-s", "-m", "x", "good")
	r.git("tag", "-s", "-m", "x", "outer", "good")
	r.git("tag", "-a", "-m", "x", "annotated")
	r.git("tag", "light")
	r.git("tag", "-s", "-u", other, "-m", "x", "foreign")
	r.git("tag", "light-signed", signed)
	r.git("tag", "-a", "-m", "x", "annotated-signed", signed)
	r.git("update-ref", "refs/tags/replayed", "refs/tags/good")
	tampered := strings.Replace(r.raw("tag", "good"), "tag good", "tag tampered", 1)
	r.git("update-ref", "refs/tags/tampered", r.object("tag", tampered))
	for tag, c := range map[string]struct{ head, want string }{
		"good":             {unsigned, ""},
		"outer":            {unsigned, ""},
		"light-signed":     {signed, ""},
		"annotated-signed": {signed, ""},
		"annotated":        {unsigned, "no signature; commit"},
		"light":            {unsigned, "commit " + unsigned + ": no signature"},
		"foreign":          {unsigned, "unknown key " + other},
		"replayed":         {unsigned, `made as the tag "good"`},
		"tampered":         {unsigned, "bad signature"},
	} {
		t.Run(tag, func(t *testing.T) {
			opt := opt
			opt.Branch, opt.Tag = "", tag
			opt.Mirror = filepath.Join(t.TempDir(), "m")
			f := open(t, opt)
			if c.want != "" {
				if text := f.refuses(source.CodeUnsigned, ""); !strings.Contains(text, c.want) {
					t.Errorf("got %q, want %q", text, c.want)
				}
				return
			}
			snap, err := f.next()
			must(t, err)
			must(t, f.src.Close())
			opt.URL = "http://127.0.0.1:1/.git" // the mirror is of the other URL
			must(t, os.WriteFile(filepath.Join(opt.Mirror, marker), []byte(opt.URL+"\n"+f.src.opt.follows()+"\n"), 0o600))
			again, err := open(t, opt).next()
			if err != nil || again.Revision != snap.Revision || snap.Revision != c.head {
				t.Errorf("got %v, %v after a restart, want %s", again, err, c.head)
			}
		})
	}
}

// What git itself finds good is good here, whatever else the commit has.
func TestVerify_OddCommits(t *testing.T) {
	r, _, opt, _ := keyed(t)
	opt.FollowRewrites = true
	f := open(t, opt)
	first := r.save("a.yaml", "x: 1\n")
	f.want(first, one("x: 1\n"))
	sound := func(what string) {
		t.Helper()
		r.git("verify-commit", "HEAD")
		snap, err := f.next()
		if err != nil || snap.Revision != r.head() {
			t.Fatalf("%s: got %v", what, err)
		}
		f.got = snap
	}
	r.git("-c", "i18n.commitEncoding=ISO-8859-1", "commit", "-q", "--allow-empty", "-m", "caf\xe9")
	sound("encoding")
	r.git("commit", "-q", "--allow-empty", "--cleanup=verbatim", "-m", "x\r\n\r\n gpgsig y\r\ngpgsig z\r\n")
	sound("carriage returns")
	r.git("checkout", "-q", "-b", "side")
	r.commit()
	r.git("tag", "-s", "-m", "x", "merged")
	r.git("checkout", "-q", "main")
	r.git("merge", "-q", "--no-ff", "--no-edit", "-S", "merged")
	if !strings.Contains(r.raw("commit", "HEAD"), "\nmergetag ") {
		t.Fatal("no mergetag header")
	}
	sound("mergetag")
	r.plant(r.paste("HEAD", strings.Replace(r.header("HEAD"), "gpgsig", "gpgsig-sha256", 1)))
	sound("two hashes")
}

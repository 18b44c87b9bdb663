package gitsource

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"weir/sync/source"
)

func TestVerify_SSH(t *testing.T) {
	r := newRepo(t)
	opt := r.options()
	opt.Verify.AllowedSignersFile = filepath.Join(t.TempDir(), "signers")
	f := open(t, opt)
	for _, kind := range []string{"ed25519", "rsa", "ecdsa"} {
		file, line := sshKey(t, kind)
		text := "# who may\n\n  a@example.com,b* namespaces=\"file,git\" " + line + "\r\n\"c d\"\t" + line
		must(t, os.WriteFile(opt.Verify.AllowedSignersFile, []byte(text), 0o600))
		r.signsSSH(file)
		f.want(r.save("a.yaml", "# "+kind+"\n"), one("# "+kind+"\n"))
		r.git("config", "gpg.ssh.allowedSignersFile", opt.Verify.AllowedSignersFile)
		r.git("verify-commit", "HEAD")
	}
}

func TestFailure_S37_SSH(t *testing.T) {
	r := newRepo(t)
	opt := r.options()
	opt.Verify.AllowedSignersFile = filepath.Join(t.TempDir(), "signers")
	file, line := sshKey(t, "ed25519")
	other, _ := sshKey(t, "ed25519")
	allow := func(text string) { must(t, os.WriteFile(opt.Verify.AllowedSignersFile, []byte(text+"\n"), 0o600)) }
	allow("* " + line)
	r.signsSSH(file)
	good := r.save("a.yaml", "x: 1\n")
	f := open(t, opt)
	f.want(good, one("x: 1\n"))
	signed := func() string { r.signsSSH(file); return r.commit() }
	with := func(text string) func() string {
		return func() string { head := signed(); allow(text); return head }
	}
	f.refusesAll(r, good, func() { allow("* " + line) }, map[string]attempt{
		"unsigned":    {func() string { r.unsigned(); return r.commit() }, "no signature"},
		"unknown key": {func() string { r.signsSSH(other); return r.commit() }, "signed by unknown key SHA256:"},
		"tampered": {func() string {
			return r.plant(strings.Replace(r.raw("commit", good), "\n\nx", "\n\ny", 1))
		}, "bad signature"},
		"of another": {func() string {
			r.unsigned()
			return r.plant(r.paste(r.commit(), r.header(good)))
		}, "bad signature"},
		"no armour": {func() string {
			r.unsigned()
			return r.plant(r.paste(r.commit(), "gpgsig -----BEGIN SSH SIGNATURE-----\n AAAA\n"))
		}, "bad signature"},
		"emptied":         {with(""), "no key is in it"},
		"only comments":   {with("# * " + line), "no key is in it"},
		"other namespace": {with(`* namespaces="file" ` + line), `not for the namespace "git"`},
		"taken away":      {with(`* namespaces="*,!g?t" ` + line), `not for the namespace "git"`},
		"expired":         {with(`* valid-before="20200601Z" ` + line), "expired on 2020-06-01"},
		"too early":       {with(`* valid-after="20500601Z" ` + line), "valid only from 2050-06-01 on"},
		"authority":       {with("* cert-authority " + line), "line 1: cert-authority is not supported"},
		"any other line":  {with("* " + line + "\n* nonsense"), "line 2: "},
	})
	must(t, os.Remove(opt.Verify.AllowedSignersFile))
	r.signsSSH(file)
	head := r.save("a.yaml", "x: 2\n")
	if text := f.refuses(source.CodeUnsigned, ""); !strings.Contains(text, "no such file") {
		t.Errorf("got %q", text)
	}
	allow("* " + line)
	f.want(head, one("x: 2\n"))
}

// A signature that was made for something else does not sign a commit.
func TestFailure_S37_SSHNamespace(t *testing.T) {
	file, line := sshKey(t, "ed25519")
	signers, err := parseSigners([]byte("* " + line))
	must(t, err)
	payload := []byte("tree x\ncommitter c <c> 1700000000 +0000\n\nx\n")
	for name, want := range map[string]string{"git": "", "file": `made for "file", not for git`} {
		s := sealed{payload, sshSign(t, file, name, payload)}
		err := signers.check(s, moment{now: time.Now()})
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", name, err, want)
		}
	}
}

func TestFailure_S37_OtherKind(t *testing.T) {
	r, _, opt, _ := keyed(t)
	signers := filepath.Join(t.TempDir(), "signers")
	file, line := sshKey(t, "ed25519")
	must(t, os.WriteFile(signers, []byte("* "+line+"\n"), 0o600))
	byGPG := opt
	bySSH := opt
	bySSH.Verify = Verify{AllowedSignersFile: signers}
	both := opt
	both.Verify.AllowedSignersFile = signers
	r.save("a.yaml", "x: 1\n")
	if text := open(t, bySSH).refuses(source.CodeUnsigned, ""); !strings.Contains(text, "no keyring") {
		t.Errorf("got %q", text)
	}
	f := open(t, both)
	f.want(r.head(), one("x: 1\n"))
	r.signsSSH(file)
	f.want(r.save("a.yaml", "x: 2\n"), one("x: 2\n"))
	if text := open(t, byGPG).refuses(source.CodeUnsigned, ""); !strings.Contains(text, "no allowed signers") {
		t.Errorf("got %q", text)
	}
}

const publicKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB/aWTHBnZb6Uvo2yb3RmJ9Wd1JYnzBbJmEBFWxGTbMk"

func TestParseSigners(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"plain":           {"a@b " + publicKey, ""},
		"comment":         {"a@b " + publicKey + " who, what \"x", ""},
		"all options":     {`a NAMESPACES="git",valid-after="20200101",valid-before="20300101235959Z" ` + publicKey, ""},
		"minutes":         {`a valid-after="202001012359Z" ` + publicKey, ""},
		"quoted":          {`"a b" ` + publicKey, ""},
		"no principal":    {publicKey, "no SSH key"},
		"open quote":      {`"a b ` + publicKey, "must be principals"},
		"glued":           {`"a b"` + publicKey, "must be principals"},
		"no key":          {"a@b", "must be principals"},
		"short key":       {"a@b ssh-ed25519 AAAA", "no SSH key"},
		"other type":      {"a@b ssh-rsa" + strings.TrimPrefix(publicKey, "ssh-ed25519"), "no SSH key"},
		"unknown option":  {"a@b restrict=\"x\" " + publicKey, `option "restrict" is not known`},
		"bare option":     {"a@b namespaces " + publicKey, "must be in quotes"},
		"unquoted":        {"a@b namespaces=git " + publicKey, "must be in quotes"},
		"empty":           {`a@b namespaces="" ` + publicKey, "must be in quotes"},
		"class":           {`a@b namespaces="[g]it" ` + publicKey, "wildcards"},
		"no date":         {`a@b valid-after="tomorrow" ` + publicKey, "is not a time"},
		"no such date":    {`a@b valid-after="20230231" ` + publicKey, "is not a time"},
		"backwards":       {`a@b valid-after="20250101",valid-before="20240101" ` + publicKey, "not after valid-after"},
		"authority":       {`a@b cert-authority,namespaces="git" ` + publicKey, "cert-authority is not supported"},
		"second line bad": {"a@b " + publicKey + "\n\nx\n", "line 3"},
		"nothing":         {"\n# x\n", "no key is in it"},
	} {
		t.Run(name, func(t *testing.T) {
			all, err := parseSigners([]byte(c.text))
			switch {
			case c.want == "" && (err != nil || len(all) != 1):
				t.Errorf("got %v, %v", all, err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// The object's own time narrows when a key may sign, and does not widen it.
func TestSigner_Valid(t *testing.T) {
	all, err := parseSigners([]byte(`a valid-after="20200101Z",valid-before="20210101Z" ` + publicKey))
	must(t, err)
	day := func(text string) time.Time {
		at, err := time.Parse(time.DateOnly, text)
		must(t, err)
		return at
	}
	for name, c := range map[string]struct {
		made, now string
		before    bool
		good      bool
	}{
		"within":                {"2020-05-01", "2020-06-01", false, true},
		"expired since":         {"2020-05-01", "2022-06-01", false, false},
		"good before":           {"2020-05-01", "2022-06-01", true, true},
		"made too late":         {"2021-05-01", "2022-06-01", true, false},
		"made too late by word": {"2021-05-01", "2020-06-01", false, false},
		"made too early":        {"2019-05-01", "2020-06-01", false, false},
		"too early":             {"2019-05-01", "2019-06-01", true, false},
	} {
		err := all[0].valid("x", day(c.made), moment{day(c.now), c.before})
		if (err == nil) != c.good {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func FuzzParseSigners(f *testing.F) {
	f.Add([]byte("a@b " + publicKey))
	f.Add([]byte(`"a b" namespaces="git,!x",valid-after="20200101" ` + publicKey + " c"))
	f.Add([]byte("# x\n\na cert-authority " + publicKey))
	f.Fuzz(func(t *testing.T, data []byte) {
		all, err := parseSigners(data)
		if (err == nil) != (len(all) > 0) {
			t.Fatalf("%d keys and %v", len(all), err)
		}
		for _, s := range all {
			if s.key == nil {
				t.Fatal("a line without a key")
			}
			s.forGit()
		}
		if err == nil {
			again, err := parseSigners(append([]byte("# x\n"), data...))
			if err != nil || len(again) != len(all) {
				t.Fatalf("with a comment before: %d keys and %v, want %d", len(again), err, len(all))
			}
		}
	})
}

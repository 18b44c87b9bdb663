package gitsource

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"
)

func TestSplitCommit(t *testing.T) {
	const head, tail = "tree x\nparent y\nauthor a\n", "encoding z\n\ntext\n\ngpgsig no\n"
	for name, c := range map[string]struct {
		text, signature string
		err             error
	}{
		"none":             {head + tail, "", nil},
		"one":              {head + "gpgsig A\n \n B\n" + tail, "A\n\nB\n", nil},
		"both":             {head + "gpgsig A\n B\ngpgsig-sha256 C\n D\n" + tail, "A\nB\n", nil},
		"both, other way":  {head + "gpgsig-sha256 C\n D\ngpgsig A\n B\n" + tail, "A\nB\n", nil},
		"two":              {head + "gpgsig A\ngpgsig B\n" + tail, "", errSignatures},
		"a header between": {head + "gpgsig A\nx y\ngpgsig B\n" + tail, "", errSignatures},
	} {
		s, err := splitCommit([]byte(c.text))
		if err != c.err || string(s.signature) != c.signature || err == nil && string(s.payload) != head+tail {
			t.Errorf("%s: got %q, %q, %v", name, s.payload, s.signature, err)
		}
	}
	merge := head + "mergetag object z\n tag x\n \n gpgsig A\n -----BEGIN PGP SIGNATURE-----\ngpgsig B\n" + tail
	s, err := splitCommit([]byte(merge))
	must(t, err)
	if want := merge[:len(merge)-len("gpgsig B\n"+tail)] + tail; string(s.payload) != want || string(s.signature) != "B\n" {
		t.Errorf("got %q, %q", s.payload, s.signature)
	}
}

func TestSealed_Made(t *testing.T) {
	for text, want := range map[string]int64{
		"committer c <c@x> 1700000000 +0800\n\n": 1700000000,
		"tagger c > <> 5 +0000\n":                5,
		"committer c <c@x>\n":                    -1,
		"committer\n":                            -1,
		"\ncommitter c <c@x> 5 +0000\n":          -1,
		"":                                       -1,
	} {
		at, ok := sealed{payload: []byte(text)}.made()
		if ok != (want >= 0) || ok && !at.Equal(time.Unix(want, 0)) {
			t.Errorf("%q: got %v, %v", text, at, ok)
		}
	}
}

// The splitter is compared with another way to do the same.
func FuzzSplit(f *testing.F) {
	f.Add([]byte("tree x\ngpgsig A\n B\nauthor y\n\ngpgsig C\n"))
	f.Add([]byte("tree x\r\ngpgsig-sha256 A\n \n B\ngpgsig C\n\n\n D"))
	f.Add([]byte("object x\ntag y\n\ntext\n-----BEGIN PGP SIGNATURE-----\n\nA\n-----END PGP SIGNATURE-----\n"))
	f.Add([]byte(" \ngpgsig"))
	headers := regexp.MustCompile(`(?m)^gpgsig(-sha256)? [^\n]*(\n|\z)( [^\n]*(\n|\z))*`)
	f.Fuzz(func(t *testing.T, data []byte) {
		end := len(data)
		if len(data) > 0 && data[0] == '\n' {
			end = 0
		} else if i := bytes.Index(data, []byte("\n\n")); i >= 0 {
			end = i + 1
		}
		want := append(headers.ReplaceAll(bytes.Clone(data[:end]), nil), data[end:]...)
		s, count := unheader(data)
		if !bytes.Equal(s.payload, want) {
			t.Fatalf("payload %q, want %q", s.payload, want)
		}
		if count == 0 && len(s.signature) > 0 {
			t.Fatal("a signature without a header")
		}
		tag := splitTag(data)
		if len(tag.payload)+len(tag.signature) > len(data) || !bytes.HasSuffix(data, tag.signature) {
			t.Fatalf("a tag became %q and %q", tag.payload, tag.signature)
		}
		tag.made()
		tagName(data)
	})
}

// Whatever a remote calls a signature, nothing but the real one is good.
func FuzzSignature(f *testing.F) {
	dir := f.TempDir()
	v := Verify{filepath.Join(dir, "keyring"), filepath.Join(dir, "signers")}
	must(f, os.WriteFile(v.KeyringFile, []byte(fuzzKeyring), 0o600))
	must(f, os.WriteFile(v.AllowedSignersFile, []byte("* "+publicKey+"\n"), 0o600))
	f.Add([]byte(beginOpenPGP + "\n\niHUEABYKAB0WIQ\n=abcd\n-----END PGP SIGNATURE-----\n"))
	f.Add([]byte(beginSSH + "\nU1NIU0lH\n-----END SSH SIGNATURE-----\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		s := sealed{[]byte("tree x\ncommitter c <c> 1700000000 +0000\n\nx\n"), data}
		if err := v.check(s, moment{now: time.Unix(1800000000, 0)}); err == nil {
			t.Fatalf("good: %q", data)
		}
	})
}

// fuzzKeyring is a key made for this test; nobody has its private half.
const fuzzKeyring = `-----BEGIN PGP PUBLIC KEY BLOCK-----

mDMEawTXGhYJKwYBBAHaRw8BAQdAGepsCqIX0FtY9Yg3xFdtQbsdgx79pefCMHnn
Ru7aY5C0BGZ1enqIkAQTFggAOBYhBJA+XMnjXJhZutpuRTMwFaTqcPfGBQJrBNca
AhsDBQsJCAcCBhUKCQgLAgQWAgMBAh4BAheAAAoJEDMwFaTqcPfGe2sBAMQEnsVR
gBQV5nmEjoKJ7O/PwlrlAYytRhuUwZ69uqARAP9UOIsbMDJVtHfZw7j24ZsXVVGB
nafnJZGXg9t/BUN2Dw==
=/PlN
-----END PGP PUBLIC KEY BLOCK-----
`

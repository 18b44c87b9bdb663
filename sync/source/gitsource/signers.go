package gitsource

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"
)

// signer is a line of an allowed signers file: a key, and for what and when it
// may sign. Whose key it is does not matter here.
type signer struct {
	key           ssh.PublicKey
	namespaces    string    // patterns with commas between them, "" for any
	after, before time.Time // zero for always
}

type signers []signer

// namespace is what git signs in: a signature made for something else, such as
// a file or a mail, does not count.
const namespace = "git"

func readSigners(name string) (signers, error) {
	data, err := readKeys(name)
	if err != nil {
		return nil, err
	}
	all, err := parseSigners(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return all, nil
}

// parseSigners reads lines of principals, options, key and comment. One that is
// not well-formed spoils the file: it may have been meant to restrict.
func parseSigners(data []byte) (signers, error) {
	var all signers
	n := 0
	for line := range bytes.Lines(data) {
		n++
		line = bytes.Trim(line, " \t\r\n")
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		one, err := parseSigner(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		all = append(all, one)
	}
	if len(all) == 0 {
		return nil, errors.New("no key is in it")
	}
	return all, nil
}

func parseSigner(line []byte) (signer, error) {
	rest, ok := afterPrincipals(line)
	if !ok {
		return signer{}, errors.New("it must be principals, options and a key")
	}
	key, _, options, _, err := ssh.ParseAuthorizedKey(rest)
	if err != nil {
		return signer{}, errors.New("no SSH key can be read in it")
	}
	s := signer{key: key}
	for _, option := range options {
		if err := s.restrict(option); err != nil {
			return signer{}, err
		}
	}
	if !s.after.IsZero() && !s.before.IsZero() && !s.before.After(s.after) {
		return signer{}, errors.New("valid-before is not after valid-after")
	}
	return s, nil
}

// afterPrincipals skips the first field, which may be in quotes.
func afterPrincipals(line []byte) ([]byte, bool) {
	if line[0] == '"' {
		end := bytes.IndexByte(line[1:], '"')
		if end < 1 {
			return nil, false
		}
		line = line[1+end+1:]
	} else {
		line = line[max(0, bytes.IndexAny(line, " \t")):]
	}
	rest := bytes.TrimLeft(line, " \t")
	return rest, len(rest) > 0 && len(rest) < len(line)
}

// restrict takes in an option.
func (s *signer) restrict(option string) error {
	name, value, _ := strings.Cut(option, "=")
	name = strings.ToLower(name)
	if name == "cert-authority" {
		return errors.New("cert-authority is not supported, list the keys themselves")
	}
	inner, quoted := strings.CutPrefix(value, `"`)
	inner, closed := strings.CutSuffix(inner, `"`)
	if !quoted || !closed || inner == "" || strings.ContainsAny(inner, `"\`) {
		return fmt.Errorf("the value of the option %q must be in quotes", name)
	}
	var err error
	switch name {
	case "namespaces":
		s.namespaces, err = inner, checkPatterns(inner)
	case "valid-after":
		s.after, err = parseWhen(inner)
	case "valid-before":
		s.before, err = parseWhen(inner)
	default:
		err = fmt.Errorf("the option %q is not known", name)
	}
	return err
}

func checkPatterns(list string) error {
	if strings.ContainsAny(list, "[]") {
		return errors.New("namespaces may have * and ? as wildcards, no others")
	}
	return nil
}

// parseWhen reads a date, or a date and a time. Without a Z after it, it is of
// this machine's time zone.
func parseWhen(text string) (time.Time, error) {
	digits, zone := text, time.Local
	if before, ok := strings.CutSuffix(text, "Z"); ok {
		digits, zone = before, time.UTC
	}
	for _, layout := range []string{"20060102", "200601021504", "20060102150405"} {
		if len(layout) != len(digits) {
			continue
		}
		if t, err := time.ParseInLocation(layout, digits, zone); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is not a time such as 20260131Z or 20260131235900Z", text)
}

// forGit reports whether the key may sign commits. A pattern with ! before it
// takes what it matches away.
func (s signer) forGit() bool {
	if s.namespaces == "" {
		return true
	}
	matched := false
	for pattern := range strings.SplitSeq(s.namespaces, ",") {
		pattern, negated := strings.CutPrefix(pattern, "!")
		if ok, err := path.Match(pattern, namespace); err != nil || !ok {
			continue
		}
		if negated {
			return false
		}
		matched = true
	}
	return matched
}

// check returns what is wrong with a signature.
func (all signers) check(s sealed, at moment) error {
	sig, err := sshsig.Unarmor(s.signature)
	if err != nil || sig.PublicKey == nil || sig.Signature == nil {
		return errSignature
	}
	mark := ssh.FingerprintSHA256(sig.PublicKey)
	made, dated := s.made()
	if !dated {
		return errors.New("the object does not say when it was made")
	}
	fault := fmt.Errorf("signed by unknown key %s", mark)
	for _, one := range all {
		if !bytes.Equal(one.key.Marshal(), sig.PublicKey.Marshal()) {
			continue
		}
		if fault = one.valid(mark, made, at); fault == nil {
			return one.verify(s.payload, sig)
		}
	}
	return fault
}

// valid refuses a key that may not sign, or not at this time. The time that an
// object has is the signer's word: it may narrow what is allowed, not widen it.
func (s signer) valid(mark string, made time.Time, at moment) error {
	switch {
	case !s.forGit():
		return fmt.Errorf("key %s is not for the namespace %q", mark, namespace)
	case !s.before.IsZero() && (made.After(s.before) || at.now.After(s.before) && !at.before):
		return fmt.Errorf("key %s expired on %s", mark, day(s.before))
	case !s.after.IsZero() && (made.Before(s.after) || at.now.Before(s.after)):
		return fmt.Errorf("key %s is valid only from %s on", mark, day(s.after))
	}
	return nil
}

func (s signer) verify(payload []byte, sig *sshsig.Signature) error {
	switch sig.Signature.Format {
	case ssh.KeyAlgoRSA, "ssh-dss":
		return fmt.Errorf("%w: made with the weak hash SHA-1", errSignature)
	}
	if sig.Namespace != namespace {
		return fmt.Errorf("%w: made for %.40q, not for git", errSignature, sig.Namespace)
	}
	if err := sshsig.Verify(bytes.NewReader(payload), sig, s.key, sig.HashAlgorithm, namespace); err != nil {
		return errSignature
	}
	return nil
}

package gitsource

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"

	"weir/sync/source"
)

// Verify says by whom a head must be signed. With neither file no signature is
// asked for; with both, one by a key of either is enough. The files are read
// anew at each judgement.
//
// Of a branch or a commit it is the head commit that must be signed, of a tag
// or a version the annotated tag or the commit that it leads to. A signed tag
// counts only under the name that it was signed with.
type Verify struct {
	KeyringFile        string // OpenPGP public keys, armoured or not
	AllowedSignersFile string // SSH public keys, as in "ALLOWED SIGNERS" of ssh-keygen(1)
}

func (v Verify) on() bool { return v != Verify{} }

// refVerified keeps the commit or tag whose signature was found good last. It
// may come into force again though its key has expired since then.
const refVerified plumbing.ReferenceName = "refs/weir/verified"

// vouchedBy names the reference to the tag that a commit was accepted by.
func vouchedBy(commit plumbing.Hash) plumbing.ReferenceName {
	return plumbing.ReferenceName("refs/weir/tags/" + commit.String())
}

// moment is when a signature is judged.
type moment struct {
	now time.Time
	// before is set for what was found good before: its key need not be valid
	// now, only when the signature was made.
	before bool
}

// signed refuses a head that nobody listed has signed. The reference is what
// the tip was found under, "" where only its hash is known.
func (s *Source) signed(tip, head plumbing.Hash, ref plumbing.ReferenceName) error {
	if !s.opt.Verify.on() {
		return nil
	}
	at := moment{now: s.opt.now(), before: s.mirror.ref(refVerified) == tip || s.mirror.ref(vouchedBy(head)) == tip}
	var faults []string
	if tip != head && ref.IsTag() {
		fault, err := s.signedTag(tip, ref.Short(), at)
		if err != nil || fault == nil {
			return err
		}
		faults = append(faults, fmt.Sprintf("tag %s %s: %v", ref.Short(), tip, fault))
	}
	data, err := s.mirror.read(plumbing.CommitObject, head, commitBytes)
	if err != nil {
		return fmt.Errorf("commit %s: %w", head, err)
	}
	fault := s.opt.Verify.commit(data, at)
	if fault == nil {
		return nil
	}
	faults = append(faults, fmt.Sprintf("commit %s: %v", head, fault))
	return &source.Error{
		Code: source.CodeUnsigned, Err: errors.New(strings.Join(faults, "; ")), Revision: head.String(),
	}
}

// signedTag returns what is wrong with a tag's signature, and an error where it
// cannot be read from the mirror.
func (s *Source) signedTag(tip plumbing.Hash, name string, at moment) (fault, err error) {
	data, err := s.mirror.read(plumbing.TagObject, tip, commitBytes)
	if err != nil {
		return nil, fmt.Errorf("tag %s: %w", tip, err)
	}
	return s.opt.Verify.tag(data, name, at), nil
}

// stands refuses an accepted commit that was not found signed before and is
// not now. The tag that it was accepted by is remembered with it.
func (s *Source) stands(commit plumbing.Hash) error {
	if !s.opt.Verify.on() {
		return nil
	}
	tip := s.mirror.ref(vouchedBy(commit))
	if tip.IsZero() {
		tip = s.mirror.ref(refVerified)
	}
	if known, err := s.has(tip); err != nil || !known {
		return s.signed(commit, commit, "")
	}
	if head, err := s.mirror.peel(tip); err != nil || head != commit || tip == commit {
		return s.signed(commit, commit, "")
	}
	ref := s.opt.reference()
	if s.opt.Semver != "" {
		data, err := s.mirror.read(plumbing.TagObject, tip, commitBytes)
		if err != nil {
			return err
		}
		ref = plumbing.NewTagReferenceName(tagName(data))
	}
	return s.signed(tip, commit, ref)
}

var (
	errNoSignature = errors.New("no signature")
	errSignature   = errors.New("bad signature")
)

func (v Verify) commit(data []byte, at moment) error {
	s, err := splitCommit(data)
	if err != nil {
		return err
	}
	return v.check(s, at)
}

func (v Verify) tag(data []byte, name string, at moment) error {
	if got := tagName(data); got != name {
		return fmt.Errorf("it was made as the tag %q", got)
	}
	return v.check(splitTag(data), at)
}

// check returns what is wrong with a signature.
func (v Verify) check(s sealed, at moment) error {
	switch s.format() {
	case formatNone:
		return errNoSignature
	case formatOpenPGP:
		if v.KeyringFile == "" {
			return errors.New("signed with OpenPGP, and the config names no keyring")
		}
		keys, err := readKeyring(v.KeyringFile)
		if err != nil {
			return fmt.Errorf("keyring: %w", err)
		}
		return keys.check(s, at)
	case formatSSH:
		if v.AllowedSignersFile == "" {
			return errors.New("signed with SSH, and the config names no allowed signers")
		}
		signers, err := readSigners(v.AllowedSignersFile)
		if err != nil {
			return fmt.Errorf("allowed signers: %w", err)
		}
		return signers.check(s, at)
	}
	return errors.New("the signature is neither OpenPGP's nor SSH's")
}

// mostKeyBytes is how large a file of keys may be.
const mostKeyBytes = 4 << 20

func readKeys(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, mostKeyBytes+1))
	switch {
	case err != nil:
		return nil, err
	case len(data) > mostKeyBytes:
		return nil, fmt.Errorf("%s has more than %d bytes", name, mostKeyBytes)
	case len(data) == 0:
		return nil, fmt.Errorf("%s is empty", name)
	}
	return data, nil
}

// day is how a message gives a date.
func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }

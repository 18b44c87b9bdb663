package gitsource

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-git/go-git/v5/plumbing"

	"weir/sync/source"
)

// held is a head that does not follow the accepted commit. It is remembered so
// that the history is not searched anew at each poll.
type held struct {
	head, anchor plumbing.Hash
	err          error
}

// accepted returns the commit that was accepted last, zero for none.
func (s *Source) accepted(ctx context.Context) (plumbing.Hash, error) {
	if s.opt.Accepted == nil {
		return s.anchor, nil
	}
	var hash string
	err := s.away(func() (err error) { hash, err = s.opt.Accepted(ctx); return err })
	if err == nil && hash != "" && !plumbing.IsHash(hash) {
		err = fmt.Errorf("%q is not a commit's hash", hash)
	}
	if err != nil {
		return plumbing.ZeroHash, &source.Error{Code: source.CodeAccepted, Err: err}
	}
	if hash != "" {
		s.anchor = plumbing.NewHash(hash)
	}
	return s.anchor, nil
}

// knownAnchor names the accepted commit for a message.
func (s *Source) knownAnchor(ctx context.Context) string {
	anchor, err := s.accepted(ctx)
	switch {
	case err != nil:
		return "unknown"
	case anchor.IsZero():
		return "none"
	}
	return anchor.String()
}

// tell passes on which head waits for consent, once a change. Where that fails
// it is tried again at the next look.
func (s *Source) tell(ctx context.Context, err error) {
	head := ""
	if err != nil {
		var fault *source.Error
		if !errors.As(err, &fault) || fault.Code != source.CodeRewritten {
			return
		}
		head = fault.Revision
	}
	if s.opt.Held == nil || s.told != nil && *s.told == head {
		return
	}
	if err := s.away(func() error { return s.opt.Held(ctx, head) }); err != nil {
		s.opt.Logger.Warn("the held head cannot be stored", "source", s.opt.Name, "head", head, "err", err)
		return
	}
	s.told = &head
}

// regain asks the remote, once, for the accepted commit where the mirror does
// not have it: after a rewrite many hosts still give a commit to those who know
// its hash.
func (s *Source) regain(ctx context.Context, cause error) {
	s.use.Lock()
	defer s.use.Unlock()
	anchor, err := s.accepted(ctx)
	if err != nil || s.last != nil || anchor.IsZero() || anchor == s.sought || !answered(cause) {
		return
	}
	if known, err := s.has(anchor); err != nil || known {
		return
	}
	s.sought = anchor
	var v *visit
	err = s.away(func() (err error) { v, err = s.remote.visit(ctx); return err })
	if err == nil {
		defer v.close()
		err = s.obtain(ctx, v, anchor, []plumbing.Hash{anchor})
	}
	if err != nil {
		s.opt.Logger.Debug("the remote does not give the accepted commit",
			"source", s.opt.Name, "commit", anchor.String(), "err", err)
	}
}

// answered reports whether an error is about what the remote has, not about
// how it is reached.
func answered(err error) bool {
	var fault *source.Error
	if !errors.As(err, &fault) {
		return false
	}
	switch fault.Code {
	case source.CodeRewritten, source.CodeUnsigned, source.CodeBranch, source.CodeNoVersion, source.CodeMissing:
		return true
	}
	return fault.Path != ""
}

// remember stores the commit as the accepted one.
func (s *Source) remember(ctx context.Context, head, anchor plumbing.Hash) error {
	if head != anchor && s.opt.Remember != nil {
		if err := s.away(func() error { return s.opt.Remember(ctx, head.String()) }); err != nil {
			return &source.Error{Code: source.CodeAccepted, Err: err}
		}
	}
	if s.mirror.ref(refAccepted) != head {
		if err := s.mirror.setRef(refAccepted, head); err != nil {
			return err
		}
	}
	s.anchor = head
	return nil
}

// vouch keeps the tip whose signature was found good, and of a tag, for good, by
// which commit: it may come into force again after a newer one turned out bad.
func (s *Source) vouch(tip, head plumbing.Hash) error {
	if !s.opt.Verify.on() {
		return nil
	}
	if tip != head && s.mirror.ref(vouchedBy(head)) != tip {
		if err := s.mirror.setRef(vouchedBy(head), tip); err != nil {
			return err
		}
	}
	if s.mirror.ref(refVerified) == tip {
		return nil
	}
	return s.mirror.setRef(refVerified, tip)
}

// descent refuses a head that does not follow the accepted commit. A commit
// named in the config is a person's choice and needs no other consent.
func (s *Source) descent(ctx context.Context, head, anchor plumbing.Hash) error {
	if anchor.IsZero() || head == anchor || s.opt.Commit != "" || s.allows(head) {
		return nil
	}
	if s.held.err != nil && s.held.head == head && s.held.anchor == anchor {
		return s.held.err
	}
	ok, err := s.mirror.follows(ctx, head, anchor)
	if err != nil || ok {
		return err
	}
	if s.opt.FollowRewrites {
		s.opt.Logger.Warn("the history was rewritten and is followed",
			"source", s.opt.Name, "accepted", anchor.String(), "head", head.String())
		return nil
	}
	how := "does not follow"
	if back, err := s.mirror.follows(ctx, anchor, head); err == nil && back {
		how = "is older than"
	}
	err = fmt.Errorf("%s %s %s, which was accepted last; to go on there: weir accept-rewrite %.12s", head, how, anchor, head)
	s.held = held{head, anchor, &source.Error{Code: source.CodeRewritten, Err: err, Revision: head.String()}}
	return s.held.err
}

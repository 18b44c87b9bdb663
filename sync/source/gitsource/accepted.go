package gitsource

import (
	"context"
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
func (s *Source) knownAnchor() string {
	if s.anchor.IsZero() {
		return "none"
	}
	return s.anchor.String()
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
	s.held = held{head, anchor, &source.Error{
		Code: source.CodeRewritten, Err: fmt.Errorf("%s %s %s, which was accepted last", head, how, anchor),
	}}
	return s.held.err
}

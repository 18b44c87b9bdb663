package gitsource

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"

	"weir/sync/source"
)

// look asks the remote where it is and returns that revision. A mirror that
// turns out to be damaged is replaced, once.
func (s *Source) look(ctx context.Context) (*revision, error) {
	if s.opt.Commit != "" && s.last != nil {
		return s.last, nil
	}
	s.use.Lock()
	defer s.use.Unlock()
	rev, err := s.attempt(ctx)
	if damaged(err) {
		s.opt.Logger.Warn("the mirror is damaged and cloned afresh", "source", s.opt.Name, "err", err)
		s.discard()
		rev, err = s.attempt(ctx)
	}
	var known *source.Error
	if err != nil && !errors.As(err, &known) && ctx.Err() == nil {
		err = &source.Error{Code: source.CodeMirror, Err: err}
	}
	s.tell(ctx, err)
	return rev, err
}

// damaged reports whether err is one that a fresh mirror may cure.
func damaged(err error) bool {
	var known *source.Error
	return err != nil && !errors.As(err, &known) && !full(err) && !errors.Is(err, errTooLarge) &&
		!errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded)
}

func (s *Source) attempt(ctx context.Context) (*revision, error) {
	if err := s.open(); err != nil {
		return nil, err
	}
	if known, err := s.has(plumbing.NewHash(s.opt.Commit)); err != nil {
		return nil, err
	} else if known {
		return s.judge(ctx, goal{tip: plumbing.NewHash(s.opt.Commit)})
	}
	var v *visit
	err := s.away(func() (err error) { v, err = s.remote.visit(ctx); return err })
	if err != nil {
		return nil, err
	}
	defer v.close()
	g, err := s.locate(ctx, v)
	if err != nil {
		return nil, err
	}
	if s.last != nil && s.last.tip == g.tip {
		return s.last, nil
	}
	known, err := s.has(g.tip)
	if err != nil {
		return nil, err
	}
	if !known {
		if err := s.obtain(ctx, v, g.tip, g.wants); err != nil {
			return nil, err
		}
	}
	return s.judge(ctx, g)
}

// away lets others use the mirror while f waits for somebody.
func (s *Source) away(f func() error) error {
	s.use.Unlock()
	defer s.use.Lock()
	return f()
}

// claim takes the mirror's folder, once.
func (s *Source) claim() error {
	if s.claimed {
		return nil
	}
	if err := claim(s.opt.Mirror, s.opt.URL, s.opt.follows()); err != nil {
		return &source.Error{Code: source.CodeMirror, Err: err}
	}
	s.claimed = true
	return nil
}

// has reports whether there is a mirror with the object; the zero hash is none.
func (s *Source) has(hash plumbing.Hash) (bool, error) {
	if s.mirror == nil || hash.IsZero() {
		return false, nil
	}
	return s.mirror.has(hash)
}

// goal is what is to be read.
type goal struct {
	tip   plumbing.Hash
	wants []plumbing.Hash        // what to ask for to get it
	ref   plumbing.ReferenceName // where it was found, "" where the hash was given
	// newer reports whether the tip is of a higher version than a commit.
	newer func(plumbing.Hash) bool
}

// reference is the name that is followed, "" where it is not one.
func (o *Options) reference() plumbing.ReferenceName {
	switch {
	case o.Tag != "":
		return plumbing.NewTagReferenceName(o.Tag)
	case strings.HasPrefix(o.Branch, "refs/"):
		return plumbing.ReferenceName(o.Branch)
	case o.Branch != "":
		return plumbing.NewBranchReferenceName(o.Branch)
	}
	return ""
}

// follows says what of the repository is followed.
func (o *Options) follows() string {
	switch {
	case o.Semver != "":
		return "semver " + o.Semver
	case o.Commit != "":
		return "commit " + o.Commit
	}
	return o.reference().String()
}

// locate finds what is to be read among what the remote has.
func (s *Source) locate(ctx context.Context, v *visit) (goal, error) {
	switch {
	case s.opt.Commit != "":
		tip := plumbing.NewHash(s.opt.Commit)
		return goal{tip: tip, wants: v.wantsFor(tip)}, nil
	case s.opt.Semver != "":
		return s.latest(ctx, v)
	}
	what, name := "branch", s.opt.Branch
	if s.opt.Tag != "" {
		what, name = "tag", s.opt.Tag
	}
	ref := s.opt.reference()
	tip, ok := v.refs.References[ref.String()]
	if !ok {
		err := fmt.Errorf("the remote has no %s %q; the accepted commit is %s", what, name, s.knownAnchor(ctx))
		return goal{}, &source.Error{Code: source.CodeBranch, Err: err}
	}
	return goal{tip: tip, wants: []plumbing.Hash{tip}, ref: ref}, nil
}

// wantsFor returns what to ask for to get a commit: itself where the remote
// gives any, else all branches and tags.
func (v *visit) wantsFor(commit plumbing.Hash) []plumbing.Hash {
	caps := v.refs.Capabilities
	if caps.Supports("allow-reachable-sha1-in-want") || caps.Supports(capability.Capability("allow-any-sha1-in-want")) {
		return []plumbing.Hash{commit}
	}
	var all []plumbing.Hash
	for name, hash := range v.refs.References {
		if hash == commit {
			return []plumbing.Hash{commit}
		}
		if ref := plumbing.ReferenceName(name); ref.IsBranch() || ref.IsTag() {
			all = append(all, hash)
		}
	}
	return all
}

// open opens the mirror that is there, if it is not known to be damaged.
func (s *Source) open() error {
	if s.mirror != nil || s.spoiled {
		return nil
	}
	if err := s.claim(); err != nil {
		return err
	}
	m, err := openMirror(s.opt.Mirror)
	if err != nil || m == nil {
		return err
	}
	s.mirror = m
	if s.anchor.IsZero() {
		s.anchor = m.ref(refAccepted)
	}
	return nil
}

// discard gives the mirror up. On disk it stays until another takes its place.
func (s *Source) discard() {
	if err := s.mirror.close(); err != nil {
		s.opt.Logger.Debug("close mirror", "source", s.opt.Name, "err", err)
	}
	s.mirror, s.spoiled = nil, true
}

// obtain fetches into the mirror, or into a new one where there is none, the
// present one has grown too many packs, or its folder was removed under it.
func (s *Source) obtain(ctx context.Context, v *visit, tip plumbing.Hash, wants []plumbing.Hash) error {
	if len(wants) == 0 {
		return &source.Error{Code: source.CodeBranch, Err: errors.New("the remote's repository is empty")}
	}
	if s.mirror == nil || s.mirror.crowded() || wiped(s.opt.Mirror) {
		return s.clone(ctx, v, tip, wants)
	}
	haves, err := s.mirror.haves(ctx)
	if err != nil {
		return err
	}
	return s.fill(ctx, s.mirror, v, tip, wants, haves)
}

func (s *Source) clone(ctx context.Context, v *visit, tip plumbing.Hash, wants []plumbing.Hash) error {
	s.claimed = false // the folder may have been wiped
	if err := s.claim(); err != nil {
		return err
	}
	fresh, err := makeMirror(s.opt.Mirror)
	if err != nil {
		return err
	}
	if err := s.fill(ctx, fresh, v, tip, wants, nil); err != nil {
		_ = fresh.close()
		return errors.Join(err, remove(s.opt.Mirror, coming))
	}
	if s.opt.Mirror == "" {
		s.mirror, s.spoiled = fresh, false
		return nil
	}
	err = errors.Join(fresh.setRef(refAccepted, s.anchor), fresh.close(), s.mirror.close(), promote(s.opt.Mirror))
	s.mirror, s.spoiled = nil, false
	if err != nil {
		return err
	}
	return s.open()
}

// fill fetches into m. What arrives must hold what was advertised.
func (s *Source) fill(
	ctx context.Context, m *mirror, v *visit, tip plumbing.Hash, wants, haves []plumbing.Hash,
) error {
	err := m.take(s.opt.Limits, func(w io.Writer) error {
		return s.away(func() error { return v.fetch(ctx, wants, haves, w) })
	})
	if err != nil {
		return err
	}
	known, err := m.has(tip)
	if err != nil {
		return err
	}
	if !known {
		err := fmt.Errorf("the remote did not send %s", tip)
		if s.opt.Commit != "" {
			return &source.Error{Code: source.CodeBranch, Err: err}
		}
		return &source.Error{Code: source.CodeProtocol, Err: err}
	}
	return nil
}

// surpasses reports whether a goal is a higher version than the accepted commit,
// whatever its ancestry. A commit that the accepted one follows is none: a new
// tag on it would be a way back that nobody consented to.
func (s *Source) surpasses(ctx context.Context, g goal, head, anchor plumbing.Hash) (bool, error) {
	if g.newer == nil || !g.newer(anchor) {
		return false, nil
	}
	if known, err := s.has(anchor); err != nil || !known || head == anchor {
		return err == nil, err
	}
	back, err := s.mirror.follows(ctx, anchor, head)
	return !back, err
}

// faultOf says which head a fault is of.
func faultOf(head plumbing.Hash, err error) error {
	var fault *source.Error
	if errors.As(err, &fault) && fault.Revision == "" {
		fault.Revision = head.String()
	}
	return err
}

// judge decides whether a tip that is in the mirror may be the next revision,
// and reads it.
func (s *Source) judge(ctx context.Context, g goal) (*revision, error) {
	head, err := s.mirror.peel(g.tip)
	if errors.Is(err, errNoCommit) {
		return nil, &source.Error{Code: source.CodeBranch, Err: fmt.Errorf("%s: %w", g.tip, err)}
	}
	if err != nil {
		return nil, err
	}
	if err := s.mirror.setRef(refHead, head); err != nil {
		return nil, err
	}
	if err := s.signed(g.tip, head, g.ref); err != nil {
		return nil, err
	}
	anchor, err := s.accepted(ctx)
	if err != nil {
		return nil, err
	}
	if ok, err := s.surpasses(ctx, g, head, anchor); err != nil {
		return nil, err
	} else if !ok {
		if err := s.descent(ctx, head, anchor); err != nil {
			return nil, err
		}
	}
	rev, err := s.mirror.derive(ctx, &s.opt, s.last, head)
	if err != nil {
		return nil, faultOf(head, err)
	}
	if err := errors.Join(s.vouch(g.tip, head), s.remember(ctx, head, anchor)); err != nil {
		return nil, err
	}
	rev.tip = g.tip
	s.last, s.held = rev, held{}
	return rev, nil
}

// standing returns the accepted commit as far as it is known here, nil where it
// is not.
func (s *Source) standing(ctx context.Context) *revision {
	s.use.Lock()
	defer s.use.Unlock()
	if s.last != nil {
		return s.last
	}
	anchor, err := s.accepted(ctx)
	if err != nil {
		return nil
	}
	if known, err := s.has(anchor); err != nil || !known {
		return nil
	}
	if err := s.stands(anchor); err != nil {
		s.opt.Logger.Warn("the accepted commit may not stand", "source", s.opt.Name, "err", err)
		return nil
	}
	rev, err := s.mirror.derive(ctx, &s.opt, nil, anchor)
	if err != nil {
		s.opt.Logger.Warn("the accepted commit cannot be read", "source", s.opt.Name, "err", err)
		return nil
	}
	s.last = rev
	return rev
}

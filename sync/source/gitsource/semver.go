package gitsource

import (
	"context"
	"fmt"
	"strings"

	"github.com/Masterminds/semver/v3"
	"github.com/go-git/go-git/v5/plumbing"

	"weir/sync/source"
)

func (o *Options) checkVersions() error {
	if o.Semver == "" {
		return nil
	}
	if _, err := semver.NewConstraint(o.Semver); err != nil {
		return fmt.Errorf("source %s: semver: %q is no range of versions: %w", o.Name, o.Semver, err)
	}
	return nil
}

// version is a tag that names one.
type version struct {
	*semver.Version
	ref    plumbing.ReferenceName
	tip    plumbing.Hash
	commit plumbing.Hash // what the tip is a tag of, or the tip itself
}

// versions returns the tags that are versions in the range: three numbers, with
// or without a v before them.
func (v *visit) versions(within *semver.Constraints) []version {
	var all []version
	for name, tip := range v.refs.References {
		ref := plumbing.ReferenceName(name)
		if !ref.IsTag() {
			continue
		}
		is, err := semver.StrictNewVersion(strings.TrimPrefix(ref.Short(), "v"))
		if err != nil || !within.Check(is) {
			continue
		}
		commit := tip
		if peeled, ok := v.refs.Peeled[name]; ok {
			commit = peeled
		}
		all = append(all, version{is, ref, tip, commit})
	}
	return all
}

// above orders versions, and equal ones by the tags' names.
func (v version) above(w version) bool {
	if c := v.Compare(w.Version); c != 0 {
		return c > 0
	}
	return v.ref > w.ref
}

// latest finds the highest version.
func (s *Source) latest(ctx context.Context, v *visit) (goal, error) {
	within, err := semver.NewConstraint(s.opt.Semver)
	if err != nil {
		return goal{}, err
	}
	all := v.versions(within)
	if len(all) == 0 {
		err := fmt.Errorf("the remote has no tag in the range %q; the accepted commit is %s",
			s.opt.Semver, s.knownAnchor(ctx))
		return goal{}, &source.Error{Code: source.CodeNoVersion, Err: err}
	}
	top := all[0]
	for _, other := range all[1:] {
		if other.above(top) {
			top = other
		}
	}
	newer := func(accepted plumbing.Hash) bool { return newer(all, top, accepted) }
	return goal{tip: top.tip, wants: []plumbing.Hash{top.tip}, ref: top.ref, newer: newer}, nil
}

// newer reports whether the version is higher than that of the accepted commit:
// such a one is news, whatever its ancestors are. Where no tag leads to the
// accepted commit any more, nobody can say so.
func newer(all []version, top version, accepted plumbing.Hash) bool {
	known := false
	for _, v := range all {
		if v.commit != accepted {
			continue
		}
		if known = true; top.Compare(v.Version) <= 0 {
			return false
		}
	}
	return known
}

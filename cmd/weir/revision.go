package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"weir/sync/config"
	"weir/sync/daemon/webhook"
	"weir/sync/manifest"
	"weir/sync/reconcile"
	"weir/sync/resource"
	"weir/sync/source"
	"weir/sync/source/gitsource"
)

// chosen returns the source that --rev and --base are of.
func chosen(cfg *config.Config, name string) (config.Source, error) {
	var names []string
	for _, s := range cfg.Sources {
		if s.Name == name || name == "" && len(cfg.Sources) == 1 {
			return s, nil
		}
		names = append(names, s.Name)
	}
	if name == "" {
		return config.Source{}, fmt.Errorf("there are several sources: say --source with one of %s", strings.Join(names, ", "))
	}
	return config.Source{}, fmt.Errorf("there is no source %q, only %s", name, strings.Join(names, ", "))
}

// revision opens a source as it is at another revision: that of the repository
// its directory is in, or for a git source that of a clone of the same
// repository in the working directory; without one the repository is asked.
func (b *builder) revision(ctx context.Context, cfg *config.Config, s config.Source, rev string) (closer, error) {
	opt := gitsource.LocalOptions{Name: s.Name, Revision: rev, Limits: gitLimits(cfg)}
	switch {
	case s.Git == nil:
		root, rel, err := within(s.Directory)
		if err != nil {
			return nil, err
		}
		opt.Dir, opt.Path = root, rel
	case cloned(s.Git.URL):
		opt.Dir, opt.Path = ".", s.Git.Path
	default:
		return b.remoteRevision(cfg, s, rev)
	}
	return gitsource.Local(ctx, opt)
}

// within returns the repository that a folder is in, and where. The folder need
// not be there: a revision may have one that the worktree has not.
func within(dir string) (root, rel string, err error) {
	there := dir
	for there != filepath.Dir(there) {
		if info, err := os.Stat(there); err == nil && info.IsDir() {
			break
		}
		there = filepath.Dir(there)
	}
	missing, err := filepath.Rel(there, dir)
	if err != nil {
		return "", "", err
	}
	root, rel, err = gitsource.Find(there)
	return root, path.Join(rel, filepath.ToSlash(missing)), err
}

// cloned reports whether the working directory is in a clone of the repository.
func cloned(url string) bool {
	want, ok := webhook.Address(url)
	remotes, err := gitsource.Remotes(".")
	return ok && err == nil && slices.ContainsFunc(remotes, func(r string) bool {
		got, ok := webhook.Address(r)
		return ok && strings.EqualFold(got, want)
	})
}

// hashDigits is the length of a commit's hash.
const hashDigits = 40

// remoteRevision opens a branch, a whole reference or a commit of the source's
// repository. It is looked at and never applied, so that neither its history nor
// its signature matters.
func (b *builder) remoteRevision(cfg *config.Config, s config.Source, rev string) (closer, error) {
	opt := gitOptions(cfg, s)
	opt.Logger, opt.FollowRewrites, opt.Verify = b.log, true, gitsource.Verify{}
	opt.Branch, opt.Tag, opt.Semver, opt.Commit = rev, "", "", ""
	if len(rev) == hashDigits && strings.Trim(rev, "0123456789abcdef") == "" {
		opt.Branch, opt.Commit = "", rev
	}
	return gitsource.New(opt)
}

// diffSince compares what two revisions declare. It needs no account, no key and
// no state.
func (a *app) diffSince(ctx context.Context, f diffFlags) error {
	base, err := a.declaredAt(ctx, f)
	if err != nil {
		return a.refuse(review{failed: err})
	}
	one, err := a.open(ctx, openOptions{selector: f.selector, dryRun: true, source: f.source, rev: f.rev, offline: true})
	if err != nil {
		return a.refuse(review{failed: err})
	}
	defer one.close()
	one.against = f.base
	if err := a.fetch(ctx, one); err != nil {
		return a.refuse(one.review(reconcile.PlanDocument{}, err))
	}
	one.plan = one.rec.Since(ctx, base)
	return a.tellDiff(one, f)
}

// declaredAt returns what the base declares. Where it has no such folder, that
// is nothing.
func (a *app) declaredAt(ctx context.Context, f diffFlags) (reconcile.Declared, error) {
	one, err := a.open(ctx, openOptions{selector: f.selector, dryRun: true, source: f.source, rev: f.base, offline: true})
	if err != nil {
		return lacking(fmt.Errorf("--base %s: %w", f.base, err))
	}
	defer one.close()
	problems, err := one.rec.Fetch(ctx)
	if err != nil {
		return lacking(fmt.Errorf("--base %s: %w", f.base, err))
	}
	if manifest.Failed(problems) {
		for _, p := range problems {
			if p.Severity == manifest.Error {
				return reconcile.Declared{}, fmt.Errorf("--base %s has problems itself, the first is %s", f.base, p)
			}
		}
	}
	return one.rec.Declared(), nil
}

func lacking(err error) (reconcile.Declared, error) {
	if e, ok := errors.AsType[*source.Error](err); ok && e.Code == source.CodeMissing {
		return reconcile.Declared{}, nil
	}
	return reconcile.Declared{}, err
}

// placesAt returns what finds files in a repository: those of the source that is
// read from one lie from its root on.
func placesAt(cfg *config.Config, s config.Source) func(resource.Origin) string {
	usual := places(cfg)
	rel := ""
	if s.Git != nil {
		rel = s.Git.Path
	} else if _, below, err := within(s.Directory); err == nil {
		rel = below
	}
	return func(o resource.Origin) string {
		if o.Source != s.Name || o.File == "" {
			return usual(o)
		}
		return path.Join(rel, o.File)
	}
}

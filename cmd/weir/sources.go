package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"weir/sync/config"
	"weir/sync/manifest"
	"weir/sync/reconcile"
	"weir/sync/source"
	"weir/sync/source/dirsource"
	"weir/sync/source/gitsource"
	"weir/sync/state"
)

// closer is a source that holds something open.
type closer interface {
	source.Source
	Close() error
}

// feeds opens the sources of the configuration. What it opened is closed by the
// function it returns, also where it fails.
func (b *builder) feeds(
	ctx context.Context, cfg *config.Config, store state.Store,
) ([]reconcile.Feed, func() error, error) {
	var feeds []reconcile.Feed
	var opened []closer
	closeAll := func() error {
		var errs []error
		for _, s := range opened {
			errs = append(errs, s.Close())
		}
		return errors.Join(errs...)
	}
	for _, s := range cfg.Sources {
		src, err := b.source(ctx, cfg, s, store)
		if err != nil {
			return nil, closeAll, fmt.Errorf("source %s: %w", s.Name, err)
		}
		opened = append(opened, src)
		feeds = append(feeds, reconcile.Feed{
			Name: s.Name, Source: src, Loader: manifest.New(manifestOptions(cfg, &s)), Follows: inForce(cfg, s),
		})
	}
	return feeds, closeAll, nil
}

func (b *builder) source(ctx context.Context, cfg *config.Config, s config.Source, store state.Store) (closer, error) {
	if rev := b.at[s.Name]; rev != "" {
		return b.revision(ctx, cfg, s, rev)
	}
	if s.Git == nil {
		return dirsource.New(dirsource.Options{Name: s.Name, Path: s.Directory, Logger: b.log, Limits: limitsOf(cfg)})
	}
	opt := gitOptions(cfg, s)
	opt.Logger = b.log
	book := marks{store: store, source: follows(s), leads: b.leadsSources}
	opt.Accepted = book.accepted
	if b.keeps {
		opt.Remember, opt.Held = book.remember, book.held
	}
	if b.resident {
		opt.Mirror = mirrorOf(cfg, s)
	}
	return gitsource.New(opt)
}

// mirrorOf returns the folder of a source's mirror: beside the state, whose
// owner may write there, or in the folder for what has no state beside it.
func mirrorOf(cfg *config.Config, s config.Source) string {
	if cfg.Etcd != nil {
		return filepath.Join(cfg.Cluster.Folder, "mirrors", s.Name)
	}
	return filepath.Join(cfg.StatePath+".mirrors", s.Name)
}

// follows says what a source reads of which repository, as marks are kept under
// it: another repository or branch is another history. A directory has none.
func follows(s config.Source) string {
	g := s.Git
	if g == nil {
		return ""
	}
	for _, of := range []struct{ what, name string }{
		{"branch", g.Branch}, {"tag", g.Tag}, {"semver", g.Semver}, {"commit", g.Commit},
	} {
		if of.name != "" {
			return fmt.Sprintf("%s: %s %s of %s", s.Name, of.what, of.name, g.URL)
		}
	}
	return s.Name + ": " + g.URL
}

// inForce says under what the revision in force is kept: the same commit read in
// another folder was never in force. The members of a cluster each have a folder of
// their own, wherever it is.
func inForce(cfg *config.Config, s config.Source) string {
	switch {
	case s.Git == nil && cfg.Etcd != nil:
		return s.Name + ": directory of each member"
	case s.Git == nil:
		return s.Name + ": directory " + absolute(s.Directory)
	}
	of := follows(s)
	if s.Git.Path == "" {
		return of
	}
	return of + " below " + s.Git.Path
}

// absolute names a folder in the same way from wherever weir is started.
func absolute(dir string) string {
	if abs, err := filepath.Abs(dir); err == nil {
		return abs
	}
	return dir
}

// gitOptions returns what a source of the configuration says of its repository.
func gitOptions(cfg *config.Config, s config.Source) gitsource.Options {
	g := s.Git
	limits := gitLimits(cfg)
	limits.FetchBytes, limits.ObjectBytes = g.Limits.FetchBytes, g.Limits.ObjectBytes
	return gitsource.Options{
		Name: s.Name, URL: g.URL, Branch: g.Branch, Tag: g.Tag, Semver: g.Semver, Commit: g.Commit, Path: g.Path,
		Interval: g.Interval, Timeout: g.Timeout, FollowRewrites: g.FollowRewrites,
		Limits: limits,
		Auth: gitsource.Auth{
			User: g.Auth.User, Token: g.Auth.Token, Bearer: g.Auth.Bearer, Password: g.Auth.Password,
			CAFile: g.Auth.CAFile, CertFile: g.Auth.CertFile, KeyFile: g.Auth.KeyFile,
			SSHKeyFile: g.Auth.SSHKeyFile, SSHPassphrase: g.Auth.SSHPassphrase, KnownHostsFile: g.Auth.KnownHostsFile,
		},
		Verify: gitsource.Verify{KeyringFile: g.Verify.KeyringFile, AllowedSignersFile: g.Verify.AllowedSignersFile},
	}
}

func gitLimits(cfg *config.Config) gitsource.Limits {
	l := limitsOf(cfg)
	return gitsource.Limits{FileBytes: l.FileBytes, Files: l.Files, TotalBytes: l.TotalBytes}
}

// marks is what the store knows of a source's history.
type marks struct {
	store  state.Store
	source string
	leads  func() bool // whether this process says for all what is accepted
}

// revision returns the mark of a role, "" for none.
func (m marks) revision(ctx context.Context, role state.Role) (string, error) {
	all, err := m.store.Marks(ctx)
	if err != nil {
		return "", err
	}
	for _, mark := range all {
		if mark.Source == m.source && mark.Role == role {
			return mark.Revision, nil
		}
	}
	return "", nil
}

func (m marks) set(ctx context.Context, role state.Role, revision string) error {
	if !m.leads() {
		return nil // whoever does looks at the same source
	}
	return m.store.SetMark(ctx, state.Mark{Source: m.source, Role: role, Revision: revision, At: time.Now()})
}

func (m marks) accepted(ctx context.Context) (string, error) { return m.revision(ctx, state.Accepted) }

func (m marks) remember(ctx context.Context, commit string) error {
	return m.set(ctx, state.Accepted, commit)
}

func (m marks) held(ctx context.Context, head string) error { return m.set(ctx, state.Held, head) }

package gitsource

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"weir/sync/source"
)

// LocalOptions says what to read of a repository on this machine.
type LocalOptions struct {
	Name     string // of the source
	Dir      string // any folder in a worktree of the repository
	Revision string // branch, tag, hash or reference, with ~N and ^N after it
	Path     string // folder of the manifests from the repository's root on, default the root
	Limits   Limits // zero fields have their default; FetchBytes and ObjectBytes do not count
}

// Checkout is a revision of a repository on this machine. The repository is
// only read, and what is not committed is not looked at.
type Checkout struct {
	opt    Options
	snap   *source.Snapshot
	tracer *tracer

	use    lock // held by whoever uses mirror
	mirror *mirror
	last   *revision
	pool   *pool
}

var (
	_ source.Source  = (*Checkout)(nil)
	_ source.History = (*Checkout)(nil)
)

// Local reads a revision of the repository that a folder is in, under the same
// rules as one of a remote. The repository may be a clone that is shallow or
// borrows objects of another, a linked worktree or a submodule. The caller must
// call Close.
func Local(ctx context.Context, o LocalOptions) (*Checkout, error) {
	root, _, err := Find(o.Dir)
	if err != nil {
		return nil, err
	}
	c := &Checkout{use: newLock(), opt: Options{Name: o.Name, Path: o.Path, Limits: o.Limits}}
	c.opt.fill()
	if c.opt.Path != "." && !filepath.IsLocal(c.opt.Path) {
		return nil, fmt.Errorf("path %q must be a folder of the repository", o.Path)
	}
	if c.pool, err = openLocal(root); err != nil {
		return nil, fmt.Errorf("repository %s: %w", root, err)
	}
	c.mirror = &mirror{objects: c.pool}
	c.tracer = newTracer(c.opt.Path, c.opt.Limits, c.with)
	if err := c.read(ctx, root, o.Revision); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func (c *Checkout) read(ctx context.Context, root, name string) error {
	hash, err := c.mirror.resolve(c.pool, name)
	if err != nil {
		return fmt.Errorf("repository %s has no revision %q (%w); a clone made for CI holds little: "+
			"run `git fetch` for it, with --unshallow for an older commit", root, name, err)
	}
	if c.last, err = c.mirror.derive(ctx, &c.opt, nil, hash); err != nil {
		return fmt.Errorf("revision %s: %w", name, err)
	}
	c.snap = c.last.snapshot(c.opt.Name)
	return nil
}

// Close closes the repository's files.
func (c *Checkout) Close() error {
	c.use.Lock()
	defer c.use.Unlock()
	c.mirror = nil
	return c.pool.Close()
}

// Snapshot returns what the revision holds.
func (c *Checkout) Snapshot() *source.Snapshot { return c.snap }

// Next returns the snapshot where prev is nil, and otherwise blocks until ctx
// ends: a revision does not change.
func (c *Checkout) Next(ctx context.Context, prev *source.Snapshot) (*source.Snapshot, error) {
	if prev == nil {
		return c.snap, ctx.Err()
	}
	<-ctx.Done()
	return nil, ctx.Err()
}

// At returns the snapshot of a commit that the repository has.
func (c *Checkout) At(ctx context.Context, revision string) (*source.Snapshot, error) {
	var snap *source.Snapshot
	err := c.with(ctx, func(m *mirror) (err error) {
		snap, err = m.at(ctx, &c.opt, c.last, revision)
		return err
	})
	return snap, err
}

// Trace returns who last changed the documents at the places, as that of Source
// does. At the edge of a shallow clone nobody knows.
func (c *Checkout) Trace(ctx context.Context, revision string, places []source.Place) ([]source.Change, error) {
	return c.tracer.trace(ctx, revision, places)
}

func (c *Checkout) with(ctx context.Context, f func(*mirror) error) error {
	if err := c.use.LockUntil(ctx); err != nil {
		return err
	}
	defer c.use.Unlock()
	if c.mirror == nil {
		return os.ErrClosed
	}
	return f(c.mirror)
}

// Find returns the root of the worktree that a folder is in, and the folder's
// path from there on with slashes, "." for the root itself.
func Find(dir string) (root, rel string, err error) {
	if dir, err = filepath.Abs(dir); err != nil {
		return "", "", err
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return "", "", err
	}
	for root = dir; ; root = filepath.Dir(root) {
		_, err := os.Lstat(filepath.Join(root, ".git"))
		if err == nil {
			break
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", "", err
		}
		if root == filepath.Dir(root) {
			return "", "", fmt.Errorf("%s is not in a git repository", dir)
		}
	}
	rel, err = filepath.Rel(root, dir)
	return root, filepath.ToSlash(rel), err
}

// Remotes returns the URLs of the remotes of the repository that a folder is
// in, without those that cannot be read.
func Remotes(dir string) ([]string, error) {
	root, _, err := Find(dir)
	if err != nil {
		return nil, err
	}
	p, err := openLocal(root)
	if err != nil {
		return nil, fmt.Errorf("repository %s: %w", root, err)
	}
	defer func() { _ = p.Close() }()
	conf, err := p.Config()
	if err != nil {
		return nil, fmt.Errorf("repository %s: %w", root, err)
	}
	var out []string
	for _, remote := range conf.Remotes {
		out = append(out, remote.URLs...)
	}
	slices.Sort(out)
	return out, nil
}

package gitsource

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5/plumbing"
)

// Mirrored opens the mirror that a source with these options keeps on disk, for
// reading only: the process whose mirror it is may be at work. The revision is a
// commit's hash, or "" for the one that was accepted last. Where there is no
// mirror of what the options follow, or it has not that commit, the error is
// fs.ErrNotExist. The caller must call Close.
func Mirrored(ctx context.Context, o Options, revision string) (*Checkout, error) {
	o.fill()
	note, err := os.ReadFile(filepath.Join(o.Mirror, marker))
	if err != nil {
		return nil, err
	}
	if o.Mirror == "" || string(note) != o.URL+"\n"+o.follows()+"\n" {
		return nil, fmt.Errorf("mirror %s: %w for what is followed", o.Mirror, fs.ErrNotExist)
	}
	dir := filepath.Join(o.Mirror, current)
	if _, err := os.Stat(filepath.Join(dir, "objects")); err != nil {
		return nil, err
	}
	c := &Checkout{use: newLock(), opt: o, pool: &pool{Storage: openStore(osfs.New(dir))}}
	c.mirror = &mirror{objects: c.pool, store: c.pool.Storage}
	c.tracer = newTracer(c.opt.Path, c.opt.Limits, c.with)
	if err := c.enter(ctx, revision); err != nil {
		return nil, errors.Join(fmt.Errorf("mirror %s: %w", o.Mirror, err), c.Close())
	}
	return c, nil
}

// enter reads the revision, of a repository that has no names of its own.
func (c *Checkout) enter(ctx context.Context, revision string) error {
	hash := plumbing.NewHash(revision)
	for _, name := range []plumbing.ReferenceName{refAccepted, refHead} {
		if hash.IsZero() {
			hash = c.mirror.ref(name)
		}
	}
	known, err := c.mirror.has(hash)
	if err != nil {
		return err
	}
	if hash.IsZero() || !known {
		return fmt.Errorf("commit %s: %w", hash, fs.ErrNotExist)
	}
	if c.last, err = c.mirror.derive(ctx, &c.opt, nil, hash); err != nil {
		return err
	}
	c.snap = c.last.snapshot(c.opt.Name)
	return nil
}

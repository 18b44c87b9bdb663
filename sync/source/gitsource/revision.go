package gitsource

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"

	"weir/sync/source"
)

// manifest is a file as a revision has it.
type manifest struct {
	source.File
	blob plumbing.Hash
}

// revision is a commit that was read.
type revision struct {
	tip    plumbing.Hash // what the remote advertised: the commit or a tag of it
	commit plumbing.Hash
	tree   plumbing.Hash // below the source's path
	files  []manifest    // ordered by path
}

func (r *revision) snapshot(name string) *source.Snapshot {
	snap := &source.Snapshot{Source: name, Revision: r.commit.String(), Files: make([]source.File, len(r.files))}
	for i := range r.files {
		snap.Files[i] = r.files[i].File
	}
	return snap
}

// derive reads a commit; of what is as in last nothing is read.
func (m *mirror) derive(ctx context.Context, opt *Options, last *revision, at plumbing.Hash) (*revision, error) {
	c, err := m.commit(at)
	if err != nil {
		return nil, err
	}
	tree, err := m.descend(c.tree, opt.Path)
	if err != nil {
		return nil, err
	}
	if last == nil {
		last = &revision{}
	}
	if known, err := m.has(last.tree); err != nil {
		return nil, err
	} else if !known {
		last = &revision{}
	}
	changes, err := m.compare(ctx, opt.Limits, last.tree, tree)
	if err != nil {
		return nil, err
	}
	files, err := m.merge(ctx, opt.Limits, last.files, changes)
	if err != nil {
		return nil, err
	}
	return &revision{tip: at, commit: at, tree: tree, files: files}, nil
}

// descend returns the tree of the folder below root.
func (m *mirror) descend(root plumbing.Hash, below string) (plumbing.Hash, error) {
	if below == "." {
		return root, nil
	}
	for name := range strings.SplitSeq(below, "/") {
		all, err := m.tree(root, "")
		if err != nil {
			return root, err
		}
		var found entry
		for _, e := range all {
			if e.name == name {
				found = e
			}
		}
		if err := found.refuse(""); err != nil {
			return root, err
		}
		if found.mode != filemode.Dir {
			err := fmt.Errorf("the commit has no folder %q", below)
			return root, &source.Error{Code: source.CodeMissing, Err: err}
		}
		root = found.hash
	}
	return root, nil
}

// merge returns the files after the changes, both being in order.
func (m *mirror) merge(ctx context.Context, limits Limits, old []manifest, changes []change) ([]manifest, error) {
	files := make([]manifest, 0, len(old)+len(changes))
	left := limits.TotalBytes
	for _, c := range changes {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		n := 0
		for n < len(old) && old[n].Path < c.path {
			n++
		}
		files = append(files, old[:n]...)
		if old = old[n:]; len(old) > 0 && old[0].Path == c.path {
			old = old[1:]
		}
		if c.blob.IsZero() {
			continue
		}
		if len(files) >= limits.Files {
			return nil, &source.Error{Code: source.CodeFiles, Err: fmt.Errorf("more than %d files", limits.Files)}
		}
		f, err := m.manifest(c, limits)
		if err != nil {
			return nil, err
		}
		if left -= int64(len(f.Data)); left < 0 {
			return nil, tooHeavy(limits)
		}
		files = append(files, f)
	}
	files = append(files, old...)
	return files, heavy(files, limits)
}

// heavy returns the fault of files beyond the limits.
func heavy(files []manifest, limits Limits) error {
	if len(files) > limits.Files {
		return &source.Error{Code: source.CodeFiles, Err: fmt.Errorf("more than %d files", limits.Files)}
	}
	var total int64
	for i := range files {
		total += int64(len(files[i].Data))
	}
	if total > limits.TotalBytes {
		return tooHeavy(limits)
	}
	return nil
}

func tooHeavy(limits Limits) error {
	err := fmt.Errorf("more than %d bytes in all", limits.TotalBytes)
	return &source.Error{Code: source.CodeTotalSize, Err: err}
}

var errLFS = errors.New("is a pointer of Git LFS")

func (m *mirror) manifest(c change, limits Limits) (manifest, error) {
	data, err := m.read(plumbing.BlobObject, c.blob, limits.FileBytes)
	if errors.Is(err, errTooLarge) {
		err := fmt.Errorf("more than %d bytes", limits.FileBytes)
		return manifest{}, &source.Error{Code: source.CodeFileSize, Path: c.path, Err: err}
	}
	if err != nil {
		return manifest{}, err
	}
	if bytes.HasPrefix(data, []byte("version https://git-lfs.github.com/spec/")) {
		return manifest{}, &source.Error{Code: source.CodeLFS, Path: c.path, Err: errLFS}
	}
	sum := sha256.Sum256(data)
	file := source.File{Path: c.path, Hash: hex.EncodeToString(sum[:]), Data: data}
	return manifest{file, c.blob}, nil
}

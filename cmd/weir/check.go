package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"weir/sync/config"
	"weir/sync/manifest"
	"weir/sync/resource"
	"weir/sync/source"
	"weir/sync/source/dirsource"
	"weir/sync/source/gitsource"
)

// root is something to check: a file, a directory, or a source.
type root struct {
	path   string         // "" for a source that is a repository
	source *config.Source // the one it is or lies in, nil for none
}

// rootsOf returns what is to be checked: the paths, or without any all sources.
func rootsOf(cfg *config.Config, paths []string) []root {
	var out []root
	for _, p := range paths {
		out = append(out, root{p, sourceOf(cfg, p)})
	}
	if len(paths) == 0 {
		for i, s := range cfg.Sources {
			out = append(out, root{s.Directory, &cfg.Sources[i]})
		}
	}
	return out
}

// sourceOf returns the directory source that path lies in, nil for none.
func sourceOf(cfg *config.Config, path string) *config.Source {
	full, err := filepath.Abs(path)
	if cfg == nil || err != nil {
		return nil
	}
	for i, s := range cfg.Sources {
		dir, err := filepath.Abs(s.Directory)
		if s.Git != nil || err != nil {
			continue
		}
		if rel, err := filepath.Rel(dir, full); err == nil && filepath.IsLocal(rel) {
			return &cfg.Sources[i]
		}
	}
	return nil
}

// checker checks files and directories and adds up what it finds.
type checker struct {
	cfg    *config.Config // nil: nothing is known of accounts
	limits dirsource.Limits
	sum    checked
	sets   []resource.Set // of each path, with places the user can open
	seen   map[string]bool
}

func (c *checker) add(problems ...manifest.Problem) {
	c.sum.Problems = append(c.sum.Problems, problems...)
	for _, p := range problems {
		if p.Severity == manifest.Error {
			c.sum.Errors++
		}
	}
}

// check loads one file or directory. The places in its problems are paths the
// user can open.
func (c *checker) check(ctx context.Context, at root) error {
	snap, dir, faults, err := c.read(ctx, at)
	if err != nil {
		return err
	}
	var options manifest.Options
	if c.cfg != nil {
		options = manifestOptions(c.cfg, at.source)
	}
	res := manifest.New(options).Load(snap)
	for i := range res.Problems {
		res.Problems[i].File = filepath.Join(dir, res.Problems[i].File)
	}
	c.sum.Documents += res.Documents
	c.sum.Errors += res.Errors
	c.sum.Problems = append(c.sum.Problems, res.Problems...)
	for _, f := range faults {
		f.File = filepath.Join(dir, f.File)
		c.add(f)
	}
	return c.keep(res.Set, dir)
}

// keep holds a path's resources for join, but not those of files that were
// named before, as a directory and a file in it may be.
func (c *checker) keep(set resource.Set, dir string) error {
	if c.seen == nil {
		c.seen = map[string]bool{}
	}
	files := map[string]bool{}
	var list []resource.Resource
	for res := range set.All() {
		res.Origin.File, res.Origin.Source = filepath.Join(dir, res.Origin.File), ""
		abs, err := filepath.Abs(res.Origin.File)
		if err != nil {
			return err
		}
		if files[abs] = true; !c.seen[abs] {
			list = append(list, res)
		}
	}
	for abs := range files {
		c.seen[abs] = true
	}
	kept, err := resource.NewSet(list)
	c.sets = append(c.sets, kept)
	return err
}

// join finds what two paths declare, as the daemon does with two sources.
func (c *checker) join() {
	if len(c.sets) > 1 {
		_, twice := manifest.Join(c.sets...)
		c.add(twice...)
	}
}

// read reads what is to be checked, and says which folder its paths are below.
func (c *checker) read(ctx context.Context, at root) (
	snap *source.Snapshot, dir string, faults []manifest.Problem, err error,
) {
	if at.source == nil || at.source.Git == nil {
		return c.snapshot(ctx, at.path)
	}
	opt := gitOptions(c.cfg, *at.source)
	src, err := gitsource.New(opt)
	if err != nil {
		return nil, "", nil, err
	}
	defer func() { _ = src.Close() }()
	if snap, err = src.Next(ctx, nil); err != nil {
		return nil, "", nil, fmt.Errorf("source %s: %w", at.source.Name, err)
	}
	return snap, opt.Path, nil, nil
}

// snapshot reads root, and says which folder its paths are below. What keeps a
// directory from being taken is told beside all that can be read of it.
func (c *checker) snapshot(ctx context.Context, root string) (
	snap *source.Snapshot, dir string, faults []manifest.Problem, err error,
) {
	info, err := os.Stat(root)
	if err != nil {
		return nil, "", nil, err
	}
	if !info.IsDir() {
		dir, name := filepath.Split(root)
		if !manifest.Matches(name) {
			return nil, "", nil, fmt.Errorf("%s is no manifest by its name: want *.yaml, *.yml or *.json", root)
		}
		data, err := os.ReadFile(root)
		return &source.Snapshot{Files: []source.File{{Path: name, Data: data}}}, dir, nil, err
	}
	src, err := dirsource.New(dirsource.Options{Name: root, Path: root, Limits: c.limits})
	if err != nil {
		return nil, "", nil, err
	}
	defer src.Close()
	snap, err = src.Next(ctx, nil)
	if fault, ok := errors.AsType[*source.Error](err); ok && fault.Path != "" {
		snap, faults, err = c.readable(root, fault)
	}
	return snap, root, faults, err
}

// readable reads what can be read of a directory that has a fault in one of
// its files. Other files that are too large are faults as well.
func (c *checker) readable(dir string, first *source.Error) (*source.Snapshot, []manifest.Problem, error) {
	faults := []manifest.Problem{faultProblem(first)}
	snap := &source.Snapshot{}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, nil, err
	}
	defer root.Close()
	err = fs.WalkDir(root.FS(), ".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case path == first.Path || path == ".":
			return err
		case err != nil || source.Hidden(d.Name()):
			return skip(d)
		case d.IsDir() || !d.Type().IsRegular() || !manifest.Matches(path):
			return nil
		}
		file, fault := c.readFile(root, path)
		if fault != nil {
			faults = append(faults, faultProblem(fault))
			return nil
		}
		snap.Files = append(snap.Files, file)
		return nil
	})
	return snap, faults, err
}

func skip(d fs.DirEntry) error {
	if d != nil && d.IsDir() {
		return fs.SkipDir
	}
	return nil
}

// readFile reads one file up to the limit.
func (c *checker) readFile(root *os.Root, path string) (source.File, *source.Error) {
	most := c.limits.FileBytes
	if most == 0 {
		most = manifest.DefaultFileBytes
	}
	f, err := root.Open(path)
	if err != nil {
		return source.File{}, &source.Error{Code: source.CodeUnreadable, Path: path, Err: err}
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	switch {
	case err != nil:
		return source.File{}, &source.Error{Code: source.CodeUnreadable, Path: path, Err: err}
	case int64(len(data)) > most:
		err = fmt.Errorf("more than %d bytes, which is the limit", most)
		return source.File{}, &source.Error{Code: source.CodeFileSize, Path: path, Err: err}
	}
	return source.File{Path: path, Data: data}, nil
}

// faultProblem tells a source's fault as a problem of the file.
func faultProblem(e *source.Error) manifest.Problem {
	return manifest.Problem{
		File: e.Path, Line: 1, Column: 1, Code: e.Code, Message: e.Err.Error(), Severity: manifest.Error,
	}
}

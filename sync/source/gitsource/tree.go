package gitsource

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"

	"weir/sync/source"
)

// otherNames is how many names of any kind there may be for each manifest that
// the limit allows.
const otherNames = 10

// change is a manifest that is another than before; its blob is zero where it
// is gone.
type change struct {
	path string
	blob plumbing.Hash
	was  plumbing.Hash // the blob before, zero where there was none
}

// comparison finds what changed between two trees. A subtree that is the same
// is not opened.
type comparison struct {
	ctx     context.Context
	mirror  *mirror
	limits  Limits
	names   int
	changes []change
	// What is past is not judged: names and modes that a revision must not have
	// are passed over. Only the folders named here are opened then, or all.
	past bool
	only map[string]bool
}

// compare returns the changes from one tree to another, ordered by path. The
// zero hash is the tree of nothing.
func (m *mirror) compare(ctx context.Context, limits Limits, was, is plumbing.Hash) ([]change, error) {
	c := &comparison{ctx: ctx, mirror: m, limits: limits}
	if err := c.folder(was, is, "", 0); err != nil {
		return nil, err
	}
	byPath(c.changes)
	return c.changes, nil
}

func byPath(changes []change) {
	slices.SortFunc(changes, func(a, b change) int { return strings.Compare(a.path, b.path) })
}

// folder compares two trees that stand at the same path.
func (c *comparison) folder(was, is plumbing.Hash, at string, depth int) error {
	if was == is || c.only != nil && !c.only[at] {
		return nil
	}
	if depth > c.limits.Depth {
		err := fmt.Errorf("more than %d folders within each other", c.limits.Depth)
		return &source.Error{Code: source.CodeDepth, Path: at, Err: err}
	}
	old, err := c.list(was, at)
	if err != nil {
		return err
	}
	now, err := c.list(is, at)
	if err != nil {
		return err
	}
	if err := c.check(old, now, at); err != nil {
		return err
	}
	for _, e := range now {
		if err := c.pair(old[e.name], e, path.Join(at, e.name), depth); err != nil {
			return err
		}
	}
	for _, e := range old {
		if _, stays := now[e.name]; !stays {
			if err := c.pair(e, entry{}, path.Join(at, e.name), depth); err != nil {
				return err
			}
		}
	}
	return nil
}

// pair compares what has the same path; the zero entry is nothing.
func (c *comparison) pair(old, now entry, at string, depth int) error {
	if old == now {
		return nil
	}
	if a, b := old.file(), now.file(); a != b {
		c.changes = append(c.changes, change{at, b, a})
		if limit := c.limits.Files; len(c.changes) > 2*limit {
			return &source.Error{Code: source.CodeFiles, Err: fmt.Errorf("more than %d files", limit)}
		}
	}
	return c.folder(old.folder(), now.folder(), at, depth+1)
}

var (
	errNameUnsafe = errors.New("the name is not one that a file can have")
	errNameTwice  = errors.New("the name is there twice")
)

// list returns the entries of a tree that matter, by name.
func (c *comparison) list(tree plumbing.Hash, at string) (map[string]entry, error) {
	if tree.IsZero() {
		return nil, nil
	}
	if c.ctx.Err() != nil {
		return nil, c.ctx.Err()
	}
	all, err := c.mirror.tree(tree, at)
	if err != nil {
		return nil, err
	}
	if c.names += len(all); c.names > otherNames*c.limits.Files {
		err := fmt.Errorf("more than %d names of any kind", otherNames*c.limits.Files)
		return nil, &source.Error{Code: source.CodeFiles, Err: err}
	}
	kept := make(map[string]entry, len(all))
	for _, e := range all {
		if unsafeName(e.name) && !c.past {
			return nil, badName(at, e.name, errNameUnsafe)
		}
		if !e.matters() || c.past && (e.foreign() || !c.leads(e, at)) {
			continue
		}
		if _, twice := kept[e.name]; twice && !c.past {
			return nil, badName(at, e.name, errNameTwice)
		}
		kept[e.name] = e
	}
	return kept, nil
}

// leads reports whether an entry is a file or a folder that is to be opened.
func (c *comparison) leads(e entry, at string) bool {
	return c.only == nil || e.mode != filemode.Dir || c.only[path.Join(at, e.name)]
}

// foreign reports whether a revision must not have the entry.
func (e entry) foreign() bool {
	return unsafeName(e.name) || e.mode == filemode.Symlink || e.mode == filemode.Submodule
}

func (m *mirror) tree(hash plumbing.Hash, at string) ([]entry, error) {
	data, err := m.read(plumbing.TreeObject, hash, treeBytes)
	if errors.Is(err, errTooLarge) {
		return nil, &source.Error{Code: source.CodeFiles, Path: at, Err: errors.New("a folder of too many names")}
	}
	if err != nil {
		return nil, err
	}
	all, err := parseTree(data)
	if err != nil {
		return nil, &source.Error{Code: source.CodeUnreadable, Path: at, Err: err}
	}
	return all, nil
}

// unsafeName reports whether git itself would not have made the name.
func unsafeName(name string) bool {
	return name == "" || name == "." || name == ".." || strings.EqualFold(name, ".git") ||
		strings.ContainsRune(name, '/')
}

func badName(at, name string, err error) error {
	return &source.Error{Code: source.CodeName, Path: strconv.QuoteToASCII(path.Join(at, name)), Err: err}
}

// check refuses what must not stand in a folder of manifests. What was there
// before was checked then.
func (c *comparison) check(old, now map[string]entry, at string) error {
	if c.past {
		return nil
	}
	fresh := false
	for name, e := range now {
		was, ok := old[name]
		if ok && was.mode == e.mode {
			continue
		}
		fresh = fresh || !ok
		if err := source.CheckName(name); err != nil {
			return badName(at, name, err)
		}
		if err := e.refuse(path.Join(at, name)); err != nil {
			return err
		}
	}
	if !fresh {
		return nil
	}
	return clash(now, at)
}

func clash(now map[string]entry, at string) error {
	seen := make(map[string]string, len(now))
	for name := range now {
		key := source.Fold(name)
		if other, ok := seen[key]; ok {
			first, second := min(name, other), max(name, other)
			err := fmt.Errorf("differs from %s only in upper and lower case", strconv.Quote(first))
			return &source.Error{Code: source.CodeNameClash, Path: path.Join(at, second), Err: err}
		}
		seen[key] = name
	}
	return nil
}

var (
	errSymlink   = errors.New("is a symbolic link")
	errSubmodule = errors.New("is a submodule")
)

// refuse returns why an entry is not read, nil for a file or a folder.
func (e entry) refuse(at string) error {
	switch e.mode {
	case filemode.Symlink:
		return &source.Error{Code: source.CodeSymlink, Path: at, Err: errSymlink}
	case filemode.Submodule:
		return &source.Error{Code: source.CodeSubmodule, Path: at, Err: errSubmodule}
	}
	return nil
}

// matters reports whether an entry is, or may lead to, a manifest.
func (e entry) matters() bool {
	switch e.mode {
	case filemode.Dir, filemode.Symlink, filemode.Submodule:
		return !source.Hidden(e.name) && !source.Dropping(e.name)
	}
	return source.Selects(e.name)
}

// file returns the blob of a file, zero for anything else.
func (e entry) file() plumbing.Hash {
	if e.mode == filemode.Dir || e.mode == filemode.Empty {
		return plumbing.ZeroHash
	}
	return e.hash
}

// folder returns the tree of a folder, zero for anything else.
func (e entry) folder() plumbing.Hash {
	if e.mode != filemode.Dir {
		return plumbing.ZeroHash
	}
	return e.hash
}

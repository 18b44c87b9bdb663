package gitsource

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/go-git/go-billy/v5"
	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/plumbing/storer"
	"github.com/go-git/go-git/v5/storage/filesystem"
	"github.com/go-git/go-git/v5/storage/filesystem/dotgit"
)

// pool is the objects of a repository and of those that it borrows from.
type pool struct {
	*filesystem.Storage
	others []*filesystem.Storage
}

// EncodedObjectSize returns an object's size.
func (p *pool) EncodedObjectSize(hash plumbing.Hash) (int64, error) {
	size, err := p.Storage.EncodedObjectSize(hash)
	for _, o := range p.others {
		if !errors.Is(err, plumbing.ErrObjectNotFound) {
			break
		}
		size, err = o.EncodedObjectSize(hash)
	}
	return size, err
}

// EncodedObject returns an object.
func (p *pool) EncodedObject(t plumbing.ObjectType, hash plumbing.Hash) (plumbing.EncodedObject, error) {
	obj, err := p.Storage.EncodedObject(t, hash)
	for _, o := range p.others {
		if !errors.Is(err, plumbing.ErrObjectNotFound) {
			break
		}
		obj, err = o.EncodedObject(t, hash)
	}
	return obj, err
}

// Close closes the files of all.
func (p *pool) Close() error {
	err := p.Storage.Close()
	for _, o := range p.others {
		err = errors.Join(err, o.Close())
	}
	return err
}

// openLocal opens the repository whose worktree stands at root.
func openLocal(root string) (*pool, error) {
	own, err := gitDir(root)
	if err != nil {
		return nil, err
	}
	common := own
	note, err := os.ReadFile(filepath.Join(own, "commondir"))
	if err == nil {
		common = from(own, strings.TrimSpace(string(note)))
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(common, "objects")); err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(common, "reftable")); err == nil {
		return nil, errors.New("its references are kept as a reftable, which weir cannot read")
	}
	store := openStore(dotgit.NewRepositoryFilesystem(osfs.New(own), osfs.New(common)))
	p := &pool{Storage: store}
	return p, p.borrow(filepath.Join(common, "objects"), mostBorrowed)
}

func openStore(at billy.Filesystem) *filesystem.Storage {
	return filesystem.NewStorageWithOptions(at, cache.NewObjectLRU(cacheBytes), filesystem.Options{KeepDescriptors: true})
}

// gitDir returns the folder that .git is, or that it names.
func gitDir(root string) (string, error) {
	dot := filepath.Join(root, ".git")
	info, err := os.Stat(dot)
	if err != nil || info.IsDir() {
		return dot, err
	}
	note, err := os.ReadFile(dot)
	if err != nil {
		return "", err
	}
	dir, ok := strings.CutPrefix(strings.TrimSpace(string(note)), "gitdir: ")
	if !ok {
		return "", fmt.Errorf("%s does not name a folder", dot)
	}
	return from(root, dir), nil
}

// from returns a path as it is meant in a folder.
func from(dir, name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(dir, name)
}

// mostBorrowed is how many repositories may borrow from each other in a row.
const mostBorrowed = 5

// borrow adds the repositories that this folder of objects borrows from.
func (p *pool) borrow(objects string, depth int) error {
	f, err := os.Open(filepath.Join(objects, "info", "alternates"))
	if errors.Is(err, fs.ErrNotExist) || depth == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		other := from(objects, line)
		p.others = append(p.others, openStore(osfs.New(filepath.Dir(other))))
		if err := p.borrow(other, depth-1); err != nil {
			return err
		}
	}
	return nil
}

var errNoParent = errors.New("a commit has no such parent here")

// resolve returns the commit that a name stands for: a reference or a hash, and
// after it any number of ~N and ^N.
func (m *mirror) resolve(p *pool, name string) (plumbing.Hash, error) {
	base, steps := name, ""
	if i := strings.IndexAny(name, "~^"); i >= 0 {
		base, steps = name[:i], name[i:]
	}
	if base == "@" {
		base = "HEAD"
	}
	if base == "" || strings.HasPrefix(base, "-") || strings.ContainsAny(base, ":{} ") {
		return plumbing.ZeroHash, errors.New("want a branch, a tag or a hash")
	}
	hash, err := m.named(p, base)
	for steps != "" && err == nil {
		hash, steps, err = m.step(hash, steps)
	}
	return hash, err
}

// named returns the commit of a reference or a hash, in git's own order: a whole
// hash, a reference, the beginning of a hash.
func (m *mirror) named(p *pool, name string) (plumbing.Hash, error) {
	if plumbing.IsHash(name) {
		return m.peel(plumbing.NewHash(name))
	}
	for _, rule := range plumbing.RefRevParseRules {
		full := plumbing.ReferenceName(fmt.Sprintf(rule, name))
		if ref, err := storer.ResolveReference(p, full); err == nil {
			return m.peel(ref.Hash())
		}
	}
	return m.abbreviated(p, name)
}

// shortest is how many digits an abbreviated hash has at least.
const shortest = 4

var (
	errNoName    = errors.New("neither a reference nor a commit has that name")
	errAmbiguous = errors.New("several commits' hashes begin so")
)

// abbreviated returns the only commit whose hash begins so.
func (m *mirror) abbreviated(p *pool, name string) (plumbing.Hash, error) {
	bytes, err := hex.DecodeString(name[:len(name)&^1])
	if err != nil || len(name) < shortest {
		return plumbing.ZeroHash, errNoName
	}
	var found []plumbing.Hash
	for _, s := range append([]*filesystem.Storage{p.Storage}, p.others...) {
		some, err := s.HashesWithPrefix(bytes)
		if err != nil {
			return plumbing.ZeroHash, err
		}
		for _, hash := range some {
			head, err := m.peel(hash)
			if err == nil && strings.HasPrefix(hash.String(), strings.ToLower(name)) && !slices.Contains(found, head) {
				found = append(found, head)
			}
		}
	}
	switch len(found) {
	case 0:
		return plumbing.ZeroHash, errNoName
	case 1:
		return found[0], nil
	}
	return plumbing.ZeroHash, errAmbiguous
}

// step goes the first of the steps, which begin with ~ or ^.
func (m *mirror) step(hash plumbing.Hash, steps string) (plumbing.Hash, string, error) {
	kind, rest := steps[0], steps[1:]
	end := strings.IndexAny(rest, "~^")
	if end < 0 {
		end = len(rest)
	}
	count, rest := rest[:end], rest[end:]
	n, err := 1, error(nil)
	if count != "" {
		n, err = strconv.Atoi(count)
	}
	if err != nil || n < 0 {
		return hash, "", fmt.Errorf("%q is not a number", count)
	}
	parent := 1
	if kind == '^' {
		parent, n = n, min(n, 1)
	}
	for range n {
		c, err := m.commit(hash)
		if err != nil {
			return hash, "", err
		}
		if len(c.parents) < parent {
			return hash, "", errNoParent
		}
		hash = c.parents[parent-1]
	}
	if known, err := m.has(hash); err != nil || !known {
		return hash, "", errors.Join(err, errNoParent)
	}
	return hash, rest, nil
}

package gitsource

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/go-git/go-billy/v5"
	"github.com/go-git/go-billy/v5/memfs"
	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/storage/filesystem"
)

// What is in a mirror's folder: a file that says whose it is, the repository,
// and for a while the one that will replace it.
const (
	marker  = "weir-mirror"
	current = "repo.git"
	coming  = "repo.new"
	former  = "repo.old"
)

// The references of the mirror. Both keep what they lead to; ours only.
const (
	refHead     plumbing.ReferenceName = "refs/weir/head"
	refAccepted plumbing.ReferenceName = "refs/weir/accepted"
)

// mostPacks is the number of packs at which the mirror is cloned afresh: each
// fetch adds one, and nothing joins them.
const mostPacks = 500

// cacheBytes is what objects inflated lately may take.
const cacheBytes = 8 << 20

// mirror is a bare repository of ours. One that has only objects is somebody
// else's, and is read only.
type mirror struct {
	objects objects
	fs      billy.Filesystem
	store   *filesystem.Storage
}

// objects is where objects are read from.
type objects interface {
	EncodedObjectSize(plumbing.Hash) (int64, error)
	EncodedObject(plumbing.ObjectType, plumbing.Hash) (plumbing.EncodedObject, error)
}

var errNotOurs = errors.New("the folder holds other files than a mirror of weir")

// ours refuses a folder that is neither a mirror's, empty, nor still to be
// made. It changes nothing: another source may be at work there.
func ours(dir string) error {
	if dir == "" {
		return nil
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() == marker {
			return nil
		}
	}
	if len(entries) > 0 {
		return errNotOurs
	}
	return nil
}

// claim makes dir the folder of a mirror of url, for this source alone. A
// mirror of another URL is removed. One that was used to follow another branch
// or tag keeps its objects: what was accepted there is not what this one's
// history led to.
func claim(dir, url, follows string) error {
	if dir == "" {
		return nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	note, err := os.ReadFile(filepath.Join(dir, marker))
	want := url + "\n" + follows + "\n"
	if err == nil && string(note) == want {
		return mend(dir)
	}
	if err == nil && strings.HasPrefix(string(note), url+"\n") {
		err := errors.Join(mend(dir), remove(dir, filepath.Join(current, filepath.FromSlash(refAccepted.String()))))
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, marker), []byte(want), 0o600)
	}
	if err := ours(dir); err != nil {
		return err
	}
	if err := errors.Join(remove(dir, current), remove(dir, coming), remove(dir, former)); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, marker), []byte(want), 0o600)
}

// wiped reports whether the folder of a mirror that is in use was removed.
func wiped(dir string) bool {
	if dir == "" {
		return false
	}
	_, err := os.Lstat(filepath.Join(dir, marker))
	return errors.Is(err, fs.ErrNotExist)
}

// mend undoes a promotion that was killed.
func mend(dir string) error {
	is, was := filepath.Join(dir, current), filepath.Join(dir, former)
	if _, err := os.Lstat(is); errors.Is(err, fs.ErrNotExist) {
		if err := os.Rename(was, is); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return errors.Join(remove(dir, former), remove(dir, coming))
}

func remove(dir, name string) error {
	if dir == "" {
		return nil
	}
	return os.RemoveAll(filepath.Join(dir, name))
}

// openMirror opens the repository of this name in dir, nil where there is
// none. In memory there never is one.
func openMirror(dir string) (*mirror, error) {
	if dir == "" {
		return nil, nil
	}
	if _, err := os.Stat(filepath.Join(dir, current, "objects")); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	m := newMirror(osfs.New(filepath.Join(dir, current)))
	return m, m.sweep()
}

// makeMirror makes an empty repository that is to replace the present one.
func makeMirror(dir string) (*mirror, error) {
	below := memfs.New()
	if dir != "" {
		if err := remove(dir, coming); err != nil {
			return nil, err
		}
		below = osfs.New(filepath.Join(dir, coming))
	}
	m := newMirror(below)
	return m, m.store.Init()
}

// promote puts the coming repository in the place of the present one.
func promote(dir string) error {
	if dir == "" {
		return nil
	}
	if err := remove(dir, former); err != nil {
		return err
	}
	is := filepath.Join(dir, current)
	if err := os.Rename(is, filepath.Join(dir, former)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Rename(filepath.Join(dir, coming), is); err != nil {
		return err
	}
	return remove(dir, former)
}

func newMirror(below billy.Filesystem) *mirror {
	// The accesses are exclusive, as the folder is ours; open packs are kept
	// open until close.
	opt := filesystem.Options{ExclusiveAccess: true, KeepDescriptors: true}
	store := filesystem.NewStorageWithOptions(below, cache.NewObjectLRU(cacheBytes), opt)
	return &mirror{objects: store, fs: below, store: store}
}

func (m *mirror) close() error {
	if m == nil {
		return nil
	}
	return m.store.Close()
}

// sweep removes what a fetch left that was killed.
func (m *mirror) sweep() error {
	for _, dir := range []string{".", "objects/pack"} {
		entries, err := m.fs.ReadDir(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		for _, e := range entries {
			if ok, _ := filepath.Match("tmp_*", e.Name()); ok {
				if err := m.fs.Remove(m.fs.Join(dir, e.Name())); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// crowded reports whether the mirror has so many packs that it is slow.
func (m *mirror) crowded() bool {
	packs, err := m.store.ObjectPacks()
	return err == nil && len(packs) >= mostPacks
}

// has reports whether an object is in the mirror, and with it, as packs come
// whole, all that it leads to. (HasEncodedObject does not look into packs when
// the accesses are exclusive.)
func (m *mirror) has(hash plumbing.Hash) (bool, error) {
	_, err := m.objects.EncodedObjectSize(hash)
	if errors.Is(err, plumbing.ErrObjectNotFound) {
		return false, nil
	}
	if err != nil {
		return false, &damage{hash, err}
	}
	return true, nil
}

// ref returns what a reference of ours is at, zero where it is not there.
func (m *mirror) ref(name plumbing.ReferenceName) plumbing.Hash {
	r, err := m.store.Reference(name)
	if err != nil {
		return plumbing.ZeroHash
	}
	return r.Hash()
}

func (m *mirror) setRef(name plumbing.ReferenceName, hash plumbing.Hash) error {
	return m.store.SetReference(plumbing.NewHashReference(name, hash))
}

// take lets fill write a pack and adds it once it was found sound.
func (m *mirror) take(limits Limits, fill func(io.Writer) error) error {
	f, err := m.fs.TempFile("", "tmp_fetch_")
	if err != nil {
		return err
	}
	defer func() {
		_ = f.Close()
		_ = m.fs.Remove(f.Name())
	}()
	if err := fill(f); err != nil {
		return err
	}
	if err := checkPack(f, limits); err != nil {
		return err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return m.add(f)
}

// add indexes and keeps a pack.
func (m *mirror) add(pack io.Reader) error {
	w, err := m.store.PackfileWriter()
	if err != nil {
		return err
	}
	_, err = io.Copy(w, pack)
	if err = errors.Join(err, w.Close()); err != nil {
		return fmt.Errorf("add pack: %w", err)
	}
	return nil
}

// full reports whether err is the machine's and not the mirror's: throwing the
// mirror away would not help.
func full(err error) bool {
	for _, errno := range []error{
		syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, syscall.EACCES, syscall.EPERM, syscall.EMFILE, syscall.ENFILE,
	} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

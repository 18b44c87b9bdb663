package dirsource

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"weir/sync/source"
)

// batch is how many names of a folder are taken at a time, so that a folder of
// a million is refused before it is in memory.
const batch = 1024

// otherNames is how many times Limits.Files a scan passes over names that are
// no manifests.
const otherNames = 10

// scanner is one walk over the tree.
type scanner struct {
	ctx    context.Context
	limits Limits
	watch  *watches
	top    *os.Root
	old    *listing // whose files are taken over where the identity is the same; may be nil
	reread bool     // read all files whatever their identity
	list   *listing
	real   map[string]bool // real folders that were entered
	passed map[string]bool // real folders on the way of links
	names  int
	taken  int // files and folders
	bytes  int64
}

// place is a folder on the walk: where it is shown, and where it is.
type place struct {
	shown string // "" is the root
	real  string
	depth int
}

// scan walks the tree once. The error is the context's; everything else,
// faults too, is in the listing.
func (s *Source) scan(ctx context.Context, old *listing, reread bool) (*listing, error) {
	s.watch.begin()
	defer s.watch.end()
	sc := &scanner{
		ctx: ctx, limits: s.opt.Limits, watch: s.watch, old: old, reread: reread,
		list: &listing{}, real: map[string]bool{}, passed: map[string]bool{},
	}
	err := sc.run(s.opt.Path)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil && !errors.As(err, &sc.list.fault) {
		sc.list.fault = unreadable("", err)
	}
	sc.list.seal()
	return sc.list, nil
}

// run opens the root anew, as it may be another folder than last time.
func (sc *scanner) run(dir string) error {
	top, err := os.OpenRoot(dir + "/.") // the dot makes sure that a pipe is not opened
	if errors.Is(err, fs.ErrNotExist) {
		return &source.Error{Code: source.CodeMissing, Err: errors.New("the folder does not exist")}
	}
	if err != nil {
		return unreadable("", err)
	}
	defer top.Close()
	sc.top = top
	fi, err := top.Lstat(".")
	if err != nil {
		return unreadable("", err)
	}
	sc.list.root = identify(fi).key
	return sc.folder(top, place{})
}

// folder reads one folder and all below it. It is watched before it is listed,
// so that what comes after the listing is announced.
func (sc *scanner) folder(r *os.Root, at place) error {
	if sc.real[at.real] {
		return nil
	}
	sc.real[at.real] = true
	if err := sc.arm(r, at); err != nil {
		return err
	}
	entries, err := sc.entries(r, at)
	if err != nil {
		return err
	}
	seen := make(map[string]string, len(entries))
	for _, e := range entries {
		if err := sc.entry(r, at, e, seen); err != nil {
			return err
		}
	}
	return nil
}

// arm notes a folder that is about to be listed.
func (sc *scanner) arm(r *os.Root, at place) error {
	fi, err := r.Lstat(".")
	if err != nil {
		return unreadable(at.shown, err)
	}
	sc.note(at.real, fi)
	return nil
}

// note watches a folder, and remembers how it was before anything in it was
// looked at.
func (sc *scanner) note(real string, fi fs.FileInfo) {
	id := identify(fi)
	sc.list.folders = append(sc.list.folders, folder{real, id})
	sc.watch.arm(real, id.key)
}

// entries lists the entries of a folder that may matter, in order.
func (sc *scanner) entries(r *os.Root, at place) ([]fs.DirEntry, error) {
	f, err := r.OpenFile(".", os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, unreadable(at.shown, err)
	}
	defer f.Close()
	var kept []fs.DirEntry
	for {
		entries, err := f.ReadDir(batch)
		for _, e := range entries {
			if matters(e) {
				kept = append(kept, e)
			}
		}
		sc.names += len(entries)
		if err := sc.crowded(len(kept)); err != nil {
			return nil, err
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, unreadable(at.shown, err)
		}
	}
	slices.SortFunc(kept, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return kept, nil
}

// matters reports whether an entry is, or may lead to, a manifest.
func matters(e fs.DirEntry) bool {
	switch {
	case e.IsDir(), e.Type() == fs.ModeSymlink:
		return !source.Hidden(e.Name()) && !source.Dropping(e.Name())
	}
	return source.Selects(e.Name())
}

// crowded returns the fault of a tree with more names than the limit; kept are
// those found in a folder and not taken yet.
func (sc *scanner) crowded(kept int) error {
	if sc.ctx.Err() != nil {
		return sc.ctx.Err()
	}
	if limit := sc.limits.Files; sc.taken+kept > limit {
		return &source.Error{Code: source.CodeFiles, Err: fmt.Errorf("more than %d files and folders", limit)}
	}
	if limit := sc.limits.Files * otherNames; sc.names > limit {
		return &source.Error{Code: source.CodeFiles, Err: fmt.Errorf("more than %d names of any kind", limit)}
	}
	return nil
}

// entry takes in one entry of a folder; seen maps folded names to names.
func (sc *scanner) entry(r *os.Root, at place, e fs.DirEntry, seen map[string]string) error {
	shown := path.Join(at.shown, e.Name())
	if err := source.CheckName(e.Name()); err != nil {
		return &source.Error{Code: source.CodeName, Path: quote(shown), Err: err}
	}
	key := source.Fold(e.Name())
	if other, ok := seen[key]; ok {
		err := fmt.Errorf("differs from %s only in upper and lower case", strconv.Quote(other))
		return &source.Error{Code: source.CodeNameClash, Path: shown, Err: err}
	}
	seen[key] = e.Name()
	sc.taken++
	if err := sc.crowded(0); err != nil {
		return err
	}
	switch {
	case e.IsDir():
		return sc.enter(r, e.Name(), place{shown, path.Join(at.real, e.Name()), at.depth + 1})
	case e.Type() == fs.ModeSymlink:
		return sc.link(at, e.Name())
	}
	return sc.file(r, e.Name(), shown)
}

// enter opens the folder name of r and reads it.
func (sc *scanner) enter(r *os.Root, name string, at place) error {
	if at.depth > sc.limits.Depth {
		err := fmt.Errorf("more than %d folders within each other", sc.limits.Depth)
		return &source.Error{Code: source.CodeDepth, Path: at.shown, Err: err}
	}
	sub, err := r.OpenRoot(name + "/.")
	if vanished(err) {
		sc.moved(at.shown)
		return nil
	}
	if err != nil {
		return unreadable(at.shown, err)
	}
	defer sub.Close()
	return sc.folder(sub, at)
}

// moved notes that something changed under the scan, which then cannot count.
func (sc *scanner) moved(shown string) {
	if sc.list.moving == "" {
		sc.list.moving = shown
	}
}

// vanished reports whether err says that a name listed before is no longer
// what it was: a race with a writer, not a fault.
func vanished(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ELOOP)
}

// unreadable returns the fault of an operation that failed. Of the cause only
// the system's own words are kept: its paths are those of the machine.
func unreadable(shown string, err error) *source.Error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		err = pe.Err
	}
	return &source.Error{Code: source.CodeUnreadable, Path: shown, Err: err}
}

func quote(shown string) string { return strconv.QuoteToASCII(shown) }

// onDisk returns the path of a real folder or file for the system.
func onDisk(root, below string) string { return filepath.Join(root, filepath.FromSlash(below)) }

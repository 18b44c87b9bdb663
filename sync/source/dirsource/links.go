package dirsource

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"weir/sync/source"
)

// maxHops is how many links may stand one behind the other, as in Linux.
const maxHops = 40

var (
	errOutside  = errors.New("the link leads out of the source's folder")
	errLoop     = errors.New("the link leads back to itself or to a folder it stands in")
	errDangling = errors.New("the link leads to nothing")
)

// link takes in what the link name in the folder at leads to.
func (sc *scanner) link(at place, name string) error {
	shown := path.Join(at.shown, name)
	target, fi, err := sc.resolve(path.Join(at.real, name))
	if err != nil {
		return linkFault(shown, err)
	}
	switch {
	case fi.IsDir():
		return sc.linkedFolder(at, shown, target)
	case !source.Selects(name):
		return nil
	}
	sc.list.links = append(sc.list.links, target)
	return sc.take(sc.top, found{name: target, shown: shown, target: target, info: fi})
}

// linkedFolder reads a hidden folder under the link's name. A visible one is
// read under its own.
func (sc *scanner) linkedFolder(at place, shown, target string) error {
	if target == "." || at.real == target || strings.HasPrefix(at.real, target+"/") {
		return linkFault(shown, errLoop)
	}
	visible := !slices.ContainsFunc(strings.Split(target, "/"), func(part string) bool {
		return source.Hidden(part) || source.Dropping(part)
	})
	if visible {
		return nil
	}
	return sc.enter(sc.top, target, place{shown, target, at.depth + 1})
}

// resolve follows links from name, below the root, and returns the path
// without links and what is there. Only names below the root are ever looked
// at; what lies behind one that leads out is not asked for.
func (sc *scanner) resolve(name string) (target string, fi fs.FileInfo, err error) {
	todo := strings.Split(name, "/")
	target = "."
	for hops := 0; len(todo) > 0; {
		part := todo[0]
		todo = todo[1:]
		if part == ".." && target == "." {
			return "", nil, errOutside
		}
		next := path.Join(target, part)
		if fi, err = sc.top.Lstat(next); err != nil {
			return "", nil, err
		}
		if fi.Mode().Type() != fs.ModeSymlink {
			if len(todo) > 0 && !fi.IsDir() {
				return "", nil, errDangling // nothing is below a file, not even itself
			}
			target = next
			sc.pass(target, fi)
			continue
		}
		if hops++; hops > maxHops {
			return "", nil, errLoop
		}
		if todo, err = sc.follow(next, todo); err != nil {
			return "", nil, err
		}
	}
	return target, fi, nil
}

// pass watches a folder on the way of a link, which may be one that is hidden
// and not read, so that what the link leads to is heard of.
func (sc *scanner) pass(real string, fi fs.FileInfo) {
	if fi.IsDir() && !sc.real[real] && !sc.passed[real] {
		sc.passed[real] = true
		sc.note(real, fi)
	}
}

// follow puts the parts of the link's target before what is left to walk.
func (sc *scanner) follow(link string, rest []string) ([]string, error) {
	sc.list.links = append(sc.list.links, link)
	to, err := sc.top.Readlink(link)
	if err != nil {
		return nil, err
	}
	if path.IsAbs(to) {
		return nil, errOutside
	}
	return append(strings.Split(to, "/"), rest...), nil
}

// linkFault turns what stopped a resolution into a fault. The link's target is
// not part of it.
func linkFault(shown string, err error) *source.Error {
	switch {
	case errors.Is(err, errOutside):
		return &source.Error{Code: source.CodeOutside, Path: shown, Err: errOutside}
	case errors.Is(err, errLoop):
		return &source.Error{Code: source.CodeLoop, Path: shown, Err: errLoop}
	case errors.Is(err, errDangling), vanished(err):
		return &source.Error{Code: source.CodeDangling, Path: shown, Err: errDangling}
	}
	return unreadable(shown, err)
}

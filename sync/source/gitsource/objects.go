package gitsource

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"

	"weir/sync/source"
)

// damage is an object that is missing from the mirror or not what its hash
// says.
type damage struct {
	hash plumbing.Hash
	err  error
}

// Error returns which object, and how.
func (d *damage) Error() string { return fmt.Sprintf("object %s: %v", d.hash, d.err) }

// Unwrap returns the cause.
func (d *damage) Unwrap() error { return d.err }

var (
	errTooLarge = errors.New("too large")
	errWrong    = errors.New("its content is not what its hash says")
)

// read returns an object of the mirror and compares it with its hash. One
// larger than limit is errTooLarge.
func (m *mirror) read(t plumbing.ObjectType, hash plumbing.Hash, limit int64) ([]byte, error) {
	size, err := m.objects.EncodedObjectSize(hash)
	if err != nil {
		return nil, &damage{hash, err}
	}
	if size > limit {
		return nil, errTooLarge
	}
	obj, err := m.objects.EncodedObject(t, hash)
	if err != nil {
		return nil, &damage{hash, err}
	}
	r, err := obj.Reader()
	if err != nil {
		return nil, &damage{hash, err}
	}
	defer r.Close()
	data := make([]byte, size)
	if _, err := io.ReadFull(r, data); err != nil {
		return nil, &damage{hash, err}
	}
	if plumbing.ComputeHash(t, data) != hash {
		return nil, &damage{hash, errWrong}
	}
	return data, nil
}

// The largest commits, tags and trees that are read.
const (
	commitBytes = 1 << 20
	treeBytes   = 16 << 20
)

// commit is what of a commit matters here.
type commit struct {
	tree    plumbing.Hash
	parents []plumbing.Hash
	author  string // "Name <address>", fit for a log
	when    int64  // the committer's time in seconds
}

func (m *mirror) commit(hash plumbing.Hash) (commit, error) {
	data, err := m.read(plumbing.CommitObject, hash, commitBytes)
	if err != nil {
		return commit{}, fmt.Errorf("commit %s: %w", hash, err)
	}
	c := parseCommit(data)
	if c.tree.IsZero() {
		err := fmt.Errorf("commit %s has no tree", hash)
		return commit{}, &source.Error{Code: source.CodeProtocol, Err: err, Revision: hash.String()}
	}
	return c, nil
}

// parseCommit reads the head lines of a commit up to the first empty one.
func parseCommit(data []byte) commit {
	var c commit
	for line := range bytes.Lines(data) {
		key, value, ok := bytes.Cut(bytes.TrimSuffix(line, []byte("\n")), []byte(" "))
		switch {
		case !ok:
			return c
		case string(key) == "tree":
			c.tree = plumbing.NewHash(string(value))
		case string(key) == "parent":
			c.parents = append(c.parents, plumbing.NewHash(string(value)))
		case string(key) == "author" && c.author == "":
			c.author, _ = parseIdentity(value)
		case string(key) == "committer" && c.when == 0:
			_, c.when = parseIdentity(value)
		}
	}
	return c
}

// longestAuthor is what is kept of who made a commit, in bytes.
const longestAuthor = 200

// parseIdentity reads "Name <address> seconds zone". Anybody may write what he
// likes there: the name is made fit for a log.
func parseIdentity(value []byte) (string, int64) {
	who, rest := value, []byte(nil)
	if end := bytes.LastIndexByte(value, '>'); end >= 0 {
		who, rest = value[:end+1], value[end+1:]
	}
	first, _, _ := bytes.Cut(bytes.TrimSpace(rest), []byte(" "))
	when, err := strconv.ParseInt(string(first), 10, 64)
	if err != nil {
		when = 0
	}
	return strings.TrimSpace(plain(string(who), longestAuthor)), when
}

// deepestTag is how many tags may point to each other.
const deepestTag = 5

var errNoCommit = errors.New("leads to no commit")

// peel returns the commit that a hash is, or that it is a tag of.
func (m *mirror) peel(hash plumbing.Hash) (plumbing.Hash, error) {
	for range deepestTag {
		obj, err := m.objects.EncodedObject(plumbing.AnyObject, hash)
		if err != nil {
			return hash, &damage{hash, err}
		}
		if obj.Type() == plumbing.CommitObject {
			return hash, nil
		}
		if obj.Type() != plumbing.TagObject {
			break
		}
		data, err := m.read(plumbing.TagObject, hash, commitBytes)
		if err != nil {
			return hash, err
		}
		first, _, _ := bytes.Cut(data, []byte("\n"))
		hash = plumbing.NewHash(string(bytes.TrimPrefix(first, []byte("object "))))
	}
	return hash, errNoCommit
}

// entry is a name in a tree.
type entry struct {
	name string
	mode filemode.FileMode
	hash plumbing.Hash
}

var errTree = errors.New("the tree is malformed")

// parseTree reads the entries of a tree: mode, space, name, zero byte, hash.
func parseTree(data []byte) ([]entry, error) {
	var entries []entry
	for len(data) > 0 {
		head, rest, ok := bytes.Cut(data, []byte{0})
		mode, name, spaced := bytes.Cut(head, []byte(" "))
		if !ok || !spaced || len(rest) < len(plumbing.ZeroHash) {
			return nil, errTree
		}
		m, err := filemode.New(string(mode))
		if err != nil {
			return nil, errTree
		}
		e := entry{name: string(name), mode: m}
		data = rest[copy(e.hash[:], rest):]
		entries = append(entries, e)
	}
	return entries, nil
}

// plain makes a foreign text fit for a log: in one line, without characters
// that are not seen, of at most this many bytes.
func plain(text string, most int) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "")
	}
	return text
}

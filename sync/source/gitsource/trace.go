package gitsource

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"

	"weir/sync/source"
)

// Checked returns when a look at the remote went well last, with news or
// without, zero for never.
func (s *Source) Checked() time.Time {
	at := s.checked.Load()
	if at == 0 {
		return time.Time{}
	}
	return time.Unix(0, at)
}

// At returns the snapshot of a commit that is in the mirror, and signed where
// the options ask for it. Like Next it must
// not be called before a former source on the same mirror is closed.
func (s *Source) At(ctx context.Context, revision string) (*source.Snapshot, error) {
	var snap *source.Snapshot
	err := s.with(ctx, func(m *mirror) (err error) {
		if snap, err = m.at(ctx, &s.opt, s.last, revision); err != nil {
			return err
		}
		return s.stands(plumbing.NewHash(revision))
	})
	if err != nil {
		return nil, fmt.Errorf("source %s: %w", s.opt.Name, err)
	}
	return snap, nil
}

// Trace returns for each place the commit that last changed the document there,
// as source.History says. It follows a file that a commit moved. It looks at
// 100,000 commits at most, and what is not found until ctx ends is the zero
// Change. What was found is remembered: after a push only what the push brought
// is looked at.
func (s *Source) Trace(ctx context.Context, revision string, places []source.Place) ([]source.Change, error) {
	return s.tracer.trace(ctx, revision, places)
}

var errNoMirror = errors.New("there is no mirror yet")

// with lets f use the mirror, opened if need be. Nobody waits for it longer than
// for ctx: a pack that is taken in may keep it for a long time.
func (s *Source) with(ctx context.Context, f func(*mirror) error) error {
	if err := s.use.LockUntil(ctx); err != nil {
		return err
	}
	defer s.use.Unlock()
	if s.done.Err() != nil {
		return os.ErrClosed
	}
	if err := s.open(); err != nil {
		return err
	}
	if s.mirror == nil {
		return errNoMirror
	}
	return f(s.mirror)
}

// at returns the snapshot of a revision; of what is as in last nothing is read.
func (m *mirror) at(ctx context.Context, opt *Options, last *revision, name string) (*source.Snapshot, error) {
	if !plumbing.IsHash(name) {
		return nil, fmt.Errorf("%q is not a commit's hash", name)
	}
	hash := plumbing.NewHash(name)
	known, err := m.has(hash)
	if err != nil {
		return nil, err
	}
	if !known {
		return nil, fmt.Errorf("the mirror has no commit %s", name)
	}
	rev, err := m.derive(ctx, opt, last, hash)
	if err != nil {
		return nil, err
	}
	return rev.snapshot(opt.Name), nil
}

// tracer finds out who changed what in a repository's history. One walk is
// under way at a time; between two commits others may use the mirror.
type tracer struct {
	below  string // folder of the manifests
	limits Limits
	most   int // commits that one walk visits
	with   func(context.Context, func(*mirror) error) error

	turn  chan struct{} // held by the walk under way; guards known
	known known
}

// mostVisits is how many commits a walk looks at.
const mostVisits = 100_000

func newTracer(below string, limits Limits, with func(context.Context, func(*mirror) error) error) *tracer {
	return &tracer{below: below, limits: limits, most: mostVisits, with: with, turn: make(chan struct{}, 1)}
}

func (t *tracer) trace(ctx context.Context, revision string, places []source.Place) ([]source.Change, error) {
	if !plumbing.IsHash(revision) {
		return nil, fmt.Errorf("%q is not a commit's hash", revision)
	}
	changes := make([]source.Change, len(places))
	select {
	case t.turn <- struct{}{}:
		defer func() { <-t.turn }()
	case <-ctx.Done():
		return changes, nil
	}
	from := plumbing.NewHash(revision)
	asked := t.targets(ctx, from, places)
	answer := func(want target, c source.Change) {
		for _, i := range asked[want] {
			changes[i] = c
		}
	}
	present, gone := newRoute(ctx, t, from, answer), newRoute(ctx, t, from, answer)
	for want := range asked {
		if want.gone {
			gone.want(want)
		} else {
			present.want(want)
		}
	}
	(&walk{present}).run()
	(&search{gone, map[crossing]bool{}}).run()
	return changes, nil
}

// filesAtOnce is how many files are read before others may use the mirror.
const filesAtOnce = 256

// targets returns what is to be looked for, and for which places. A place where
// there is no document is not in it.
func (t *tracer) targets(ctx context.Context, from plumbing.Hash, places []source.Place) map[target][]int {
	asked := map[target][]int{}
	byFile := map[string][]int{}
	for i, p := range places {
		if p.Since == "" {
			byFile[p.File] = append(byFile[p.File], i)
			continue
		}
		want := target{path: p.File, text: t.former(ctx, p), gone: true}
		asked[want] = append(asked[want], i)
	}
	blobs := t.blobs(ctx, from, slices.Collect(maps.Keys(byFile)))
	for some := range slices.Chunk(slices.Collect(maps.Keys(byFile)), filesAtOnce) {
		_ = t.with(ctx, func(m *mirror) error {
			for _, file := range some {
				docs, _ := m.documents(t.limits, file, blobs[file])
				for _, i := range byFile[file] {
					if text := standsAt(docs, places[i].Line); text != (digest{}) {
						want := target{path: file, text: text}
						asked[want] = append(asked[want], i)
					}
				}
			}
			return ctx.Err()
		})
	}
	return asked
}

// blobs returns what a commit has at these paths.
func (t *tracer) blobs(ctx context.Context, at plumbing.Hash, files []string) map[string]plumbing.Hash {
	if len(files) == 0 {
		return nil
	}
	only := map[string]bool{}
	for _, file := range files {
		lead(only, file)
	}
	found := map[string]plumbing.Hash{}
	_ = t.with(ctx, func(m *mirror) error {
		c, err := m.commit(at)
		if err != nil {
			return err
		}
		all, err := m.differences(ctx, t.limits, plumbing.ZeroHash, m.under(c.tree, t.below), only)
		for _, e := range all {
			found[e.path] = e.blob
		}
		return err
	})
	return found
}

// former returns the document that was at a place in the first of the revisions
// it names that is known here.
func (t *tracer) former(ctx context.Context, p source.Place) digest {
	for name := range strings.SplitSeq(p.Since, ",") {
		name = strings.TrimSpace(name)
		if !plumbing.IsHash(name) {
			continue
		}
		blob, ok := t.blobs(ctx, plumbing.NewHash(name), []string{p.File})[p.File]
		if !ok {
			continue
		}
		var text digest
		_ = t.with(ctx, func(m *mirror) error {
			docs, _ := m.documents(t.limits, p.File, blob)
			text = standsAt(docs, p.Line)
			return nil
		})
		return text
	}
	return digest{}
}

// documents returns what a file has, nothing where it is too large or not
// there, and false where it cannot be read.
func (m *mirror) documents(limits Limits, file string, blob plumbing.Hash) ([]document, bool) {
	if blob.IsZero() {
		return nil, true
	}
	data, err := m.read(plumbing.BlobObject, blob, limits.FileBytes)
	if err != nil {
		return nil, errors.Is(err, errTooLarge)
	}
	return cut(file, data), true
}

// under returns the tree of the folder below root, zero where there is none.
func (m *mirror) under(root plumbing.Hash, below string) plumbing.Hash {
	tree, err := m.descend(root, below)
	if err != nil {
		return plumbing.ZeroHash
	}
	return tree
}

// differences returns what changed in these folders, or in all where there are
// none given, from one tree of the past to another.
func (m *mirror) differences(
	ctx context.Context, limits Limits, was, is plumbing.Hash, only map[string]bool,
) ([]change, error) {
	c := &comparison{ctx: ctx, mirror: m, limits: limits, past: true, only: only}
	err := c.folder(was, is, "", 0)
	return c.changes, err
}

// lead adds the folders that lead to a file.
func lead(only map[string]bool, file string) {
	for dir := path.Dir(file); !only[dir]; dir = path.Dir(dir) {
		if dir == "." || dir == "/" {
			break
		}
		only[dir] = true
	}
	only[""] = true
}

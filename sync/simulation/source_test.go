package simulation

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"weir/sync/resource"
	"weir/sync/source"
)

// edition is what a revision is to the oracle.
type edition struct {
	files    map[string][]document
	broken   bool
	snap     *source.Snapshot
	declared map[resource.ID]document
}

// repository is a source with a history: every revision it ever had.
type repository struct {
	mu       sync.Mutex
	current  *edition
	failure  error
	changed  chan struct{}
	editions map[string]*edition // by revision
	valid    []*edition          // in the order of their commits, again for each
}

func newRepository() *repository {
	return &repository{changed: make(chan struct{}), editions: map[string]*edition{}}
}

// clone is the repository as one process follows it.
type clone struct {
	*repository
	failed bool
}

var (
	_ source.Source  = (*clone)(nil)
	_ source.History = (*clone)(nil)
)

// lookAgain is when a source that failed is looked at again.
const lookAgain = 3 * time.Second

// Next waits for another revision, or for a failure.
func (c *clone) Next(ctx context.Context, prev *source.Snapshot) (*source.Snapshot, error) {
	for {
		c.mu.Lock()
		current, failure, changed := c.current, c.failure, c.changed
		c.mu.Unlock()
		if failure != nil {
			return nil, c.fails(ctx, failure)
		}
		if current != nil && (prev == nil || c.failed || current.snap.Revision != prev.Revision) {
			c.failed = false
			return current.snap, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (c *clone) fails(ctx context.Context, failure error) error {
	if !c.failed {
		c.failed = true
		return failure
	}
	select {
	case <-time.After(lookAgain):
		return failure
	case <-ctx.Done():
		return ctx.Err()
	}
}

// At returns a former revision.
func (r *repository) At(_ context.Context, revision string) (*source.Snapshot, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e, ok := r.editions[revision]; ok {
		return e.snap, nil
	}
	return nil, errors.New("no such revision")
}

// Trace knows nobody.
func (r *repository) Trace(context.Context, string, []source.Place) ([]source.Change, error) {
	return nil, nil
}

// commit makes files the newest revision; broken adds one that cannot be read.
func (r *repository) commit(files map[string][]document, broken bool) *edition {
	e := &edition{files: map[string][]document{}, broken: broken, declared: map[resource.ID]document{}}
	snap := &source.Snapshot{Source: "live"}
	all := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		e.files[name] = slices.Clone(files[name])
		snap.Files = append(snap.Files, e.file(name, files[name]))
	}
	if broken {
		snap.Files = append(snap.Files, fileOf("z-broken.yaml", "apiVersion: volcengine/v1\nkind: RelaySource\nspec: {vhost: 1, app: [}\n"))
	}
	for _, f := range snap.Files {
		all.Write([]byte(f.Path + " " + f.Hash + "\n"))
	}
	snap.Revision = hex.EncodeToString(all.Sum(nil)[:6])
	e.snap = snap
	r.put(e)
	return e
}

func (e *edition) file(name string, documents []document) source.File {
	var texts []string
	for _, d := range documents {
		e.declared[d.thing.id] = d
		texts = append(texts, d.text())
	}
	return fileOf(name, strings.Join(texts, "---\n"))
}

func fileOf(name, text string) source.File {
	sum := sha256.Sum256([]byte(text))
	return source.File{Path: name, Data: []byte(text), Hash: hex.EncodeToString(sum[:])}
}

func (r *repository) put(e *edition) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if known, ok := r.editions[e.snap.Revision]; ok {
		e.snap = known.snap
	}
	r.editions[e.snap.Revision], r.current = e, e
	if !e.broken {
		r.valid = append(r.valid, e)
	}
	r.wake()
}

// fail lets the source fail until it is given nil.
func (r *repository) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failure = err
	r.wake()
}

// wake is called with mu held.
func (r *repository) wake() {
	close(r.changed)
	r.changed = make(chan struct{})
}

// edition returns what a revision declares.
func (r *repository) edition(revision string) (*edition, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e, ok := r.editions[revision]
	return e, ok
}

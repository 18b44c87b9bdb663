package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"weir/sync/blame"
	"weir/sync/config"
	"weir/sync/manifest"
	"weir/sync/resource"
	"weir/sync/source"
	"weir/sync/source/dirsource"
	"weir/sync/source/gitsource"
	"weir/sync/state"
)

// historyTime bounds the walk through the history of one source.
const historyTime = 2 * time.Minute

// past is a source with what it was before.
type past struct {
	config.Source
	now    *source.Snapshot
	loader *manifest.Loader
	normal func(resource.Spec) (resource.Spec, error)
	// lineage knows what was before, as of the revision base; nil where nobody
	// does, and then without says why.
	lineage source.Lineage
	base    string
	without string
	loose   bool // now may hold what is not committed
	close   func() error
}

// past opens a source for questions about its history. Of a repository the
// mirror of the daemon is read, or else the repository is asked.
func (q *inquiry) past(ctx context.Context, s config.Source) (*past, error) {
	p := &past{Source: s, loader: manifest.New(manifestOptions(q.cfg, &s)), normal: q.normal, close: func() error { return nil }}
	if s.Git == nil {
		return p, q.directory(ctx, p)
	}
	return p, q.repository(ctx, p)
}

// directory reads a directory as it is. What was before is known where it is in
// a git repository.
func (q *inquiry) directory(ctx context.Context, p *past) error {
	src, err := dirsource.New(dirsource.Options{Name: p.Name, Path: p.Directory, Logger: q.b.log, Limits: limitsOf(q.cfg)})
	if err != nil {
		return err
	}
	defer func() { _ = src.Close() }()
	if p.now, err = src.Next(ctx, nil); err != nil {
		return err
	}
	p.without = "a directory has no history"
	root, below, err := within(p.Directory)
	if err != nil {
		return nil
	}
	opt := gitsource.LocalOptions{Name: p.Name, Dir: root, Revision: "HEAD", Path: below, Limits: gitLimits(q.cfg)}
	local, err := gitsource.Local(ctx, opt)
	if err != nil {
		p.without = "no history: " + err.Error()
		return nil
	}
	p.lineage, p.base, p.loose, p.close = local, local.Snapshot().Revision, true, local.Close
	return nil
}

// repository reads the revision in force, or the newest where none is.
func (q *inquiry) repository(ctx context.Context, p *past) error {
	opt := gitOptions(q.cfg, p.Source)
	opt.Logger, opt.Mirror = q.b.log, mirrorOf(q.cfg, p.Source)
	force, err := marks{store: q.store, source: inForce(q.cfg, p.Source)}.revision(ctx, state.InForce)
	if err != nil {
		return err
	}
	mirror, err := gitsource.Mirrored(ctx, opt, force)
	if err == nil {
		p.now, p.lineage, p.base, p.close = mirror.Snapshot(), mirror, mirror.Snapshot().Revision, mirror.Close
		return nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		q.b.log.Warn("the mirror cannot be used, the repository is asked", "source", p.Name, "error", err)
	}
	opt.Mirror = ""
	src, err := gitsource.New(opt)
	if err != nil {
		return err
	}
	p.lineage, p.close = src, src.Close
	if p.now, err = src.Next(ctx, nil); err != nil {
		return errors.Join(err, src.Close())
	}
	p.base = p.now.Revision
	return nil
}

// declaration says what the source declares of a resource, now and before.
func (p *past) declaration(ctx context.Context, id resource.ID, whole bool) (blame.Declaration, error) {
	d := blame.Declaration{NoHistory: p.without, History: source.Versions{Head: -1}}
	found := p.find(id)
	if found.ID == id {
		spec, err := p.normal(found.Spec)
		if err != nil {
			return d, fmt.Errorf("%s: %w", found.Origin, err)
		}
		d.Spec, d.Written, d.Origin, d.Places = spec, found.Spec, found.Origin, placesOf(found)
		d.Origin.Source = p.Name
	}
	if p.lineage == nil {
		return d, nil
	}
	d.NoHistory = ""
	ctx, cancel := context.WithTimeout(ctx, historyTime)
	defer cancel()
	look := func(f source.File) source.Found { return p.look(f, id) }
	h, err := p.lineage.Versions(ctx, source.Quest{Revision: p.base, File: d.Origin.File, Find: look, Whole: whole})
	if err != nil {
		return d, err
	}
	d.History = h
	if p.loose {
		d.History = uncommitted(h, d)
	}
	if n := d.History.Head; n >= 0 && d.Spec != "" {
		d.Origin.Commit, d.Origin.Author = d.History.List[n].Commit, d.History.List[n].Author
	}
	return d, nil
}

// find finds the resource in what the source is now.
func (p *past) find(id resource.ID) manifest.Found {
	for _, f := range p.now.Files {
		if !manifest.Matches(f.Path) {
			continue
		}
		if found, ok := p.loader.Find(f, id); ok && !found.Broken {
			return found
		}
	}
	return manifest.Found{}
}

// look finds the resource in a file of the past, in normal form.
func (p *past) look(f source.File, id resource.ID) source.Found {
	if !manifest.Matches(f.Path) {
		return source.Found{}
	}
	found, ok := p.loader.Find(f, id)
	if !ok || found.Broken {
		return source.Found{Broken: ok}
	}
	spec, err := p.normal(found.Spec)
	if err != nil {
		return source.Found{Broken: true}
	}
	return source.Found{Present: true, Text: string(spec), Line: found.Origin.Line}
}

func placesOf(f manifest.Found) map[string]blame.Place {
	out := map[string]blame.Place{}
	for path, at := range f.Fields() {
		out[path] = blame.Place{File: f.Origin.File, Line: at.Line, Column: at.Column}
	}
	return out
}

// uncommitted puts a version without a commit in front, where what is in the
// worktree is not what its commit has.
func uncommitted(h source.Versions, d blame.Declaration) source.Versions {
	last := source.Version{}
	if h.Head >= 0 {
		last = h.List[h.Head]
	}
	present := d.Spec != ""
	if last.Present == present && (!present || resource.Spec(last.Text).Equal(d.Spec)) {
		return h
	}
	v := source.Version{Present: present, File: d.Origin.File, Line: d.Origin.Line, Text: string(d.Spec)}
	if h.Head >= 0 {
		v.From = []int{h.Head + 1}
	}
	out := source.Versions{List: []source.Version{v}, Cut: h.Cut}
	for _, old := range h.List {
		from := make([]int, 0, len(old.From))
		for _, n := range old.From {
			from = append(from, n+1)
		}
		old.From = from
		out.List = append(out.List, old)
	}
	return out
}

package reconcile

import (
	"context"
	"maps"
	"strings"
	"time"

	"weir/sync/manifest"
	"weir/sync/resource"
)

// edition is a revision of a feed without an error; the zero value is none.
type edition struct {
	revision string
	set      resource.Set
	normals  resource.Set // the same in normal form
}

// merge puts the accepted revisions of all feeds together. Nothing is in force
// until every feed has one, since what a silent feed declares is not known; of
// one whose revision was rolled back what was applied is left alone.
func (r *Reconciler) merge(ctx context.Context) {
	editions, ok := r.joined(ctx)
	if !ok {
		return
	}
	var revisions []string
	for _, e := range editions {
		revisions = append(revisions, e.revision)
	}
	next := r.desired.edited(editions, r.selected)
	if len(editions) == 1 && r.opts.Selector == nil {
		next.set = editions[0].normals // the same, held once
	}
	next.ready, next.revision = true, strings.Join(revisions, ",")
	for i, f := range r.feeds {
		next.sources[f.Name] += 0
		if f.forced.IsZero() || f.force.revision != editions[i].revision {
			f.forced = time.Now()
		}
		f.force = editions[i]
	}
	next.note(r.desired)
	r.noteEdits(next.set)
	r.desired = next
}

// edited returns d made of other editions, of which nothing is in two; what both
// have is not looked at. What is not selected is not declared.
func (d *declared) edited(editions []edition, selected func(resource.Resource) bool) declared {
	out := declared{editions: editions, changed: d.changed, sources: map[string]int{}}
	maps.Copy(out.sources, d.sources)
	was := d.editions
	if was == nil {
		was = make([]edition, len(editions))
	}
	var gone, put []resource.Edit[resource.Resource] // first what is gone: it may have come to another source
	for i := range editions {
		for before, after := range editions[i].normals.Since(was[i].normals) {
			if before != nil && selected(*before) {
				gone = append(gone, resource.Edit[resource.Resource]{ID: before.ID})
				out.sources[before.Origin.Source]--
			}
			if after != nil && selected(*after) {
				put = append(put, resource.Edit[resource.Resource]{ID: after.ID, Value: after})
				out.sources[after.Origin.Source]++
			}
		}
	}
	out.set = d.set.With(append(gone, put...))
	return out
}

// joined returns the edition of each feed that can be put together with those
// of the others. Where two feeds declare one resource, weir cannot know who is
// right: both stay as they were, and the others go on.
func (r *Reconciler) joined(ctx context.Context) ([]edition, bool) {
	editions := make([]edition, len(r.feeds))
	for i, f := range r.feeds {
		if f.clashes = nil; f.accepted.revision == "" && f.pin == nil {
			return nil, false
		}
		editions[i] = f.accepted
	}
	for range r.feeds { // each time at least one more falls back
		clashes := manifest.Clashes(setsOf(editions)...)
		if len(clashes) == 0 {
			return editions, true
		}
		r.opts.Logger.Error("two sources declare one resource; both stay as they were", "first", clashes[0].At[1].String())
		if !r.fallBack(ctx, clashes, editions) {
			return nil, false
		}
	}
	return editions, len(manifest.Clashes(setsOf(editions)...)) == 0
}

// fallBack takes the feeds that clash back to what is in force of them. It
// reports whether there is anything for each.
func (r *Reconciler) fallBack(ctx context.Context, clashes []manifest.Clash, editions []edition) bool {
	whole := true
	back := map[int]bool{}
	for _, c := range clashes {
		for side, i := range c.Sets {
			back[i] = true
			r.feeds[i].clashes = append(r.feeds[i].clashes, c.At[side])
		}
	}
	for i := range back {
		f := r.feeds[i]
		if f.force.revision == "" {
			f.force, _ = r.recall(ctx, f)
		}
		editions[i] = f.force
		whole = whole && f.force.revision != ""
	}
	return whole
}

func setsOf(editions []edition) []resource.Set {
	sets := make([]resource.Set, 0, len(editions))
	for _, e := range editions {
		sets = append(sets, e.set)
	}
	return sets
}

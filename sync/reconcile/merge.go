package reconcile

import (
	"context"
	"strings"

	"weir/sync/manifest"
	"weir/sync/resource"
)

// edition is a revision of a feed without an error; the zero value is none.
type edition struct {
	revision string
	set      resource.Set
	normals  []resource.Resource // of set, in normal form and in its order
}

// merge puts the accepted revisions of all feeds together. Nothing is in force
// until every feed has one, since what a silent feed declares is not known; of
// one whose revision was rolled back what was applied is left alone.
func (r *Reconciler) merge(ctx context.Context) {
	editions, ok := r.joined(ctx)
	if !ok {
		return
	}
	var list []resource.Resource
	raw := map[resource.ID]resource.Resource{}
	var revisions []string
	sources := map[string]int{}
	for i, f := range r.feeds {
		revisions = append(revisions, editions[i].revision)
		sources[f.Name] += 0
		for _, n := range editions[i].normals {
			if !r.selected(n) {
				continue
			}
			list = append(list, n)
			raw[n.ID], _ = editions[i].set.Get(n.ID)
			sources[n.Origin.Source]++
		}
	}
	set, err := resource.NewSet(list)
	if err != nil {
		r.opts.Logger.Error("sources cannot be put together; what was in force stays", "error", err)
		return
	}
	next := declared{
		ready: true, revision: strings.Join(revisions, ","), set: set, raw: raw, changed: r.desired.changed, sources: sources,
	}
	next.note(r.desired)
	r.desired = next
	for i, f := range r.feeds {
		f.force = editions[i]
	}
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

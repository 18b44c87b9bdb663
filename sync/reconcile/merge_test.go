package reconcile

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"weir/sync/resource"
)

// drawEdition returns an edition of one of several feeds after a former one: what
// each declares is its own, though one may take over what another leaves.
func drawEdition(t *rapid.T, feed int, former edition, owner map[int]int) edition {
	var edits []resource.Edit[resource.Resource]
	for range rapid.IntRange(0, 5).Draw(t, "edits") {
		key := rapid.IntRange(0, 400).Draw(t, "key")
		id := resource.ID{Account: "volc", Kind: "RelaySource", Key: fmt.Sprintf("push.example.com/%03d", key)}
		if of, owned := owner[key]; owned && of != feed {
			continue
		}
		delete(owner, key)
		e := resource.Edit[resource.Resource]{ID: id}
		if rapid.Bool().Draw(t, "declared") {
			owner[key] = feed
			e.Value = &resource.Resource{
				ID: id, Spec: resource.Spec(fmt.Sprintf(`{"n":%d}`, rapid.IntRange(0, 2).Draw(t, "n"))),
				Origin: resource.Origin{Source: fmt.Sprint("feed", feed)},
				Labels: map[string]string{"tier": rapid.SampledFrom([]string{"gold", "tin"}).Draw(t, "tier")},
			}
		}
		edits = append(edits, e)
	}
	return edition{normals: former.normals.With(edits)}
}

// TestDeclaredIsOfAllEditions: whatever the feeds change, what is declared, how
// much of each, and what has changed are as if all were put together anew.
func TestDeclaredIsOfAllEditions(t *testing.T) {
	selected := func(r resource.Resource) bool { return r.Labels["tier"] == "gold" }
	rapid.Check(t, func(t *rapid.T) {
		owner, editions := map[int]int{}, make([]edition, 3)
		d := declared{}
		for range rapid.IntRange(1, 15).Draw(t, "revisions") {
			editions = slices.Clone(editions)
			for i := range editions {
				editions[i] = drawEdition(t, i, editions[i], owner)
			}
			next := d.edited(editions, selected)
			next.ready, next.changed = true, nil
			next.note(d)
			whole := (&declared{}).edited(editions, selected)
			if a, b := slices.Collect(next.set.All()), slices.Collect(whole.set.All()); !reflect.DeepEqual(a, b) {
				t.Fatalf("declared\n%v\nwant\n%v", a, b)
			}
			maps.DeleteFunc(next.sources, func(_ string, n int) bool { return n == 0 })
			if !maps.Equal(next.sources, whole.sources) {
				t.Fatalf("sources %v, want %v", next.sources, whole.sources)
			}
			if want := changes(d, next); d.ready && !maps.Equal(next.changed, want) {
				t.Fatalf("changed %v, want %v", next.changed, want)
			}
			d = next
		}
	})
}

// changes returns what two sets differ in.
func changes(before, after declared) map[resource.ID]bool {
	out := map[resource.ID]bool{}
	for r := range before.set.All() {
		if now, ok := after.set.Get(r.ID); !ok || now.Spec != r.Spec {
			out[r.ID] = true
		}
	}
	for r := range after.set.All() {
		if _, ok := before.set.Get(r.ID); !ok {
			out[r.ID] = true
		}
	}
	return out
}

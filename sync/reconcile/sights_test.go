package reconcile

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"weir/sync/resource"
)

// TestSights_StayWhole: whatever comes, changes and goes, each resource is in one
// group, each group in one queue, each in its place, and what is on air is counted.
func TestSights_StayWhole(t *testing.T) {
	h := open(t)
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 3))
		k, now := newSights(), time.Unix(1e9, 0)
		there := map[resource.ID]bool{}
		for range 300 {
			now = now.Add(time.Second)
			id := resource.ID{Account: "ali", Kind: "Recording", Key: fmt.Sprintf("d%d.example.com/live/s%d", random.IntN(4), random.IntN(5))}
			sub := subject{res: resource.Resource{ID: id}, drifted: random.IntN(2) == 0}
			sub.res.Spec = resource.Spec(fmt.Sprintf(`{"domain":"d%d.example.com"}`, random.IntN(4)))
			seen := resource.Observation{ID: id, At: now, Live: random.IntN(2) == 0}
			gone := []resource.ID{}
			switch random.IntN(5) {
			case 0:
				gone = append(gone, id)
				delete(there, id)
				k.follow(slices.Values([]subject{}), slices.Values(gone), h.rec.kinds, now)
			case 1:
				k.lose(id, now)
			case 2:
				k.see(seen)
			default:
				if random.IntN(2) == 0 {
					sub.seen = seen
				}
				there[id] = true
				k.follow(slices.Values([]subject{sub}), slices.Values(gone), h.rec.kinds, now)
			}
			whole(t, k, there)
		}
	}
}

func whole(t *testing.T, k *sights, there map[resource.ID]bool) {
	t.Helper()
	members, groups, live := 0, 0, map[realm]int{}
	for i, one := range k.all {
		if one.place != i || k.at[one.id] != one || !there[one.id] || one.group.members[one.member] != one {
			t.Fatalf("%s is out of its place", one.id)
		}
		if one.seen.Live {
			live[one.group.realm]++
		}
	}
	for _, q := range k.queues {
		for i, g := range q.groups {
			groups++
			members += len(g.members)
			if g.place != i || g.queue != q || k.groups[g.key] != g {
				t.Fatalf("the group %s is out of its place", g.key)
			}
		}
	}
	if len(k.all) != len(there) || len(k.at) != len(there) || members != len(there) || groups != len(k.groups) {
		t.Fatalf("%d resources, %d members of %d groups, want %d", len(k.all), members, groups, len(there))
	}
	for of, n := range k.live {
		if live[of] != n {
			t.Fatalf("%d on air in %s, want %d", n, of.domain, live[of])
		}
	}
}

package plan

import (
	"fmt"
	"testing"
	"time"

	"weir/sync/resource"
)

// BenchmarkDiff decides about 100,000 resources, of which one in a hundred
// differs: without rules, and where a rule ignores what differs.
func BenchmarkDiff(b *testing.B) {
	policies := map[string]Policy{
		"plain": {Mode: Sync, HealDrift: true},
		"ignore": {Mode: Sync, HealDrift: true, DriftRules: []DriftRule{
			{Labels: map[string]string{"team": "news"}, Drift: DriftReport},
			{Kind: "RelaySource", Ignore: paths("groups[*].servers[*].params")},
		}},
	}
	in := hundredThousand()
	for name, p := range policies {
		b.Run(name, func(b *testing.B) {
			in.Policy = p
			for b.Loop() {
				if n := Diff(in).Len(); n != 100_000 {
					b.Fatalf("%d changes", n)
				}
			}
		})
	}
}

func hundredThousand() Input {
	spec := func(token string) resource.Spec {
		return resource.Spec(`{"app":"live","groups":[{"name":"main","servers":[{"address":"a.example.org","params":{"t":"` + token + `"}}]}]}`)
	}
	var desired []resource.Resource
	var applied []resource.Applied
	var observed []resource.Observation
	for i := range 100_000 {
		id := resource.ID{Account: "volc", Kind: "RelaySource", Key: fmt.Sprintf("push.example.com/c%06d", i)}
		desired = append(desired, resource.Resource{ID: id, Spec: spec("1"), Labels: map[string]string{"team": "sports"}})
		applied = append(applied, resource.Applied{ID: id, Spec: spec("1"), At: now.Add(-time.Hour), Confirmed: true})
		o := resource.Observation{ID: id, Spec: spec("1"), Exists: true, At: now}
		if i%100 == 0 {
			o.Spec = spec("2")
		}
		observed = append(observed, o)
	}
	return input(Policy{}, desired, applied, observed...)
}

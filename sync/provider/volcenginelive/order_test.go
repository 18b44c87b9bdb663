package volcenginelive

import (
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"weir/sync/plan"
	"weir/sync/resource"
)

// drawnRelay draws a relay source with up to three groups of up to three servers.
func drawnRelay(t *rapid.T) RelaySource {
	out := RelaySource{Vhost: "push.example.com", App: "live"}
	for _, name := range []string{"a", "b", "c"}[:rapid.IntRange(1, 3).Draw(t, "groups")] {
		g := Group{Name: name}
		for range rapid.IntRange(1, 3).Draw(t, "servers") {
			g.Servers = append(g.Servers, Server{
				Address:  rapid.SampledFrom([]string{"x.example.org", "y.example.org", "z.example.org"}).Draw(t, "address"),
				Protocol: rapid.SampledFrom([]string{"rtmp", "flv"}).Draw(t, "protocol"),
				Params:   rapid.MapOf(rapid.SampledFrom([]string{"k", "l", "m"}), rapid.SampledFrom([]string{"1", "2"})).Draw(t, "params"),
			})
		}
		out.Groups = append(out.Groups, g)
	}
	return out
}

func normalOf(t *rapid.T, r RelaySource) resource.Spec {
	spec, err := resource.NewSpec(r)
	if err == nil {
		spec, err = normal(spec)
	}
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

// TestFailure_A21_OrderOfOriginsMatters: the order of groups and servers is
// that of failover, so another one in the cloud is drift; that of parameters
// is none.
func TestFailure_A21_OrderOfOriginsMatters(t *testing.T) {
	judge := New().Kinds()["RelaySource"].Judge
	rapid.Check(t, func(t *rapid.T) {
		declared := drawnRelay(t)
		other := RelaySource{Vhost: declared.Vhost, App: declared.App, Groups: rapid.Permutation(declared.Groups).Draw(t, "order")}
		same := true
		for i, g := range other.Groups {
			order := rapid.Permutation(g.Servers).Draw(t, "servers")
			same = same && g.Name == declared.Groups[i].Name && slices.EqualFunc(order, declared.Groups[i].Servers, func(a, b Server) bool {
				return a.Address == b.Address && a.Protocol == b.Protocol && maps.Equal(a.Params, b.Params)
			})
			other.Groups[i].Servers = order
		}
		want, seen := normalOf(t, declared), normalOf(t, other)
		id := resource.ID{Account: "volc", Kind: "RelaySource", Key: "push.example.com/live"}
		v := judge(plan.Case{
			ID: id, Want: &resource.Resource{ID: id, Spec: want}, Last: &resource.Applied{ID: id, Spec: want, Confirmed: true},
			Seen: &resource.Observation{ID: id, Spec: seen, Exists: true},
		})
		if inSync := v.State == plan.InSync; inSync != same || !inSync && v.Reason != plan.Drifted {
			t.Fatalf("%s %q for\n%s and\n%s", v.State, v.Reason, want, seen)
		}
	})
}

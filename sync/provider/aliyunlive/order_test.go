package aliyunlive

import (
	"testing"

	"pgregory.net/rapid"

	"weir/sync/resource"
)

// TestFailure_A21_OrderOfRegionsDoesNot: regions are a set; however they are
// written, and however often, the declaration is the same.
func TestFailure_A21_OrderOfRegionsDoesNot(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		regions := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"BEJ", "ZHJ", "SG", "NO"}), 1, 4, rapid.ID[string]).Draw(t, "regions")
		spec := func(regions []string) resource.Spec {
			s, err := resource.NewSpec(map[string]any{
				"domain": "d", "app": "a", "stream": "s", "regions": regions, "audioMsid": "x", "videoMsid": "y",
			})
			if err == nil {
				s, err = New().Kinds()[kindPrefetch].Normal(s)
			}
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		order := append(rapid.Permutation(regions).Draw(t, "order"), regions[0])
		if a, b := spec(regions), spec(order); a != b {
			t.Fatalf("%s and %s", a, b)
		}
	})
}

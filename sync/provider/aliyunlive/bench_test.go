package aliyunlive

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"weir/sync/call"
	"weir/sync/plan"
	"weir/sync/resource"
	"weir/sync/secret"
)

// BenchmarkSign measures what a request costs before it is sent.
func BenchmarkSign(b *testing.B) {
	params := map[string]string{
		"DomainName": "live.example.com", "AppName": "live", "StreamName": "s1", "RegionCode": "ZHJ",
		"AudioMsid": "rts audio", "VideoMsid": "rts video", "ConnectionTimeout": "90000",
	}
	key := secret.Key{ID: "id", Secret: secret.New("secret")}
	for b.Loop() {
		req, err := http.NewRequest(http.MethodGet, "https://live.aliyuncs.com/?"+canonicalQuery(params), http.NoBody)
		if err != nil {
			b.Fatal(err)
		}
		stamp(req, opPrefetch, now(), "nonce")
		sign(req, key)
	}
}

// BenchmarkObserve10000 reads 10,000 streams of one domain from a block list
// of 3,000 entries.
func BenchmarkObserve10000(b *testing.B) {
	var want []resource.Resource
	for i := range 10_000 {
		spec, err := resource.NewSpec(ingest{Domain: "push.test", App: "live", Stream: fmt.Sprint("s", i)})
		if err != nil {
			b.Fatal(err)
		}
		want = append(want, resource.Resource{ID: resource.ID{Kind: kindIngest, Key: fmt.Sprint(i)}, Spec: spec})
	}
	list := `{"TotalNum":3000,"StreamUrls":{"StreamUrl":["live.test/live/s0"`
	for i := 1; i < 3000; i++ {
		list += fmt.Sprintf(`,"live.test/live/s%d"`, i)
	}
	c := answers{
		opMapping:   `{"LiveDomainModels":{"LiveDomainModel":[{"Type":"vhost","DomainName":"live.test"}]}}`,
		opBlockList: list + "]}}",
	}
	p := New()
	for b.Loop() {
		if _, err := p.Observe(context.Background(), call.Caller(c), want); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkJudge measures one verdict of each kind that needs more than a
// comparison.
func BenchmarkJudge(b *testing.B) {
	spec := func(v any) resource.Spec {
		s, err := resource.NewSpec(v)
		if err != nil {
			b.Fatal(err)
		}
		return s
	}
	cases := map[string]resource.Spec{
		kindIngest: spec(block("2026-12-01T00:00:00Z")), kindRecording: spec(running("1")),
		kindPrefetch: spec(warm("1h", true, "BEJ", "ZHJ", "HKG")),
	}
	for name, s := range cases {
		b.Run(name, func(b *testing.B) {
			judge := New().Kinds()[name].Judge
			c := plan.Case{
				Want: &resource.Resource{Spec: s}, Last: &resource.Applied{Spec: s, Epoch: firstIngest},
				Seen: &resource.Observation{Spec: s, Exists: true, Live: true, Epoch: firstIngest}, Now: now(),
			}
			for b.Loop() {
				judge(c)
			}
		})
	}
}

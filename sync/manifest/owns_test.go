package manifest

import (
	"strings"
	"testing"
	"time"

	"weir/sync/resource"
	"weir/sync/source"
)

func TestOwner(t *testing.T) {
	for _, c := range []struct {
		patterns, id string
		want         bool
	}{
		{"", "a/MultiStream/live.example.com", true},
		{"a/**", "a/MultiStream/live.example.com", true},
		{"a/**", "ab/MultiStream/live.example.com", false},
		{"a/**", "b/a/live.example.com", false},
		{"b/** a/**", "a/MultiStream/live.example.com", true},
		{"a/*/live.example.com", "a/MultiStream/live.example.com", true},
		{"a/*/live.example.com", "a/MultiStream/liveXexample.com", false},
		{"a/*/*", "a/StreamIngest/live.example.com/live", false},
		{"a/*/*.example.com/**", "a/StreamIngest/live.example.com/live/news", true},
		{"a/*/*.example.com/**", "a/StreamIngest/example.com/live/news", false},
		{"a/StreamIngest/x.com/*/news", "a/StreamIngest/x.com/*/news", true},
		{"a/StreamIngest/x.com/*/news", "a/StreamIngest/x.com/live/east/news", false},
		{"**/news", "a/StreamIngest/x.com/live/news", true},
		{"**", "a/StreamIngest/x.com/live/news", true},
		{"a/MultiStream", "a/MultiStream/live.example.com", false},
		{"a/RelaySource/Push.example.com/*", "a/RelaySource/push.example.com/live", true},
		{"a/RelaySource/push.example.com/*", "a/RelaySource/PUSH.example.com/live", true},
		{"a/RelaySource/push.example.com/Live", "a/RelaySource/push.example.com/live", false},
		{"**/PUSH.example.com/live", "a/RelaySource/PUSH.example.com/live", true},
		{"**/push.example.com/live", "a/RelaySource/PUSH.example.com/live", true},
	} {
		id, err := resource.ParseID(c.id)
		if err != nil {
			t.Fatal(err)
		}
		if got := newOwner(strings.Fields(c.patterns)).owns(id); got != c.want {
			t.Errorf("%q owns %s: %v, want %v", c.patterns, id, got, c.want)
		}
	}
}

// TestOwnerIsFast: stars without end do not make an expression that searches
// without end.
func TestOwnerIsFast(t *testing.T) {
	o := newOwner([]string{strings.Repeat("**a", 300) + "b"})
	begun := time.Now()
	if o.owns(resource.ID{Account: "a", Kind: "a", Key: strings.Repeat("a", 1000)}) {
		t.Error("matched")
	}
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
}

// TestNotOwned: a document of another's is refused at its place, and nothing of
// it is in the set.
func TestNotOwned(t *testing.T) {
	options := accounts()
	options.Owns = []string{"volc-*/**", "a/b/c", "a/b/d", "a/b/e", "a/b/f"}
	text := relayFor("push.example.com") + "---\n" + switchText
	r := New(options).Load(&source.Snapshot{Source: "live", Files: []source.File{file("a.yaml", text)}})
	want := "a.yaml:11:1: this source may not declare aliyun-main/MultiStream/live.example.com; " +
		"it owns volc-*/**, a/b/c, a/b/d, a/b/e and 1 more [not-owned]"
	if r.Errors != 1 || len(r.Problems) != 1 || r.Problems[0].String() != want || r.Set.Len() != 1 {
		t.Errorf("%d resources, %v", r.Set.Len(), r.Problems)
	}
}

func FuzzOwner(f *testing.F) {
	f.Add("a/**", "live.example.com")
	f.Add("**/*\xff[", "x")
	f.Fuzz(func(t *testing.T, pattern, key string) {
		newOwner([]string{pattern}).owns(resource.ID{Account: "a", Kind: "b", Key: key})
		if !newOwner([]string{"a/b/**"}).owns(resource.ID{Account: "a", Kind: "b", Key: key}) {
			t.Errorf("a/b/** does not own %q", key)
		}
	})
}

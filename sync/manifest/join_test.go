package manifest

import (
	"slices"
	"strings"
	"testing"

	"weir/sync/resource"
	"weir/sync/source"
)

// setOf loads one file of a source.
func setOf(t *testing.T, name, path, text string) resource.Set {
	t.Helper()
	res := New(accounts()).Load(&source.Snapshot{Source: name, Files: []source.File{file(path, text)}})
	if res.Errors > 0 {
		t.Fatal(res.Problems)
	}
	return res.Set
}

// TestClashesNameBothSides: each of the two sources is told at its own place,
// and a third that has nothing to do with it is not.
func TestClashesNameBothSides(t *testing.T) {
	clashes := Clashes(
		setOf(t, "one", "a.yaml", relayFor("push.example.com")),
		setOf(t, "two", "b.yaml", switchText),
		setOf(t, "three", "sub/c.yaml", "\n\n"+relayFor("PUSH.example.com")+"---\n"+switchText),
	)
	var got []string
	for _, c := range clashes {
		for side, set := range c.Sets {
			got = append(got, []string{"one", "two", "three"}[set]+" "+c.At[side].String())
		}
	}
	const (
		lower  = "volc-east/RelaySource/push.example.com/live"
		upper  = "volc-east/RelaySource/PUSH.example.com/live"
		multi  = "aliyun-main/MultiStream/live.example.com"
		folded = "; the cloud takes them for one [duplicate-identity]"
	)
	want := []string{
		"two b.yaml:1:1: " + multi + " is declared at b.yaml:1 in source two and again at sub/c.yaml:13 in source three [duplicate-identity]",
		"three sub/c.yaml:13:1: " + multi + " is declared at sub/c.yaml:13 in source three and already at b.yaml:1 in source two [duplicate-identity]",
		"one a.yaml:1:1: " + lower + " at a.yaml:1 in source one differs only in case from " + upper + " at sub/c.yaml:3 in source three" + folded,
		"three sub/c.yaml:3:1: " + upper + " at sub/c.yaml:3 in source three differs only in case from " + lower + " at a.yaml:1 in source one" + folded,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if got := Clashes(); got != nil {
		t.Errorf("nothing clashes: %v", got)
	}
}

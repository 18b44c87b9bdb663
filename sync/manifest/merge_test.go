package manifest

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"weir/sync/source"
)

// drawFile returns the text of a file that declares little, among it what other
// files declare too, and what is wrong.
func drawFile(t *rapid.T) string {
	texts := []string{"x: y\n", "", "# nothing\n", "a: [\n"}
	for i := range rapid.IntRange(0, 3).Draw(t, "documents") {
		host := fmt.Sprintf("push%d.example.com", rapid.IntRange(0, 40).Draw(t, "host"))
		if rapid.IntRange(0, 9).Draw(t, "case") == 0 {
			host = strings.ToUpper(host)
		}
		text := relayFor(host)
		if i > 0 {
			text = texts[len(texts)-1] + "---\n" + text
		}
		texts = append(texts, text)
	}
	if rapid.IntRange(0, 9).Draw(t, "odd") > 0 {
		return texts[len(texts)-1]
	}
	return rapid.SampledFrom(texts).Draw(t, "text")
}

// TestLoadOfChangesIsLoadOfAll: whatever changed between two snapshots, a loader
// that knows the one before says of the next what a new loader says.
func TestLoadOfChangesIsLoadOfAll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l, files := New(accounts()), map[string]string{}
		for i := range 30 {
			files[fmt.Sprintf("team/f%02d.yaml", i)] = relayFor(fmt.Sprintf("own%02d.example.com", i))
		}
		for range rapid.IntRange(1, 12).Draw(t, "snapshots") {
			for range rapid.IntRange(0, 3).Draw(t, "changes") {
				name := fmt.Sprintf("team/f%02d%s", rapid.IntRange(0, 35).Draw(t, "file"), rapid.SampledFrom([]string{".yaml", ".yaml", ".txt"}).Draw(t, "ext"))
				if files[name] = drawFile(t); rapid.IntRange(0, 3).Draw(t, "gone") == 0 {
					delete(files, name)
				}
			}
			snap := &source.Snapshot{Source: "live"}
			for name, text := range files { // in any order
				snap.Files = append(snap.Files, file(name, text))
			}
			got, want := l.Load(snap), New(accounts()).Load(snap)
			if a, b := slices.Collect(got.Set.All()), slices.Collect(want.Set.All()); !reflect.DeepEqual(a, b) {
				t.Fatalf("declared\n%v\nwant\n%v", a, b)
			}
			got.Set, got.Parsed = want.Set, want.Parsed
			if !slices.Equal(got.Problems, want.Problems) {
				t.Fatalf("problems\n%v\nwant\n%v", got.Problems, want.Problems)
			}
			if got.Problems = want.Problems; !reflect.DeepEqual(got, want) {
				t.Fatalf("result\n%+v\nwant\n%+v", got, want)
			}
		}
	})
}

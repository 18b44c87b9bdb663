package manifest

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"weir/sync/source"
)

var update = flag.Bool("update", false, "write the golden files anew")

// accounts has one account of one cloud and two of the other.
func accounts() Options {
	return Options{Accounts: map[string][]string{
		"aliyun/v1": {"aliyun-main"}, "volcengine/v1": {"volc-east", "volc-west"},
	}}
}

// snapshot reads a test file: a .txtar holds several manifests.
func snapshot(t testing.TB, path string) *source.Snapshot {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	snap := &source.Snapshot{Source: "live"}
	if filepath.Ext(path) != ".txtar" {
		snap.Files = []source.File{file(filepath.Base(path), string(data))}
		return snap
	}
	for _, part := range strings.Split("\n"+string(data), "\n-- ")[1:] {
		name, text, _ := strings.Cut(part, " --\n")
		snap.Files = append(snap.Files, file(name, text+"\n"))
	}
	return snap
}

// told writes a result as people and programs see it.
func told(r Result) string {
	var b strings.Builder
	for _, p := range r.Problems {
		fmt.Fprintf(&b, "%s: %s\n", p.Severity, p)
	}
	for res := range r.Set.All() {
		fmt.Fprintf(&b, "%s (%s) %s %v\n", res.ID, res.Origin, res.Spec, res.Labels)
	}
	fmt.Fprintf(&b, "%d documents, %d errors, %d warnings\n", r.Documents, r.Errors, r.Warnings)
	return b.String()
}

// TestGolden holds what is said about each file of testdata/problems, which
// are named by their fault, against the file of that name in testdata/golden.
func TestGolden(t *testing.T) {
	paths, err := filepath.Glob("testdata/problems/*")
	if err != nil || len(paths) == 0 {
		t.Fatal(paths, err)
	}
	for _, path := range paths {
		name := filepath.Base(path)
		t.Run(name, func(t *testing.T) {
			got := told(New(accounts()).Load(snapshot(t, path)))
			golden := filepath.Join("testdata/golden", name+".txt")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

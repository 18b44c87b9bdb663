package blame_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"weir/sync/blame"
	"weir/sync/manifest"
	"weir/sync/resource"
	"weir/sync/source"
	"weir/sync/source/gitsource"
)

// servers is a relay source as the oracle changes it: a field a line.
type servers []map[string]string

func (s servers) fields() map[string]string {
	out := map[string]string{"app": "live", "vhost": "push.example.com", "groups[0].name": "main"}
	for i, one := range s {
		for key, value := range one {
			out[fmt.Sprintf("groups[0].servers[%d].%s", i, key)] = value
		}
	}
	return out
}

func (s servers) block(comments int) string {
	var b strings.Builder
	b.WriteString(strings.Repeat("# a comment\n", comments))
	b.WriteString("apiVersion: volcengine/v1\nkind: RelaySource\nspec:\n  vhost: push.example.com\n  app: live\n" +
		"  groups:\n    - name: main\n      servers:\n")
	for _, one := range s {
		fmt.Fprintf(&b, "        - address: %s\n          protocol: %s\n", one["address"], one["protocol"])
	}
	return b.String()
}

func (s servers) json() string {
	b, _ := json.MarshalIndent(map[string]any{
		"apiVersion": "volcengine/v1", "kind": "RelaySource", "spec": map[string]any{
			"vhost": "push.example.com", "app": "live", "groups": []any{map[string]any{"name": "main", "servers": s}},
		},
	}, "", "  ")
	return string(b)
}

func git(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=c", "GIT_COMMITTER_EMAIL=c@example.com")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// commit makes name the only file of the repository.
func commit(t *testing.T, dir, name, text string) string {
	t.Helper()
	for _, old := range []string{"a.yaml", "b.yaml", "c.json"} {
		_ = os.Remove(filepath.Join(dir, old))
	}
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	git(t, dir, "add", "-A")
	git(t, dir, "commit", "-q", "--allow-empty", "-m", "x")
	return git(t, dir, "rev-parse", "HEAD")
}

// ask blames the relay source of a repository.
func ask(t *testing.T, dir string) blame.Answer {
	t.Helper()
	c, err := gitsource.Local(t.Context(), gitsource.LocalOptions{Name: "live", Dir: dir, Revision: "HEAD"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	relay := resource.ID{Account: "volcengine", Kind: "RelaySource", Key: "push.example.com/live"}
	loader := manifest.New(manifest.Options{})
	now, ok := loader.Find(c.Snapshot().Files[0], relay)
	h, err := c.Versions(t.Context(), source.Quest{Revision: c.Snapshot().Revision, Find: func(f source.File) source.Found {
		found, ok := loader.Find(f, relay)
		return source.Found{Present: ok, Text: string(found.Spec), Line: found.Origin.Line}
	}})
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	d := blame.Declaration{Spec: now.Spec, Written: now.Spec, History: h, Places: map[string]blame.Place{}}
	for path, at := range now.Fields() {
		d.Places[path] = blame.Place{File: now.Origin.File, Line: at.Line, Column: at.Column}
	}
	return blame.Blame(blame.Evidence{ID: relay, Declared: d})
}

// TestBlame_AsLog changes lines of one file and compares with what git says of
// each line.
func TestBlame_AsLog(t *testing.T) {
	dir := t.TempDir()
	git(t, dir, "init", "-q", "-b", "main")
	random := rand.New(rand.NewPCG(1, 2))
	s := servers{{"address": "h0.example.com", "protocol": "rtmp"}, {"address": "h1.example.com", "protocol": "rtmp"}}
	for n := range 30 {
		switch one := s[random.IntN(len(s))]; random.IntN(4) {
		case 0:
			one["protocol"] = map[string]string{"rtmp": "flv", "flv": "rtmp"}[one["protocol"]]
		case 1:
			one["address"] = fmt.Sprintf("h%d.example.com", random.IntN(4))
		case 2:
			s = append(s, map[string]string{"address": fmt.Sprintf("n%d.example.com", n), "protocol": "rtmp"})[:min(len(s)+1, 5)]
		}
		commit(t, dir, "a.yaml", s.block(random.IntN(3)))
		if n%5 != 4 {
			continue
		}
		for _, f := range ask(t, dir).Fields {
			out := git(t, dir, "log", "-s", "--format=%H", fmt.Sprintf("-L%d,%d:a.yaml", f.Place.Line, f.Place.Line))
			if want, _, _ := strings.Cut(out, "\n"); f.Set.Commit != want {
				t.Errorf("commit %d, %s = %v: set by %s, git says %s", n, f.Path, f.Desired, f.Set.Commit, want)
			}
		}
	}
}

// TestBlame_AsMade changes values, ways of writing and files at random, and
// compares with which commit gave each field its value.
func TestBlame_AsMade(t *testing.T) {
	for seed := range uint64(3) {
		dir := t.TempDir()
		git(t, dir, "init", "-q", "-b", "main")
		random := rand.New(rand.NewPCG(seed, 5))
		s := servers{{"address": "h0.example.com", "protocol": "rtmp"}, {"address": "h1.example.com", "protocol": "rtmp"}}
		before, want := map[string]string{}, map[string]string{}
		for range 25 {
			for range random.IntN(3) {
				one := s[random.IntN(len(s))]
				one["protocol"] = []string{"rtmp", "flv"}[random.IntN(2)]
				one["address"] = fmt.Sprintf("h%d.example.com", random.IntN(3))
			}
			if random.IntN(6) == 0 {
				s = append(s[:1:1], map[string]string{"address": "h9.example.com", "protocol": "flv"})
			}
			name := []string{"a.yaml", "b.yaml", "c.json"}[random.IntN(3)]
			text := s.block(random.IntN(3))
			if name == "c.json" {
				text = s.json()
			}
			hash := commit(t, dir, name, text)
			now := s.fields()
			for path, value := range now {
				if before[path] != value {
					want[path] = hash
				}
			}
			before = now
		}
		got := map[string]string{}
		for _, f := range ask(t, dir).Fields {
			got[f.Path] = f.Set.Commit
		}
		if !maps.Equal(got, want) {
			for _, path := range slices.Sorted(maps.Keys(want)) {
				t.Errorf("seed %d, %s: set by %s, want %s", seed, path, got[path], want[path])
			}
		}
	}
}

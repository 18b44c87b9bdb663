package main

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"weir/sync/config"
	"weir/sync/emulator"
	"weir/sync/reconcile"
)

const examplesDir = "../../examples"

// examplePaths returns the examples' config files.
func examplePaths(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(examplesDir, "*", "weir.yaml"))
	if err != nil || len(paths) < 2 {
		t.Fatalf("examples: %v, %v; want at least two", paths, err)
	}
	return paths
}

// trial is an example's copy beside an emulator that it leads to.
type trial struct {
	*testing.T
	dir   string
	cloud *emulator.Emulator
}

func newTrial(t *testing.T, from string) *trial {
	t.Helper()
	tr := &trial{T: t, dir: t.TempDir()}
	if err := os.CopyFS(tr.dir, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	world, err := tr.world()
	if err != nil {
		t.Fatal(err)
	}
	tr.cloud = emulator.New(world)
	srv := httptest.NewServer(tr.cloud)
	t.Cleanup(srv.Close)
	text := tr.read("weir.yaml")
	tr.setenv(text)
	if !strings.Contains(text, "http://"+demoEmulator) {
		t.Fatalf("no account leads to http://%s", demoEmulator)
	}
	text = strings.ReplaceAll(text, "http://"+demoEmulator, srv.URL)
	if err := os.WriteFile(tr.config(), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return tr
}

func (tr *trial) config() string { return filepath.Join(tr.dir, "weir.yaml") }

func (tr *trial) read(name string) string {
	tr.Helper()
	b, err := os.ReadFile(filepath.Join(tr.dir, name))
	if err != nil {
		tr.Fatal(err)
	}
	return string(b)
}

// world is the example's own world, or the demo's.
func (tr *trial) world() (emulator.World, error) {
	b, err := os.ReadFile(filepath.Join(tr.dir, "world.yaml"))
	if os.IsNotExist(err) {
		return demoWorld(), nil
	}
	if err != nil {
		return emulator.World{}, err
	}
	return emulator.ParseWorld(b)
}

// setenv does what the config's comment tells a person to do.
func (tr *trial) setenv(text string) {
	for _, line := range regexp.MustCompile(`(?m)^#\s+export (.+)$`).FindAllStringSubmatch(text, -1) {
		for pair := range strings.FieldsSeq(line[1]) {
			name, value, _ := strings.Cut(pair, "=")
			tr.Setenv(name, value)
		}
	}
}

// weir runs the program and demands an exit status of 0.
func (tr *trial) weir(args ...string) string {
	tr.Helper()
	var out, errs bytes.Buffer
	code := run(tr.Context(), append(args, "--config", tr.config()), strings.NewReader(""), &out, &errs)
	if code != exitDone {
		tr.Fatalf("weir %s: exit status %d\n%s%s", strings.Join(args, " "), code, &out, &errs)
	}
	return out.String()
}

// calls returns the journal, by operation, and empties it. No call of an
// example is refused or throttled.
func (tr *trial) calls() map[string]int {
	tr.Helper()
	n := map[string]int{}
	for _, c := range tr.cloud.Journal() {
		n[c.Operation]++
		if c.Code != "" {
			tr.Errorf("%s %v: status %d, code %s", c.Operation, c.Params, c.Status, c.Code)
		}
	}
	tr.cloud.ClearJournal()
	return n
}

func TestExamples(t *testing.T) {
	for _, path := range examplePaths(t) {
		t.Run(filepath.Base(filepath.Dir(path)), func(t *testing.T) {
			tr := newTrial(t, filepath.Dir(path))
			sum := tr.validated()
			if writes(tr.calls()) != 0 {
				t.Fatal("validate made calls")
			}
			tr.weir("diff")
			if n := writes(tr.calls()); n != 0 {
				t.Errorf("diff made %d calls that write", n)
			}
			tr.weir("apply", "--yes")
			if first := writes(tr.calls()); first == 0 {
				t.Errorf("the first apply of %d documents wrote nothing", sum.Documents)
			}
			tr.weir("apply", "--yes")
			if again := tr.calls(); writes(again) != 0 {
				t.Errorf("the second apply wrote: %v", again)
			}
			tr.settled(sum.Documents)
		})
	}
}

// validated demands that the example has no problem, warnings included.
func (tr *trial) validated() checked {
	tr.Helper()
	var sum checked
	if err := json.Unmarshal([]byte(tr.weir("validate", "--output", "json")), &sum); err != nil {
		tr.Fatal(err)
	}
	if sum.Documents < 5 || len(sum.Problems) != 0 {
		tr.Fatalf("%d documents, problems %v; want at least 5 and none", sum.Documents, sum.Problems)
	}
	return sum
}

// settled demands that nothing is left to do for any of n documents.
func (tr *trial) settled(n int) {
	tr.Helper()
	var doc reconcile.PlanDocument
	text := tr.weir("diff", "--exit-code", "--show-unchanged", "--output", "json")
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		tr.Fatal(err)
	}
	s := doc.Summary
	if s.Create+s.Update+s.Delete != 0 || len(doc.Changes) != n {
		tr.Errorf("after apply: %d resources of %d, summary %+v", len(doc.Changes), n, s)
	}
}

// writes counts the calls that are not on the clouds' lists of reads.
func writes(calls map[string]int) int {
	n := 0
	for op, times := range calls {
		if !slices.Contains(reads(), op) {
			n += times
		}
	}
	return n
}

func reads() []string {
	var out []string
	for _, c := range clouds() {
		out = append(out, c.provider.Reads()...)
	}
	return out
}

// TestExamplesTeachEveryKind holds that the examples together, and each of
// them, show every kind, and that the larger one shows what it is there for.
func TestExamplesTeachEveryKind(t *testing.T) {
	for _, path := range examplePaths(t) {
		t.Run(filepath.Base(filepath.Dir(path)), func(t *testing.T) {
			seen := map[string]bool{}
			for _, r := range exampleSet(t, path) {
				seen[r.kind] = true
			}
			want := map[string]bool{}
			for _, c := range clouds() {
				for kind := range c.provider.Kinds() {
					want[kind] = true
				}
			}
			if !maps.Equal(seen, want) {
				t.Errorf("kinds %v, want %v", slices.Sorted(maps.Keys(seen)), slices.Sorted(maps.Keys(want)))
			}
		})
	}
}

func TestChannelsExampleShows(t *testing.T) {
	text := "\n"
	accounts, files := map[string]bool{}, map[string]int{}
	for _, r := range exampleSet(t, filepath.Join(examplesDir, "channels", "weir.yaml")) {
		accounts[r.account] = true
		files[r.file]++
		text += r.spec + "\n"
	}
	want := []string{"aliyun-backup", "aliyun-main", "volc-main"}
	if got := slices.Sorted(maps.Keys(accounts)); !slices.Equal(got, want) {
		t.Errorf("accounts %v, want %v", got, want)
	}
	if slices.Max(slices.Collect(maps.Values(files))) < 3 {
		t.Errorf("no file holds several documents: %v", files)
	}
	for _, want := range []string{
		`"until"`, `"finish":"immediate"`, `"restart"`, `"renew":true`, `"allowed":false`, `"app":"*"`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no document says %s", want)
		}
	}
}

// shown is a resource of an example.
type shown struct{ account, kind, file, spec string }

func exampleSet(t *testing.T, path string) []shown {
	t.Helper()
	cfg, problems, err := config.Read(path)
	if err != nil || len(problems) != 0 {
		t.Fatalf("%v, %v", problems, err)
	}
	var out []shown
	for _, at := range rootsOf(cfg, nil) {
		c, dir := checker{cfg: cfg}, at.path
		if err := c.check(context.Background(), at); err != nil {
			t.Fatal(err)
		}
		for r := range c.sets[0].All() {
			spec, err := json.Marshal(r.Spec)
			if err != nil {
				t.Fatal(err)
			}
			file, err := filepath.Rel(dir, r.Origin.File)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, shown{r.ID.Account, r.ID.Kind, file, string(spec)})
		}
	}
	return out
}

// TestExamplesModelines holds that an editor finds the right schema for every
// document: its own line for the language server, or the file's first.
func TestExamplesModelines(t *testing.T) {
	line := regexp.MustCompile(`(?m)^# yaml-language-server: \$schema=(\S+)$`)
	for _, path := range exampleYAML(t) {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var schemaFile string
		for i, part := range regexp.MustCompile(`(?m)^---$`).Split(string(b), -1) {
			if m := line.FindStringSubmatch(part); m != nil {
				schemaFile = m[1]
			}
			var doc struct {
				APIVersion string `yaml:"apiVersion"`
				Kind       string `yaml:"kind"`
			}
			if err := yaml.Unmarshal([]byte(part), &doc); err != nil {
				t.Fatalf("%s: document %d: %v", path, i, err)
			}
			want := strings.ReplaceAll(doc.APIVersion, "/", ".") + "." + doc.Kind + ".json"
			if filepath.Base(schemaFile) != want {
				t.Errorf("%s: document %d names schema %q, want %s", path, i, schemaFile, want)
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(path), schemaFile)); err != nil {
				t.Errorf("%s: document %d: %v", path, i, err)
			}
		}
	}
}

// exampleYAML returns every YAML file of the examples that is a document of
// weir's: worlds belong to the emulator.
func exampleYAML(t *testing.T) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(examplesDir, func(path string, d os.DirEntry, err error) error {
		if err == nil && filepath.Ext(path) == ".yaml" && d.Name() != "world.yaml" {
			out = append(out, path)
		}
		return err
	})
	if err != nil || len(out) < 10 {
		t.Fatalf("%d files, %v", len(out), err)
	}
	return out
}

package simulation

import (
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var planted = flag.Bool("planted", false, "plant each bug of the table and look for it, which takes minutes")

// edit is a piece of weir's code and what a bug makes of it.
type edit struct{ file, old, changed string }

// bug is a fault planted into weir's code while the tests are built; the code
// itself stays as it is.
type bug struct {
	name  string
	edits []edit
}

// plantedSeeds is within how many seeds each must be found.
const plantedSeeds = "10000"

// TestPlantedBugs builds the simulation with each bug and requires that it
// fails.
func TestPlantedBugs(t *testing.T) {
	if !*planted {
		t.Skip("run with -planted")
	}
	for _, b := range bugs() {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			program := b.build(t)
			cmd := exec.CommandContext(t.Context(), program, "-test.run=^TestSimulation$", "-test.timeout=10m", "-seeds="+plantedSeeds)
			out, err := cmd.CombinedOutput()
			found := regexp.MustCompile(`seed (\d+): (.*)`).FindSubmatch(out)
			if err == nil || found == nil {
				t.Fatalf("not found within %s seeds: %v\n%.2000s", plantedSeeds, err, out)
			}
			t.Logf("found by seed %s: %.160s", found[1], found[2])
		})
	}
}

// TestPlantedBugsFit requires that every bug of the table can still be planted:
// who changes a line that one is planted in moves the bug along.
func TestPlantedBugsFit(t *testing.T) {
	if n := len(bugs()); n < 15 {
		t.Errorf("%d bugs, want 15 or more", n)
	}
	for _, b := range bugs() {
		if _, err := b.plant(t.TempDir()); err != nil {
			t.Errorf("the bug %q in bugs_test.go does not fit any more: %v", b.name, err)
		}
	}
}

// plant writes the files with the bug in them into dir, and returns them by the
// names of those that they replace.
func (b bug) plant(dir string) (map[string]string, error) {
	replace := map[string]string{}
	for i, e := range b.edits {
		file, err := filepath.Abs(filepath.Join("../..", e.file))
		if err != nil {
			return nil, err
		}
		text, err := os.ReadFile(cmp.Or(replace[file], file))
		if err != nil {
			return nil, err
		}
		if n := strings.Count(string(text), e.old); n != 1 {
			return nil, fmt.Errorf("%s has %d times, want once:\n%s", e.file, n, e.old)
		}
		replace[file] = filepath.Join(dir, fmt.Sprintf("%d.go", i))
		if err := os.WriteFile(replace[file], []byte(strings.Replace(string(text), e.old, e.changed, 1)), 0o600); err != nil {
			return nil, err
		}
	}
	return replace, nil
}

// build compiles the simulation with the bug in it.
func (b bug) build(t *testing.T) string {
	dir := t.TempDir()
	replace, err := b.plant(dir)
	if err != nil {
		t.Fatal(err)
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	list := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(list, overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "simulation.test")
	out, err := exec.CommandContext(t.Context(), "go", "test", "-c", "-vet=off", "-overlay", list, "-o", program, ".").CombinedOutput()
	if err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return program
}

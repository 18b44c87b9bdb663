package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// testManual holds that two independent readers of manual pages find nothing
// wrong with ours, and show what a person looks for.
func testManual(t *testing.T, program string) {
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), program, "man", dir)
	cmd.Env = append(os.Environ(), "SOURCE_DATE_EPOCH=1767225600")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	pages, err := filepath.Glob(filepath.Join(dir, "weir*.[15]"))
	if err != nil || len(pages) < 15 {
		t.Fatalf("%d pages, %v", len(pages), err)
	}
	t.Run("mandoc", func(t *testing.T) {
		if _, err := exec.LookPath("mandoc"); err != nil {
			t.Skip("mandoc is not installed")
		}
		out, err := exec.CommandContext(t.Context(), "mandoc", append([]string{"-T", "lint", "-W", "warning"}, pages...)...).CombinedOutput()
		if err != nil || len(out) > 0 {
			t.Errorf("%v\n%s", err, out)
		}
	})
	t.Run("man", func(t *testing.T) {
		if _, err := exec.LookPath("man"); err != nil {
			t.Skip("man is not installed")
		}
		for _, page := range pages {
			cmd := exec.CommandContext(t.Context(), "man", "--warnings", "-l", page)
			cmd.Env = append(os.Environ(), "MANWIDTH=80", "LC_ALL=C.UTF-8")
			var complaints strings.Builder
			cmd.Stderr = &complaints
			text, err := cmd.Output()
			if err != nil || complaints.Len() > 0 {
				t.Errorf("%s: %v\n%s", filepath.Base(page), err, &complaints)
			}
			if filepath.Base(page) == "weir-diff.1" && !strings.Contains(string(text), "--exit-code") {
				t.Errorf("no --exit-code in\n%s", text)
			}
		}
	})
}

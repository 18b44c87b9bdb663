package check

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestHomebrew does what the formula says: it builds, installs, and runs the
// formula's own test. Homebrew itself is not to be had here; testdata/brew.rb
// has the few words of it that the formula uses.
func TestHomebrew(t *testing.T) {
	needs(t, "ruby")
	prefix := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "ruby", "-w", "testdata/brew.rb", "../homebrew/weir.rb", repository, prefix)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	want := filepath.Join(prefix, "bin/weir") + " run --config " + filepath.Join(prefix, "etc/weir/weir.yaml") + " --log-format json\n"
	if !strings.Contains(string(out), want) {
		t.Errorf("the service does not run %s\n%s", want, out)
	}
	for _, name := range []string{
		"share/man/man1/weir.1", "share/man/man5/weir.yaml.5", "etc/weir/weir.yaml.example", "completions/zsh",
		"share/weir/examples/quickstart/weir.yaml",
	} {
		if read(t, filepath.Join(prefix, name)) == "" {
			t.Errorf("%s is empty", name)
		}
	}
}

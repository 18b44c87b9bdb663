package main

import (
	"errors"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"weir/sync/emulator"
)

// chineseStart returns the quick start in Chinese.
func chineseStart(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, found := strings.Cut(string(b), "\n## 快速开始\n")
	text, _, ends := strings.Cut(text, "\n## ")
	if !found || !ends {
		t.Fatal("the README has no section 快速开始")
	}
	return text
}

// TestChineseQuickStart: what it says to write is accepted and does what it says,
// and what it says to run can be run.
func TestChineseQuickStart(t *testing.T) {
	text := chineseStart(t)
	files := map[string]string{}
	for _, block := range regexp.MustCompile("(?s)```yaml\n# (\\S+)\n(.*?)```").FindAllStringSubmatch(text, -1) {
		files[block[1]] = block[2]
	}
	if len(files) != 2 {
		t.Fatalf("%d files: %q", len(files), files)
	}
	server := httptest.NewServer(emulator.New(emulator.DefaultWorld()))
	t.Cleanup(server.Close)
	dir := t.TempDir()
	config := strings.ReplaceAll(files["weir.yaml"], "\n    credentials:", "\n    endpoint: "+server.URL+"\n    credentials:")
	write := func(name, text string) {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	write("weir.yaml", config)
	write("live/main.yaml", files["live/main.yaml"])
	keys := []string{"ALIYUN_AK=weir-emulator", "ALIYUN_SK=weir-emulator", "VOLC_AK=weir-emulator", "VOLC_SK=weir-emulator"}
	weir := func(args ...string) string {
		out, err := weirIn(t, dir, keys, args...).CombinedOutput()
		if err != nil {
			t.Errorf("weir %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	if got := weir("validate"); !strings.Contains(got, "2 documents, 0 errors") {
		t.Errorf("validate: %s", got)
	}
	if got := weir("diff"); !strings.Contains(got, "2 withheld") {
		t.Errorf("observe calls nothing: %s", got)
	}
	write("weir.yaml", strings.Replace(config, "mode: observe", "mode: sync", 1))
	if got := weir("apply", "--yes"); !strings.Contains(got, "Done: 2 applied, 0 failed") {
		t.Errorf("apply: %s", got)
	}
}

// TestChineseCommands: each command of the section is one that there is.
func TestChineseCommands(t *testing.T) {
	found := 0
	for _, call := range regexp.MustCompile("(?m)(?:^|`)(weir [^`\n]+)").FindAllStringSubmatch(chineseStart(t), -1) {
		if line := strings.TrimSpace(call[1]); regexp.MustCompile(`^weir [a-z]`).MatchString(line) {
			checkCall(t, "", line)
			found++
		}
	}
	if found < 15 {
		t.Errorf("only %d commands found", found)
	}
}

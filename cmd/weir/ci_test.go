package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

// workflow is the text and the tree of an example for CI.
func workflow(t *testing.T, name string) (text string, tree map[string]any) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(examplesDir, "ci", name))
	if err == nil {
		err = yaml.Unmarshal(b, &tree)
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(b), tree
}

// scripts returns the shell of v: each run, script and before_script.
func scripts(v any) []string {
	var out []string
	switch v := v.(type) {
	case []any:
		for _, sub := range v {
			out = append(out, scripts(sub)...)
		}
	case map[string]any:
		for key, sub := range v {
			if !slices.Contains([]string{"run", "script", "before_script"}, key) {
				out = append(out, scripts(sub)...)
				continue
			}
			list, ok := sub.([]any)
			if !ok {
				list = []any{sub}
			}
			for _, line := range list {
				text, _ := line.(string)
				out = append(out, text)
			}
		}
	}
	return out
}

// weirLine finds calls of weir in a shell script.
var weirLine = regexp.MustCompile(`(?m)(?:^|[;&|(]|\bthen|\bif|!)[ \t]*weir[ \t]+([^;&|><\n]*)`)

func weirLines(list []string) [][]string {
	var out [][]string
	for _, text := range list {
		text = strings.ReplaceAll(text, "\\\n", " ")
		for _, m := range weirLine.FindAllStringSubmatch(text, -1) {
			out = append(out, strings.Fields(strings.ReplaceAll(m[1], `"`, "")))
		}
	}
	return out
}

// understood runs a command line up to the configuration, which is not there,
// and returns what is said against the line itself.
func understood(t *testing.T, args []string) string {
	t.Helper()
	a := &app{in: strings.NewReader(""), out: io.Discard, errs: io.Discard}
	cmd, rest, err := a.root().Find(args)
	if err == nil && !cmd.HasParent() {
		return "no command"
	}
	if err == nil {
		err = cmd.ParseFlags(rest)
	}
	if err == nil {
		err = cmd.ValidateArgs(cmd.Flags().Args())
	}
	if err != nil {
		return err.Error()
	}
	var errs bytes.Buffer
	run(t.Context(), []string{cmd.Name(), "--config", "not-there", "--output", a.output}, a.in, io.Discard, &errs)
	if strings.Contains(errs.String(), "--output") {
		return errs.String()
	}
	return ""
}

// TestCIExamples holds that the examples call weir as it is.
func TestCIExamples(t *testing.T) {
	for name, want := range map[string]int{"github-actions.yaml": 4, "gitlab-ci.yaml": 3} {
		_, tree := workflow(t, name)
		shell := scripts(tree)
		lines := weirLines(shell)
		if len(lines) != want {
			t.Errorf("%s: %d calls of weir, want %d: %q", name, len(lines), want, lines)
		}
		all := ""
		for _, args := range lines {
			all += strings.Join(args, " ") + "\n"
			if fault := understood(t, args); fault != "" {
				t.Errorf("%s: weir %s: %s", name, strings.Join(args, " "), fault)
			}
		}
		for _, part := range []string{"validate", "diff --base ", "diff --rev ", "--exit-code", "--output markdown"} {
			if !strings.Contains(all, part) {
				t.Errorf("%s: no call has %q", name, part)
			}
		}
		for _, text := range shell {
			checkShell(t, name, text)
		}
	}
}

// checkShell demands a script that a shell can read, in which nothing is put
// that somebody else wrote: what stands in the request is in variables only.
func checkShell(t *testing.T, name, text string) {
	t.Helper()
	if strings.Contains(text, "${{") {
		t.Errorf("%s: an expression in a script: %s", name, text)
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-n")
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s: %v: %s in\n%s", name, err, out, text)
	}
}

// TestCIExamplesFail holds that a flag or a command that is not there is seen.
func TestCIExamplesFail(t *testing.T) {
	for _, line := range []string{
		"diff --rev", "diff --nothing x", "differ", "validate --base x", "diff --output sarif", "validate --output markdown", "diff extra",
	} {
		if understood(t, strings.Fields(line)) == "" {
			t.Errorf("weir %s is taken for right", line)
		}
	}
	script := "if ! weir a b; then\n  weir c \\\n    --d \"$E\" >f || weir g\nfi\ngo build ./cmd/weir x"
	want := [][]string{{"a", "b"}, {"c", "--d", "$E"}, {"g"}}
	got := weirLines([]string{script})
	if !slices.EqualFunc(got, want, slices.Equal[[]string]) {
		t.Errorf("lines %q, want %q", got, want)
	}
}

// TestGithubExampleIsSafe holds that a stranger's request meets no secret and
// no right to write code.
func TestGithubExampleIsSafe(t *testing.T) {
	text, tree := workflow(t, "github-actions.yaml")
	if strings.Contains(text, "pull_request_target") || strings.Contains(text, "workflow_run") {
		t.Error("a trigger that brings the target's secrets")
	}
	if on, _ := tree["on"].(map[string]any); len(on) != 1 {
		t.Errorf("triggers %v, want pull_request alone", tree["on"])
	}
	rights := map[string]string{"contents": "read", "pull-requests": "write"}
	if top, _ := tree["permissions"].(map[string]any); len(top) != 1 || top["contents"] != "read" {
		t.Errorf("permissions %v, want contents: read", tree["permissions"])
	}
	jobs, _ := tree["jobs"].(map[string]any)
	for name, v := range jobs {
		job, _ := v.(map[string]any)
		granted, _ := job["permissions"].(map[string]any)
		for what, right := range granted {
			if rights[what] != right {
				t.Errorf("job %s: permission %s: %v", name, what, right)
			}
		}
		b, err := yaml.Marshal(job)
		if err != nil {
			t.Fatal(err)
		}
		secrets := strings.Contains(string(b), "secrets.")
		guarded := job["environment"] != nil && strings.Contains(string(b), "head.repo.full_name == github.repository")
		if len(granted) == 0 || secrets && !guarded {
			t.Errorf("job %s: permissions %v, secrets %v, guarded %v", name, granted, secrets, guarded)
		}
		if n := strings.Count(string(b), "fetch-depth: 0"); n != 1 {
			t.Errorf("job %s: %d checkouts with the history, want 1", name, n)
		}
	}
	pinned := regexp.MustCompile(`^[a-z-]+/[a-z-]+@v\d+$`)
	uses := regexp.MustCompile(`(?m)uses: (.*)$`).FindAllStringSubmatch(text, -1)
	for _, m := range uses {
		if !pinned.MatchString(m[1]) {
			t.Errorf("%s is not pinned by its major version", m[1])
		}
	}
	if len(uses) < 6 {
		t.Errorf("%d actions", len(uses))
	}
}

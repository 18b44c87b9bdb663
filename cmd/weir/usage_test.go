package main

import (
	"bytes"
	"io"
	"strings"
	"testing"
)

// words splits a line as a shell does, as far as examples need it.
func words(line string) []string {
	line, _, _ = strings.Cut(line, "   #")
	line, _, _ = strings.Cut(line, " >")
	line = strings.ReplaceAll(line, `"$(git rev-parse HEAD)"`, "45ab9f3")
	var out []string
	for w := range strings.FieldsSeq(line) {
		out = append(out, strings.Trim(w, `'"`))
	}
	return out
}

// TestEveryCommandHasExamples: each command has examples, and each is a call that it takes.
func TestEveryCommandHasExamples(t *testing.T) {
	root := (&app{out: io.Discard, errs: io.Discard}).root()
	for _, cmd := range root.Commands() {
		if cmd.Example == "" {
			t.Errorf("%s has no example", cmd.Name())
		}
	}
	for name, lines := range usualCalls() {
		for _, line := range lines {
			checkCall(t, name, line)
		}
	}
}

// checkCall checks that a line calls a command of that name, with flags and
// arguments that it has.
func checkCall(t *testing.T, name, line string) {
	t.Helper()
	root := (&app{out: io.Discard, errs: io.Discard}).root()
	call := words(line)
	if len(call) == 0 || call[0] != "weir" {
		t.Errorf("%q does not call weir", line)
		return
	}
	cmd, args, err := root.Find(call[1:])
	if err != nil || name != "" && cmd.Name() != name && cmd.Parent().Name() != name {
		t.Errorf("%q: %v; it calls %s", line, err, cmd.Name())
		return
	}
	if err := cmd.ParseFlags(args); err != nil {
		t.Errorf("%q: %v", line, err)
		return
	}
	if err := cmd.ValidateArgs(cmd.Flags().Args()); err != nil {
		t.Errorf("%q: %v", line, err)
	}
	if err := cmd.ValidateFlagGroups(); err != nil {
		t.Errorf("%q: %v", line, err)
	}
}

// TestUsageErrors: what is wrong with a call is told with how it is made.
func TestUsageErrors(t *testing.T) {
	for call, want := range map[string]string{
		"status --wacth":           "unknown flag: --wacth; did you mean --watch? `weir status --help` lists all",
		"status --confg x":         "did you mean --config?",
		"diff --limit 3":           "unknown flag: --limit; `weir diff --help` lists all flags",
		"diff --cached soon":       "invalid argument \"soon\" for \"--cached\" flag",
		"blame":                    "it is called as `weir blame ID`, for example: weir blame volc-main/",
		"settle a/b/c":             "it is called as `weir settle ID done|again`, not with [\"a/b/c\"]",
		"diff live":                "it is called as `weir diff`, not with [\"live\"]",
		"explain unknown-regin":    "did you mean unknown-region?",
		"schema RelaySorce":        "did you mean RelaySource?",
		"status --wait-for insync": "did you mean in-sync?",
	} {
		var errs bytes.Buffer
		if code := run(t.Context(), strings.Fields(call), strings.NewReader(""), io.Discard, &errs); code != exitFailed {
			t.Errorf("%s: exit status %d", call, code)
		}
		if !strings.Contains(errs.String(), want) {
			t.Errorf("%s: %q, want %q", call, errs.String(), want)
		}
	}
}

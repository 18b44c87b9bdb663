package deploy

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// shellTime bounds a shell: one that waits for somebody would wait for ever.
const shellTime = 30 * time.Second

// pressTab is what each shell does when a person has typed a line and presses
// TAB; $1 is the script that weir wrote, $2 the line.
var pressTab = map[string]string{
	"bash": `source /usr/share/bash-completion/bash_completion; source "$1"
		COMP_LINE=$2 COMP_POINT=${#2} COMP_TYPE=9 COMP_KEY=9
		read -ra COMP_WORDS <<<"$2"; [[ $2 == *' ' ]] && COMP_WORDS+=('')
		COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
		"$(complete -p weir | sed 's/.*-F \([^ ]*\) weir/\1/')" 2>/dev/null
		printf '%s\n' "${COMPREPLY[@]}"`,
	// zsh completes only in its line editor, which needs a terminal: zpty is one.
	"zsh": `zmodload zsh/zpty; zpty shell zsh -f -i
		zpty -w shell "PS1= PROMPT_EOL_MARK=; autoload -Uz compinit; compinit -u -D; source $1"
		zpty -w shell "zstyle ':completion:*' list-separator ::; print REA''DY"
		zpty -r shell out '*READY*'
		zpty -n -w shell "$2"$'\t'; sleep 0.5; zpty -n -w shell $'\C-u'"print DO''NE"$'\n'
		zpty -r shell out '*DONE*'; print -r -- "$out"; zpty -d shell`,
	"fish": `source $argv[1]; complete -C $argv[2]`,
}

// tab returns what a shell offers for a line, in a folder.
func tab(t *testing.T, shell, program, dir, line string) string {
	t.Helper()
	script := filepath.Join(t.TempDir(), "weir."+shell)
	text, err := exec.CommandContext(t.Context(), program, "completion", shell).Output()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(script, text, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), shellTime)
	defer cancel()
	args := []string{"-c", pressTab[shell], "tab", script, line}
	if shell == "fish" {
		args = slices.Delete(args, 2, 3) // its arguments begin with the first
	}
	cmd := exec.CommandContext(ctx, shell, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(program)+":"+os.Getenv("PATH"), "HOME="+dir, "TERM=xterm")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", shell, err, out)
	}
	return string(out)
}

// testCompletion types in real shells.
func testCompletion(t *testing.T, program string) {
	dir := filepath.Join(t.TempDir(), "demo")
	if out, err := exec.CommandContext(t.Context(), program, "demo", "--once", "--dir", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for shell := range pressTab {
		t.Run(shell, func(t *testing.T) {
			if _, err := exec.LookPath(shell); err != nil {
				t.Skip(shell + " is not installed")
			}
			if _, err := os.Stat("/usr/share/bash-completion/bash_completion"); shell == "bash" && err != nil {
				t.Skip("bash-completion is not installed")
			}
			for line, want := range map[string][]string{
				"weir diff --s":      {"--selector", "--show-unchanged", "--source"},
				"weir ro":            {"rollback"},
				"weir blame volc":    {"volc-main/RelaySource/"},
				"weir validate -o s": {"sarif"},
			} {
				got := tab(t, shell, program, dir, line)
				for _, word := range want {
					if !strings.Contains(got, word) {
						t.Errorf("%q offers %q, want %s", line, got, word)
					}
				}
				if strings.Contains(got, "--exit-code") {
					t.Errorf("%q offers %q, which does not begin so", line, got)
				}
			}
		})
	}
	t.Run("powershell", func(t *testing.T) {
		// No PowerShell runs here; the script is cobra's own.
		text, err := exec.CommandContext(t.Context(), program, "completion", "powershell").Output()
		if err != nil || !strings.Contains(string(text), "Register-ArgumentCompleter -CommandName 'weir'") {
			t.Errorf("%v\n%s", err, text)
		}
	})
}

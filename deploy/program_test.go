package deploy

import (
	"debug/buildinfo"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The bounds of the program as it is shipped. etcd's own client is twelve modules of
// the 68 (gRPC, two generations of protobuf, zap, and what their types are made of) and
// 5.3 of the 36.7 MiB. None of it can be left out: the tag grpcnotrace saves nothing,
// since Prometheus' listener links golang.org/x/net/trace as well, and the program has
// no symbols (-s). There is room for what is repaired, not for another library.
const (
	mostModules = 70
	mostBytes   = 38 << 20
)

// release builds the program as the Dockerfile does.
func release(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("builds the program")
	}
	build := regexp.MustCompile(`go build (.*) -o /out/weir ./cmd/weir`).FindStringSubmatch(read(t, "Dockerfile"))
	if build == nil {
		t.Fatal("the Dockerfile has no go build")
	}
	path := filepath.Join(t.TempDir(), "weir")
	flags := strings.Fields(strings.ReplaceAll(build[1], "$TAGS", ""))
	args := slices.Concat([]string{"build"}, flags, []string{"-o", path, "weir/cmd/weir"})
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, out)
	}
	return path
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestProgram builds once for all that is asked of the program.
func TestProgram(t *testing.T) {
	path := release(t)
	t.Run("commands", func(t *testing.T) { testCommands(t, path) })
	t.Run("size", func(t *testing.T) { testSize(t, path) })
	t.Run("modules", func(t *testing.T) { testModules(t, path) })
	t.Run("completion", func(t *testing.T) { testCompletion(t, path) })
	t.Run("manual", func(t *testing.T) { testManual(t, path) })
}

// testCommands holds that every command and flag in this folder exists.
func testCommands(t *testing.T, path string) {
	lines := commands(t)
	if len(lines) < 8 {
		t.Fatalf("only %d commands found: %q", len(lines), lines)
	}
	for _, args := range lines {
		help, err := exec.CommandContext(t.Context(), path, args[0], "--help").CombinedOutput()
		if err != nil || !strings.Contains(string(help), "weir "+args[0]) {
			t.Errorf("weir %s: %v\n%s", args[0], err, help)
			continue
		}
		for _, arg := range args[1:] {
			if flag, _, _ := strings.Cut(arg, "="); strings.HasPrefix(flag, "--") && !hasFlag(string(help), flag) {
				t.Errorf("weir %s has no flag %s", args[0], flag)
			}
		}
	}
}

func hasFlag(help, flag string) bool {
	return regexp.MustCompile(`(?m)(^|\s)` + regexp.QuoteMeta(flag) + `(\s|$)`).MatchString(help)
}

// commands returns the arguments of every call of weir in the Dockerfile, the
// unit, the page and the runbook.
func commands(t *testing.T) [][]string {
	t.Helper()
	var out [][]string
	for _, text := range execLines(t) {
		out = append(out, strings.Fields(text))
	}
	call := regexp.MustCompile("(?m)(?:^|`|/)weir ([a-z][a-z-]*(?: [^`#\n]*)?)")
	for _, name := range []string{"README.md", metricsTable} {
		for _, m := range call.FindAllStringSubmatch(read(t, name), -1) {
			out = append(out, strings.Fields(m[1]))
		}
	}
	return out
}

// execLines returns what the image and the unit run.
func execLines(t *testing.T) []string {
	t.Helper()
	image := read(t, "Dockerfile")
	var health, cmd []string
	jsonOf(t, image, `(?m)^\s+CMD (\[.*\])$`, &health)
	jsonOf(t, image, `(?m)^CMD (\[.*\])$`, &cmd)
	var entry []string
	jsonOf(t, image, `(?m)^ENTRYPOINT (\[.*\])$`, &entry)
	if !slices.Equal(entry, []string{"/weir"}) || health[0] != "/weir" {
		t.Fatalf("entrypoint %q, health check %q", entry, health)
	}
	lines := []string{strings.Join(cmd, " "), strings.Join(health[1:], " ")}
	run := regexp.MustCompile(`(?m)^Exec\w+=weir (.*)$`)
	unit := run.FindAllStringSubmatch(read(t, "systemd/weir.service"), -1)
	if len(unit) != 1 {
		t.Fatalf("the unit runs weir %d times", len(unit))
	}
	return append(lines, unit[0][1])
}

func jsonOf(t *testing.T, text, pattern string, v any) {
	t.Helper()
	m := regexp.MustCompile(pattern).FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("no line %s", pattern)
	}
	if err := json.Unmarshal([]byte(m[1]), v); err != nil {
		t.Fatalf("%s: %v", m[0], err)
	}
}

func testSize(t *testing.T, path string) {
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("the program has %.1f MiB, bound %d", float64(info.Size())/(1<<20), mostBytes>>20)
	if info.Size() > mostBytes {
		t.Errorf("the program has %d bytes, bound %d", info.Size(), mostBytes)
	}
}

// testModules holds that few modules are linked, that each has a licence we
// may ship, and that nothing replaces one by a folder.
func testModules(t *testing.T, path string) {
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(info.Deps) == 0 || len(info.Deps) > mostModules {
		t.Errorf("%d modules are linked, bound %d", len(info.Deps), mostModules)
	}
	dirs, packages := moduleDirs(t)
	count := map[string]int{}
	for _, m := range info.Deps {
		if m.Replace != nil {
			t.Errorf("%s is replaced by %s", m.Path, m.Replace.Path)
		}
		kind, err := licenceOf(dirs[m.Path])
		if err != nil {
			if kind, ferr := licenceOfFiles(packages[m.Path]); ferr == nil {
				count[kind]++
				continue
			}
			t.Errorf("%s %s: %v", m.Path, m.Version, err)
		}
		count[kind]++
	}
	t.Logf("%d modules are linked, bound %d; licences %v", len(info.Deps), mostModules, count)
}

// moduleDirs returns where the go command keeps each module, and the packages of
// each that are linked.
func moduleDirs(t *testing.T) (modules map[string]string, packages map[string][]string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps",
		"-f", "{{$dir := .Dir}}{{with .Module}}{{.Path}}\t{{.Dir}}\t{{$dir}}{{end}}", "weir/cmd/weir")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v", cmd.Args, err)
	}
	modules, packages = map[string]string{}, map[string][]string{}
	for line := range strings.Lines(string(out)) {
		if parts := strings.Split(strings.TrimSpace(line), "\t"); len(parts) == 3 {
			modules[parts[0]] = parts[1]
			packages[parts[0]] = append(packages[parts[0]], parts[2])
		}
	}
	return modules, packages
}

package check

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
)

// image reads the Dockerfile as `docker build` does, with its checks.
func image(t *testing.T) []instructions.Stage {
	t.Helper()
	result, err := parser.Parse(strings.NewReader(read(t, "../Dockerfile")))
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range result.Warnings {
		t.Errorf("line %v: %s", w.Location, w.Short)
	}
	lint := linter.New(&linter.Config{Warn: func(rule, description, _, message string, at []parser.Range) {
		t.Errorf("line %v: %s: %s (%s)", at, rule, message, description)
	}})
	stages, _, err := instructions.Parse(result.AST, lint)
	if err != nil {
		t.Fatal(err)
	}
	return stages
}

// one returns the only instruction of its kind in a stage.
func one[C instructions.Command](t *testing.T, stage instructions.Stage) C {
	t.Helper()
	var found []C
	for _, c := range stage.Commands {
		if of, ok := c.(C); ok {
			found = append(found, of)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d of %T", len(found), *new(C))
	}
	return found[0]
}

// imageCommands returns what a container runs where nobody says otherwise, and
// its health check.
func imageCommands(t *testing.T) (run, health []string) {
	t.Helper()
	last := image(t)[1]
	run = append(slices.Clone(one[*instructions.EntrypointCommand](t, last).CmdLine),
		one[*instructions.CmdCommand](t, last).CmdLine...)
	check := one[*instructions.HealthCheckCommand](t, last).Health.Test
	if check[0] != "CMD" {
		t.Fatalf("the health check needs a shell: %q", check)
	}
	return run, check[1:]
}

func TestImage(t *testing.T) {
	stages := image(t)
	if len(stages) != 2 || stages[1].BaseName != "scratch" {
		t.Fatalf("%d stages, the last from %s", len(stages), stages[len(stages)-1].BaseName)
	}
	last := stages[1]
	if user := one[*instructions.UserCommand](t, last).User; user != "65532:65532" {
		t.Errorf("it runs as %s", user)
	}
	var copied []string
	for _, c := range last.Commands {
		switch c := c.(type) {
		case *instructions.RunCommand:
			t.Error("nothing runs in an empty image")
		case *instructions.CopyCommand:
			if c.From != "build" {
				t.Errorf("%q comes from %q", c.SourcePaths, c.From)
			}
			copied = append(copied, c.DestPath)
		}
	}
	want := []string{"/etc/ssl/certs/ca-certificates.crt", "/usr/share/zoneinfo", "/weir", "/var/lib/weir", "/tmp"}
	if !slices.Equal(copied, want) {
		t.Errorf("it holds %q, want %q", copied, want)
	}
	run, health := imageCommands(t)
	if strings.Join(run, " ") != "/weir run --config /etc/weir/weir.yaml --log-format json" ||
		strings.Join(health, " ") != "/weir status --config /etc/weir/weir.yaml" {
		t.Errorf("it runs %q and asks %q", run, health)
	}
}

// TestImage_Context holds that what the build needs is sent to it, and what
// would spoil it is not: a state, or a program built elsewhere.
func TestImage_Context(t *testing.T) {
	lines, err := ignorefile.ReadAll(bytes.NewReader([]byte(read(t, "../Dockerfile.dockerignore"))))
	if err != nil {
		t.Fatal(err)
	}
	ignored, err := patternmatcher.New(lines)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{
		"go.mod": false, "go.sum": false, ".git/HEAD": false, "cmd/weir/main.go": false, "schema/weir.v1.Config.json": false,
		"examples/quickstart/weir.yaml": false, "weir": true, "dist/weir.deb": true, "examples/quickstart/weir.db": true,
		"deploy/package/made/man/weir.1.gz": true,
	} {
		if got, err := ignored.MatchesOrParentMatches(name); got != want || err != nil {
			t.Errorf("%s: left out %v, %v; want %v", name, got, err, want)
		}
	}
	for _, name := range []string{"go.mod", "go.sum", "cmd/weir/main.go", "examples/quickstart/weir.yaml"} {
		if _, err := os.Stat(filepath.Join(repository, name)); err != nil {
			t.Error(err)
		}
	}
}

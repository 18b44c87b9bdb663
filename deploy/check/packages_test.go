package check

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	goreleaser "github.com/goreleaser/goreleaser/v2/pkg/config"
	"github.com/goreleaser/nfpm/v2"
	_ "github.com/goreleaser/nfpm/v2/deb" // the formats that are made
	"github.com/goreleaser/nfpm/v2/files"
	_ "github.com/goreleaser/nfpm/v2/rpm"
)

const repository = "../.."

// commit is when the packages of these tests say that they were made.
var commit = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// releaseConfig reads how a release is made as goreleaser does, which refuses what it does
// not know.
func releaseConfig(t *testing.T) goreleaser.Project {
	t.Helper()
	cfg, err := goreleaser.Load(filepath.Join(repository, ".goreleaser.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// command runs a program in the repository's root.
func command(t *testing.T, env []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir, cmd.Env = repository, append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// built is the program as a release has it, made once for all tests.
var built = sync.OnceValues(func() (string, error) {
	path := filepath.Join(bin, "weir")
	return path, build(repository, path)
})

// build makes the program of the code in a folder as a release does, but for its
// revision: the tests also run where there is no git.
func build(code, path string) error {
	cfg, err := goreleaser.Load(filepath.Join(repository, ".goreleaser.yaml"))
	if err != nil {
		return err
	}
	b := cfg.Builds[0]
	cmd := exec.Command("go", slices.Concat([]string{"build"}, b.Flags, []string{
		"-buildvcs=false", "-ldflags", strings.Join(b.Ldflags, " "), "-o", path, b.Main,
	})...)
	cmd.Dir, cmd.Env = code, append(os.Environ(), b.Env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%v: %w\n%s", cmd.Args, err, out)
	}
	return nil
}

// bin is where the program is built.
var bin string

// TestMain removes what was built.
func TestMain(m *testing.M) {
	var err error
	if bin, err = os.MkdirTemp("", "weir-check-"); err != nil {
		panic(err)
	}
	code := m.Run()
	_ = os.RemoveAll(bin)
	os.Exit(code)
}

// below returns where a file is that the configuration names.
func below(name string) string {
	if name == "" {
		return ""
	}
	return filepath.Join(repository, name)
}

// made writes a package of a format as goreleaser has nfpm do it.
func made(t *testing.T, cfg goreleaser.Project, program, format, version string) string {
	t.Helper()
	n := cfg.NFPMs[0]
	info := &nfpm.Info{
		Name: n.PackageName, Arch: "amd64", Platform: "linux", Version: version, Section: n.Section,
		Maintainer: n.Maintainer, Description: n.Description, Vendor: n.Vendor, Homepage: n.Homepage, License: n.License,
		MTime: commit,
	}
	info.Depends, info.Umask = n.Overrides[format].Dependencies, 0o022
	info.Scripts = nfpm.Scripts{
		PostInstall: below(n.Scripts.PostInstall), PreRemove: below(n.Scripts.PreRemove), PostRemove: below(n.Scripts.PostRemove),
	}
	info.Contents = files.Contents{{
		Source: program, Destination: n.Bindir + "/weir", FileInfo: &files.ContentFileInfo{Mode: 0o755},
	}}
	for _, c := range n.Contents {
		info.Contents = append(info.Contents, &files.Content{
			Source: below(c.Source), Destination: c.Destination, Type: c.Type, Packager: c.Packager,
			FileInfo: &files.ContentFileInfo{Mode: c.FileInfo.Mode},
		})
	}
	info = nfpm.WithDefaults(info)
	if err := nfpm.PrepareForPackager(info, format); err != nil {
		t.Fatal(err)
	}
	packager, err := nfpm.Get(format)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := packager.Package(info, io.Writer(&b)); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), packager.ConventionalFileName(info))
	write(t, path, b.String())
	return path
}

// program is weir with what prepare.sh makes of it beside it.
func program(t *testing.T) (goreleaser.Project, string) {
	t.Helper()
	path, err := built()
	if err != nil {
		t.Fatal(err)
	}
	cfg := releaseConfig(t)
	for _, hook := range cfg.Before.Hooks {
		command(t, []string{"SOURCE_DATE_EPOCH=1772323200"}, hook, path)
	}
	t.Cleanup(func() { _ = os.RemoveAll(filepath.Join(repository, "deploy/package/made")) })
	return cfg, path
}

// belongs is what must be in every package, by path.
var belongs = []string{
	"/usr/bin/weir", "/usr/lib/systemd/system/weir.service", "/usr/lib/sysusers.d/weir.conf", "/etc/weir/weir.yaml",
	"/etc/weir/keys", "/etc/weir/live", "/usr/share/man/man1/weir.1.gz", "/usr/share/man/man1/weir-run.1.gz",
	"/usr/share/man/man5/weir.yaml.5.gz", "/usr/share/bash-completion/completions/weir",
	"/usr/share/fish/vendor_completions.d/weir.fish",
}

func TestPackages(t *testing.T) {
	cfg, weir := program(t)
	t.Run("deb", func(t *testing.T) {
		needs(t, "dpkg-deb")
		path := made(t, cfg, weir, "deb", "0.1.0")
		list := command(t, nil, "dpkg-deb", "--contents", path)
		for _, want := range append(slices.Clone(belongs), "/usr/share/zsh/vendor-completions/_weir", "/usr/share/doc/weir/copyright") {
			if !regexp.MustCompile(`\s\.?` + regexp.QuoteMeta(want) + `/?\n`).MatchString(list) {
				t.Errorf("no %s in\n%s", want, list)
			}
		}
		if !regexp.MustCompile(`drwx------ root/root .* ./etc/weir/keys/`).MatchString(list) {
			t.Errorf("the keys' folder is open:\n%s", list)
		}
		if got := command(t, nil, "dpkg-deb", "--info", path, "conffiles"); got != "/etc/weir/weir.yaml\n" {
			t.Errorf("files that people edit: %q", got)
		}
		sameTwice(t, path, made(t, cfg, weir, "deb", "0.1.0"))
	})
	t.Run("rpm", func(t *testing.T) {
		needs(t, "rpm")
		path := made(t, cfg, weir, "rpm", "0.1.0")
		list := command(t, nil, "rpm", "-qlp", path)
		for _, want := range append(slices.Clone(belongs), "/usr/share/zsh/site-functions/_weir", "/usr/share/licenses/weir/LICENSE") {
			if !slices.Contains(strings.Split(list, "\n"), want) {
				t.Errorf("no %s in\n%s", want, list)
			}
		}
		if got := command(t, nil, "rpm", "-qcp", path); got != "/etc/weir/weir.yaml\n" {
			t.Errorf("files that people edit: %q", got)
		}
		for _, script := range []string{"postinstall", "preuninstall", "postuninstall"} {
			if !strings.Contains(command(t, nil, "rpm", "-qp", "--scripts", path), script+" scriptlet") {
				t.Errorf("no %s", script)
			}
		}
		sameTwice(t, path, made(t, cfg, weir, "rpm", "0.1.0"))
	})
}

func needs(t *testing.T, tool string) {
	t.Helper()
	if _, err := exec.LookPath(tool); err != nil {
		t.Skip(tool + " is not installed")
	}
}

func sameTwice(t *testing.T, first, second string) {
	t.Helper()
	if read(t, first) != read(t, second) {
		t.Error("made twice, it is not the same")
	}
}

// TestScripts holds that the packages' scripts are ones that every sh reads.
func TestScripts(t *testing.T) {
	scripts, err := filepath.Glob("../package/*.sh")
	if err != nil || len(scripts) != 4 {
		t.Fatalf("%q, %v", scripts, err)
	}
	for _, script := range append(scripts, "testdata/boot.sh") {
		if out, err := exec.CommandContext(t.Context(), "sh", "-n", script).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", script, err, out)
		}
	}
}

// TestRelease_Flags holds that the image is built as a release is.
func TestRelease_Flags(t *testing.T) {
	cfg := releaseConfig(t)
	image := read(t, "../Dockerfile")
	for _, flag := range append(slices.Clone(cfg.Builds[0].Flags), "-ldflags="+cfg.Builds[0].Ldflags[0]) {
		if !strings.HasPrefix(flag, "-buildvcs") && !strings.Contains(image, " "+flag+" ") {
			t.Errorf("the Dockerfile builds without %s", flag)
		}
	}
	if !slices.Contains(cfg.Builds[0].Env, "CGO_ENABLED=0") || !strings.Contains(image, "CGO_ENABLED=0") {
		t.Error("not built without C")
	}
}

// TestRelease_Reproducible builds the program once more from a copy of the code
// in another folder: it is the same to the byte, so that anybody can check a
// release.
func TestRelease_Reproducible(t *testing.T) {
	first, err := built()
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := t.TempDir()
	for _, part := range []string{"cmd", "examples", "schema", "sync"} {
		if err := os.CopyFS(filepath.Join(elsewhere, part), os.DirFS(filepath.Join(repository, part))); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"go.mod", "go.sum"} {
		write(t, filepath.Join(elsewhere, name), read(t, filepath.Join(repository, name)))
	}
	second := filepath.Join(t.TempDir(), "weir")
	if err := build(elsewhere, second); err != nil {
		t.Fatal(err)
	}
	if read(t, first) != read(t, second) {
		t.Error("built in two folders, the program is not the same")
	}
}

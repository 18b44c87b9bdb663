package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"weir/sync/config"
	"weir/sync/manifest"
	"weir/sync/source"
	"weir/sync/source/dirsource"
)

func (a *app) validateCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "validate [PATH...]",
		Short: "Check manifests, offline",
		Long: "validate checks files and directories; without a path, the sources of the configuration. Every problem\n" +
			"is reported with file, line and column; `weir explain CODE` says more about one.",
		RunE: func(cmd *cobra.Command, paths []string) error { return a.validate(cmd.Context(), paths) },
	}
}

// checked is what `validate --output json` prints.
type checked struct {
	Documents int                `json:"documents"`
	Errors    int                `json:"errors"` // all, also those beyond what is listed
	Problems  []manifest.Problem `json:"problems"`
}

func (a *app) validate(ctx context.Context, paths []string) error {
	if err := a.format("github", "sarif"); err != nil {
		return err
	}
	opts, roots, err := a.validateWhat(paths)
	if err != nil {
		return err
	}
	sum := checked{Problems: []manifest.Problem{}}
	for _, root := range roots {
		res, err := check(ctx, root, opts)
		if err != nil {
			return err
		}
		sum.Documents += res.Documents
		sum.Errors += res.Errors
		sum.Problems = append(sum.Problems, res.Problems...)
	}
	if err := a.printChecked(sum); err != nil {
		return err
	}
	if sum.Errors > 0 {
		return exitError(exitFailed)
	}
	return nil
}

// validateWhat returns the paths to check and what is known of accounts: with
// a configuration its accounts, else nothing.
func (a *app) validateWhat(paths []string) (manifest.Options, []string, error) {
	if _, err := os.Stat(a.config); errors.Is(err, fs.ErrNotExist) && len(paths) > 0 {
		return manifest.Options{}, paths, nil
	}
	cfg, err := a.readConfig()
	if err != nil {
		return manifest.Options{}, nil, err
	}
	if len(paths) == 0 {
		paths = directories(cfg)
	}
	return manifestOptions(cfg), paths, nil
}

func directories(cfg *config.Config) []string {
	var out []string
	for _, s := range cfg.Sources {
		out = append(out, s.Directory)
	}
	return out
}

// check loads one file or directory. The places in its problems are paths the
// user can open.
func check(ctx context.Context, root string, opts manifest.Options) (manifest.Result, error) {
	snap, dir, err := snapshot(ctx, root)
	if err != nil {
		return manifest.Result{}, err
	}
	res := manifest.New(opts).Load(snap)
	for i := range res.Problems {
		res.Problems[i].File = filepath.Join(dir, res.Problems[i].File)
	}
	return res, nil
}

// snapshot reads root, and says which folder its paths are below.
func snapshot(ctx context.Context, root string) (*source.Snapshot, string, error) {
	info, err := os.Stat(root)
	if err != nil {
		return nil, "", err
	}
	if !info.IsDir() {
		data, err := os.ReadFile(root)
		if err != nil {
			return nil, "", err
		}
		dir, name := filepath.Split(root)
		if !manifest.Matches(name) {
			return nil, "", fmt.Errorf("%s is no manifest by its name: want *.yaml, *.yml or *.json", root)
		}
		return &source.Snapshot{Files: []source.File{{Path: name, Data: data}}}, dir, nil
	}
	src, err := dirsource.New(dirsource.Options{Name: root, Path: root})
	if err != nil {
		return nil, "", err
	}
	defer src.Close()
	snap, err := src.Next(ctx, nil)
	return snap, root, err
}

func (a *app) printChecked(sum checked) error {
	switch a.output {
	case "json":
		return a.printJSON(sum)
	case "sarif":
		return a.printJSON(sarif(sum.Problems))
	case "github":
		for _, p := range sum.Problems {
			fmt.Fprintln(a.out, annotation(p))
		}
		return nil
	}
	for _, p := range sum.Problems {
		fmt.Fprintln(a.out, a.problemLine(p))
	}
	_, err := fmt.Fprintf(a.out, "%s, %s\n", plural(sum.Documents, "document"), plural(sum.Errors, "error"))
	return err
}

func (a *app) problemLine(p manifest.Problem) string {
	if p.Severity == manifest.Error {
		return p.String()
	}
	return string(p.Severity) + ": " + p.String()
}

// printProblems prints problems beside a command's results and reports whether
// any is an error.
func (a *app) printProblems(problems []manifest.Problem) bool {
	bad := false
	for _, p := range problems {
		fmt.Fprintln(a.errs, a.problemLine(p))
		bad = bad || p.Severity == manifest.Error
	}
	return bad
}

// annotation is a problem as GitHub Actions shows it in a pull request.
func annotation(p manifest.Problem) string {
	escape := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C").Replace
	text := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace
	msg := p.Message
	if p.Path != "" {
		msg = p.Path + ": " + msg
	}
	return fmt.Sprintf("::%s file=%s,line=%d,col=%d,title=%s::%s",
		p.Severity, escape(p.File), max(p.Line, 1), max(p.Column, 1), escape("weir "+p.Code), text(msg))
}

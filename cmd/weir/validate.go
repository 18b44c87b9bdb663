package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"

	"weir/sync/config"
	"weir/sync/manifest"
)

func (a *app) validateCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "validate [PATH...]",
		Short: "Check manifests, offline",
		Long: "validate checks files and directories; without a path, the sources of the configuration, of which a git\n" +
			"source is fetched. Every problem is reported with file, line and column; `weir explain CODE` says more about one.",
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
	c, roots, err := a.validateWhat(paths)
	if err != nil {
		return err
	}
	for _, root := range roots {
		if err := c.check(ctx, root); err != nil {
			return err
		}
	}
	c.join()
	if err := a.printChecked(c.sum); err != nil {
		return err
	}
	if c.sum.Errors > 0 {
		return exitError(exitFailed)
	}
	return nil
}

// validateWhat returns the paths to check and what is known of accounts and
// limits: with a configuration what it says, else nothing. A configuration
// with errors is all there is to tell.
func (a *app) validateWhat(paths []string) (*checker, []root, error) {
	c := &checker{sum: checked{Problems: []manifest.Problem{}}}
	cfg, problems, err := config.Read(a.config)
	if errors.Is(err, fs.ErrNotExist) && len(paths) > 0 {
		return c, rootsOf(nil, paths), nil
	}
	if err != nil {
		return nil, nil, a.configError(err)
	}
	c.add(problems...)
	if cfg == nil {
		return c, nil, nil
	}
	c.cfg, c.limits = cfg, limitsOf(cfg)
	return c, rootsOf(cfg, paths), nil
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

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

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
			fmt.Fprintln(a.out, problemAnnotation(p))
		}
		return nil
	}
	return a.print(func(w io.Writer) { printCheck(w, sum, a.style()) })
}

func printCheck(w io.Writer, sum checked, s style) {
	t := &problemText{style: s, w: w, files: true}
	for _, p := range sum.Problems {
		t.write(p)
	}
	color := green
	if sum.Errors > 0 {
		color = red
	}
	s.line(w, 2, cell{plural(sum.Documents, "document") + ", ", ""}, cell{plural(sum.Errors, "error"), color})
	if s.width > 0 && len(sum.Problems) > 0 {
		s.line(w, 2, cell{"weir explain " + sum.Problems[0].Code + " says more of the first", dim})
	}
}

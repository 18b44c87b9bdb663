package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"weir/sync/apply"
	"weir/sync/call"
	"weir/sync/config"
	"weir/sync/plan"
	"weir/sync/reconcile"
)

type diffFlags struct {
	exitCode      bool
	out           string
	selector      []string
	showUnchanged bool
}

func (a *app) diffCmd() *cobra.Command {
	var f diffFlags
	cmd := &cobra.Command{
		Use:   "diff",
		Short: "Show what would change, why, by which calls and how long that takes",
		Long: "diff reads the sources and the accounts and shows what `weir apply` would do. It sends no call that has\n" +
			"an effect: the dry run lets only an explicit list of reads out. It may run beside the daemon.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.diff(cmd.Context(), f) },
	}
	cmd.Flags().BoolVar(&f.exitCode, "exit-code", false, "exit with 2 where there are changes")
	cmd.Flags().StringVar(&f.out, "out", "", "also save the plan in a `file`")
	cmd.Flags().StringSliceVar(&f.selector, "selector", nil, "only resources with these labels, `k=v`")
	cmd.Flags().BoolVar(&f.showUnchanged, "show-unchanged", false, "also list resources with nothing to do")
	return cmd
}

func (a *app) diff(ctx context.Context, f diffFlags) error {
	if err := a.format(); err != nil {
		return err
	}
	one, err := a.open(ctx, f.selector, true)
	if err != nil {
		return err
	}
	defer one.close()
	if one.plan, err = a.planOnce(ctx, one.rec); err != nil {
		return err
	}
	doc, err := one.rec.Document(one.plan, f.showUnchanged)
	if err != nil {
		return err
	}
	if f.out != "" {
		if err := savePlan(f.out, doc); err != nil {
			return err
		}
	}
	if err := a.printDocument(doc); err != nil {
		return err
	}
	if a.printUnreadable(doc) {
		return exitError(exitFailed)
	}
	s := doc.Summary
	if f.exitCode && s.Create+s.Update+s.Delete > 0 {
		return exitError(exitChanges)
	}
	return nil
}

// unreadableShown bounds the reads whose failure is told one by one.
const unreadableShown = 20

// printUnreadable says what could not be read and why, and whether anything
// could not: a plan that does not know is no success.
func (a *app) printUnreadable(doc reconcile.PlanDocument) bool {
	for i, u := range doc.Unreadable {
		if i == unreadableShown {
			fmt.Fprintf(a.errs, "and %d more\n", len(doc.Unreadable)-i)
			break
		}
		fmt.Fprintf(a.errs, "cannot read %s: %s\n", u.ID, u.Why)
	}
	return len(doc.Unreadable) > 0
}

func (a *app) printDocument(doc reconcile.PlanDocument) error {
	if a.output == "json" {
		return a.printJSON(doc)
	}
	return a.print(func(w io.Writer) { printPlan(w, doc, style(a.colored(a.out))) })
}

func savePlan(path string, doc reconcile.PlanDocument) error {
	b, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o600)
}

// oneShot is a configuration made ready for one plan.
type oneShot struct {
	rec   *reconcile.Reconciler
	cfg   *config.Config
	plan  *plan.Plan
	done  func(apply.Result) // told of each finished change; may be set late
	close func()
}

// open reads the config and opens what it names.
func (a *app) open(ctx context.Context, selector []string, dryRun bool) (*oneShot, error) {
	cfg, err := a.readConfig()
	if err != nil {
		return nil, err
	}
	log, err := a.logger()
	if err != nil {
		return nil, err
	}
	one := &oneShot{cfg: cfg, done: func(apply.Result) {}}
	b := &builder{
		log: log, dryRun: dryRun, keeps: !dryRun, limiters: call.Limiters{}, reading: a.reading(),
		applied: func(r apply.Result) { one.done(r) },
	}
	if b.selector, err = labels(selector); err != nil {
		return nil, err
	}
	setup, err := b.build(ctx, cfg)
	if err != nil {
		return nil, err
	}
	one.close = func() { _ = setup.Close() }
	if one.rec, err = reconcile.New(setup.Reconcile); err != nil {
		one.close()
		return nil, err
	}
	return one, nil
}

func (a *app) planOnce(ctx context.Context, rec *reconcile.Reconciler) (*plan.Plan, error) {
	problems, err := rec.Fetch(ctx)
	if err != nil {
		return nil, err
	}
	if a.printProblems(problems) {
		return nil, errors.New("the source has problems, nothing was read or changed")
	}
	return rec.Plan(ctx)
}

// labels parses k=v selectors; none is nil.
func labels(list []string) (map[string]string, error) {
	var out map[string]string
	for _, kv := range list {
		k, v, ok := strings.Cut(kv, "=")
		if !ok || k == "" {
			return nil, fmt.Errorf("--selector %q: want k=v", kv)
		}
		if out == nil {
			out = map[string]string{}
		}
		out[k] = v
	}
	return out, nil
}

// readingFew is the number of resources up to which reading is not worth a word.
const readingFew = 10

// reading returns what shows on a terminal how far reading the accounts is.
func (a *app) reading() func(done, total int) {
	if terminal(a.errs) == 0 || a.output == "json" {
		return nil
	}
	return func(done, total int) {
		if total > readingFew {
			fmt.Fprintf(a.errs, "\r\x1b[Kread %d of %d resources", done, total)
		}
		if total > readingFew && done == total {
			fmt.Fprint(a.errs, "\r\x1b[K")
		}
	}
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"weir/sync/apply"
	"weir/sync/reconcile"
)

// Bounds of a rollback: plans that --list shows, and how long a daemon may take
// to see that a revision is pinned before it is gone on without it.
const (
	plansListed  = 20
	daemonSettle = 15 * time.Second
	daemonLook   = 100 * time.Millisecond
)

type rollbackFlags struct {
	permission
	report string // a plan's hash or a report's file, "" for the last plan
	dryRun bool
	list   bool
	unpin  bool
}

func (a *app) rollbackCmd() *cobra.Command {
	var f rollbackFlags
	cmd := &cobra.Command{
		Use:   "rollback [REPORT]",
		Short: "Undo a plan that was applied, and keep its revision from being applied again",
		Long: "rollback sets back what a plan did, from the state before that the journal recorded: what it created is\n" +
			"removed, what it removed is created, the rest is as it was. REPORT is the plan's hash (six digits are enough)\n" +
			"or a file that `weir apply --output json` printed; without it the last plan is meant. What has moved since is\n" +
			"left, each resource alone. The revision is pinned: neither the daemon nor `weir apply` applies it again until\n" +
			"there is another one, or somebody says --unpin.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			f.report = strings.Join(args, "")
			return a.rollback(cmd.Context(), f)
		},
	}
	f.add(cmd, "rollback")
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "only show what would be done")
	cmd.Flags().BoolVar(&f.dryRun, "diff", false, "the same as --dry-run")
	cmd.Flags().BoolVar(&f.list, "list", false, "show the last plans")
	cmd.Flags().BoolVar(&f.unpin, "unpin", false, "let pinned revisions be applied again")
	for _, dry := range []string{"dry-run", "diff"} { // which must have no effect
		cmd.MarkFlagsMutuallyExclusive("list", "unpin", "consent", dry)
	}
	cmd.MarkFlagsMutuallyExclusive("list", "unpin", "yes")
	return cmd
}

func (a *app) rollback(ctx context.Context, f rollbackFlags) error {
	if err := a.format(); err != nil {
		return err
	}
	if f.report != "" && (f.list || f.unpin) {
		return errors.New("--list and --unpin take no REPORT: they are of all plans")
	}
	ctx, stop := untilSignal(ctx)
	defer stop()
	one, err := a.open(ctx, openOptions{dryRun: f.dryRun || f.list})
	if err != nil {
		return err
	}
	defer one.close()
	switch {
	case f.list:
		return a.listPlans(ctx, one)
	case f.unpin:
		return a.unpin(ctx, one)
	}
	return a.undo(ctx, one, f)
}

// undo shows the inverse of a plan, asks, and carries it out.
func (a *app) undo(ctx context.Context, one *oneShot, f rollbackFlags) error {
	hash, err := planOf(f.report)
	if err != nil {
		return err
	}
	if err := one.consent(ctx, f.consent); err != nil {
		return err
	}
	u, err := one.rec.Undo(ctx, hash, person())
	if err != nil {
		return err
	}
	one.plan = u.Plan
	doc, err := one.rec.Document(u.Plan, false)
	if err != nil {
		return err
	}
	if err := a.printUndo(u, doc, f.dryRun); err != nil {
		return err
	}
	if f.dryRun {
		return nil
	}
	if err := a.permit(ctx, one, f.permission); err != nil {
		return err
	}
	end := a.progress(one)
	rep, err := one.rec.Rollback(ctx, u, a.settler(one, u))
	end()
	if rep != nil {
		err = errors.Join(err, a.printReport(rep))
	}
	_ = askSync(ctx, daemonOf(one.cfg)) // without a daemon the next process sees it
	if err == nil && rep.Failed() {
		fmt.Fprintf(a.errs, "not all of it is undone; the revision stays pinned, and nothing of its source is in force "+
			"until there is another, or `weir rollback %.12s` ends what is left\n", u.Of.Plan)
		return exitError(exitFailed)
	}
	return err
}

// planOf returns the hash of the plan that is meant: given itself, or in the
// report of an apply.
func planOf(report string) (string, error) {
	if info, err := os.Stat(report); err != nil || !info.Mode().IsRegular() {
		return report, nil //nolint:nilerr // it is no file, so it is a hash
	}
	b, err := os.ReadFile(report)
	if err != nil {
		return "", err
	}
	var doc reconcile.ReportDocument
	if err := json.Unmarshal(b, &doc); err != nil {
		return "", fmt.Errorf("%s is no report: %w", report, err)
	}
	if doc.Format != reconcile.ReportFormat || doc.Plan == "" {
		return "", fmt.Errorf("%s is no report: format %q, want %q, as `weir apply --output json` prints it",
			report, doc.Format, reconcile.ReportFormat)
	}
	return doc.Plan, nil
}

// undoDocument is a rollback as --dry-run --output json prints it.
type undoDocument struct {
	reconcile.PlanDocument
	Rollback struct {
		Of      reconcile.Past     `json:"of"`
		Forward bool               `json:"forward"`
		Left    []apply.Result     `json:"left"`
		Others  []reconcile.Past   `json:"others"`
		Pins    []reconcile.Pinned `json:"pins"`
	} `json:"rollback"`
}

// printUndo shows what would be done, in JSON only where nothing follows.
func (a *app) printUndo(u *reconcile.Undo, doc reconcile.PlanDocument, only bool) error {
	if a.output == "text" {
		return a.print(func(w io.Writer) { printUndo(w, u, doc, a.style()) })
	}
	if !only {
		return nil
	}
	out := undoDocument{PlanDocument: doc}
	out.Rollback.Of, out.Rollback.Forward = u.Of, u.Forward
	out.Rollback.Left, out.Rollback.Pins = append([]apply.Result{}, u.Left...), u.Pins
	out.Rollback.Others = append([]reconcile.Past{}, u.Others...)
	return a.printJSON(out)
}

func printUndo(w io.Writer, u *reconcile.Undo, doc reconcile.PlanDocument, s style) {
	what := "Rollback"
	if u.Forward {
		what = "Rollback of a rollback,"
	}
	fmt.Fprintf(w, "%s %s\n", s.paint(bold, what+" of plan"), pastText(u.Of))
	printPlan(w, doc, s)
	for _, r := range u.Left {
		fmt.Fprintf(w, "%s %s: %s\n", s.paint(yellow, "Left:"), r.ID, r.Error)
	}
	for _, p := range u.Others {
		fmt.Fprintf(w, "%s for the same revision there was also plan %s\n", s.paint(yellow, "Beside:"), pastText(p))
	}
	for _, p := range u.Pins {
		then := "is pinned until there is another"
		if u.Forward {
			then = "holds again"
		}
		fmt.Fprintf(w, "Revision %s of source %s %s.\n", p.Revision, p.Source, then)
	}
}

// pastText says what a plan was, on one line.
func pastText(p reconcile.Past) string {
	text := fmt.Sprintf("%s  %s  %s  %s  by %s", p.Plan[:min(len(p.Plan), planShown)],
		p.At.UTC().Format(time.RFC3339), p.Revision, plural(p.Resources, "resource"), visible(p.By, authorShown, ""))
	if p.Upkeep {
		text += "  (only kept as declared)"
	}
	return text
}

func (a *app) listPlans(ctx context.Context, one *oneShot) error {
	plans, err := one.rec.Plans(ctx, plansListed)
	if err != nil {
		return err
	}
	if a.output == "json" {
		return a.printJSON(plans)
	}
	return a.print(func(w io.Writer) {
		for _, p := range plans {
			fmt.Fprintln(w, pastText(p))
		}
	})
}

func (a *app) unpin(ctx context.Context, one *oneShot) error {
	pins, err := one.rec.Unpin(ctx)
	for _, p := range pins {
		fmt.Fprintf(a.out, "source %s: revision %s may be applied again\n", p.Source, p.Revision)
	}
	if err == nil && len(pins) == 0 {
		return errors.New("no revision is pinned, so there is nothing to unpin; `weir rollback --list` shows the last plans")
	}
	d := daemonOf(one.cfg)
	if serr := askSync(ctx, d); serr != nil && err == nil {
		fmt.Fprintf(a.errs, "no daemon answers on %s: it will be seen at the next look (%v)\n", d.name, serr)
	}
	return err
}

// settler returns what waits until the daemon, if there is one, holds back: it
// sees the pin only once it has ended what it was making.
func (a *app) settler(one *oneShot, u *reconcile.Undo) func(context.Context) error {
	return func(ctx context.Context) error {
		if one.fleet != nil {
			return a.lead(ctx, one, "rollback", u.Plan) // whoever leads has ended what it was making by then
		}
		d := daemonOf(one.cfg)
		if err := askSync(ctx, d); err != nil {
			if errors.Is(err, errUnproved) {
				fmt.Fprintf(a.errs, "the daemon on %s is not waited for: %v\n", d.name, err)
			}
			return nil // nobody is there, or nobody who answers
		}
		ctx, cancel := context.WithTimeout(ctx, daemonSettle)
		defer cancel()
		for ctx.Err() == nil {
			ans, err := askStatus(ctx, d)
			if err != nil || holdsBack(ans.Status, u.Pins) {
				return nil
			}
			pause(ctx, daemonLook)
		}
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			fmt.Fprintf(a.errs, "the daemon on %s is busy; it stops before its next change\n", d.name)
			return nil
		}
		return ctx.Err()
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// holdsBack reports whether a daemon has nothing of the pinned sources in force.
func holdsBack(s reconcile.Status, pins []reconcile.Pinned) bool {
	for _, src := range s.Sources {
		pinned := func(p reconcile.Pinned) bool { return p.Source == src.Name }
		if slices.ContainsFunc(pins, pinned) && (src.Pinned == nil || src.Pinned.Plan != "") {
			return false
		}
	}
	return true
}

package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"weir/sync/apply"
	"weir/sync/call"
	"weir/sync/config"
	"weir/sync/daemon"
	"weir/sync/manifest"
	"weir/sync/plan"
	"weir/sync/reconcile"
	"weir/sync/resource"
	"weir/sync/state"
)

type diffFlags struct {
	exitCode      bool
	out           string
	selector      []string
	showUnchanged bool
	rev           string        // what the sources would be, "" for what they are
	base          string        // a revision to compare with instead of the accounts
	source        string        // which source rev and base are of, "" for the only one
	cached        time.Duration // the age up to which the daemon's observations are used, 0 for none
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
	cmd.Flags().StringVar(&f.rev, "rev", "", "what the source would be at the `revision`")
	cmd.Flags().StringVar(&f.base, "base", "", "compare with what the `revision` declares; the accounts are not asked")
	cmd.Flags().DurationVar(&f.cached, "cached", 0, "use what the daemon has read no longer than `age` ago, and read the rest")
	cmd.Flags().StringVar(&f.source, "source", "", "`name` of the source that --rev and --base are of")
	return cmd
}

func (a *app) diff(ctx context.Context, f diffFlags) error {
	if err := a.format("github", "markdown"); err != nil {
		return err
	}
	if f.source != "" && f.rev == "" && f.base == "" {
		return errors.New("--source says of which source --rev and --base are; there is neither")
	}
	if f.cached < 0 || f.cached > 0 && f.base != "" {
		return errors.New("--cached wants an age above 0, and says nothing with --base, which reads no account")
	}
	if f.base != "" {
		return a.diffSince(ctx, f)
	}
	shorter := ""
	if f.cached == 0 {
		shorter = "Where a daemon runs, --cached 10m plans with what it has read."
	}
	one, err := a.open(ctx, openOptions{selector: f.selector, dryRun: true, source: f.source, rev: f.rev, shorter: shorter})
	if err != nil {
		return a.refuse(review{failed: err})
	}
	defer one.close()
	if f.cached > 0 {
		if err := a.takeOver(ctx, one, f.cached); err != nil {
			return a.refuse(one.review(reconcile.PlanDocument{}, err))
		}
	}
	if one.plan, err = a.planOnce(ctx, one); err != nil {
		return a.refuse(one.review(reconcile.PlanDocument{}, err))
	}
	a.tellCached(one)
	return a.tellDiff(one, f)
}

// tellDiff prints a plan, saves it, and says by the exit status what it is.
func (a *app) tellDiff(one *oneShot, f diffFlags) error {
	doc, err := one.rec.Document(one.plan, f.showUnchanged)
	if err != nil {
		return err
	}
	doc.ID = rand.Text()
	if doc, err = doc.Seal(); err != nil {
		return err
	}
	if f.out != "" {
		if err := savePlan(f.out, doc); err != nil {
			return err
		}
	}
	if err := a.printDiff(one, doc); err != nil {
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

// refuse returns why there is no plan, and says it where a review looks for it.
func (a *app) refuse(r review) error {
	if !a.reviewed() {
		return r.failed
	}
	return errors.Join(r.failed, a.printReview(r))
}

func (a *app) printDiff(one *oneShot, doc reconcile.PlanDocument) error {
	if a.reviewed() {
		return a.printReview(one.review(doc, nil))
	}
	return a.printDocument(doc)
}

// unreadableShown bounds the reads whose failure is told one by one.
const unreadableShown = 20

// printUnreadable says what could not be read or is in doubt and why, and whether anything
// could not: a plan that does not know is no success.
func (a *app) printUnreadable(doc reconcile.PlanDocument) bool {
	for i, u := range doc.Unreadable {
		if a.reviewed() || a.output == "text" && terminal(a.out) > 0 {
			break // is in what was printed, before whoever looks
		}
		if i == unreadableShown {
			fmt.Fprintf(a.errs, "and %d more\n", len(doc.Unreadable)-i)
			break
		}
		fmt.Fprintf(a.errs, "%s %s: %s\n", unreadWord(u), u.ID, u.Why)
	}
	return len(doc.Unreadable) > 0
}

func (a *app) printDocument(doc reconcile.PlanDocument) error {
	if a.output == "json" {
		return a.printJSON(doc)
	}
	return a.print(func(w io.Writer) { printPlan(w, doc, a.style()) })
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
	identity daemon.Identity // of what it works on
	rec      *reconcile.Reconciler
	store    state.Store
	cfg      *config.Config
	fleet    *fleet // nil where nobody else could lead anything
	plan     *plan.Plan
	begin    func(apply.Forecast) // told how carrying it out will go; may be set late
	done     func(apply.Result)   // told of each finished change; the same
	close    func()
	// place finds a file in the repository; against is the revision that the
	// plan compares with, "" for the accounts.
	place   func(resource.Origin) string
	against string
}

// openOptions say how the configuration is opened.
type openOptions struct {
	selector []string
	dryRun   bool
	source   string // the one that rev is of
	rev      string // "" for what the sources are
	offline  bool   // no state is used: one that is empty and goes with close
	shorter  string // what reads less, told where reading takes long; "" for nothing
}

// open reads the config and opens what it names.
func (a *app) open(ctx context.Context, o openOptions) (*oneShot, error) {
	cfg, err := a.readConfig()
	if err != nil {
		return nil, err
	}
	at := map[string]string{}
	place := places(cfg)
	if o.rev != "" {
		s, err := chosen(cfg, o.source)
		if err != nil {
			return nil, err
		}
		at[s.Name], place = o.rev, placesAt(cfg, s)
	}
	clean := func() {}
	if o.offline {
		tmp, err := os.MkdirTemp("", "weir-diff-")
		if err != nil {
			return nil, err
		}
		cfg.StatePath, cfg.Etcd = filepath.Join(tmp, "weir.db"), nil
		clean = func() { _ = os.RemoveAll(tmp) }
	}
	one, err := a.ready(ctx, cfg, o, at)
	if err != nil {
		clean()
		return nil, err
	}
	shut := one.close
	one.place, one.close = place, func() { shut(); clean() }
	return one, nil
}

// ready opens what cfg names, and sources at the revisions in at.
func (a *app) ready(ctx context.Context, cfg *config.Config, o openOptions, at map[string]string) (*oneShot, error) {
	log, err := a.logger()
	if err != nil {
		return nil, err
	}
	one := &oneShot{cfg: cfg, begin: func(apply.Forecast) {}, done: func(apply.Result) {}}
	b := &builder{
		log: log, dryRun: o.dryRun, keeps: !o.dryRun, at: at, limiters: call.Limiters{}, reading: a.reading(o.shorter),
		begins: func(f apply.Forecast) { one.begin(f) }, applied: func(r apply.Result) { one.done(r) },
	}
	if b.selector, err = labels(o.selector); err != nil {
		return nil, err
	}
	setup, err := b.build(ctx, cfg)
	if err != nil {
		return nil, errors.Join(err, b.fleet.leave(ctx))
	}
	one.close, one.store = func() { _ = errors.Join(setup.Close(), b.fleet.leave(ctx)) }, setup.Reconcile.Store
	one.fleet = b.fleet
	one.identity = setup.Identity
	setup.Reconcile.Priority = call.Person
	if one.rec, err = reconcile.New(setup.Reconcile); err != nil {
		one.close()
		return nil, err
	}
	return one, nil
}

func (a *app) planOnce(ctx context.Context, one *oneShot) (*plan.Plan, error) {
	if err := a.fetch(ctx, one); err != nil {
		return nil, err
	}
	return one.rec.Plan(ctx)
}

// fetch reads the sources and prints what is wrong with them.
func (a *app) fetch(ctx context.Context, one *oneShot) error {
	problems, err := one.rec.Fetch(ctx)
	if err != nil {
		return err
	}
	if !a.reviewed() {
		a.printProblems(problems)
	}
	if manifest.Failed(problems) {
		return errors.New("the source has problems, nothing was read or changed")
	}
	return nil
}

// labels parses k=v selectors; none is nil.
func labels(list []string) (map[string]string, error) {
	var out map[string]string
	for _, kv := range list {
		k, v, ok := strings.Cut(kv, "=")
		if !ok || k == "" {
			return nil, fmt.Errorf("--selector %q: want k=v, such as team=sports", kv)
		}
		if out == nil {
			out = map[string]string{}
		}
		out[k] = v
	}
	return out, nil
}

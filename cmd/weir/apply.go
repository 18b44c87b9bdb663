package main

import (
	"bufio"
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
	"weir/sync/call"
	"weir/sync/daemon/view"
	"weir/sync/reconcile"
)

type applyFlags struct {
	permission
	file     string // a saved plan, "" for a new one
	selector []string
}

// permission is what whoever calls has said of the plan in advance.
type permission struct {
	yes     bool
	consent string // the hash of a held plan, "" for none
}

// add defines the flags of a command that carries out something: what, such as a
// "plan".
func (p *permission) add(cmd *cobra.Command, what string) {
	flags := cmd.Flags()
	flags.BoolVar(&p.yes, "yes", false, "do not ask")
	flags.StringVar(&p.consent, "consent", "", "let the held "+what+" with this `hash` through, and only that")
}

func (a *app) applyCmd() *cobra.Command {
	var f applyFlags
	cmd := &cobra.Command{
		Use:   "apply [PLANFILE]",
		Short: "Make the accounts as declared, after showing the plan and asking",
		Long: "apply shows what `weir diff` shows, asks on a terminal, and makes the calls. A PLANFILE that diff --out\n" +
			"saved is applied exactly; a change whose resource has moved since is refused alone.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			f.file = strings.Join(args, "")
			return a.apply(cmd.Context(), f)
		},
	}
	f.add(cmd, "plan")
	cmd.Flags().StringSliceVar(&f.selector, "selector", nil, "only resources with these labels, `k=v`")
	return cmd
}

func (a *app) apply(ctx context.Context, f applyFlags) error {
	if err := a.format(); err != nil {
		return err
	}
	ctx, stop := untilSignal(ctx)
	defer stop()
	one, err := a.open(ctx, openOptions{selector: f.selector})
	if err != nil {
		return err
	}
	defer one.close()
	if err := one.consent(ctx, f.consent); err != nil {
		return err
	}
	refused, err := a.planFor(ctx, one, f.file)
	if err != nil {
		return err
	}
	doc, err := one.rec.Document(one.plan, false)
	if err != nil {
		return err
	}
	if a.output == "text" {
		if err := a.printDocument(doc); err != nil {
			return err
		}
	}
	if err := a.permit(ctx, one, f.permission); errors.Is(err, errHandedOver) {
		fmt.Fprintln(a.errs, err)
		return nil
	} else if err != nil {
		return err
	}
	if err := a.lead(ctx, one, "apply", one.plan); err != nil {
		return err
	}
	end := a.progress(one)
	rep, err := one.rec.Apply(ctx, one.plan)
	end()
	if rep != nil {
		rep.Add(refused...)
		err = errors.Join(err, a.printReport(rep))
	}
	if f.consent != "" {
		_ = askSync(ctx, daemonOf(one.cfg)) // so that no daemon calls it held any longer
	}
	unread := a.printUnreadable(doc)
	if err == nil && (unread || rep.Failed()) {
		return exitError(exitFailed)
	}
	return err
}

// planFor makes the plan, or restores the one saved in file together with what
// of it no longer fits.
func (a *app) planFor(ctx context.Context, one *oneShot, file string) (refused []apply.Result, err error) {
	if file == "" {
		one.plan, err = a.planOnce(ctx, one)
		return nil, err
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var doc reconcile.PlanDocument
	if err := json.Unmarshal(b, &doc); err != nil {
		return nil, fmt.Errorf("%s is no saved plan: %w; `weir diff --out FILE` writes one", file, err)
	}
	a.fetchFor(ctx, one)
	if one.plan, refused, err = one.rec.Restore(ctx, doc); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return refused, nil
}

// fetchTime bounds the reading of the sources for a saved plan, which can do
// without.
const fetchTime = 15 * time.Second

// fetchFor reads what the sources are while a saved plan is applied: where it is
// of what they are, that is in force from now on.
func (a *app) fetchFor(ctx context.Context, one *oneShot) {
	ctx, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
	if _, err := one.rec.Fetch(ctx); err != nil {
		fmt.Fprintf(a.errs, "the sources cannot be read, so nobody knows whether the plan is still of what they are: %v\n", err)
	}
}

// permit asks whoever is there, and lets a held plan through only on its hash.
func (a *app) permit(ctx context.Context, one *oneShot, f permission) error {
	p := one.plan
	switch {
	case f.consent != "" && f.consent != p.Hash:
		return one.otherPlan(ctx, f.consent)
	case len(p.Held) > 0 && f.consent == "":
		return fmt.Errorf("the plan is held by guard %s: %s; to let it through: %s",
			p.Held[0].Guard, p.Held[0].Message, view.Consent(p.Held, p.Revision, p.Hash))
	case len(p.Held) > 0:
		return one.release(ctx)
	case f.consent != "":
		return nil
	case f.yes || !p.HasDue():
		return nil
	case terminal(a.in) == 0 || terminal(a.out) == 0:
		return errors.New("nobody is there to ask; say --yes to apply without asking")
	}
	fmt.Fprint(a.errs, "Apply? Only \"yes\" is taken for yes: ")
	line, err := bufio.NewReader(a.in).ReadString('\n')
	if err != nil || strings.TrimSpace(line) != "yes" {
		return errors.New("not applied: the answer was not \"yes\"")
	}
	return nil
}

func (a *app) printReport(rep *apply.Report) error {
	if a.output == "json" {
		return a.printJSON(reconcile.Report(rep))
	}
	return a.print(func(w io.Writer) { printResults(w, rep, a.style()) })
}

// outcomeColors are those of what was not done.
var outcomeColors = map[apply.Outcome]string{
	apply.Failed: red, apply.Refused: red, apply.Waiting: cyan, apply.Withheld: yellow,
}

// printResults writes what did not work and what to read of it, and how much did.
func printResults(w io.Writer, rep *apply.Report, s style) {
	var codes []string
	calls := 0
	for _, r := range rep.Results {
		calls += len(r.Calls)
		if r.Outcome == apply.Done {
			continue
		}
		s.line(w, 6, cell{"  ", ""}, cell{string(r.Outcome), outcomeColors[r.Outcome]},
			cell{" " + legible(r.ID.String()+": "+r.Error), ""})
		if _, known := call.Explain(r.Code); known && r.Outcome == apply.Failed {
			codes = append(codes, "weir explain "+string(r.Code))
		}
	}
	if slices.Sort(codes); len(codes) > 0 {
		s.line(w, 2, cell{"What to do: " + strings.Join(slices.Compact(codes), ", "), dim})
	}
	n := rep.Summary
	s.line(w, 6, cell{"Done: ", bold}, counted(n[apply.Done], "applied, ", green), counted(n[apply.Failed], "failed, ", red),
		counted(n[apply.Waiting], "waiting, ", cyan), counted(n[apply.Withheld], "withheld, ", yellow),
		counted(n[apply.Refused], "refused; ", red),
		cell{fmt.Sprintf("%s in %s%s.", plural(calls, "write"), tookText(rep.Took), foreseenText(rep)), ""})
}

// tookText writes a time as precisely as it matters.
func tookText(d time.Duration) string {
	if d < soon*time.Second {
		return d.Round(time.Millisecond).String()
	}
	return d.Round(time.Second / 10).String()
}

// foreseenText says how good the forecast of an apply was, "" for what took no
// time worth a forecast.
func foreseenText(rep *apply.Report) string {
	f := rep.Foreseen
	if f == nil || f.Took < soon*time.Second {
		return ""
	}
	text := fmt.Sprintf(", %s were foreseen", tookText(f.Took))
	if ratio, says := rep.Ratio(); says {
		return fmt.Sprintf("%s (%+.0f %%)", text, 100*(ratio-1))
	}
	return text + " for all of it"
}

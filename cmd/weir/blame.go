package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"weir/sync/blame"
	"weir/sync/resource"
)

// The formats of the answers.
const (
	blameFormat  = "weir.blame/v1"
	bisectFormat = "weir.bisect/v1"
)

func (a *app) blameCmd() *cobra.Command {
	observe := false
	cmd := &cobra.Command{
		Use:   "blame ID",
		Short: "Show who made each field of a resource what it is, and by which call",
		Long: "blame shows each field's value, the line, commit and author that set it, and the call that made it true.\n" +
			"A commit that only wrote the same value otherwise (another format, another file) is passed over. No account\n" +
			"is asked, unless --observe says so.",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.blame(cmd.Context(), args[0], observe) },
	}
	cmd.Flags().BoolVar(&observe, "observe", false, "also read what the account holds now")
	return cmd
}

func (a *app) blame(ctx context.Context, name string, observe bool) error {
	if err := a.format(); err != nil {
		return err
	}
	q, err := a.inquire(ctx, name)
	if err != nil {
		return err
	}
	defer q.close(ctx)
	e, err := q.evidence(ctx, false)
	if err != nil {
		return err
	}
	if observe {
		if err := q.observe(ctx, &e); err != nil {
			return err
		}
	}
	answer := blame.Blame(e)
	if a.output == "json" {
		return a.printJSON(struct {
			Format string `json:"format"`
			blame.Answer
		}{blameFormat, answer})
	}
	return a.print(func(w io.Writer) { printBlame(w, answer, a.style()) })
}

func printBlame(w io.Writer, a blame.Answer, s style) {
	s.line(w, 4, cell{visible(a.ID, 300, ""), bold}, cell{"  " + stateText(a), ""})
	if a.Removed != nil {
		fmt.Fprintf(w, "  the declaration was removed by %s\n", commitLine(a.Removed))
	}
	if a.Removal != nil {
		fmt.Fprintf(w, "  the resource was removed by %s\n", callLine(a.Removal))
	}
	for _, act := range a.Doubt {
		fmt.Fprintf(w, "  in doubt: %s; `weir settle` says how it ended\n", visible(act, 100, ""))
	}
	if a.Note != "" {
		fmt.Fprintf(w, "  (%s)\n", visible(a.Note, 300, ""))
	}
	if len(a.Fields) == 0 {
		return
	}
	fmt.Fprintln(w)
	t := table{head: []string{"FIELD", "VALUE", "LINE", "COMMIT", "AUTHOR", "MADE TRUE BY"}}
	for _, f := range a.Fields {
		commit, author := setText(f.Set)
		t.row(cell{visible(f.Path, 100, ""), ""}, cell{heldText(f, a.Origin.File != ""), ""},
			cell{placeText(f, a.Origin), ""}, cell{commit, yellow}, cell{author, ""}, cell{madeText(f), dim})
	}
	t.write(w, s)
}

// stateText says in words how far a resource is what is declared.
func stateText(a blame.Answer) string {
	text := map[blame.State]string{
		blame.AsDeclared: "applied as declared",
		blame.Pending:    "declared otherwise than applied last",
		blame.NotApplied: "declared, not applied yet",
		blame.Leaving:    "applied, and not declared any more",
		blame.Removed:    "removed",
		blame.Unasked:    "not known whether it is declared",
	}[a.State]
	if o := originText(a.Origin); o != "" {
		text += "  " + o
	}
	if a.Applied != nil {
		text += "  last applied " + clock(a.Applied.At)
	}
	if a.Observed != "" {
		text += "  observed: " + visible(a.Observed, 200, "")
	}
	return text
}

// heldText shows what is declared, or what was where nothing is.
func heldText(f blame.Field, declared bool) string {
	v := f.Desired
	if !declared {
		v = f.Applied
	}
	if v == nil {
		v = f.Last
	}
	if v == nil {
		return "none"
	}
	return valueText(v)
}

// placeText says where a field is written; a file that is the document's goes
// without saying.
func placeText(f blame.Field, o resource.Origin) string {
	switch {
	case f.Desired == nil:
		return "-"
	case f.Place == nil:
		return "default"
	}
	return fmt.Sprintf("%s:%d", visible(cmp.Or(f.Place.File, o.File), 80, ""), f.Place.Line)
}

func setText(c *blame.Commit) (commit, author string) {
	switch {
	case c == nil:
		return "-", "-"
	case c.Commit == "":
		return "not committed", "-"
	}
	o := resource.Origin{Commit: c.Commit, Author: c.Author}
	commit = commitText(o)
	if c.Earlier {
		commit = "^" + commit
	}
	return commit, authorText(o)
}

// madeText says which call made a field true, or why there is none; and what
// is so in its place.
func madeText(f blame.Field) string {
	parts := []string{visible(f.Why, 200, "")}
	if f.Call != nil {
		parts[0] = callLine(f.Call)
	}
	if f.Applied != nil && f.Call == nil && valueText(f.Applied) != valueText(f.Desired) {
		parts = append(parts, "last applied: "+valueText(f.Applied))
	}
	if f.Differs {
		text := "none"
		if f.Observed != nil {
			text = valueText(f.Observed)
		}
		parts = append(parts, "the cloud has: "+text)
	}
	return strings.Join(parts, "; ")
}

func callLine(c *blame.Call) string {
	text := clock(c.At) + " " + visible(c.Operation, 60, "")
	if c.RequestID != "" {
		text += " request " + visible(c.RequestID, 60, "")
	}
	if c.Plan != "" {
		text += " plan " + visible(c.Plan[:min(len(c.Plan), planShown)], planShown, "")
	}
	if c.Reason != "" {
		text += " (" + visible(c.Reason, 20, "") + ")"
	}
	if c.Lost {
		text += " (its answer was lost)"
	}
	return text
}

// planShown is how many digits of a plan's hash are shown.
const planShown = 12

func commitLine(c *blame.Commit) string {
	commit, author := setText(c)
	if c.Commit == "" {
		return "somebody who has not committed it yet"
	}
	text := commit + " " + author + ", " + clock(c.At)
	if c.File != "" {
		text += ", " + visible(c.File, 80, "") + fmt.Sprintf(":%d", c.Line)
	}
	if c.Earlier {
		text += " or before (history is not known further)"
	}
	return text
}

// clock writes a time to the second, in UTC.
func clock(t time.Time) string { return t.UTC().Format(time.RFC3339) }

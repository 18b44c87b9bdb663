package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"weir/sync/blame"
)

func (a *app) bisectCmd() *cobra.Command {
	offline := false
	cmd := &cobra.Command{
		Use:   "bisect ID FIELD=VALUE",
		Short: "Find the commit, or the console, that made a field have a value",
		Long: "bisect finds the last commit after which the field had the value, the call that made it so in the cloud,\n" +
			"and what ended it. Where no commit ever said so it looks for somebody outside weir: in the journal of what\n" +
			"was put back, and then in the account. VALUE is a text or JSON; null stands for a field that is not there.\n" +
			"The exit status is 1 where nothing was found.",
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.bisect(cmd.Context(), args[0], args[1], offline)
		},
	}
	cmd.Flags().BoolVar(&offline, "offline", false, "never ask the account")
	return cmd
}

func (a *app) bisect(ctx context.Context, name, what string, offline bool) error {
	if err := a.format(); err != nil {
		return err
	}
	path, value, ok := strings.Cut(what, "=")
	if !ok || path == "" {
		return fmt.Errorf("%q: want FIELD=VALUE, for example enabled=true", what)
	}
	q, err := a.inquire(ctx, name)
	if err != nil {
		return err
	}
	defer q.close(ctx)
	e, err := q.evidence(ctx, true)
	if err != nil {
		return err
	}
	found := blame.Bisect(e, path, value)
	if !found.Found && !offline {
		if err := q.observe(ctx, &e); err != nil {
			return err
		}
		found = blame.Bisect(e, path, value)
	}
	if !e.Has(path) && value != "null" {
		return unknown(fmt.Sprintf("%s has no field %q and never had", q.id, path), path, e.Paths())
	}
	return a.tellBisect(found)
}

// tellBisect prints a finding, and says by the exit status whether it is one.
func (a *app) tellBisect(f blame.Finding) error {
	var err error
	if a.output == "json" {
		err = a.printJSON(struct {
			Format string `json:"format"`
			blame.Finding
		}{bisectFormat, f})
	} else {
		err = a.print(func(w io.Writer) { printBisect(w, f, a.style()) })
	}
	if err == nil && !f.Found {
		return exitError(exitFailed)
	}
	return err
}

func printBisect(w io.Writer, f blame.Finding, s style) {
	value := valueText(f.Value)
	fmt.Fprintf(w, "%s  %s = %s\n", s.paint(bold, visible(f.ID, 300, "")), visible(f.Field, 100, ""), value)
	line := func(what, text string) { fmt.Fprintf(w, "  %-13s %s\n", what, text) }
	if f.Set != nil {
		line("declared by", commitLine(f.Set))
	}
	if f.Call != nil {
		line("made true by", callLine(f.Call))
	}
	if f.Ended != nil {
		line("until", commitLine(f.Ended))
	}
	if f.Undid != nil {
		line("undone by", callLine(f.Undid))
	}
	if f.Outside != nil {
		line("outside weir", outsideText(f.Outside, f.Set != nil || f.Call != nil))
	}
	if !f.Found {
		line("not found", "no commit declared it, no call made it so, and nobody else was seen to")
	}
	if f.Now {
		line("now", "it is declared so")
	}
	if f.Note != "" {
		line("note", visible(f.Note, 300, ""))
	}
}

// outsideText says between which times somebody who is not weir made it so.
func outsideText(o *blame.Outside, too bool) string {
	text := "somebody outside weir, "
	if too {
		text = "also somebody outside weir, "
	}
	if o.After.IsZero() {
		text += "before " + clock(o.Before)
	} else {
		text += "between " + clock(o.After) + " and " + clock(o.Before)
	}
	if o.Still {
		return text + ", and it is so still"
	}
	if o.Call != nil {
		text += "; changed back by " + callLine(o.Call)
	}
	return text
}

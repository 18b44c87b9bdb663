package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"weir/sync/resource"
	"weir/sync/state"
)

// The bytes to which what a journal says is cut in a table.
const (
	historyID    = 200
	historyWord  = 80
	historyValue = 2 * valueWidth
)

// historyDocument is what `weir history --output json` prints.
type historyDocument struct {
	Format string         `json:"format"`
	Calls  []historyEntry `json:"calls"`
	More   bool           `json:"more"` // there are older ones
}

type historyEntry struct {
	state.Entry
	Fields []resource.Field `json:"fields,omitempty"`
}

// showHistory prints the newest calls that match.
func (a *app) showHistory(ctx context.Context, store state.Store, q state.Query, f historyFlags) error {
	limit := cmp.Or(q.Limit, historyShown)
	q.Limit, q.Links = limit+1, a.output == "json"
	entries, err := store.Journal(ctx, q)
	if err != nil {
		return err
	}
	more := len(entries) > limit
	entries = entries[:min(len(entries), limit)]
	if a.output == "json" {
		doc := historyDocument{Format: "weir.history/v1", Calls: []historyEntry{}, More: more}
		for _, e := range entries {
			doc.Calls = append(doc.Calls, historyEntry{e, e.Change.Fields()})
		}
		return a.printJSON(doc)
	}
	if len(entries) == 0 {
		fmt.Fprintln(a.errs, "no call matches")
		return nil
	}
	s := style(a.colored(a.out))
	if err := a.print(func(w io.Writer) { printHistory(w, entries, f.fields, s) }); err != nil {
		return err
	}
	if more {
		fmt.Fprintf(a.errs, "these are the newest %d; --limit shows more, --until older ones\n", limit)
	}
	return nil
}

// printHistory writes a table of calls.
func printHistory(w io.Writer, entries []state.Entry, fields bool, s style) {
	var head []cell
	for _, name := range []string{"TIME", "RESOURCE", "OPERATION", "OUTCOME", "REQUEST ID", "BECAUSE OF"} {
		head = append(head, cell{name, bold})
	}
	rows := [][]cell{head}
	for _, e := range entries {
		rows = append(rows, historyRow(e))
	}
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, c := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(c.text))
		}
	}
	for i, row := range rows {
		printRow(w, row, widths, s)
		if fields && i > 0 {
			printChanged(w, entries[i-1], s)
		}
	}
}

// cell is a text of a table, and its colour.
type cell struct{ text, color string }

// printRow writes cells side by side; the last is as wide as it is.
func printRow(w io.Writer, row []cell, widths []int, s style) {
	var b strings.Builder
	for i, c := range row {
		b.WriteString(s.paint(c.color, c.text))
		if i < len(row)-1 {
			b.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c.text)+2))
		}
	}
	fmt.Fprintln(w, strings.TrimRight(b.String(), " "))
}

func historyRow(e state.Entry) []cell {
	text, color := outcomeText(e.Outcome)
	return []cell{
		{moment(e.Opened), ""},
		{visible(cmp.Or(e.Resource, e.Account), historyID, ""), ""},
		{visible(e.Operation, historyWord, ""), ""},
		{text, color},
		{visible(cmp.Or(e.Outcome.RequestID, "-"), historyWord, ""), dim},
		{becauseText(e), ""},
	}
}

// outcomeText says how a call ended, and in which colour.
func outcomeText(o state.Outcome) (text, color string) {
	switch {
	case o.Closed.IsZero():
		return "not known", yellow
	case o.Code == state.CodeOK:
		return o.Code, green
	case o.CloudCode != "":
		return visible(o.Code+" ("+o.CloudCode+")", historyWord, ""), red
	}
	return visible(o.Code, historyWord, ""), red
}

// becauseText says which line, of which commit and whom, a call was made for.
func becauseText(e state.Entry) string {
	o := e.Origin
	o.File = visible(o.File, historyID, "")
	text := originText(o)
	if text == "" && e.Write {
		text = "a line that is not known"
	}
	if e.Change != nil && e.Change.Reason != "" {
		text = strings.TrimSpace(text + "  (" + visible(e.Change.Reason, historyWord, "") + ")")
	}
	return text
}

// printChanged writes what a call changed, and what its cloud said.
func printChanged(w io.Writer, e state.Entry, s style) {
	for _, f := range e.Change.Fields() {
		text := visible(f.Path, historyValue, "") + ": "
		switch {
		case f.Before == nil:
			text += s.paint(green, valueOf(f.After))
		case f.After == nil:
			text += s.paint(red, valueOf(f.Before)) + " removed"
		default:
			text += s.paint(red, valueOf(f.Before)) + " → " + s.paint(green, valueOf(f.After))
		}
		fmt.Fprintf(w, "    %s\n", text)
	}
	if e.Outcome.Message != "" {
		fmt.Fprintf(w, "    %s\n", s.paint(dim, visible(e.Outcome.Message, 2*historyValue, "")))
	}
}

func valueOf(v any) string { return visible(valueText(v), historyValue, "") }

// moment writes a time as the journal has it, to the second.
func moment(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}

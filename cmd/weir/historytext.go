package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"weir/sync/resource"
	"weir/sync/state"
)

// The bytes to which what a journal says is cut in a table.
const (
	historyID      = 200
	historyWord    = 80
	historyMessage = 240
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
	s := a.style()
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
	t := table{
		head:  []string{"TIME", "RESOURCE", "OPERATION", "OUTCOME", "REQUEST ID", "BECAUSE OF"},
		below: map[int]func(io.Writer){},
	}
	for i, e := range entries {
		t.row(historyRow(e)...)
		if fields {
			t.below[i] = func(w io.Writer) { printChanged(w, e, s) }
		}
	}
	t.write(w, s)
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
	text := originText(e.Origin)
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
	(&planText{style: s, w: w}).fields(e.Change.Fields(), 4)
	if e.Outcome.Message != "" {
		s.line(w, 4, cell{"    ", ""}, cell{visible(e.Outcome.Message, historyMessage, ""), dim})
	}
}

// moment writes a time as the journal has it, to the second.
func moment(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}

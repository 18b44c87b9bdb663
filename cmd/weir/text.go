package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"weir/sync/plan"
	"weir/sync/reconcile"
	"weir/sync/resource"
)

// valueWidth is how much of a field's value is shown.
const valueWidth = 60

// style colours text, or leaves it alone.
type style bool

// The colours, as SGR codes.
const (
	bold   = "1"
	dim    = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
	cyan   = "36"
)

func (s style) paint(code, text string) string {
	if !s || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// sign returns the mark and colour of a change.
func sign(c reconcile.ChangeDocument) (mark, color string) {
	switch {
	case c.State == plan.Waiting:
		return "…", cyan
	case c.Withheld != "":
		return "·", dim
	}
	switch c.Action {
	case plan.Create:
		return "+", green
	case plan.Update:
		return "~", yellow
	case plan.Delete:
		return "-", red
	}
	return " ", dim
}

// printPlan writes a plan for people: grouped by account, one block a change.
func printPlan(w io.Writer, doc reconcile.PlanDocument, s style) {
	width := 0
	for _, c := range doc.Changes {
		width = max(width, len(title(c)))
	}
	account := ""
	for _, c := range doc.Changes {
		if head, _, _ := strings.Cut(c.ID, "/"); head != account {
			account = head
			fmt.Fprintf(w, "%s\n", s.paint(bold, account))
		}
		printChange(w, c, min(width, 60), s)
	}
	if len(doc.Changes) > 0 {
		fmt.Fprintln(w)
	}
	printSummary(w, doc, s)
}

func title(c reconcile.ChangeDocument) string {
	_, rest, _ := strings.Cut(c.ID, "/")
	kind, key, _ := strings.Cut(rest, "/")
	return kind + " " + key
}

func printChange(w io.Writer, c reconcile.ChangeDocument, width int, s style) {
	mark, color := sign(c)
	why := string(c.Reason)
	if why == "" || c.State == plan.Waiting {
		why = string(c.State)
	}
	fmt.Fprintf(w, "  %s %-*s  %-8s  %s\n", s.paint(color, mark), width, title(c), why, s.paint(dim, originText(c.Origin)))
	for _, f := range c.Fields {
		fmt.Fprintf(w, "      %s\n", fieldText(f, s))
	}
	for _, note := range notes(c) {
		fmt.Fprintf(w, "      %s\n", s.paint(cyan, "("+note+")"))
	}
	for _, call := range c.Calls {
		fmt.Fprintf(w, "      %s\n", s.paint(dim, callText(call)))
	}
}

func fieldText(f resource.Field, s style) string {
	switch {
	case f.Before == nil:
		return f.Path + ": " + s.paint(green, valueText(f.After))
	case f.After == nil:
		return f.Path + ": " + s.paint(red, valueText(f.Before)) + " removed"
	}
	return f.Path + ": " + s.paint(red, valueText(f.Before)) + " → " + s.paint(green, valueText(f.After))
}

func valueText(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	if r := []rune(string(b)); len(r) > valueWidth {
		return string(r[:valueWidth-1]) + "…"
	}
	return string(b)
}

func callText(c reconcile.CallDocument) string {
	b, _ := json.Marshal(c.Params)
	text := "→ " + c.Operation + " " + string(b)
	if c.Verify {
		text = "← " + c.Operation + " (read back)"
	}
	return text
}

func printSummary(w io.Writer, doc reconcile.PlanDocument, s style) {
	sum := doc.Summary
	fmt.Fprintf(w, "%s %d to create, %d to update, %d to delete; %d unchanged, %d waiting, %d unknown, %d withheld.\n",
		s.paint(bold, "Plan:"), sum.Create, sum.Update, sum.Delete, sum.Unchanged, sum.Waiting, sum.Unknown, sum.Withheld)
	printPrice(w, doc.Cost, s)
	for _, h := range doc.Held {
		fmt.Fprintf(w, "%s %s [%s]\n", s.paint(red, "Held:"), h.Message, h.Guard)
	}
	if len(doc.Held) > 0 {
		fmt.Fprintf(w, "Nothing of it is applied until someone says: %s\n", letThrough(doc.Held, doc.Revision, doc.Hash))
	}
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}

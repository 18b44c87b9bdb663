package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"weir/sync/daemon/view"
	"weir/sync/plan"
	"weir/sync/reconcile"
)

// The bounds of how a plan is laid out.
const (
	titleWidth = 60 // columns of the resources' names, beyond which what follows is not aligned
	alikeShown = 50 // changes of one kind and action that a terminal shows before it only counts
)

// fate is which part of a plan a change is shown in.
type fate int

// The parts, in the order in which they are shown.
const (
	isDue fate = iota
	isWaiting
	isWithheld
	isUnknown
)

// fateOf sorts a change as plan.Summary counts it.
func fateOf(c reconcile.ChangeDocument) fate {
	switch {
	case c.Withheld != "":
		return isWithheld
	case c.State == plan.Waiting:
		return isWaiting
	case c.Action != plan.None, c.State == plan.InSync:
		return isDue
	case c.State == plan.Differs:
		return isWithheld
	}
	return isUnknown
}

// planText writes one plan for people.
type planText struct {
	style
	w     io.Writer
	title int // columns that the names of resources are filled up to
	why   int // the same of the reasons
}

// printPlan writes a plan for people: what is due by source and account, then
// what waits, is withheld or is not known, by the reason, then the sum of it.
func printPlan(w io.Writer, doc reconcile.PlanDocument, s style) {
	parts := make([][]reconcile.ChangeDocument, isUnknown+1)
	for _, c := range doc.Changes {
		f := fateOf(c)
		parts[f] = append(parts[f], c)
	}
	p := &planText{style: s, w: w}
	p.due(parts[isDue])
	p.section("Waiting", cyan, parts[isWaiting])
	p.section("Withheld", yellow, parts[isWithheld])
	p.unknown(parts[isUnknown], doc.Unreadable)
	printSummary(w, doc, s)
}

// placeOf is the group of a change: where it comes from and where it goes.
func placeOf(c reconcile.ChangeDocument) (source, account string) {
	account, _, _ = strings.Cut(c.ID, "/")
	return c.Origin.Source, account
}

// due writes changes grouped by source and account, with a count of each group.
func (p *planText) due(changes []reconcile.ChangeDocument) {
	place := func(a, b reconcile.ChangeDocument) int {
		sa, aa := placeOf(a)
		sb, ab := placeOf(b)
		return cmp.Or(cmp.Compare(sa, sb), cmp.Compare(aa, ab))
	}
	slices.SortStableFunc(changes, place) // else by identity, as a document is
	p.align(changes, title)
	for len(changes) > 0 {
		n := 1
		for n < len(changes) && place(changes[0], changes[n]) == 0 {
			n++
		}
		p.group(changes[:n])
		changes = changes[n:]
	}
}

// align finds the width of names and reasons.
func (p *planText) align(changes []reconcile.ChangeDocument, name func(reconcile.ChangeDocument) string) {
	p.title, p.why = 0, 0
	for _, c := range changes {
		p.why = max(p.why, len(whyText(c)))
		if n := columns(name(c)); n <= titleWidth {
			p.title = max(p.title, n)
		}
	}
}

func (p *planText) group(changes []reconcile.ChangeDocument) {
	source, account := placeOf(changes[0])
	head := []cell{{legible(account), bold}}
	if source != "" {
		head = slices.Insert(head, 0, cell{legible(source), bold}, cell{" → ", dim})
	}
	p.line(p.w, 2, append(head, cell{"  " + groupText(changes), dim})...)
	p.list(changes, title)
	p.line(p.w, 0)
}

// list writes changes; of many of one sort a terminal shows the first, and
// counts the others.
func (p *planText) list(changes []reconcile.ChangeDocument, name func(reconcile.ChangeDocument) string) {
	seen, left := map[string]int{}, map[string]int{}
	for _, c := range changes {
		sort := sortText(c)
		if seen[sort]++; p.width > 0 && seen[sort] > alikeShown && mild(c) {
			left[sort]++
			continue
		}
		p.change(c, name(c))
	}
	for _, sort := range slices.Sorted(maps.Keys(left)) {
		p.line(p.w, 4, cell{fmt.Sprintf("  … %d more: %s", left[sort], sort), cyan},
			cell{"; into a file or a pipe each is written", dim})
	}
}

// mild reports whether a change may be counted without being shown.
func mild(c reconcile.ChangeDocument) bool {
	return c.Action != plan.Delete && c.OnAir == "" && c.Wide == "" && c.Fight == nil
}

// sortText says what is done to resources of which kind, or how they are.
func sortText(c reconcile.ChangeDocument) string {
	kind, _, _ := strings.Cut(title(c), " ")
	if due(c) {
		return fmt.Sprintf("%s to %s (%s)", kind, c.Action, c.Reason)
	}
	return fmt.Sprintf("%s %s", kind, c.State)
}

// groupText counts the changes of a group.
func groupText(changes []reconcile.ChangeDocument) string {
	var sum plan.Summary
	for _, c := range changes {
		switch c.Action {
		case plan.Create:
			sum.Create++
		case plan.Update:
			sum.Update++
		case plan.Delete:
			sum.Delete++
		default:
			sum.Unchanged++
		}
	}
	text := summaryText(sum)
	switch {
	case sum.Unchanged == len(changes):
		return fmt.Sprintf("%d unchanged", sum.Unchanged)
	case sum.Unchanged > 0:
		text += fmt.Sprintf(", %d unchanged", sum.Unchanged)
	}
	return text
}

// section writes changes that are not made now, by the reason.
func (p *planText) section(head, color string, changes []reconcile.ChangeDocument) {
	if len(changes) == 0 {
		return
	}
	p.line(p.w, 2, cell{head, bold}, cell{fmt.Sprintf("  %d", len(changes)), dim})
	p.align(changes, fullTitle)
	why, byWhy := []string{}, map[string][]reconcile.ChangeDocument{}
	for _, c := range changes {
		text := strings.Join(reasons(c), "; ")
		if _, seen := byWhy[text]; !seen {
			why = append(why, text)
		}
		byWhy[text] = append(byWhy[text], c)
	}
	for _, text := range why {
		if text != "" {
			p.line(p.w, 4, cell{"  ", ""}, cell{legible(text), color})
		}
		p.list(byWhy[text], fullTitle)
	}
	p.line(p.w, 0)
}

// reasons are why a change is not made now.
func reasons(c reconcile.ChangeDocument) []string {
	return slices.DeleteFunc([]string{c.Note, c.Withheld}, func(s string) bool { return s == "" })
}

// unknown writes what nothing is known of: since a read failed, an answer was
// lost, or no read tells.
func (p *planText) unknown(changes []reconcile.ChangeDocument, unread []reconcile.Unread) {
	all, at := slices.Clone(changes), map[string]int{}
	for i, c := range changes {
		at[c.ID] = i
	}
	for _, u := range unread {
		why := unreadWord(u) + ": " + u.Why
		if i, ok := at[u.ID]; ok {
			all[i].Note = why
			continue
		}
		all = append(all, reconcile.ChangeDocument{ID: u.ID, Action: plan.None, State: plan.Unknown, Note: why})
	}
	p.section("Unknown", yellow, all)
}

// unreadWord says what it is that keeps a resource from being known.
func unreadWord(u reconcile.Unread) string {
	if u.InDoubt {
		return "in doubt"
	}
	return "cannot read"
}

// title names a resource below its account.
func title(c reconcile.ChangeDocument) string {
	_, rest, _ := strings.Cut(c.ID, "/")
	kind, key, _ := strings.Cut(rest, "/")
	return legible(kind + " " + key)
}

// fullTitle names a resource where no heading names its account.
func fullTitle(c reconcile.ChangeDocument) string { return legible(c.ID) }

// sign returns the mark and colour of a change.
func sign(c reconcile.ChangeDocument) (mark, color string) {
	switch fateOf(c) {
	case isWaiting:
		return "…", cyan
	case isWithheld:
		return "·", yellow
	case isUnknown:
		return "?", yellow
	case isDue:
	}
	switch c.Action {
	case plan.Create:
		return "+", green
	case plan.Update:
		return "~", yellow
	case plan.Delete:
		return "-", red
	case plan.None:
	}
	return "=", dim
}

// change writes a change: what it is, why and by whom, what becomes of each
// field, what is to be said of it, and its calls.
func (p *planText) change(c reconcile.ChangeDocument, name string) {
	p.head(c, name)
	p.fields(c.Fields, 6)
	for _, note := range remarks(c) {
		p.line(p.w, 7, cell{"      ", ""}, cell{"(" + legible(note.text) + ")", note.color})
	}
	for _, call := range c.Calls {
		fmt.Fprintln(p.w, "      "+p.paint(dim, p.clip(callText(call), 6)))
	}
}

// remarks are what is to be said of a change beside why it is not made.
func remarks(c reconcile.ChangeDocument) []cell {
	var all []cell
	for _, r := range []cell{{c.Note, cyan}, {c.Wide, yellow}} {
		if r.text != "" && (due(c) || r.text != c.Note) {
			all = append(all, r)
		}
	}
	if c.OnAir != "" {
		all = append(all, cell{"interrupts what is on air: " + c.OnAir, loud})
	}
	return all
}

// whyText is the reason of a change or, where nothing is due, the state; what is
// unknown has neither.
func whyText(c reconcile.ChangeDocument) string {
	if fateOf(c) == isUnknown {
		return ""
	}
	return cmp.Or(string(c.Reason), string(c.State))
}

// head writes the line of a change, or two where one is not wide enough.
func (p *planText) head(c reconcile.ChangeDocument, name string) {
	why := whyText(c)
	mark, color := sign(c)
	begin := []cell{{"  ", ""}, {mark, color}, {" ", ""}}
	origin := originText(c.Origin)
	aligned := pad(name, p.title) + "  "
	if p.why > 0 {
		aligned += pad(why, p.why) + "  "
	}
	if origin == "" {
		aligned = strings.TrimRight(aligned, " ")
	}
	switch {
	case p.fits(4 + columns(aligned) + columns(origin)):
		p.line(p.w, 6, append(begin, cell{aligned, ""}, cell{origin, dim})...)
		return
	case p.fits(4 + columns(name) + 2 + len(why)):
		p.line(p.w, 6, append(begin, cell{strings.TrimRight(name+"  "+why, " "), ""})...)
	default:
		p.line(p.w, 6, append(begin, cell{name, ""})...)
		origin = strings.TrimSpace(why + "  " + origin)
	}
	if origin != "" {
		p.line(p.w, 6, cell{"      ", ""}, cell{origin, dim})
	}
}

func callText(c reconcile.CallDocument) string {
	if c.Verify {
		return "← " + c.Operation + " (read back)"
	}
	return "→ " + c.Operation + " " + valueText(c.Params)
}

// printSummary writes what a plan comes to: how much, for which price, and what
// keeps it from being applied.
func printSummary(w io.Writer, doc reconcile.PlanDocument, s style) {
	sum := doc.Summary
	s.line(w, 6, cell{"Plan: ", bold}, counted(sum.Create, "to create, ", green), counted(sum.Update, "to update, ", yellow),
		counted(sum.Delete, "to delete; ", red), counted(sum.Unchanged, "unchanged, ", ""),
		counted(sum.Waiting, "waiting, ", cyan), counted(sum.Unknown, "unknown, ", yellow),
		counted(sum.Withheld, "withheld.", yellow))
	printPrice(w, doc.Cost, s)
	printHeld(w, doc.Held, view.Consent(doc.Held, doc.Revision, doc.Hash), s)
}

// printHeld writes what holds a plan, and what to do about it.
func printHeld(w io.Writer, held []plan.Hold, command string, s style) {
	for _, h := range held {
		s.line(w, 6, cell{"Held: ", loud}, cell{legible(h.Message) + " [" + h.Guard + "]", ""})
	}
	if len(held) > 0 {
		s.line(w, 2, cell{"Nothing of it is applied until someone says: ", ""}, cell{command, bold})
		s.line(w, 2, cell{"What it means and what to look at first: weir explain " + held[0].Guard, dim})
	}
}

// counted is a count, in its colour where it is one.
func counted(n int, what, color string) cell {
	if n == 0 {
		color = ""
	}
	return cell{fmt.Sprintf("%d %s", n, what), color}
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}

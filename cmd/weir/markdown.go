package main

import (
	"fmt"
	"strings"

	"weir/sync/manifest"
	"weir/sync/plan"
	"weir/sync/reconcile"
	"weir/sync/resource"
)

// marker is the first line of every comment, by which a workflow finds the one
// it wrote before.
const marker = "<!-- weir-diff -->"

// The bytes of a comment and of its parts. GitHub takes 65,536 characters.
const (
	commentBytes  = 60_000
	commentRows   = 40_000 // the table and what stands before it
	commentFoot   = 1_500  // what stands after the details
	commentID     = 200
	commentText   = 300 // a sentence
	commentValue  = 200
	commentFields = 50 // lines of one change
	commentListed = 20 // reasons of one warning
)

// hostile is what has a meaning in Markdown within a line of code, or in HTML.
// The rest has none there: all that comes from outside is shown as code.
const hostile = "`|<>&"

// fenced is what is escaped of it in a block of code, where a bar and an
// ampersand are no more than that.
const fenced = "`<>"

// comment is a Markdown text of bounded size.
type comment struct{ strings.Builder }

func (c *comment) line(format string, args ...any) { fmt.Fprintf(c, format+"\n", args...) }

// fit adds text where it leaves the comment below most bytes.
func (c *comment) fit(text string, most int) bool {
	if c.Len()+len(text) > most {
		return false
	}
	_, _ = c.WriteString(text) // never fails
	return true
}

// code shows s as it is, whatever it holds, in a line or a cell.
func code(s string, most int) string {
	if s == "" {
		return ""
	}
	return "`" + visible(s, most, hostile) + "`"
}

// markdown returns r as a comment for a pull or merge request.
func markdown(r review) string {
	c := &comment{}
	c.line("%s\n\n## weir: %s\n", marker, r.verdict())
	if r.failed != nil {
		c.failure(r)
		return c.String()
	}
	c.line("%s\n", r.comparison())
	c.warnings(r)
	rows, details := c.table(r), c.details(r)
	if rows+details > 0 {
		c.line("**Left out** because a comment has to be short: %s of the table, the details of %s. `weir diff` shows all.\n",
			plural(rows, "row"), plural(details, "change"))
	}
	c.foot(r.doc)
	return c.String()
}

// verdict is the heading.
func (r review) verdict() string {
	if r.failed != nil {
		if n := countErrors(r.problems); n > 0 {
			return "refused, the source has " + plural(n, "error")
		}
		return "no plan could be made"
	}
	text := summaryText(r.doc.Summary)
	if n := len(r.doc.Unreadable); n > 0 {
		text += ", " + plural(n, "resource") + " could not be read"
	}
	if len(r.doc.Held) > 0 {
		text = "held: " + text
	}
	return text
}

func countErrors(problems []manifest.Problem) int {
	n := 0
	for _, p := range problems {
		if p.Severity == manifest.Error {
			n++
		}
	}
	return n
}

func (r review) comparison() string {
	if r.against == "" {
		return "Compared with what the accounts hold."
	}
	return "Compared with what " + code(r.against, commentID) + " declares; no account was asked."
}

// failure says why there is no plan.
func (c *comment) failure(r review) {
	c.line("> [!CAUTION]\n> Nothing was compared: %s\n", code(r.failed.Error(), commentText))
	c.problems(r.problems)
}

// problems lists what is wrong with the sources, as far as there is room.
func (c *comment) problems(list []manifest.Problem) {
	for i, p := range list {
		place := fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
		text := fmt.Sprintf("- %s %s %s %s\n", p.Severity, code(place, commentID), code(p.Path, commentID),
			code(p.Message+" ["+p.Code+"]", commentText))
		if !c.fit(text, commentBytes-commentFoot) {
			c.line("\n**Left out** because a comment has to be short: %s.", plural(len(list)-i, "problem"))
			return
		}
	}
}

// warnings says what a reader must not miss: that nothing will happen, and of
// what nothing is known.
func (c *comment) warnings(r review) {
	if held := r.doc.Held; len(held) > 0 {
		c.line("> [!WARNING]\n> **The plan is held:** nothing of it is applied until someone says `weir apply --consent %s`.\n>",
			visible(r.doc.Hash, commentID, hostile))
		var list []string
		for _, h := range held {
			list = append(list, code(h.Guard, commentID)+" "+code(h.Message, commentText))
		}
		c.quoted(list)
	}
	if unread := r.doc.Unreadable; len(unread) > 0 {
		c.line("> [!WARNING]\n> **%s could not be read:** nothing is known of what is named here; it is left alone.\n>",
			plural(len(unread), "resource"))
		var list []string
		for _, u := range unread {
			list = append(list, code(u.ID, commentID)+" "+code(u.Why, commentText))
		}
		c.quoted(list)
	}
	if len(r.problems) > 0 {
		c.line("> [!NOTE]\n> **About the source:**\n>")
		var list []string
		for _, p := range r.problems {
			list = append(list, code(fmt.Sprintf("%s:%d", p.File, p.Line), commentID)+" "+code(p.Message, commentText))
		}
		c.quoted(list)
	}
}

// quoted lists the first of a warning's reasons.
func (c *comment) quoted(list []string) {
	for i, text := range list {
		if i == commentListed {
			c.line("> - and %d more", len(list)-i)
			break
		}
		c.line("> - %s", text)
	}
	c.line("")
}

// table writes a row a change and returns how many had no room.
func (c *comment) table(r review) int {
	if len(r.doc.Changes) == 0 {
		return 0
	}
	c.line("| Action | Resource | Reason | Declared at | Commit |\n| --- | --- | --- | --- | --- |")
	left := 0
	for i, ch := range r.doc.Changes {
		if !c.fit(r.row(ch), commentRows) {
			left = len(r.doc.Changes) - i
			break
		}
	}
	c.line("")
	return left
}

func (r review) row(c reconcile.ChangeDocument) string {
	at := ""
	if path := r.place(c.Origin); path != "" {
		at = fmt.Sprintf("%s:%d", path, c.Origin.Line)
	}
	by := code(commitText(c.Origin), commentID)
	if name := authorText(c.Origin); name != "" {
		by += " " + code(name, commentID)
	}
	return fmt.Sprintf("| %s | %s | %s | %s | %s |\n",
		actionText(c), code(c.ID, commentID), reasonText(c), code(at, commentID), strings.TrimSpace(by))
}

// actionText says what is done, or that it is not. Its words are weir's own.
func actionText(c reconcile.ChangeDocument) string {
	switch {
	case c.Action == plan.None:
		return "none"
	case c.State == plan.Waiting:
		return string(c.Action) + " (waiting)"
	case c.Withheld != "":
		return string(c.Action) + " (withheld)"
	}
	return "**" + string(c.Action) + "**"
}

func reasonText(c reconcile.ChangeDocument) string {
	if c.Reason == "" {
		return string(c.State)
	}
	return string(c.Reason)
}

// details writes what becomes of each change's fields and returns how many
// changes had no room.
func (c *comment) details(r review) int {
	left := 0
	for _, ch := range r.doc.Changes {
		if len(ch.Fields)+len(notes(ch)) > 0 && !c.fit(detail(ch), commentBytes-commentFoot) {
			left++
		}
	}
	return left
}

func detail(ch reconcile.ChangeDocument) string {
	c := &comment{}
	c.line("<details>\n<summary>%s <code>%s</code></summary>\n", ch.Action, visible(ch.ID, commentID, hostile))
	for _, note := range notes(ch) {
		c.line("%s\n", code(note, commentText))
	}
	if len(ch.Fields) > 0 {
		c.line("```diff")
		for i, f := range ch.Fields {
			if i == commentFields {
				c.line("  and %s more", plural(len(ch.Fields)-i, "field"))
				break
			}
			c.field(f)
		}
		c.line("```\n")
	}
	c.line("</details>\n")
	return c.String()
}

// field writes a field's lines of a diff: what was, what will be.
func (c *comment) field(f resource.Field) {
	path := visible(f.Path, commentValue, fenced)
	if path != "" {
		path += ": "
	}
	if f.Before != nil {
		c.line("- %s%s", path, fieldValue(f, f.Before, commentValue, fenced))
	}
	if f.After != nil {
		c.line("+ %s%s", path, fieldValue(f, f.After, commentValue, fenced))
	}
}

func (c *comment) foot(doc reconcile.PlanDocument) {
	s := doc.Summary
	c.line("%d unchanged, %d waiting, %d unknown, %d withheld.", s.Unchanged, s.Waiting, s.Unknown, s.Withheld)
	if len(doc.Cost.Calls) > 0 {
		c.line("Price: %s", priceText(doc.Cost))
	}
	c.line("\nPlan %s of revision %s", code(doc.Hash, commentID), code(doc.Revision, commentID))
}

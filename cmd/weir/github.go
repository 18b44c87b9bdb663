package main

import (
	"fmt"
	"io"
	"strings"

	"weir/sync/daemon/view"
	"weir/sync/manifest"
	"weir/sync/plan"
	"weir/sync/reconcile"
	"weir/sync/resource"
)

// annotatedFields is how many fields of a change an annotation holds.
const annotatedFields = 10

// annotationsShown is how many annotations of a level GitHub shows of a step.
const annotationsShown = 10

// printGithub writes r as workflow commands, what matters most first because
// GitHub shows the first ones only, and a last line that counts.
func (r review) printGithub(w io.Writer) {
	list := r.annotations()
	count := map[string]int{}
	for _, n := range list {
		count[n.level]++
		fmt.Fprintln(w, n)
	}
	text := "no plan"
	if r.failed == nil {
		s := r.doc.Summary
		text = fmt.Sprintf("%d to create, %d to update, %d to delete; %d unchanged, %d waiting, %d unknown, %d withheld",
			s.Create, s.Update, s.Delete, s.Unchanged, s.Waiting, s.Unknown, s.Withheld)
	}
	fmt.Fprintf(w, "weir: %s. Annotations: %s, %s, %s; GitHub shows the first %d of each.\n", text,
		plural(count["error"], "error"), plural(count["warning"], "warning"), plural(count["notice"], "notice"),
		annotationsShown)
}

func (r review) annotations() []annotation {
	var out []annotation
	for _, p := range r.problems {
		out = append(out, problemAnnotation(p))
	}
	if r.failed != nil && !manifest.Failed(r.problems) {
		out = append(out, annotation{level: "error", title: "weir", text: visible(r.failed.Error(), annotatedText, "")})
	}
	consent := view.Consent(r.doc.Held, r.doc.Revision, r.doc.Hash)
	for _, h := range r.doc.Held {
		out = append(out, annotation{
			level: "warning", title: "weir: plan held by " + h.Guard,
			text: visible(h.Message, annotatedText, "") + "\nto let it through: " + consent,
		})
	}
	for _, u := range r.doc.Unreadable {
		o := r.origins[u.ID]
		out = append(out, annotation{
			level: "warning", file: r.place(o), line: o.Line,
			title: "weir: cannot read " + u.ID, text: visible(u.Why, annotatedText, ""),
		})
	}
	for _, c := range r.doc.Changes {
		if due(c) {
			out = append(out, r.changeAnnotation(c))
		}
	}
	return out
}

func (r review) changeAnnotation(c reconcile.ChangeDocument) annotation {
	n := annotation{
		level: "notice", file: r.place(c.Origin), line: c.Origin.Line,
		title: "weir: " + string(c.Action) + " " + c.ID,
	}
	if c.Action == plan.Delete {
		n.level = "warning"
	}
	lines := []string{"because it is " + string(c.Reason)}
	if c.Origin.Commit != "" {
		lines[0] += ", " + strings.TrimSpace(commitText(c.Origin)+" "+authorText(c.Origin))
	}
	for i, f := range c.Fields {
		if i == annotatedFields {
			lines = append(lines, fmt.Sprintf("and %s more", plural(len(c.Fields)-i, "field")))
			break
		}
		lines = append(lines, annotatedField(f))
	}
	for _, note := range notes(c) {
		lines = append(lines, visible(note, annotatedText, ""))
	}
	n.text = strings.Join(lines, "\n")
	return n
}

func annotatedField(f resource.Field) string {
	path := visible(f.Path, annotatedValue, "") + ": "
	switch {
	case f.Before == nil:
		return path + fieldValue(f, f.After, annotatedValue, "")
	case f.After == nil:
		return path + fieldValue(f, f.Before, annotatedValue, "") + " removed"
	}
	return path + fieldValue(f, f.Before, annotatedValue, "") + " → " + fieldValue(f, f.After, annotatedValue, "")
}

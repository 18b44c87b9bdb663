package main

import (
	"fmt"
	"slices"
	"strings"

	"weir/sync/manifest"
	"weir/sync/plan"
	"weir/sync/reconcile"
	"weir/sync/resource"
)

// review is a plan as a pull request shows it: every part at its place in the
// repository, and also what kept it from being made.
type review struct {
	doc      reconcile.PlanDocument
	place    func(resource.Origin) string // path from the repository's root, "" for none
	origins  map[string]resource.Origin   // by identity, of all that the plan speaks of
	against  string                       // the revision it is compared with, "" for the accounts
	problems []manifest.Problem           // of the sources, their files as place says
	failed   error                        // why there is no plan
}

// review returns what is known of one so far; doc is empty where there is no
// plan.
func (one *oneShot) review(doc reconcile.PlanDocument, failed error) review {
	r := review{
		doc: doc, place: one.place, origins: map[string]resource.Origin{}, against: one.against,
		problems: one.problems(), failed: failed,
	}
	if one.plan == nil {
		return r
	}
	for c := range one.plan.All() {
		r.origins[c.ID.String()] = c.Origin
	}
	return r
}

// problems returns what stands against the newest revisions, errors first, at
// places in the repository.
func (one *oneShot) problems() []manifest.Problem {
	var out []manifest.Problem
	for _, s := range one.rec.Status().Sources {
		for _, p := range s.Problems {
			if p.File != "" {
				p.File = one.place(resource.Origin{Source: s.Name, File: p.File})
			}
			out = append(out, p)
		}
	}
	slices.SortStableFunc(out, func(a, b manifest.Problem) int {
		return severityRank(a.Severity) - severityRank(b.Severity)
	})
	return out
}

func severityRank(s manifest.Severity) int {
	return slices.Index([]manifest.Severity{manifest.Error, manifest.Warning, manifest.Notice}, s)
}

// reviewed reports whether the output is for a review: then problems and
// failures are part of it.
func (a *app) reviewed() bool { return a.output == "github" || a.output == "markdown" }

// printReview writes r in the format that was asked for.
func (a *app) printReview(r review) error {
	if a.output == "markdown" {
		_, err := a.out.Write([]byte(markdown(r)))
		return err
	}
	return a.print(r.printGithub)
}

// fieldValue returns the JSON of a field's value on one line. A review is read
// by more people than the accounts are, so that what looks like a key is left
// out.
func fieldValue(f resource.Field, v any, most int, also string) string {
	if manifest.LooksSecret(f.Path, v) {
		return "(not shown: looks like a key or password)"
	}
	return visible(oneLine(v), most, also) // what must be escaped is in also
}

// due reports whether something is to be done about c now.
func due(c reconcile.ChangeDocument) bool {
	return c.Action != plan.None && c.State != plan.Waiting && c.Withheld == ""
}

// notes are what is to be said of a change in sentences.
func notes(c reconcile.ChangeDocument) []string {
	all := []string{c.Note, c.Withheld, c.Wide}
	if c.OnAir != "" {
		all = append(all, "interrupts what is on air: "+c.OnAir)
	}
	return slices.DeleteFunc(all, func(s string) bool { return s == "" })
}

// summaryText counts what s counts, without what is nothing.
func summaryText(s plan.Summary) string {
	var parts []string
	for _, p := range []struct {
		n    int
		what string
	}{
		{s.Create, "to create"}, {s.Update, "to update"}, {s.Delete, "to delete"},
	} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.what))
		}
	}
	if len(parts) == 0 {
		return "no changes"
	}
	return strings.Join(parts, ", ")
}

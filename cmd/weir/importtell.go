package main

import (
	"fmt"
	"io"
	"maps"
	"slices"

	"weir/sync/config"
	"weir/sync/provider"
)

// imported is what `import --output json` prints.
type imported struct {
	Format string         `json:"format"`
	Files  []*importFile  `json:"files"` // that were written, or kept
	Found  []importFound  `json:"found"` // ordered by identity
	Unread []importUnread `json:"unread"`
	Limits []importLimit  `json:"limits"`
}

// importUnread is a read that failed.
type importUnread struct {
	Account string `json:"account"`
	provider.Unread
}

// importLimit is something that no read tells.
type importLimit struct {
	Account string `json:"account"`
	Kind    string `json:"kind"`
	What    string `json:"what"`
}

func importOf(all []surveyed, files []*importFile) imported {
	doc := imported{
		Format: "weir.import/v1",
		Files:  []*importFile{}, Found: []importFound{}, Unread: []importUnread{}, Limits: []importLimit{},
	}
	for _, f := range files {
		doc.Found = append(doc.Found, f.found...)
		if f.Outcome != "" {
			doc.Files = append(doc.Files, f)
		}
	}
	for _, s := range all {
		for _, u := range s.Unread {
			doc.Unread = append(doc.Unread, importUnread{s.account.Name, u})
		}
		for _, kind := range slices.Sorted(maps.Keys(s.Limits)) {
			for _, what := range s.Limits[kind] {
				doc.Limits = append(doc.Limits, importLimit{s.account.Name, kind, what})
			}
		}
	}
	return doc
}

// tellImport prints what became of an import. Where something could not be read
// it is no success, though what could is written.
func (a *app) tellImport(cfg *config.Config, all []surveyed, files []*importFile, f importFlags) error {
	doc := importOf(all, files)
	if a.output == "json" {
		if err := a.printJSON(doc); err != nil {
			return err
		}
	} else {
		to := a.out
		if f.out == "-" {
			to = a.errs
		}
		doc.tell(to)
		a.tellNext(cfg, doc, f.out)
	}
	for i, u := range doc.Unread {
		if i == unreadableShown {
			fmt.Fprintf(a.errs, "and %d more\n", len(doc.Unread)-i)
			break
		}
		fmt.Fprintf(a.errs, "cannot read %s: %s\n", u.Account, visible(unreadText(u.Unread), 500, ""))
	}
	if len(doc.Unread) > 0 {
		return exitError(exitFailed)
	}
	return nil
}

func (doc imported) tell(w io.Writer) {
	for _, f := range doc.Files {
		what := plural(f.Documents, "document")
		if f.Comments > 0 {
			what += ", " + plural(f.Comments, "comment")
		}
		if f.Outcome == "kept" {
			what = "kept as it is, there are only comments to write"
		}
		fmt.Fprintf(w, "%s: %s\n", f.Path, what)
	}
	declared := 0
	for _, f := range doc.Found {
		if f.Outcome == "declared" {
			declared++
		}
	}
	if declared > 0 {
		fmt.Fprintf(w, "%s declared already and left out\n", plural(declared, "resource"))
	}
	if len(doc.Files)+declared == 0 {
		fmt.Fprintln(w, "nothing was found")
	}
	for _, l := range doc.Limits {
		fmt.Fprintf(w, "%s/%s: %s\n", l.Account, l.Kind, l.What)
	}
}

// tellNext says what to do with the files.
func (a *app) tellNext(cfg *config.Config, doc imported, out string) {
	written := slices.ContainsFunc(doc.Files, func(f *importFile) bool { return f.Outcome == "written" })
	switch {
	case !written:
	case out == "-" || sourceOf(cfg, out) == nil:
		fmt.Fprintln(a.errs, "next: put them below a source of weir.yaml, then `weir validate` and `weir diff`")
	default:
		fmt.Fprintln(a.errs, "next: `weir diff`, which should show no change")
	}
}

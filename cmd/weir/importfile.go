package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"weir/sync/config"
	"weir/sync/manifest"
	"weir/sync/provider"
	"weir/sync/resource"
)

// partBytes is the size at which a file goes on in the next: well below what a
// source takes, and small enough to be looked through.
const partBytes = 256 << 10

// importFile is one file that import writes.
type importFile struct {
	Path      string `json:"path"`
	Account   string `json:"account"`
	Kind      string `json:"kind"`
	Documents int    `json:"documents"`
	Comments  int    `json:"comments"`
	Outcome   string `json:"outcome"` // "written", or "kept" where it was there and only comments are new
	text      []byte
	found     []importFound
}

// importFound is one thing that was found.
type importFound struct {
	ID      string `json:"id"`
	Outcome string `json:"outcome"` // "document", "comment", or "declared" where it is left out
	Why     string `json:"why,omitempty"`
	At      string `json:"at,omitempty"` // where it is declared already
}

// filesOf makes the files, ordered by account and kind, and their entries by
// identity.
func filesOf(
	cfg *config.Config, all []surveyed, declared map[resource.ID]resource.Origin, out string,
) []*importFile {
	var files []*importFile
	loader := loaderFor(cfg, out)
	for _, s := range all {
		for _, part := range byKind(s.Found) {
			w := &importWriter{
				survey: s, kind: part[0].ID.Kind, out: out, loader: loader, declared: declared,
				named: len(manifestOptions(cfg, nil).Accounts[clouds()[s.account.Provider].apiVersion]) > 1,
				most:  min(partBytes, cmp.Or(int(cfg.Limits.FileBytes/2), partBytes)),
			}
			for _, f := range part {
				w.add(f)
			}
			files = append(files, w.files...)
		}
	}
	return files
}

// byKind cuts what was found, which is ordered, into the parts of one kind.
func byKind(found []provider.Found) [][]provider.Found {
	var out [][]provider.Found
	for i, f := range found {
		if i == 0 || f.ID.Kind != found[i-1].ID.Kind {
			out = append(out, nil)
		}
		out[len(out)-1] = append(out[len(out)-1], f)
	}
	return out
}

// importWriter makes the files of one account and kind.
type importWriter struct {
	survey   surveyed
	kind     string
	out      string
	loader   *manifest.Loader
	declared map[resource.ID]resource.Origin
	named    bool // documents name their account
	most     int  // bytes of a file
	files    []*importFile
	last     resource.ID // the last document
}

// add puts what was found into the file, or says why not.
func (w *importWriter) add(f provider.Found) {
	for _, id := range append([]resource.ID{f.ID}, f.Twins...) {
		if at, known := w.declared[manifest.Fold(id)]; known {
			w.file(0).found = append(w.file(0).found, importFound{ID: f.ID.String(), Outcome: "declared", At: at.String()})
			return
		}
	}
	d := manifest.Draft{
		APIVersion: w.survey.kinds[w.kind].APIVersion, Kind: w.kind, Spec: f.Spec, Notes: f.Notes, Obstacle: f.Obstacle,
	}
	if w.named {
		d.Account = w.survey.account.Name
	}
	if d.Obstacle == "" && manifest.Fold(f.ID) == w.last {
		d.Obstacle = "the cloud lists it twice"
	}
	d = w.loader.Settle(d)
	text := d.Text()
	into := w.file(len(text))
	into.text = append(into.text, text...)
	one := importFound{ID: f.ID.String(), Outcome: "document", Why: d.Obstacle}
	if d.Counts() {
		w.last = manifest.Fold(f.ID)
		into.Documents++
	} else {
		one.Outcome = "comment"
		into.Comments++
	}
	into.found = append(into.found, one)
}

// file returns the file that takes so many bytes more.
func (w *importWriter) file(more int) *importFile {
	if n := len(w.files); n > 0 && (len(w.files[n-1].text)+more <= w.most || w.files[n-1].Documents+w.files[n-1].Comments == 0) {
		return w.files[n-1]
	}
	name := w.kind
	if n := len(w.files); n > 0 {
		name = fmt.Sprintf("%s-%d", w.kind, n+1)
	}
	f := &importFile{
		Path:    filepath.Join(w.out, w.survey.account.Name, name+".yaml"),
		Account: w.survey.account.Name, Kind: w.kind, text: w.head(),
	}
	w.files = append(w.files, f)
	return f
}

// head says what a file is, and what it cannot say.
func (w *importWriter) head() []byte {
	acc := w.survey.account
	lines := []string{fmt.Sprintf("%s of account %s (%s), as weir import found them at %s.",
		w.kind, acc.Name, acc.Provider, time.Now().UTC().Format(time.RFC3339))}
	lines = append(lines, w.survey.Limits[w.kind]...)
	for _, u := range w.survey.Unread {
		if u.Kind == "" || u.Kind == w.kind {
			lines = append(lines, "not read: "+unreadText(u))
		}
	}
	return manifest.Head(lines...)
}

// unreadText says what could not be read and why.
func unreadText(u provider.Unread) string {
	switch {
	case u.Domain == "":
		return "the list of domains: " + u.Why
	case u.Absent:
		return fmt.Sprintf("%s: the account has no such domain (%s)", u.Domain, u.Why)
	}
	return strings.TrimSpace(u.Kind+" of "+u.Domain) + ": " + u.Why
}

// deliver writes the files, or none of them where one is there already that
// would get documents.
func (a *app) deliver(files []*importFile, out string) error {
	if out == "-" {
		for _, f := range files {
			if f.Documents+f.Comments > 0 {
				f.Outcome = "written"
				if _, err := a.out.Write(f.text); err != nil {
					return err
				}
			}
		}
		return nil
	}
	var there []error
	for _, f := range files {
		if _, err := os.Lstat(f.Path); err == nil && f.Documents > 0 {
			there = append(there, fmt.Errorf("%s is there already, and nothing is overwritten", f.Path))
		}
	}
	if len(there) > 0 {
		return errors.Join(append(there, errors.New("nothing was written; name another folder with --out"))...)
	}
	for _, f := range files {
		if err := f.write(); err != nil {
			return err
		}
	}
	return nil
}

// write makes the file, unless it holds comments alone and is there already.
func (f *importFile) write() error {
	if f.Documents+f.Comments == 0 {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(f.Path), 0o750); err != nil {
		return err
	}
	file, err := os.OpenFile(f.Path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, os.ErrExist) && f.Documents == 0 {
		f.Outcome = "kept"
		return nil
	}
	if err != nil {
		return err
	}
	_, err = file.Write(f.text)
	if err = errors.Join(err, file.Close()); err != nil {
		return errors.Join(err, os.Remove(f.Path))
	}
	f.Outcome = "written"
	return nil
}

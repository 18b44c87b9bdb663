package dirsource

import (
	"slices"
	"strings"

	"weir/sync/source"
)

// record is a file as one scan found it.
type record struct {
	source.File
	id     identity
	target string // where a link led to, "" for a file itself
	racy   bool   // the identity was too young when the content was read
}

func (r *record) equal(o *record) bool {
	return r.Path == o.Path && r.id == o.id && r.target == o.target && r.Hash == o.Hash
}

// folder is a folder as it was before it was listed.
type folder struct {
	real string // below the root with slashes, without links
	id   identity
}

// listing is one scan's outcome: the files, or the fault that refused them.
type listing struct {
	root     fileKey
	records  []record // ordered by path
	folders  []folder // in the order of the walk
	links    []string // links that were followed, and what they led to
	fault    *source.Error
	revision string // set once the listing counts
	moving   string // a file that changed while it was looked at, "" for none
	byPath   map[string]*record
}

// seal orders the records once all are found.
func (l *listing) seal() {
	slices.SortFunc(l.records, func(a, b record) int { return strings.Compare(a.Path, b.Path) })
	l.byPath = make(map[string]*record, len(l.records))
	for i := range l.records {
		l.byPath[l.records[i].Path] = &l.records[i]
	}
}

// find returns the record of path, nil where there is none; l may be nil.
func (l *listing) find(path string) *record {
	if l == nil {
		return nil
	}
	return l.byPath[path]
}

// racy reports whether a file must be read again before it can be trusted.
func (l *listing) racy() bool {
	return slices.ContainsFunc(l.records, func(r record) bool { return r.racy })
}

// agrees reports whether two scans found the same, by stat and by content.
func (l *listing) agrees(o *listing) bool {
	if l.fault != nil || o.fault != nil {
		return sameFault(l.fault, o.fault)
	}
	return l.difference(o) == ""
}

// confirms reports whether o, the scan after l, proves that l saw the whole of
// the tree: they agree, and where a file of was is missing (or nothing was
// known) no folder changed between the two either. For a file that is moved to
// and fro while the folders are listed may be missed twice.
func (l *listing) confirms(o, was *listing) bool {
	if !l.agrees(o) {
		return false
	}
	return l.fault != nil || was != nil && !l.lacks(was) || slices.Equal(l.folders, o.folders)
}

// lacks reports whether a file of was is not in l.
func (l *listing) lacks(was *listing) bool {
	return slices.ContainsFunc(was.records, func(r record) bool { return l.find(r.Path) == nil })
}

// difference names a path that two scans without a fault do not agree on.
func (l *listing) difference(o *listing) string {
	switch {
	case l.moving != "":
		return l.moving
	case o.moving != "":
		return o.moving
	case l.root != o.root:
		return "."
	}
	for i := range min(len(l.records), len(o.records)) {
		if !l.records[i].equal(&o.records[i]) {
			return min(l.records[i].Path, o.records[i].Path)
		}
	}
	if len(l.records) == len(o.records) {
		return ""
	}
	longer := l.records
	if len(o.records) > len(longer) {
		longer = o.records
	}
	return longer[min(len(l.records), len(o.records))].Path
}

func sameFault(a, b *source.Error) bool {
	return a != nil && b != nil && a.Code == b.Code && a.Path == b.Path
}
